//! What becomes of subscribers that stop reading.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The end of one that the server cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// What it was told, or that it was told nothing.
    pub why: String,
    /// What it found when it read again, bytes: all that was sent to it from when it stopped.
    pub bytes: u64,
    /// From when it stopped until the last message that it found was due, nanoseconds.
    pub span_ns: u64,
}

/// What became of all of them, one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fates {
    /// How many stopped reading.
    pub stopped: u64,
    /// Those who were cut off.
    pub cuts: Vec<Cut>,
}

/// What became of all of them, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowReaders {
    /// How many stopped reading.
    pub stopped: u64,
    /// How many were not cut off: what they missed while they did not read, they got later.
    pub caught_up: u64,
    /// How many were cut off, by what they were told.
    pub cut: BTreeMap<String, u64>,
    /// What was sent to those from when they stopped, bytes.
    pub cut_bytes: Spread,
    /// For how long there was something for them from when they stopped, nanoseconds.
    pub cut_span_ns: Spread,
}

/// The least, the middle and the most of a number of values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// The smallest value.
    pub min: u64,
    /// The one in the middle.
    pub median: u64,
    /// The largest value.
    pub max: u64,
}

impl Fates {
    /// Adds what became of those of another part of the same run.
    pub fn add(&mut self, other: Self) {
        self.stopped += other.stopped;
        self.cuts.extend(other.cuts);
    }

    /// In numbers; `None` where nobody stopped.
    pub fn sum(&self) -> Option<SlowReaders> {
        let mut cut = BTreeMap::new();
        for Cut { why, .. } in &self.cuts {
            *cut.entry(why.clone()).or_default() += 1;
        }
        (self.stopped > 0).then(|| SlowReaders {
            stopped: self.stopped,
            caught_up: self.stopped - self.cuts.len() as u64,
            cut,
            cut_bytes: Spread::of(self.cuts.iter().map(|cut| cut.bytes)),
            cut_span_ns: Spread::of(self.cuts.iter().map(|cut| cut.span_ns)),
        })
    }
}

impl Spread {
    /// Of these values; zeros where there are none.
    fn of(values: impl Iterator<Item = u64>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_unstable();
        let at = |place: usize| values.get(place).copied().unwrap_or(0);
        Self { min: at(0), median: at(values.len() / 2), max: at(values.len().saturating_sub(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_of_several_processes_are_summed_up_by_what_the_cut_ones_were_told() {
        let cut = |why: &str, bytes| Cut { why: why.into(), bytes, span_ns: bytes * 2 };
        let mut fates = Fates { stopped: 3, cuts: vec![cut("3008 slow", 50)] };
        fates.add(Fates { stopped: 2, cuts: vec![cut("3008 slow", 70), cut("nothing", 10)] });
        let sum = fates.sum().unwrap();
        assert_eq!((sum.stopped, sum.caught_up), (5, 2));
        assert_eq!(sum.cut, BTreeMap::from([("3008 slow".into(), 2), ("nothing".into(), 1)]));
        assert_eq!(sum.cut_bytes, Spread { min: 10, median: 50, max: 70 });
        assert_eq!(sum.cut_span_ns, Spread { min: 20, median: 100, max: 140 });
    }

    #[test]
    fn where_nobody_stopped_there_is_nothing_to_tell() {
        assert_eq!(Fates::default().sum(), None);
        let patient = Fates { stopped: 2, cuts: Vec::new() }.sum().unwrap();
        assert_eq!((patient.caught_up, patient.cut_bytes), (2, Spread::default()));
    }
}
