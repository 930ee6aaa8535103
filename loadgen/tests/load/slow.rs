//! Subscribers that stop reading.

use ringpost_loadgen::fault::Fault;
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::record::Record;

use crate::harness::{TestNode, count, order, record};
use crate::proxy::{self, Mischief};

/// A node that cuts off who is 64 KiB behind.
fn strict_node() -> TestNode {
    TestNode::with(|config| config.client.queue_max_size = 65_536)
}

/// Ten subscribers of 4 MB a second each, two of whom stop at once. In a second that fills what the kernel commonly
/// keeps for a connection (`tcp_wmem`: 4 MiB), whatever the node does.
const FAST: [&str; 5] = ["subscribers=10", "share=0.2", "rate_per_s=400", "payload_bytes=10000", "warm_up_s=0"];

fn slow(url: &str, settings: &[&str]) -> Record {
    record(&order("slow", url, &[&FAST, settings].concat()))
}

#[test]
fn who_does_not_read_is_cut_off_and_the_others_hear_everything() {
    let node = strict_node();
    for url in [node.websocket_url(), node.tcp_url()] {
        let record = slow(&url, &["duration_s=2"]);
        assert!(record.is_good(), "{url}: {:?}", record.faults);
        let slow = record.slow.as_ref().unwrap();
        assert_eq!((slow.stopped, slow.caught_up), (2, 0), "{url}: {slow:?}");
        assert_eq!(slow.cut.values().sum::<u64>(), 2, "{url}: {slow:?}");
        assert!(slow.cut_bytes.min > 10_000 && slow.cut_span_ns.min > 0, "{url}: {slow:?}");
        assert_eq!(count(&record, Measure::Delivery), 8 * count(&record, Measure::Reply), "{url}");
    }
}

#[test]
fn who_reads_again_in_time_has_missed_nothing() {
    let node = TestNode::start();
    for url in [node.websocket_url(), node.tcp_url()] {
        let settings = ["payload_bytes=500", "pause_s=0.3", "duration_s=1"];
        let record = slow(&url, &settings);
        assert!(record.is_good(), "{url}: {:?}", record.faults);
        let slow = record.slow.as_ref().unwrap();
        assert_eq!((slow.stopped, slow.caught_up), (2, 2), "{url}: {slow:?}");
        assert_eq!(count(&record, Measure::SlowDelivery), 2 * count(&record, Measure::Reply), "{url}");
        let waited_ns = record.whole[&Measure::SlowDelivery].summary.max_ns;
        assert!(waited_ns > 250_000_000, "what came while they did not read has waited: {waited_ns}");
    }
}

#[test]
fn who_reads_again_just_after_it_was_cut_off_is_told_so() {
    let node = strict_node();
    let record = slow(&node.websocket_url(), &["pause_s=2.2", "duration_s=3"]);
    assert!(record.is_good(), "{:?}", record.faults);
    let cut = record.slow.unwrap().cut;
    assert!(cut.keys().any(|why| why.starts_with("3008")), "{cut:?}");
}

#[test]
fn a_message_that_a_fast_reader_misses_is_lost() {
    let node = TestNode::start();
    let tcp = node.tcp_url().trim_start_matches("tcp://").parse().unwrap();
    let settings = ["payload_bytes=500", "rate_per_s=50", "pause_s=0.3", "duration_s=1"];
    let record = slow(&proxy::start(tcp, Mischief::Drop), &settings);
    assert_eq!(record.faults.counts().collect::<Vec<_>>(), [(Fault::Lost, 1)], "{:?}", record.faults);
}

#[test]
fn who_is_cut_off_while_it_reads_is_a_fault() {
    let node = TestNode::start();
    let tcp = node.tcp_url().trim_start_matches("tcp://").parse().unwrap();
    let settings = ["payload_bytes=500", "rate_per_s=50", "warm_up_s=1"];
    let record = slow(&proxy::start(tcp, Mischief::Hang), &settings);
    assert_eq!(record.faults.count(Fault::Disconnected), 1, "{:?}", record.faults);
}
