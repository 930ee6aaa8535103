//! How often a message allocates in the load thread, once everything has its size: not at all.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use allocation_counter::measure;
use ringpost_loadgen::clock::Clock;
use ringpost_loadgen::crew::Assignment;
use ringpost_loadgen::engine::{Cue, Engine, Line, News};
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::share::Part;

use crate::chat::namespaces;
use crate::harness::{SECRET, TestNode, order};

/// Allocations of a load thread, and the deliveries that it had.
fn run(scenario: &str, url: &str, settings: &[&str], duration_s: f64) -> (u64, u64) {
    let order = order(scenario, url, &[settings, &["warm_up_s=0"]].concat());
    let mut scenario = order.scenario;
    scenario.run.duration_s = duration_s;
    let clock = Clock::start();
    let secret = Some(SECRET.into());
    let assignment = Assignment { scenario, part: Part::WHOLE, targets: order.targets, secret, core: 0, clock };
    let (news_in, news) = mpsc::channel();
    let (cues_in, cues) = mpsc::channel();
    let leader = thread::spawn(move || lead(&news, &cues_in, clock));
    // Nobody reads intervals and sends them back: each second has one of its own.
    let (_, spares) = mpsc::channel();
    let line = Line { member: 0, news: news_in, cues, spares };
    let engine = Engine::new(assignment.job().unwrap(), line).unwrap();
    let allocations = measure(|| {
        let outcome = engine.run().unwrap();
        assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
    });
    (allocations.count_total, leader.join().unwrap())
}

/// Gives a load thread its cues; the deliveries that it had.
fn lead(news: &Receiver<(usize, News)>, cues: &Sender<Cue>, clock: Clock) -> u64 {
    let mut deliveries = 0;
    for (_, news) in news {
        match news {
            News::Ready => cues.send(Cue::Load(clock.now_ns())).unwrap(),
            News::Loaded(tally) => cues.send(Cue::Drain(tally)).unwrap(),
            News::Settled(tally) => cues.send(Cue::Finish(tally)).unwrap(),
            News::Interval(interval) => deliveries += interval.histogram(Measure::Delivery).len(),
            _ => {}
        }
    }
    deliveries
}

/// Fails when a longer run allocates more per message than a shorter one.
fn check(scenario: &str, url: &str, settings: &[&str]) {
    let (short, few) = run(scenario, url, settings, 0.2);
    // A host that has something else to do may deliver less in a longer time.
    let mut longer = [0.9, 3.0, 9.0].into_iter().map(|duration_s| run(scenario, url, settings, duration_s));
    let longer = longer.find(|(_, many)| *many > few + 1000);
    let (long, many) = longer.unwrap_or_else(|| panic!("{url} {settings:?}: no run delivers far more than {few}"));
    let (allocations, deliveries) = (long.saturating_sub(short), many - few);
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
