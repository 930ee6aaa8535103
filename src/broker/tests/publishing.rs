//! Publishes to a channel that is at home on another shard.

use super::*;

/// A node, two peers on its shard 0 that may publish, and a channel at home on shard 1.
fn node() -> (Node, [Peer; 2], String) {
    let mut config = config();
    for namespace in &mut config.channel.namespaces {
        namespace.options.allow_publish_for_client = true;
    }
    let mut node = Node::with(config);
    let peers = ["7", "8"].map(|user| node.connect(0, json!({"sub": user})));
    let channel = node.at(1, "open");
    (node, peers, channel)
}

/// Gives shard 1 all letters in one tick; what it writes then.
fn tick(node: &mut Node) -> Vec<Letter> {
    for (from, _, letter) in std::mem::take(&mut node.mail) {
        node.brokers[1].letter_arrived(from as u16, letter, node.now);
    }
    let mut letters = Vec::new();
    node.brokers[1].post(node.now, |_, _, _, letter| {
        letters.push(letter);
        Ok(())
    });
    letters
}

fn take(node: &mut Node, letters: Vec<Letter>) {
    for letter in letters {
        node.brokers[0].letter_arrived(1, letter, node.now);
    }
}

#[test]
fn publishes_of_one_tick_have_one_receipt() {
    let (mut node, [peer, others], channel) = node();
    node.tell(peer, &publication(2, &channel, 1));
    node.tell(others, &publication(2, &channel, 2));
    node.tell(peer, &publication(3, &channel, 3));
    let letters = tick(&mut node);
    assert!(matches!(letters[..], [Letter::Published { count: 3, .. }]), "{letters:?}");
    take(&mut node, letters);
    assert_eq!(kinds(&node.hear(peer)), ["2:publish", "3:publish"]);
    assert_eq!(kinds(&node.hear(others)), ["2:publish"]);
}

#[test]
fn a_refusal_lies_between_the_receipts_of_what_was_published_before_and_after() {
    let (mut node, [peer, others], channel) = node();
    let kept = node.at(1, "kept");
    for (peer, channel) in [(peer, &kept), (others, &channel), (peer, &kept)] {
        node.tell(peer, &publication(2, channel, 1));
    }
    // The home has learned of a new configuration before the asker has.
    let mut config = config();
    config.channel.namespaces.retain(|namespace| namespace.name == "kept");
    node.brokers[1].order(Order::Reload(Arc::new(config)), node.now);
    let letters = tick(&mut node);
    let [
        Letter::Changed { .. },
        Letter::Published { count: 1, .. },
        Letter::Refused { .. },
        Letter::Published { count: 1, .. },
    ] = letters[..]
    else {
        panic!("{letters:?}")
    };
    take(&mut node, letters);
    assert_eq!(kinds(&node.hear(peer)), ["2:publish", "2:publish"]);
    assert_eq!(kinds(&node.hear(others)), ["2:error 102"]);
}

#[test]
fn a_receipt_for_a_session_that_has_ended_is_nobodys() {
    let (mut node, [peer, others], channel) = node();
    node.tell(peer, &publication(2, &channel, 1));
    node.tell(others, &publication(2, &channel, 2));
    node.drop(peer);
    node.carry();
    assert_eq!(kinds(&node.hear(others)), ["2:publish"]);
}
