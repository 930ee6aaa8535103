//! Devices that receive at least once from a node that does everything right, and through wires that do not.

use ringpost::config::{ChannelOptions, Config, Delivery, Duration, Namespace};
use ringpost_loadgen::fault::Fault;
use ringpost_loadgen::measure::{Count, Measure};
use ringpost_loadgen::record::Record;
use ringpost_loadgen::run::run;

use crate::chat::counted;
use crate::harness::{TestNode, count, order, record};
use crate::proxy::{self, Mischief};

/// The namespace of `docs/LOADGEN.md`.
pub(crate) fn namespace(config: &mut Config) {
    let options = ChannelOptions {
        history_size: 1000,
        history_ttl: Duration::from_secs(600),
        delivery: Delivery::AtLeastOnce,
        members_by_subscribing: true,
        max_unacked: 1000,
        ..config.channel.without_namespace.clone()
    };
    config.channel.namespaces.push(Namespace { name: "inbox".into(), options });
}

/// Ten users with two devices each, in four channels; a lot of everything.
pub(crate) const BUSY: [&str; 8] = [
    "users=10",
    "channels=4",
    "messages_per_s=400",
    "reconnects_per_s=40",
    "pause_s=0.1",
    "warm_up_s=0.3",
    "duration_s=1.5",
    "devices=2",
];

#[test]
fn every_device_has_everything_however_often_it_was_away() {
    let node = TestNode::with(namespace);
    for (url, encoding) in [
        (node.websocket_url(), "encoding=json"),
        (node.websocket_url(), "encoding=protobuf"),
        (node.tcp_url(), "encoding=json"),
        (node.tcp_url(), "encoding=protobuf"),
    ] {
        let record = record(&order("inbox", &url, &[&BUSY[..], &[encoding]].concat()));
        assert!(record.is_good(), "{url} {encoding}: {:?}", record.faults);
        for what in [Count::Drops, Count::Recovered] {
            assert!(counted(&record, what) > 10, "{url} {encoding}: {what:?} in {:?}", record.counts);
        }
        for measure in [Measure::Delivery, Measure::Reply, Measure::Received, Measure::Connect] {
            assert!(count(&record, measure) > 10, "{url} {encoding}: {measure:?} in {:?}", record.whole);
        }
    }
}

/// A second and a half through a wire; who loses a connection asks for what it has not received, so that a loss would heal.
fn through(mischief: Mischief, reconnects_per_s: u32) -> Record {
    let node = TestNode::with(namespace);
    let tcp = node.tcp_url().trim_start_matches("tcp://").parse().unwrap();
    let reconnects = format!("reconnects_per_s={reconnects_per_s}");
    record(&order("inbox", &proxy::start(tcp, mischief), &[&BUSY[..], &[&reconnects]].concat()))
}

#[test]
fn a_message_that_a_device_is_not_given_is_found_and_so_is_one_that_comes_twice() {
    for (mischief, fault) in [(Mischief::Drop, Fault::Lost), (Mischief::Repeat, Fault::Duplicate)] {
        let record = through(mischief, 0);
        assert_eq!(record.faults.counts().collect::<Vec<_>>(), [(fault, 1)], "{:?}", record.faults);
    }
}

#[test]
fn a_message_that_is_left_out_comes_when_its_device_is_back() {
    let record = through(Mischief::Drop, 40);
    assert!(record.is_good(), "{:?}", record.faults);
}

#[test]
fn a_floor_that_passes_what_was_not_received_and_an_unread_too_many_are_found() {
    for mischief in [Mischief::PassOver, Mischief::Miscount] {
        let record = through(mischief, 40);
        let found = [Fault::Position, Fault::Duplicate].map(|fault| record.faults.count(fault));
        // What a device had said when it went away, and was not answered, may be its floor: then it is what comes again that is found.
        let is_plausible = mischief == Mischief::PassOver && found == [0, 1];
        assert!(found[0] == 1 || is_plausible, "{mischief:?}: {:?}", record.faults);
    }
}

#[test]
fn channels_that_promise_less_are_told_with_what_to_set() {
    let node = TestNode::with(crate::chat::namespaces);
    let error = run(&order("inbox", &node.tcp_url(), &["channel_prefix=chat:"]), |_| {}).unwrap_err().to_string();
    assert!(error.contains("at_least_once") && error.contains("inbox:"), "{error}");
    let mut order = order("inbox", &node.tcp_url(), &[]);
    order.secret = None;
    let error = run(&order, |_| {}).unwrap_err().to_string();
    assert!(error.contains("--secret"), "{error}");
}

#[test]
fn several_load_processes_have_an_inbox_each() {
    let node = TestNode::with(namespace);
    let mut order = order("inbox", &node.websocket_url(), &BUSY);
    order.processes = Some(2);
    let record = record(&order);
    assert!(record.is_good() && counted(&record, Count::Recovered) > 10, "{:?}", record.faults);
}

/// A fan-out to twenty members, who say how far they have received.
const MEMBERS: [&str; 5] =
    ["channel_prefix=inbox:", "subscribers=20", "rate_per_s=200", "warm_up_s=0", "received_every_s=0.05"];

#[test]
fn subscribers_of_a_fan_out_may_say_how_far_they_have_received() {
    let node = TestNode::with(namespace);
    for (url, encoding) in [(node.websocket_url(), "encoding=json"), (node.tcp_url(), "encoding=protobuf")] {
        let record = record(&order("fanout", &url, &[&MEMBERS[..], &[encoding]].concat()));
        assert!(record.is_good(), "{url} {encoding}: {:?}", record.faults);
        let [replies, deliveries, words] =
            [Measure::Reply, Measure::Delivery, Measure::Received].map(|measure| count(&record, measure));
        assert_eq!(deliveries, 20 * replies, "{url} {encoding}");
        assert!(words > 20 && words < deliveries, "one word stands for several messages: {words} of {deliveries}");
    }
}

#[test]
fn what_an_earlier_fan_out_left_unreceived_is_received_before_the_next_begins() {
    let node = TestNode::with(namespace);
    // They subscribe, and say nothing.
    let silent = record(&order("fanout", &node.tcp_url(), &MEMBERS[..4]));
    assert!(silent.is_good() && count(&silent, Measure::Received) == 0, "{:?}", silent.faults);
    let record = record(&order("fanout", &node.tcp_url(), &MEMBERS));
    assert!(record.is_good(), "{:?}", record.faults);
}

#[test]
fn several_load_processes_share_a_fan_out_that_is_received() {
    let node = TestNode::with(namespace);
    let mut order = order("fanout", &node.websocket_url(), &MEMBERS);
    order.processes = Some(2);
    let record = record(&order);
    assert!(record.is_good() && count(&record, Measure::Received) > 20, "{:?}", record.faults);
}

#[test]
fn a_fan_out_is_received_only_where_that_is_promised() {
    let node = TestNode::with(crate::chat::namespaces);
    let settings = [&MEMBERS[1..], &["channel_prefix=chat:"]].concat();
    let error = run(&order("fanout", &node.tcp_url(), &settings), |_| {}).unwrap_err().to_string();
    assert!(error.contains("at_least_once"), "{error}");
}
