//! Figures that only some kinds of work have.

use super::table::Figure;
use super::text::{count, duration};
use crate::measure::Measure;
use crate::plan::Breakage;
use crate::ramp::Climb;
use crate::record::Record;
use crate::scenario::{Connect, Work};

/// What a run tells beside what all runs tell.
pub(super) fn of(record: &Record) -> Vec<Figure> {
    let knee = record.ramp.as_ref().and_then(Climb::knee);
    let knee = knee.map(|knee| ("ramp: knee, per s".to_owned(), count(knee.rate_per_s)));
    [of_work(record), knee.into_iter().collect()].concat()
}

fn of_work(record: &Record) -> Vec<Figure> {
    match &record.scenario.work {
        Work::Connect(Connect::Storm(_)) => storm(record, Measure::Connect, true),
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
    let mut figures = vec![("storm: the last was in after".to_owned(), duration(last_ns))];
    if at_once {
        figures.push(("storm: clients let in per s".to_owned(), count(clients * 1e9 / last_ns as f64)));
    }
    if record.attempts_failed > 0 {
        figures.push(("storm: attempts that failed".to_owned(), count(record.attempts_failed as f64)));
    }
    figures
}
