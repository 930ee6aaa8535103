//! Parts: what a part of the node does by itself, without clients: rates, times, bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A kind of work of a part, done several times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What is done.
    pub work: String,
    /// What its figures count, such as `records a second`.
    pub unit: String,
    /// What they should be.
    pub goal: Option<Bound>,
    /// One after the other.
    pub readings: Vec<Reading>,
}

/// What figures should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// So much, or more.
    AtLeast(f64),
    /// So much, or less.
    AtMost(f64),
    /// At most so many times what was measured beside it, in the same run.
    Beside(f64),
}

/// What was measured once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The figure.
    pub value: f64,
    /// That of what is measured beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<f64>,
    /// What else was seen: names, with their units, and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, f64>,
}

impl Reading {
    /// As a multiple of what was measured beside it.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.value / self.beside?)
    }
}

impl Part {
    /// The reading in the middle: by its multiple of what is beside it, where the goal is about that.
    ///
    /// # Panics
    /// Without readings.
    pub fn median(&self) -> &Reading {
        assert!(!self.readings.is_empty(), "a part has readings");
        let key = |reading: &Reading| match self.goal {
            Some(Bound::Beside(_)) => reading.ratio().unwrap_or(f64::NAN),
            _ => reading.value,
        };
        let mut order: Vec<_> = self.readings.iter().collect();
        order.sort_by(|one, other| key(one).total_cmp(&key(other)));
        order[order.len() / 2]
    }

    /// The lowest and the highest figure.
    pub fn spread(&self) -> (f64, f64) {
        let values = self.readings.iter().map(|reading| reading.value);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    }

    /// How much it takes of what the goal allows: above 1 the goal is missed.
    pub fn share_of_goal(&self) -> Option<f64> {
        let median = self.median();
        match self.goal.as_ref()? {
            Bound::AtLeast(least) => Some(least / median.value),
            Bound::AtMost(most) => Some(median.value / most),
            Bound::Beside(times) => Some(median.ratio()? / times),
        }
    }

    /// By how much the goal is missed, as a share of it; 0 or below where it is reached.
    pub fn excess(&self) -> Option<f64> {
        match self.goal.as_ref()? {
            Bound::AtLeast(least) => Some(1.0 - self.median().value / least),
            _ => self.share_of_goal().map(|share| share - 1.0),
        }
    }

    /// Whether it has readings, and each has what the goal is about.
    pub(super) fn is_measured(&self) -> bool {
        let is_number = |value: f64| value.is_finite() && value > 0.0;
        let needs_beside = matches!(self.goal, Some(Bound::Beside(_)));
        let is_whole = |reading: &Reading| is_number(reading.value) && reading.beside.map_or(!needs_beside, is_number);
        !self.readings.is_empty() && self.readings.iter().all(is_whole)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn part(goal: Bound, readings: &[(f64, f64)]) -> Part {
        let reading = |(value, beside): &(f64, f64)| Reading {
            value: *value,
            beside: (*beside > 0.0).then_some(*beside),
            facts: [("max, us".to_owned(), 7.0)].into(),
        };
        Part {
            work: "the store alone".into(),
            unit: "records a second".into(),
            goal: Some(goal),
            readings: readings.iter().map(reading).collect(),
        }
    }

    #[test]
    fn a_goal_may_be_a_least_a_most_or_a_multiple_of_what_stands_beside() {
        let values = [(300.0, 0.0), (100.0, 0.0), (200.0, 0.0)];
        let least = part(Bound::AtLeast(160.0), &values);
        assert_eq!((least.excess(), least.share_of_goal(), least.spread()), (Some(-0.25), Some(0.8), (100.0, 300.0)));
        assert_eq!(part(Bound::AtLeast(400.0), &values).excess(), Some(0.5));
        assert_eq!(part(Bound::AtMost(160.0), &values).excess(), Some(0.25));
        // The middle of the multiples, 1, 2 and 9, is not that of the values.
        let beside = part(Bound::Beside(4.0), &[(10.0, 10.0), (40.0, 20.0), (18.0, 2.0)]);
        assert_eq!((beside.median().value, beside.excess()), (40.0, Some(-0.5)));
    }

    #[test]
    fn a_part_without_readings_or_without_what_stands_beside_it_was_not_measured() {
        assert!(part(Bound::AtMost(1.0), &[(1.0, 0.0)]).is_measured());
        assert!(part(Bound::Beside(1.0), &[(1.0, 1.0)]).is_measured());
        for unmeasured in [
            part(Bound::AtMost(1.0), &[]),
            part(Bound::AtMost(1.0), &[(f64::NAN, 0.0)]),
            part(Bound::Beside(1.0), &[(1.0, 1.0), (1.0, 0.0)]),
        ] {
            assert!(!unmeasured.is_measured(), "{unmeasured:?}");
        }
    }
}
