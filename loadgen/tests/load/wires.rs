//! What a server or a network does wrong is found, counted, and fails the run.

use ringpost_loadgen::fault::Fault;
use ringpost_loadgen::record::Record;
use ringpost_loadgen::run::run;

use crate::harness::{TestNode, order, record};
use crate::proxy::{self, Mischief};

fn faults(record: &Record) -> Vec<(Fault, u64)> {
    assert!(!record.is_good());
    record.faults.counts().collect()
}

/// A second of fan-out to three subscribers through a wire.
fn through(mischief: Mischief) -> Record {
    let node = TestNode::start();
    let tcp = node.tcp_url().trim_start_matches("tcp://").parse().unwrap();
    record(&order("fanout", &proxy::start(tcp, mischief), &["subscribers=3", "rate_per_s=50"]))
}

#[test]
fn a_message_that_goes_missing_is_lost() {
    let record = through(Mischief::Drop);
    assert_eq!(faults(&record), [(Fault::Lost, 1)], "{:?}", record.faults);
}

#[test]
fn a_message_that_comes_twice_is_a_duplicate() {
    let record = through(Mischief::Repeat);
    assert_eq!(faults(&record), [(Fault::Duplicate, 1)], "{:?}", record.faults);
}

#[test]
fn a_message_that_is_overtaken_is_out_of_order_and_not_lost() {
    let record = through(Mischief::Delay);
    assert_eq!(faults(&record), [(Fault::OutOfOrder, 1)], "{:?}", record.faults);
}

#[test]
fn a_message_that_was_changed_is_damaged_and_its_place_stays_empty() {
    let record = through(Mischief::Damage);
    assert_eq!(faults(&record), [(Fault::Lost, 1), (Fault::Damaged, 1)], "{:?}", record.faults);
}

#[test]
fn a_connection_that_ends_is_told_and_what_it_misses_is_lost() {
    let record = through(Mischief::Hang);
    assert_eq!(record.faults.count(Fault::Disconnected), 1, "{:?}", record.faults);
    assert!(record.faults.count(Fault::Lost) > 0, "{:?}", record.faults);
}

#[test]
fn refused_messages_are_told_as_refused_and_not_as_lost() {
    let node = TestNode::with(|config| config.channel.without_namespace.allow_publish_for_client = false);
    for pace in ["rate_per_s=50", "outstanding=2"] {
        let record = record(&order("fanout", &node.websocket_url(), &["subscribers=3", pace]));
        let kinds: Vec<_> = record.faults.counts().map(|(fault, _)| fault).collect();
        assert_eq!(kinds, [Fault::Refused], "{pace}: {:?}", record.faults);
        assert!(record.faults.examples[0].contains("103"), "{:?}", record.faults);
    }
}

#[test]
fn clients_without_a_token_are_told_to_bring_one() {
    let node = TestNode::start();
    for url in [node.websocket_url(), node.tcp_url()] {
        let mut order = order("fanout", &url, &["subscribers=3"]);
        order.secret = None;
        let error = run(&order, |_| {}).unwrap_err().to_string();
        assert!(error.contains("--secret"), "{error}");
        order.secret = Some("another secret that is as long as the right one".into());
        let error = run(&order, |_| {}).unwrap_err().to_string();
        assert!(error.contains("--secret"), "{error}");
    }
}

#[test]
fn channels_that_clients_may_not_use_are_told_with_advice() {
    let node = TestNode::start();
    let order = order("fanout", &node.tcp_url(), &["subscribers=3", "channel_prefix=nowhere:"]);
    let error = run(&order, |_| {}).unwrap_err().to_string();
    assert!(error.contains("102") && error.contains("channel_prefix"), "{error}");
}

#[test]
fn a_path_without_a_websocket_and_a_port_without_a_server_are_told() {
    let node = TestNode::start();
    let elsewhere = node.websocket_url().replace("/connection/websocket", "/health");
    let error = run(&order("fanout", &elsewhere, &["subscribers=3"]), |_| {}).unwrap_err().to_string();
    assert!(error.contains("path of the URL"), "{error}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = run(&order("fanout", &format!("tcp://{nobody}"), &["subscribers=3"]), |_| {}).unwrap_err();
    assert!(error.to_string().contains("--url"), "{error}");
}
