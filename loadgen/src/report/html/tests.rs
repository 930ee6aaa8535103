use std::collections::BTreeMap;

use super::*;
use crate::measure::{Measure, Summary};
use crate::record::Second;
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
fn several_runs_are_laid_over_each_other_with_their_names_and_their_differences() {
    let mut slow = with_seconds();
    for second in &mut slow.seconds {
        second.measures.get_mut(&Measure::Delivery).unwrap().p99_ns = 3_000_000_000;
    }
    slow.whole.get_mut(&Measure::Delivery).unwrap().summary.p99_ns = 40_000;
    let page = of(&[with_seconds(), slow], &["one".into(), "two".into()]);
    let p99: Vec<_> =
        page.split("<figure>").filter(|figure| figure.contains(">Latency, delivery: p99</text>")).collect();
    assert_eq!(p99.len(), 1, "one chart for both");
    assert!(
        p99[0].contains(">one</text>") && p99[0].contains(">two</text>") && p99[0].contains("series s1"),
        "{}",
        p99[0]
    );
    assert_eq!(p99[0].matches("<polyline").count(), 2);
    assert!(page.contains("<td class=\"change\">+") && page.contains("<td class=\"noise\">same</td>"), "{page}");
    assert!(page.contains("within noise"), "the marks are explained");
}

#[test]
fn every_chart_has_words_and_a_table_and_every_cell_a_head() {
    let page = of(&[ramp(&[(100.0, true), (200.0, false)]), with_seconds()], &["one".into(), "two".into()]);
    let charts = page.matches("<svg").count();
    assert!(charts > 5);
    for part in ["role=\"img\"", "<desc", "<details><summary>"] {
        assert_eq!(page.matches(part).count(), charts, "{part}");
    }
    assert!(page.matches("<th>").count() == 0 && page.contains("<th scope=\"row\">100</th>"), "{page}");
    assert!(!page.contains("<th scope=\"col\"></th>"), "a head is never empty");
    let mut ids: Vec<_> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "no two of one name");
}

#[test]
fn names_in_any_script_and_direction_stay_by_themselves() {
    let page = of(&[with_seconds()], &["تجربة".into()]);
    assert!(page.contains("<bdi>تجربة</bdi>"));
    let style = &page[..page.find("</style>").unwrap()];
    for physical in ["text-align: right", "border-left", "border-right", "margin-left", "padding-right"] {
        assert!(!style.contains(physical), "{physical} would be wrong from right to left");
    }
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
