use std::collections::BTreeMap;

use super::*;
use crate::fault::{Fault, Faults};
use crate::measure::histogram;
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
        command: "ringpost-loadgen run fanout".into(),
        url: "tcp://127.0.0.1:1".into(),
        server_version: "1.2".into(),
        machine: Machine::default(),
        started_unix_ms: 0,
        clients: 1001,
        measured_s: 2.0,
        behind: 0,
        attempts_failed: 0,
        busy: 0.25,
        seconds: Vec::new(),
        whole: BTreeMap::from([(Measure::Delivery, Whole::of(&deliveries, 1000, 2.0))]),
        server: Some(server),
        server_metrics: BTreeMap::new(),
        faults: Faults::default(),
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
fn runs_stand_side_by_side_also_where_one_lacks_a_figure() {
    let mut other = record();
    other.whole.clear();
    let text = side_by_side(&[record(), other], &["one".into(), "two".into()]);
    let line = text.lines().find(|line| line.contains("delivery p50")).unwrap();
    assert!(line.contains("20.0 µs") && line.ends_with('–'), "{text}");
    assert!(text.lines().next().unwrap().ends_with("two"), "{text}");
}

#[test]
fn a_record_survives_being_written() {
    let json = serde_json::to_string(&record()).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record());
}
