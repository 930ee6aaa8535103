use std::collections::BTreeMap;

use super::*;
use crate::climb::{Climb, Step};
use crate::fault::{Fault, Faults};
use crate::measure::{Count, histogram};
use crate::record::{Machine, ServerUse, Whole};
use crate::scenario::{find, read};

/// A run with a thousand deliveries of 20 µs.
pub(crate) fn record() -> Record {
    let mut deliveries = histogram();
    deliveries.record_n(20_000, 1000).unwrap();
    let server = ServerUse { cpu_ns_per: BTreeMap::from([(Measure::Delivery, 400.0)]), ..ServerUse::default() };
    Record {
        program: "ringpost-loadgen 0".into(),
        name: "fanout".into(),
        scenario: read(&find("fanout").unwrap()).unwrap(),
        changed: Vec::new(),
        command: "ringpost-loadgen run fanout".into(),
        url: "tcp://127.0.0.1:1".into(),
        server_version: "1.2".into(),
        machine: Machine::default(),
        started_unix_ms: 0,
        clients: 1001,
        measured_s: 2.0,
        is_interrupted: false,
        behind: 0,
        attempts_failed: 0,
        busy: 0.25,
        busy_by_process: vec![0.25],
        cpu_ns_per: BTreeMap::new(),
        seconds: Vec::new(),
        whole: BTreeMap::from([(Measure::Delivery, Whole::of(&deliveries, 1000, 2.0))]),
        counts: BTreeMap::from([(Count::Moves, 100)]),
        server: Some(server),
        server_metrics: BTreeMap::new(),
        faults: Faults::default(),
        nodes: Vec::new(),
        disturbed: Vec::new(),
        slow: None,
        ramp: None,
    }
}

#[test]
fn a_good_run_tells_rate_latency_cost_and_that_it_was_verified() {
    let text = of(&record());
    for expected in ["1,000", "500", "20.0 µs", "CPU per delivery", "400 ns", "25 %", "Every message came once"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn a_bad_run_tells_what_went_wrong_first() {
    let mut record = record();
    record.faults.note_many(Fault::Lost, 12_345, || "client 3 heard nothing".into());
    (record.behind, record.busy) = (77, 0.99);
    let text = of(&record);
    for expected in ["FAILED", "12,345 messages lost", "client 3 heard nothing", "77 were due", "its own limit"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(!text.contains("Every message came"), "{text}");
}

#[test]
fn the_headline_tells_what_was_set_and_that_it_was_interrupted() {
    let changed = vec!["subscribers=3".into(), "rate_per_s=50".into()];
    let text = of(&Record { changed, is_interrupted: true, ..record() });
    assert!(text.lines().next().unwrap().ends_with("open loop, but with subscribers=3, rate_per_s=50"), "{text}");
    assert!(text.contains("then interrupted") && text.contains("Interrupted: what"), "{text}");
}

#[test]
fn a_refusal_brings_advice() {
    let mut record = record();
    record.faults.note(Fault::Refused, || "message 0 of client 9 was refused: 103: permission denied".into());
    assert!(of(&record).contains("channel_prefix=NAMESPACE:"), "{}", of(&record));
}

#[test]
fn a_record_survives_being_written() {
    let json = serde_json::to_string(&record()).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record());
}

/// A run whose rate was raised: the steps' rates, and whether each held.
pub(crate) fn ramp(steps: &[(f64, bool)]) -> Record {
    let mut record = record();
    let step = |(rate_per_s, held): &(f64, bool)| Step {
        rate_per_s: *rate_per_s,
        broke: (!held).then(|| "delivery p99 above 10 ms".into()),
        measures: record.whole.iter().map(|(measure, whole)| (*measure, whole.summary)).collect(),
        server_cores: Some(0.75),
        busy: 0.5,
        faults: Faults::default(),
    };
    record.ramp = Some(Climb { steps: steps.iter().map(step).collect() });
    record
}

#[test]
fn a_ramp_tells_its_knee_and_why_the_next_rate_broke() {
    let text = of(&ramp(&[(100.0, true), (400.0, false), (200.0, true)]));
    for expected in ["The knee is at 200 per s", "400 per s broke: delivery p99 above 10 ms", "0.75"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let at = |rate: &str| text.lines().position(|line| line.trim_start().starts_with(rate)).unwrap();
    assert!(at("100 ") < at("200 ") && at("200 ") < at("400 "), "from the lowest to the highest: {text}");
}

#[test]
fn a_ramp_without_a_knee_has_failed_and_one_without_an_end_says_so() {
    let (none, all) = (ramp(&[(100.0, false)]), ramp(&[(100.0, true)]));
    assert!(!none.is_good() && of(&none).contains("FAILED: no rate held"));
    assert!(all.is_good() && of(&all).contains("steps_max"));
}

#[test]
fn each_node_is_named_with_the_clients_that_it_had() {
    let node =
        |port: u16| NodeUse { clients: 334, came: 1200, ended: 7, ..NodeUse::new(&format!("tcp://127.0.0.1:{port}")) };
    let nodes = vec![node(1), NodeUse { version: "1.2".into(), ..node(2) }];
    let text = of(&Record { nodes, ..record() });
    for expected in [
        "node 0",
        "tcp://127.0.0.1:1, of no version; 334 clients, then 1,200 came, 7 ended by it",
        "tcp://127.0.0.1:2, 1.2;",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(!text.contains("  server "), "{text}");
}
