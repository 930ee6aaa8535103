//! One publish to a thousand subscribers, from the frame to the sends.

use ringpost::protocol::Format;

use super::{Operation, shard, token};

const SUBSCRIBERS: u32 = 1000;

pub(super) fn operations() -> Vec<Operation> {
    let each = |batch| {
        let name = format!("{batch} at a time to {SUBSCRIBERS}, per delivery");
        Operation::new("fan-out", name, batch * SUBSCRIBERS, move || publishes(batch))
    };
    [1, 16].map(each).into()
}

fn publishes(batch: u32) -> impl FnMut() {
    let mut broker = shard::shards(1).remove(0);
    let token = token::token();
    for conn in 0..SUBSCRIBERS {
        let session = shard::connect(&mut broker, conn, Format::WebSocketJson, &token);
        shard::tell(&mut broker, session, &shard::subscribe("room"));
    }
    let publisher = shard::connect(&mut broker, SUBSCRIBERS, Format::WebSocketJson, &token);
    shard::flush(&mut broker);
    let frame = shard::publish("room");
    move || {
        (0..batch).for_each(|_| shard::tell(&mut broker, publisher, &frame));
        shard::flush(&mut broker);
    }
}
