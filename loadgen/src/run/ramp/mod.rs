//! Ramps: runs at higher and higher rates, until one breaks a bound. The highest rate that held is the knee.

mod search;

use std::sync::atomic::{AtomicBool, Ordering};

use self::search::Search;
use super::order::Order;
use super::progress::Progress;
use super::watcher::run_once;
use crate::climb::{Climb, Step};
use crate::record::Record;
use crate::scenario::Ramp;

/// Makes the runs of a ramp, until it is to `stop`; `watch` is told how far each has come. The record is the one of the
/// knee, or of the first rate where none held. A step that was not made whole says nothing about its rate and is left
/// out; where it is the first, it is told as a run without a ramp.
///
/// # Errors
/// When there is no rate to raise, or the runs of the first one cannot be made.
pub(super) fn climb(
    ramp: &Ramp,
    order: &Order,
    stop: &AtomicBool,
    watch: &mut impl FnMut(Progress),
) -> anyhow::Result<Record> {
    let mut search = Search::new(ramp, order.scenario.rate_per_s()?);
    let (mut steps, mut best) = (Vec::new(), None);
    while let Some(rate_per_s) = search.next_rate() {
        let order = Order { scenario: order.scenario.at_rate(rate_per_s), ..order.clone() };
        let made = make(ramp, &order, rate_per_s, stop, watch);
        if stop.load(Ordering::Relaxed) {
            if best.is_none() {
                return made.map(|(_, record)| record);
            }
            break;
        }
        let (step, record) = match made {
            Ok((step, record)) => (step, Some(record)),
            // Without a step before it, it may be the order that is wrong.
            Err(error) if best.is_none() => return Err(error),
            Err(error) => (Step::failed(rate_per_s, &error), None),
        };
        let held = step.broke.is_none();
        watch(Progress::Step { rate_per_s, held, p99_ns: step.worst().map(|(_, summary)| summary.p99_ns) });
        search.tell(rate_per_s, held);
        steps.push(step);
        // Each rate that holds is above those that held before.
        if held || best.is_none() {
            best = record;
        }
    }
    let record = best.expect("the first step is always made");
    let is_interrupted = stop.load(Ordering::Relaxed);
    Ok(Record { ramp: Some(Climb { steps }), is_interrupted, ..record })
}

/// Tries a rate until it holds, as often as it may.
fn make(
    ramp: &Ramp,
    order: &Order,
    rate_per_s: f64,
    stop: &AtomicBool,
    watch: &mut impl FnMut(Progress),
) -> anyhow::Result<(Step, Record)> {
    let mut attempt = || {
        let record = run_once(order, stop, watch)?;
        Ok((step(&record, rate_per_s, ramp), record))
    };
    let mut made = attempt();
    for _ in 1..ramp.tries {
        if stop.load(Ordering::Relaxed) || made.as_ref().is_ok_and(|(step, _)| step.broke.is_none()) {
            break;
        }
        made = attempt();
    }
    made
}

/// What came of a run at a rate.
fn step(record: &Record, rate_per_s: f64, ramp: &Ramp) -> Step {
    let mut step = Step {
        rate_per_s,
        broke: None,
        measures: record.whole.iter().map(|(measure, whole)| (*measure, whole.summary)).collect(),
        server_cores: record.server.as_ref().map(|server| server.cores),
        busy: record.busy,
        faults: record.faults.clone(),
    };
    step.broke = step.why_broken(record.behind, ramp);
    step
}
