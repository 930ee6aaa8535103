//! How often a message allocates in the load thread, once everything has its size: not at all.

use std::sync::mpsc;

use allocation_counter::measure;
use ringpost_loadgen::engine::{Engine, Job, News};
use ringpost_loadgen::measure::{Measure, Stage};

use crate::harness::{SECRET, TestNode, order};

/// Allocations of a load thread, and the deliveries that it had.
fn run(url: &str, encoding: &str, duration_ns: u64) -> (u64, u64) {
    let order = order("fanout", url, &["subscribers=20", "outstanding=16", encoding]);
    let plan = order.scenario.plan().unwrap();
    let job = Job {
        channel_names: order.scenario.channel_names(&plan),
        plan,
        target: order.target,
        encoding: order.scenario.run.encoding.into(),
        payload_bytes: 96,
        secret: Some(SECRET.into()),
        warm_up_ns: 0,
        duration_ns,
    };
    let (news_in, news) = mpsc::channel();
    // Nobody reads intervals and sends them back: each second has one of its own.
    let (_, spares) = mpsc::channel();
    let engine = Engine::new(job, news_in, spares).unwrap();
    let allocations = measure(|| {
        let outcome = engine.run().unwrap();
        assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
    });
    let deliveries = news.iter().map(|news| match news {
        News::Interval(interval) if interval.stage != Stage::WarmUp => interval.histogram(Measure::Delivery).len(),
        _ => 0,
    });
    (allocations.count_total, deliveries.sum())
}

#[test]
fn a_longer_run_allocates_no_more_per_message() {
    let node = TestNode::start();
    for url in [node.websocket_url(), node.tcp_url()] {
        for encoding in ["encoding=json", "encoding=protobuf"] {
            let (short, few) = run(&url, encoding, 200_000_000);
            let (long, many) = run(&url, encoding, 900_000_000);
            let (allocations, deliveries) = (long.saturating_sub(short), many - few);
            assert!(deliveries > 1000, "{url} {encoding}: {deliveries}");
            assert!(allocations * 100 < deliveries, "{url} {encoding}: {allocations} for {deliveries} deliveries");
        }
    }
}
