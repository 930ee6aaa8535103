//! Clients that come all at once.

use std::time::Duration;

use ringpost::config::Duration as Setting;
use ringpost::cores;
use ringpost_loadgen::fault::Fault;
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::run::{Progress, run};

use crate::harness::{TestNode, count, order, record, record_with_restart};

#[test]
fn all_clients_of_a_storm_come_in_and_the_run_ends_with_the_last() {
    let node = TestNode::start();
    for url in [node.websocket_url(), node.tcp_url()] {
        let record = record(&order("connect-storm", &url, &["clients=400", "channels=7", "duration_s=60"]));
        assert!(record.is_good(), "{url}: {:?}", record.faults);
        assert_eq!((count(&record, Measure::Connect), count(&record, Measure::Reconnect)), (400, 0), "{url}");
        assert!(record.measured_s < 60.0, "the run waits for nobody: {}", record.measured_s);
    }
}

#[test]
fn clients_whose_connections_break_come_back() {
    let node = TestNode::start();
    for breakage in ["breakage=close", "breakage=reset"] {
        for (share, backoff, expected) in [("share=1", "backoff_s=0", 300), ("share=0.5", "backoff_s=0.2", 150)] {
            let settings = ["clients=300", "channels=7", "duration_s=60", breakage, share, backoff];
            let record = record(&order("reconnect-storm", &node.websocket_url(), &settings));
            assert!(record.is_good(), "{settings:?}: {:?}", record.faults);
            assert_eq!(record.clients, 300);
            assert_eq!(count(&record, Measure::Reconnect), expected, "{settings:?}");
            assert_eq!(count(&record, Measure::Connect), expected, "{settings:?}");
        }
    }
}

/// A node that keeps so many messages of a channel.
fn node_that_keeps(messages: u32) -> TestNode {
    TestNode::with(|config| {
        let options = &mut config.channel.without_namespace;
        options.history_size = messages;
        options.history_ttl = Setting::from_secs(60);
        options.allow_positioning = true;
        options.allow_recovery = true;
    })
}

#[test]
fn clients_that_come_back_at_once_recover_all_that_they_missed() {
    let node = node_that_keeps(20);
    for (url, encoding) in [(node.websocket_url(), "encoding=json"), (node.tcp_url(), "encoding=protobuf")] {
        let settings = ["clients=300", "channels=7", "missed=20", encoding];
        let record = record(&order("recovery-storm", &url, &settings));
        assert!(record.is_good(), "{url}: {:?}", record.faults);
        assert_eq!((record.clients, count(&record, Measure::Connect)), (301, 300), "{url}");
        assert!(record.measured_s < 60.0, "the run ends with the last who is back: {}", record.measured_s);
    }
}

#[test]
fn what_a_server_does_not_keep_is_told_as_not_recovered() {
    let node = node_that_keeps(20);
    let record = record(&order("recovery-storm", &node.websocket_url(), &["clients=3", "channels=1", "missed=21"]));
    assert_eq!(record.faults.count(Fault::Unrecovered), 3, "{:?}", record.faults);
    let careless = TestNode::start();
    let error = run(&order("recovery-storm", &careless.websocket_url(), &["clients=3", "channels=1"]), |_| {});
    assert!(error.unwrap_err().to_string().contains("does not keep its messages"));
}

/// On one shard, since the rate is split among shards.
fn node_that_lets_in(clients_per_s: u32) -> TestNode {
    let core = cores::allowed().unwrap()[0];
    TestNode::with(|config| {
        config.shards.cores = core.to_string();
        config.client.connection_rate_limit = clients_per_s;
    })
}

#[test]
fn clients_that_are_turned_away_try_again_with_backoff() {
    let node = node_that_lets_in(100);
    let settings = ["clients=100", "backoff_s=0.2", "duration_s=60"];
    let record = record(&order("reconnect-storm", &node.websocket_url(), &settings));
    assert!(record.is_good() && record.attempts_failed > 0, "{record:?}");
    assert_eq!(count(&record, Measure::Reconnect), 100);
}

#[test]
fn without_backoff_it_is_a_fault_to_turn_a_client_away() {
    let node = node_that_lets_in(50);
    let record = record(&order("connect-storm", &node.websocket_url(), &["clients=200"]));
    let refused = record.faults.count(Fault::NotConnected);
    assert_eq!(refused + count(&record, Measure::Connect), 200, "{:?}", record.faults);
    assert!(refused > 0 && !record.is_good());
}

#[test]
fn clients_of_a_server_that_restarts_come_back_with_backoff() {
    let mut node = TestNode::start();
    let settings = ["clients=50", "channels=5", "duration_s=10", "backoff_s=0.05"];
    let record = record_with_restart(&order("restart", &node.tcp_url(), &settings), &mut node);
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!(count(&record, Measure::Reconnect), 50);
}

#[test]
fn a_server_that_does_not_come_back_is_told() {
    let node = TestNode::start();
    let order = order("restart", &node.tcp_url(), &["clients=20", "duration_s=2", "backoff_s=0.05"]);
    let mut node = Some(node);
    let record = run(&order, |progress| {
        if matches!(progress, Progress::Second { measured: true, .. }) {
            drop(node.take());
            std::thread::sleep(Duration::from_millis(10));
        }
    })
    .unwrap();
    assert_eq!(record.faults.counts().collect::<Vec<_>>(), [(Fault::NotConnected, 20)], "{:?}", record.faults);
    assert!(record.attempts_failed > 0);
}
