//! What one client asks of a shard, from the frame to the send, and of two.

use ringpost::broker::Broker;
use ringpost::protocol::Format;

use super::{NOW, Operation, shard, token};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("session", "connect with a token, subscribe, leave", 1, come_and_go),
        Operation::new("session", "publish with reply, nobody listens", 1, publish),
        Operation::new("session", "publish to one on the same shard", 1, direct),
        Operation::new("session", "publish to one, by way of another shard", 1, by_another_shard),
    ]
}

fn come_and_go() -> impl FnMut() {
    let mut broker = shard::shards(1).remove(0);
    let token = token::token();
    // Somebody stays, so that the channel does.
    let other = shard::connect(&mut broker, 0, Format::WebSocketJson, &token);
    let subscribe = shard::subscribe("room");
    shard::tell(&mut broker, other, &subscribe);
    move || {
        let session = shard::connect(&mut broker, 1, Format::WebSocketJson, &token);
        shard::tell(&mut broker, session, &subscribe);
        shard::flush(&mut broker);
        broker.end(session, ringpost::broker::ending::Ending::PeerEnded, NOW);
        broker.edge.outbox.close(1);
    }
}

fn publish() -> impl FnMut() {
    let mut broker = shard::shards(1).remove(0);
    let session = shard::connect(&mut broker, 0, Format::WebSocketJson, &token::token());
    let frame = shard::publish("room");
    move || {
        shard::tell(&mut broker, session, &frame);
        shard::flush(&mut broker);
    }
}

fn direct() -> impl FnMut() {
    let mut broker = shard::shards(1).remove(0);
    let [from, to] = [0, 1].map(|conn| shard::connect(&mut broker, conn, Format::WebSocketJson, &token::token()));
    shard::tell(&mut broker, to, &shard::subscribe("room"));
    let frame = shard::publish("room");
    move || {
        shard::tell(&mut broker, from, &frame);
        shard::flush(&mut broker);
    }
}

/// Publisher and subscriber are on one shard, the channel is at home on the other: the question, the answer and the
/// publication are a letter each. The mailboxes between the shards are an operation of their own.
fn by_another_shard() -> impl FnMut() {
    let mut shards = shard::shards(2);
    let channel = shard::channel_at(1, 2);
    let [from, to] = [0, 1].map(|conn| shard::connect(&mut shards[0], conn, Format::WebSocketJson, &token::token()));
    shard::tell(&mut shards[0], to, &shard::subscribe(&channel));
    settle(&mut shards);
    let frame = shard::publish(&channel);
    move || {
        shard::tell(&mut shards[0], from, &frame);
        settle(&mut shards);
    }
}

/// Carries letters until there are none, and sends.
fn settle(shards: &mut [Broker]) {
    let [one, two] = shards else { unreachable!("there are two shards") };
    while one.has_letters() || two.has_letters() {
        carry(0, one, two);
        carry(1, two, one);
    }
    shard::flush(one);
    shard::flush(two);
}

fn carry(number: u16, from: &mut Broker, to: &mut Broker) {
    from.post(NOW, |_, _, _, letter| {
        to.letter_arrived(number, letter, NOW);
        Ok(())
    });
}
