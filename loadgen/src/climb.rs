//! A ramp as it was climbed: what came of each rate, and whether that is good.
//!
//! Knows no record: a record may hold a climb.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::Faults;
use crate::measure::{Measure, Summary};
use crate::scenario::Ramp;

/// The steps of a ramp, in the order in which they were made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Climb {
    /// One for each rate.
    pub steps: Vec<Step>,
}

/// What came of a rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// How many a second were due.
    pub rate_per_s: f64,
    /// Why it did not hold; `None` if it did.
    pub broke: Option<String>,
    /// By measure, over the step.
    pub measures: BTreeMap<Measure, Summary>,
    /// Cores that the server kept busy, where that was asked.
    pub server_cores: Option<f64>,
    /// Share of the time in which the load generator was at work.
    pub busy: f64,
    /// By kind, how often.
    pub faults: Faults,
}

impl Climb {
    /// The step with the highest rate that held.
    pub fn knee(&self) -> Option<&Step> {
        let held = self.steps.iter().filter(|step| step.broke.is_none());
        held.max_by(|one, other| one.rate_per_s.total_cmp(&other.rate_per_s))
    }

    /// Whether a rate held, and nothing happened that may not happen at any rate.
    pub fn is_good(&self) -> bool {
        let may_be = |step: &Step| step.faults.counts().all(|(fault, _)| fault.may_come_of_overload());
        self.knee().is_some() && self.steps.iter().all(may_be)
    }
}

impl Step {
    /// The run could not be made.
    pub(crate) fn failed(rate_per_s: f64, error: &anyhow::Error) -> Self {
        let broke = Some(format!("{error:#}"));
        let (measures, faults) = (BTreeMap::new(), Faults::default());
        Self { rate_per_s, broke, measures, server_cores: None, busy: 0.0, faults }
    }

    /// The latency with the longest 99th percentile.
    pub fn worst(&self) -> Option<(Measure, &Summary)> {
        let latencies = self.measures.iter().filter(|(measure, _)| measure.is_of_the_server());
        latencies.max_by_key(|(_, summary)| summary.p99_ns).map(|(measure, summary)| (*measure, summary))
    }

    /// Why a rate does not hold, if it does not; so many were due and not sent.
    pub(crate) fn why_broken(&self, behind: u64, ramp: &Ramp) -> Option<String> {
        if let Some((fault, number)) = self.faults.counts().next() {
            let first = self.faults.examples.first().map_or("", String::as_str);
            return Some(format!("{number} {fault}: {first}"));
        }
        // What is due at the very end may not be sent any more; what waits for longer than it may is too much.
        if behind as f64 > 1.0 + self.rate_per_s * ramp.p99_ms / 1e3 {
            return Some(format!("{behind} were due and not sent"));
        }
        let Some((measure, summary)) = self.worst() else { return Some("nothing happened".into()) };
        let (name, p99_ms) = (measure.name(), summary.p99_ns as f64 / 1e6);
        (p99_ms > ramp.p99_ms).then(|| format!("{name} p99 above {} ms", ramp.p99_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;

    fn step(rate_per_s: f64, p99_ms: u64) -> Step {
        let summary = Summary { p99_ns: p99_ms * 1_000_000, ..Summary::default() };
        let late = Summary { p99_ns: u64::MAX, ..Summary::default() };
        let measures = BTreeMap::from([(Measure::Delivery, summary), (Measure::Lateness, late)]);
        Step { rate_per_s, broke: None, measures, server_cores: None, busy: 0.0, faults: Faults::default() }
    }

    fn why(step: &Step, behind: u64) -> Option<String> {
        step.why_broken(behind, &Ramp { p99_ms: 10.0, ..Ramp::default() })
    }

    #[test]
    fn a_rate_holds_while_p99_is_within_the_bound() {
        assert_eq!(why(&step(1000.0, 10), 0), None);
        assert!(why(&step(1000.0, 11), 0).unwrap().contains("delivery p99"));
    }

    #[test]
    fn a_schedule_that_falls_behind_by_more_than_the_bound_breaks_the_rate() {
        assert_eq!(why(&step(1000.0, 5), 11), None);
        assert!(why(&step(1000.0, 5), 12).unwrap().contains("12 were due"));
    }

    #[test]
    fn a_fault_breaks_the_rate_and_the_first_is_told() {
        let mut step = step(1000.0, 5);
        step.faults.note(Fault::Disconnected, || "client 3: 3008 slow".into());
        assert!(why(&step, 0).unwrap().contains("client 3: 3008 slow"));
    }

    #[test]
    fn a_rate_at_which_nothing_happened_does_not_hold() {
        let step = Step { measures: BTreeMap::new(), ..step(1000.0, 0) };
        assert!(why(&step, 0).is_some());
    }

    #[test]
    fn the_knee_is_the_highest_rate_that_held() {
        let broken = |rate| Step { broke: Some("too slow".into()), ..step(rate, 50) };
        let climb = Climb { steps: vec![step(100.0, 1), step(200.0, 2), broken(400.0), step(283.0, 3), broken(336.0)] };
        assert_eq!(climb.knee().map(|step| step.rate_per_s), Some(283.0));
        assert!(climb.is_good());
        assert!(!Climb { steps: vec![broken(100.0)] }.is_good(), "no rate held");
    }

    #[test]
    fn overload_excuses_slowness_and_loss_but_no_disorder() {
        let after = |fault| {
            let mut broken = Step { broke: Some("faults".into()), ..step(200.0, 5) };
            broken.faults.note(fault, || "told".into());
            Climb { steps: vec![step(100.0, 1), broken] }.is_good()
        };
        assert!(after(Fault::Disconnected) && after(Fault::Lost));
        assert!(!after(Fault::Duplicate) && !after(Fault::OutOfOrder) && !after(Fault::Damaged));
    }
}
