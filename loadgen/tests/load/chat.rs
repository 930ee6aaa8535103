//! A chat's day against a node that does everything right, and through wires that do not.

use ringpost::config::{ChannelOptions, Config, Duration, Namespace};
use ringpost_loadgen::fault::Fault;
use ringpost_loadgen::measure::{Count, Measure};
use ringpost_loadgen::record::Record;
use ringpost_loadgen::run::run;

use crate::harness::{TestNode, order, record};
use crate::proxy::{self, Mischief};

/// The namespaces of `docs/LOADGEN.md`: one that keeps what is published, one that does not.
pub(crate) fn namespaces(config: &mut Config) {
    let open = ChannelOptions {
        allow_subscribe_for_client: true,
        allow_publish_for_client: true,
        ..ChannelOptions::default()
    };
    let kept = ChannelOptions {
        presence: true,
        allow_presence_for_subscriber: true,
        history_size: 300,
        history_ttl: Duration::from_secs(60),
        force_recovery: true,
        ..open.clone()
    };
    config.channel.namespaces =
        vec![Namespace { name: "chat".into(), options: kept }, Namespace { name: "typing".into(), options: open }];
}

/// Forty users, six rooms, a lot of everything.
pub(crate) const BUSY: [&str; 12] = [
    "users=40",
    "rooms=6",
    "rooms_per_user=2",
    "messages_per_s=300",
    "typing_lead_s=0.05",
    "presence_per_s=40",
    "moves_per_s=40",
    "reconnects_per_s=40",
    "pause_s=0.2",
    "expect_recovery=true",
    "warm_up_s=0.3",
    "duration_s=1.5",
];

pub(crate) fn counted(record: &Record, count: Count) -> u64 {
    record.counts.get(&count).copied().unwrap_or(0)
}

#[test]
fn a_day_with_some_of_everything_has_no_fault() {
    let node = TestNode::with(namespaces);
    for (url, encoding) in [
        (node.websocket_url(), "encoding=json"),
        (node.websocket_url(), "encoding=protobuf"),
        (node.tcp_url(), "encoding=json"),
        (node.tcp_url(), "encoding=protobuf"),
    ] {
        let record = record(&order("chat", &url, &[&BUSY[..], &[encoding]].concat()));
        assert!(record.is_good(), "{url} {encoding}: {:?}", record.faults);
        for count in [Count::InRooms, Count::Direct, Count::Typing, Count::Moves, Count::Drops, Count::Recovered] {
            assert!(counted(&record, count) > 10, "{url} {encoding}: {count:?} in {:?}", record.counts);
        }
        for measure in [Measure::Delivery, Measure::Reply, Measure::Connect, Measure::Join, Measure::Presence] {
            let count = record.whole.get(&measure).map_or(0, |whole| whole.summary.count);
            assert!(count > 10, "{url} {encoding}: {measure:?} in {:?}", record.whole);
        }
    }
}

#[test]
fn a_user_who_was_away_longer_than_messages_are_kept_is_told_so() {
    let node = TestNode::with(|config| {
        namespaces(config);
        config.channel.namespaces[0].options.history_size = 1;
    });
    let settings = [&BUSY[..], &["expect_recovery=false"]].concat();
    let record = record(&order("chat", &node.websocket_url(), &settings));
    assert!(record.is_good(), "{:?}", record.faults);
    assert!(counted(&record, Count::Gaps) > 0, "{:?}", record.counts);
}

#[test]
fn where_recovery_is_expected_to_be_told_so_is_a_fault() {
    let node = TestNode::with(|config| {
        namespaces(config);
        config.channel.namespaces[0].options.history_size = 1;
    });
    let record = record(&order("chat", &node.websocket_url(), &BUSY));
    let kinds: Vec<_> = record.faults.counts().map(|(fault, _)| fault).collect();
    assert_eq!(kinds, [Fault::Unrecovered], "{:?}", record.faults);
}

/// A second and a half of a quiet day through a wire. Typing would be the victim unnoticed: nothing is promised for it.
fn through(mischief: Mischief, reconnects_per_s: u32) -> Record {
    let node = TestNode::with(namespaces);
    let tcp = node.tcp_url().trim_start_matches("tcp://").parse().unwrap();
    let reconnects = format!("reconnects_per_s={reconnects_per_s}");
    let settings = [&BUSY[..], &["typing_share=0", "moves_per_s=0", &reconnects]].concat();
    record(&order("chat", &proxy::start(tcp, mischief), &settings))
}

#[test]
fn a_message_that_goes_missing_or_comes_twice_is_found() {
    for (mischief, fault) in [(Mischief::Drop, Fault::Lost), (Mischief::Repeat, Fault::Duplicate)] {
        let record = through(mischief, 0);
        assert_eq!(record.faults.counts().collect::<Vec<_>>(), [(fault, 1)], "{:?}", record.faults);
    }
}

#[test]
fn a_message_that_is_left_out_when_its_subscriber_is_back_is_lost() {
    let record = through(Mischief::Forget, 40);
    assert_eq!(record.faults.counts().collect::<Vec<_>>(), [(Fault::Lost, 1)], "{:?}", record.faults);
}

#[test]
fn a_connection_that_the_server_ends_is_told_and_its_user_stays_away() {
    let record = through(Mischief::Hang, 20);
    assert_eq!(record.faults.counts().collect::<Vec<_>>(), [(Fault::Disconnected, 1)], "{:?}", record.faults);
}

#[test]
fn a_server_that_keeps_nothing_is_told_with_what_to_set() {
    let node = TestNode::with(|config| {
        namespaces(config);
        config.channel.namespaces[0].options.history_size = 0;
    });
    let error = run(&order("chat", &node.websocket_url(), &BUSY), |_| {}).unwrap_err().to_string();
    assert!(error.contains("cannot recover") && error.contains("history_size"), "{error}");
}

#[test]
fn a_server_that_tells_nobody_who_is_present_refuses() {
    let node = TestNode::with(|config| {
        namespaces(config);
        config.channel.namespaces[0].options.presence = false;
    });
    let record = record(&order("chat", &node.tcp_url(), &BUSY));
    let kinds: Vec<_> = record.faults.counts().map(|(fault, _)| fault).collect();
    assert_eq!(kinds, [Fault::Refused], "{:?}", record.faults);
    assert!(record.faults.examples[0].contains("who is in channel"), "{:?}", record.faults);
}

#[test]
fn a_protocol_that_recovers_nothing_is_refused() {
    for url in ["nats://127.0.0.1:1", "mqtt://127.0.0.1:1"] {
        let error = run(&order("chat", url, &BUSY), |_| {}).unwrap_err().to_string();
        assert!(error.contains("ws://") && error.contains("`direct`"), "{error}");
    }
}
