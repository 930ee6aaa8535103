//! Every kind of abuse, by few clients, against a node that goes on.

use ringpost::config::Duration;
use ringpost_loadgen::abuse::{Abuse, Kind, Order, Told};
use ringpost_loadgen::target::Target;

use crate::harness::{SECRET, TestNode, order, record};

/// A node where all is allowed that abusers ask for.
fn node() -> TestNode {
    TestNode::with(|config| {
        let options = &mut config.channel.without_namespace;
        options.presence = true;
        options.history_size = 300;
        options.history_ttl = Duration::from_secs(60);
        options.allow_presence_for_subscriber = true;
        options.allow_history_for_subscriber = true;
    })
}

fn abuse(node: &TestNode, kind: Kind) -> Abuse {
    let target = Target::parse(&node.websocket_url()).unwrap();
    let (members, abusers) = (kind.members().min(20), kind.abusers().min(5));
    let (secret, channel_prefix) = (Some(SECRET.into()), String::new());
    Abuse::begin(Order { kind, target, secret, channel_prefix, members, abusers }).unwrap()
}

/// Abuses the node until so much was said and heard, then sees that others are served.
fn told(node: &TestNode, kind: Kind, is_enough: impl FnMut(&Told) -> bool) -> Told {
    let told = abuse(node, kind).act(is_enough).unwrap();
    let record = record(&order("ping", &node.websocket_url(), &["clients=2", "rate_per_s=100"]));
    assert!(record.is_good(), "{kind:?}: {:?}", record.faults);
    assert_eq!(told.members_lost, 0, "{kind:?}: {told:?}");
    told
}

#[test]
fn floods_are_said_again_and_again_and_members_are_told_of_them() {
    let node = node();
    for kind in [Kind::PublishFlood, Kind::ShardFlood, Kind::SubscribeLoop, Kind::LargeRoom] {
        let told = told(&node, kind, |told| told.acts >= 3 && told.bytes_heard > 10_000);
        assert!(told.bytes_said > 0, "{kind:?}: {told:?}");
    }
}

#[test]
fn those_who_read_nothing_come_anew() {
    let node = node();
    let told = told(&node, Kind::PresenceFlood, |told| told.acts > 5);
    assert!(told.bytes_said > 5 * 300_000, "five abusers, and one of them again: {told:?}");
}

#[test]
fn a_slow_link_carries_a_history_in_parts() {
    let node = node();
    let told = told(&node, Kind::SlowHistory, |told| told.acts >= 15);
    assert!(told.bytes_heard > 100_000, "{told:?}");
}

#[test]
fn those_who_say_little_or_nothing_come_and_stay() {
    let node = node();
    for kind in [Kind::IdleHttp, Kind::SilentSockets] {
        let told = told(&node, kind, |told| told.acts >= 5);
        assert_eq!(told.acts, 5, "{kind:?}: {told:?}");
        assert_eq!(told.bytes_said > 0, kind == Kind::IdleHttp, "{told:?}");
    }
}

#[test]
fn a_crowd_that_waits_does_nothing() {
    let node = node();
    let mut abuse = abuse(&node, Kind::SubscribeLoop);
    let (before, mut turns) = (node.commands(), 0..3);
    abuse.wait(|| turns.next().is_none()).unwrap();
    assert_eq!(node.commands(), before, "the node was asked for nothing");
    assert_eq!(abuse.act(|_| true).unwrap(), Told::default());
}

#[test]
fn a_crowd_that_is_not_let_in_says_why() {
    let node = node();
    let target = Target::parse(&node.websocket_url()).unwrap();
    let secret = Some("another secret that is long enough too".into());
    let order =
        Order { kind: Kind::PublishFlood, target, secret, channel_prefix: String::new(), members: 1, abusers: 1 };
    let error = Abuse::begin(order).unwrap_err().to_string();
    assert!(error.contains("3500"), "{error}");
}
