//! Devices on a shard whose mailbox has no room for what their channel's home sends them.

use super::*;
use crate::limits::WINDOW_BYTES;

#[test]
fn what_has_not_left_for_a_device_is_neither_sent_again_nor_given_up() {
    let mut node = Node::with(inboxes::config());
    let channel = node.at(0, "inbox");
    let (peer, _) = node.member(1, "ada", "phone", &channel);
    node.full = Some((0, 1));
    let long = format!("\"{}\"", "x".repeat(WINDOW_BYTES));
    let (answer, _answered) = oneshot::channel();
    node.brokers[0].order(Order::Publish(Box::new(message(&channel, &long)), answer), node.now);
    node.after(0);
    let waiting = node.brokers[0].post.waiting();
    assert!(waiting.1 >= WINDOW_BYTES, "{waiting:?} wait");
    for _ in 0..10 {
        node.sweep(60_000);
        assert_eq!(node.brokers[0].post.waiting(), waiting, "nothing is added to what waits");
    }
    assert!(node.brokers[0].home.delivery.dead_letters().is_empty(), "nobody was given up on what was never sent");
    node.full = None;
    node.after(0);
    node.carry();
    assert_eq!(kinds(&node.hear(peer)), [format!("pub {long}")]);
    assert_eq!(node.receive(peer, &channel, 1), ["9:rpc"]);
    node.sweep(60_000);
    assert_eq!(kinds(&node.hear(peer)), ["message"], "nothing is sent again that was received");
}
