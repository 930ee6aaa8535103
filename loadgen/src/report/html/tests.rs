use std::collections::BTreeMap;

use super::*;
use crate::report::table::tests::{ramp, record};

fn with_seconds() -> Record {
    let mut record = record();
    let summary = Summary {
        per_s: 500.0,
        p50_ns: 10_000,
        p99_ns: 20_000,
        p99_9_ns: 30_000,
        max_ns: 40_000,
        ..Summary::default()
    };
    record.seconds = (1..=12)
        .map(|at| Second {
            at_s: f64::from(at),
            measures: BTreeMap::from([(Measure::Delivery, summary)]),
            counts: BTreeMap::new(),
            busy: 0.2,
            server_cores: Some(0.5),
            server_resident_bytes: Some(1 << 20),
        })
        .collect();
    record
}

#[test]
fn a_page_has_a_chart_for_all_that_was_measured_and_none_for_the_rest() {
    let page = of(&[with_seconds()], &["one".into()]);
    for title in
        ["Latency, delivery", "Latency, delivery: share within", "Throughput, delivery", "Memory of the server"]
    {
        assert!(page.contains(title), "{title}");
    }
    assert!(!page.contains("Latency, reply") && !page.contains("Latency, connect"));
    assert!(!page.contains("NaN") && !page.contains(">inf"));
}

#[test]
fn a_ramp_has_charts_by_rate() {
    let page = of(&[ramp(&[(100.0, true), (200.0, false)])], &["one".into()]);
    assert!(page.contains("Latency by rate") && page.contains("Processor time by rate"), "{page}");
    assert!(page.contains(">100</text>") && page.contains(">200</text>"), "the rates stand below");
    assert!(!page.contains("NaN"), "{page}");
}

#[test]
fn several_runs_share_a_scale() {
    let mut slow = with_seconds();
    for second in &mut slow.seconds {
        second.measures.get_mut(&Measure::Delivery).unwrap().max_ns = 3_000_000_000;
    }
    let page = of(&[with_seconds(), slow], &["one".into(), "two".into()]);
    let latency: String = page.split("<figure>").skip(1).take(2).collect();
    assert_eq!(latency.matches(">10.0 s</text>").count(), 2, "both axes reach as far as the slower run");
}

#[test]
fn what_a_server_says_cannot_break_the_page() {
    let mut record = with_seconds();
    record.server_version = "<script>alert(1)</script>".into();
    record.faults.note(crate::fault::Fault::Refused, || "<b>no</b>".into());
    let page = of(&[record], &["<i>".into()]);
    assert!(!page.contains("<script") && !page.contains("<b>no") && !page.contains("<i>"));
    assert!(page.contains("class=\"bad\""));
}
