//! What a device says of what it has received, without waiting for an answer, in a room where everybody keeps up.

use ringpost::broker::Broker;
use ringpost::protocol::Format;

use super::{Operation, shard, token};

const MEMBERS: u32 = 1000;
const ROOM: &str = "inbox:room";

pub(super) fn operations() -> Vec<Operation> {
    vec![Operation::new("inbox", format!("one of {MEMBERS} members has received a message"), 1, received)]
}

/// Each in turn. When all have, the next message comes.
fn received() -> impl FnMut() {
    let mut broker = shard::shards(1).remove(0);
    let sessions: Vec<u32> = (0..MEMBERS).map(|conn| member(&mut broker, conn)).collect();
    let publish = shard::publish(ROOM);
    let (mut offset, mut next, mut word) = (0, sessions.len(), String::new());
    let mut run = move || {
        if next == sessions.len() {
            shard::tell(&mut broker, sessions[0], &publish);
            shard::flush(&mut broker);
            (offset, next) = (offset + 1, 0);
            word = format!(
                r#"{{"send":{{"data":{{"method":"inbox.received","data":{{"channel":"{ROOM}","offset":{offset}}}}}}}}}"#
            );
        }
        shard::tell(&mut broker, sessions[next], &word);
        next += 1;
    };
    // All have said something before.
    (0..MEMBERS).for_each(|_| run());
    run
}

fn member(broker: &mut Broker, conn: u32) -> u32 {
    let token = token::token_of(&format!("user-{conn}"));
    let session = shard::connect(broker, conn, Format::WebSocketJson, &token);
    shard::tell(broker, session, &shard::subscribe(ROOM));
    shard::flush(broker);
    session
}
