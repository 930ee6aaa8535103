//! How often a message allocates in the load thread, once everything has its size: not at all.

use std::sync::mpsc;

use allocation_counter::measure;
use ringpost_loadgen::engine::{Engine, Job, News};
use ringpost_loadgen::measure::{Measure, Stage};

use crate::chat::namespaces;
use crate::harness::{SECRET, TestNode, order};

/// Allocations of a load thread, and the deliveries that it had.
fn run(scenario: &str, url: &str, settings: &[&str], duration_ns: u64) -> (u64, u64) {
    let order = order(scenario, url, settings);
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

/// Fails when a longer run allocates more per message than a shorter one.
fn check(scenario: &str, url: &str, settings: &[&str]) {
    let (short, few) = run(scenario, url, settings, 200_000_000);
    let (long, many) = run(scenario, url, settings, 900_000_000);
    let (allocations, deliveries) = (long.saturating_sub(short), many - few);
    assert!(deliveries > 1000, "{url} {settings:?}: {deliveries}");
    // One for each message would be one for 20 or 30 deliveries. Buffers grow once more when the machine stalls.
    assert!(allocations * 50 < deliveries, "{url} {settings:?}: {allocations} for {deliveries} deliveries");
}

#[test]
fn a_longer_run_allocates_no_more_per_message() {
    let node = TestNode::start();
    for url in [node.websocket_url(), node.tcp_url()] {
        for encoding in ["encoding=json", "encoding=protobuf"] {
            check("fanout", &url, &["subscribers=20", "outstanding=16", encoding]);
        }
    }
}

#[test]
fn a_longer_chat_allocates_no_more_per_message() {
    let node = TestNode::with(namespaces);
    // What is not a message may allocate: to come, to move, to ask; and a channel's first messages, so there are few.
    let talk = [
        "users=60",
        "rooms=2",
        "rooms_per_user=1",
        "messages_per_s=2000",
        "direct_share=0",
        "presence_per_s=0",
        "moves_per_s=0",
    ];
    for url in [node.websocket_url(), node.tcp_url()] {
        for encoding in ["encoding=json", "encoding=protobuf"] {
            check("chat", &url, &[&talk[..], &["reconnects_per_s=0", encoding]].concat());
        }
    }
}
