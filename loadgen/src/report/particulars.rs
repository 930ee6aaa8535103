//! Figures that only some kinds of work have.

use super::figure::Figure;
use super::text::{bytes, count, duration};
use super::unit::Unit;
use crate::climb::Climb;
use crate::measure::Measure;
use crate::plan::Breakage;
use crate::record::{Disturbed, Record};
use crate::scenario::{Connect, Work};
use crate::slow::{SlowReaders, Spread};

/// What a run tells beside what all runs tell.
pub(super) fn of(record: &Record) -> Vec<Figure> {
    let knee = record.ramp.as_ref().and_then(Climb::knee);
    let knee = knee.map(|knee| Figure::number("ramp: knee, per s", knee.rate_per_s, Unit::Count));
    let slow = record.slow.as_ref().map(slow).unwrap_or_default();
    [of_work(record), disturbed(record), slow, knee.into_iter().collect()].concat()
}

/// What was done to the server, how long until all whom it cut off were back, and whether they came all at once.
fn disturbed(record: &Record) -> Vec<Figure> {
    if record.disturbed.is_empty() {
        return Vec::new();
    }
    let times = record.disturbed.iter().map(|Disturbed { at_s, took_s, node }| {
        format!("node {node} at {} for {}", duration((at_s * 1e9) as u64), duration((took_s * 1e9) as u64))
    });
    let mut figures = vec![Figure::told("disturbed", times.collect::<Vec<_>>().join(", "))];
    if let Some(back) = record.whole.get(&Measure::Reconnect) {
        let last_ns = back.summary.max_ns as f64;
        figures.push(Figure::number("disturbed: the last was back after", last_ns, Unit::Nanoseconds));
        let in_a_second = record.seconds.iter().filter_map(|second| second.measures.get(&Measure::Reconnect));
        let most = in_a_second.map(|summary| summary.count).max().unwrap_or(0);
        let told = format!("{} of {}", count(most as f64), count(back.summary.count as f64));
        figures.push(Figure::number("disturbed: most back in a second", most as f64, Unit::Count).in_words(told));
    }
    figures
}

fn of_work(record: &Record) -> Vec<Figure> {
    match &record.scenario.work {
        Work::Connect(Connect::Storm(_) | Connect::Recover(_)) => storm(record, Measure::Connect, true),
        Work::Connect(Connect::Reconnect(reconnect)) => {
            storm(record, Measure::Reconnect, reconnect.breakage != Breakage::Server)
        }
        _ => Vec::new(),
    }
}

/// How long until the last client was in, and, where all came at once, how many were let in each second until then.
fn storm(record: &Record, measure: Measure, at_once: bool) -> Vec<Figure> {
    let Some(whole) = record.whole.get(&measure) else { return Vec::new() };
    let (clients, last_ns) = (whole.summary.count as f64, whole.summary.max_ns);
    let mut figures = vec![Figure::number("storm: the last was in after", last_ns as f64, Unit::Nanoseconds)];
    if at_once {
        let per_s = clients * 1e9 / last_ns as f64;
        figures.push(Figure::number("storm: clients let in per s", per_s, Unit::Count));
    }
    if record.attempts_failed > 0 {
        figures.push(Figure::number("storm: attempts that failed", record.attempts_failed as f64, Unit::Count));
    }
    figures
}

/// What became of those who stopped reading.
fn slow(slow: &SlowReaders) -> Vec<Figure> {
    let spread = |spread: &Spread, text: &dyn Fn(u64) -> String| {
        let [min, median, max] = [spread.min, spread.median, spread.max].map(text);
        format!("{median} in the middle, {min} to {max}")
    };
    let mut figures = vec![
        Figure::number("slow: stopped reading", slow.stopped as f64, Unit::Count),
        Figure::number("slow: caught up", slow.caught_up as f64, Unit::Count),
    ];
    if !slow.cut.is_empty() {
        let told = slow.cut.iter().map(|(why, number)| format!("{} ({why})", count(*number as f64)));
        figures.push(Figure::told("slow: cut off", told.collect::<Vec<_>>().join(", ")));
        let sent = spread(&slow.cut_bytes, &|sent| bytes(sent as f64));
        figures.push(Figure::told("slow: sent to those cut off", sent));
        figures.push(Figure::told("slow: for the messages of", spread(&slow.cut_span_ns, &duration)));
    }
    figures
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::measure::histogram;
    use crate::record::Whole;
    use crate::report::table::tests::record;
    use crate::scenario::{find, read};

    fn told(record: &Record) -> String {
        of(record).into_iter().map(|Figure { name, text, .. }| format!("{name}: {text}\n")).collect()
    }

    /// A run of a scenario in which 100 clients came, the last after half a second.
    fn storm(scenario: &str, measure: Measure) -> Record {
        let mut came = histogram();
        came.record_n(100_000_000, 99).unwrap();
        came.record(500_000_000).unwrap();
        let scenario = read(&find(scenario).unwrap()).unwrap();
        Record { scenario, whole: BTreeMap::from([(measure, Whole::of(&came, 100, 1.0))]), ..record() }
    }

    #[test]
    fn a_storm_tells_when_the_last_was_in_and_the_rate_until_then() {
        for (scenario, measure) in [("connect-storm", Measure::Connect), ("reconnect-storm", Measure::Reconnect)] {
            let told = told(&storm(scenario, measure));
            assert!(told.contains("the last was in after: 500 ms") && told.contains("per s: 200\n"), "{told}");
            assert!(!told.contains("attempts"), "{told}");
        }
        let restart = Record { attempts_failed: 7, ..storm("restart", Measure::Reconnect) };
        let told = told(&restart);
        assert!(
            told.contains("attempts that failed: 7") && !told.contains("per s"),
            "they did not come at once: {told}"
        );
    }

    #[test]
    fn slow_readers_tell_how_many_were_cut_and_after_what() {
        let spread = Spread { min: 1024, median: 2048, max: 4096 };
        let slow = SlowReaders {
            stopped: 10,
            caught_up: 3,
            cut: BTreeMap::from([("3008 slow".into(), 7)]),
            cut_bytes: spread,
            cut_span_ns: spread,
        };
        let told = told(&Record { slow: Some(slow), ..record() });
        for expected in
            ["stopped reading: 10", "caught up: 3", "cut off: 7 (3008 slow)", "2.00 KiB in the middle", "4.10 µs"]
        {
            assert!(told.contains(expected), "{expected} in {told}");
        }
    }

    #[test]
    fn a_disturbed_run_tells_what_was_done_and_when_all_were_back() {
        let record = Record {
            disturbed: vec![
                Disturbed { at_s: 3.0, took_s: 0.25, node: 0 },
                Disturbed { at_s: 8.0, took_s: 0.2, node: 1 },
            ],
            ..storm("failover", Measure::Reconnect)
        };
        let told = told(&record);
        for expected in ["node 0 at 3.00 s for 250 ms, node 1 at 8.00 s", "the last was back after: 500 ms", "0 of 100"]
        {
            assert!(told.contains(expected), "{expected} in {told}");
        }
    }

    #[test]
    fn other_runs_tell_nothing_more() {
        assert_eq!(told(&record()), "");
    }
}
