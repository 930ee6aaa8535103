//! Pairings: what a client that asks for little waits, and what it waits beside others who ask for too much. Both are
//! measured one after the other against the same server, as often as there are pairs.

use serde::{Deserialize, Serialize};

use crate::measure::{Measure, Summary};
use crate::record::Record;

/// What was measured beside one way to ask for too much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pairing {
    /// What the others do.
    pub abuse: String,
    /// How many times longer than without them the quiet client may wait.
    pub goal: f64,
    /// One after the other, each against a server that has just started.
    pub pairs: Vec<Pair>,
}

/// A run without the others' doings, and one with them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The others are connected and do nothing.
    pub quiet: Side,
    /// They do what they do.
    pub abused: Side,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The most memory of the server that was in RAM during the run, bytes.
    pub peak_bytes: u64,
    /// All but one in a thousand of the server's ticks took no longer, nanoseconds, to a bucket of its histogram: how long
    /// what has come waits in it for others. Nobody says where there are no ticks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_p999_ns: Option<u64>,
    /// What the quiet client measured. Its faults count in the table: a client that was turned away did not wait long.
    pub record: Record,
}

impl Side {
    fn reply(&self) -> Option<&Summary> {
        self.record.whole.get(&Measure::Reply).map(|whole| &whole.summary)
    }

    /// The 99th percentile of what it waited, nanoseconds; the longest that can be told where nothing was answered.
    pub fn p99_ns(&self) -> u64 {
        self.reply().map_or(crate::limits::LATENCY_NS_MAX, |summary| summary.p99_ns)
    }

    /// The longest that it waited, nanoseconds.
    pub fn max_ns(&self) -> u64 {
        self.reply().map_or(crate::limits::LATENCY_NS_MAX, |summary| summary.max_ns)
    }

    /// Of its questions, 99 in 100 left no later than so many nanoseconds after their time: what it waited for its own
    /// core.
    pub fn late_p99_ns(&self) -> u64 {
        self.record.whole.get(&Measure::Lateness).map_or(0, |whole| whole.summary.p99_ns)
    }

    /// What went wrong for it.
    pub fn faults(&self) -> u64 {
        self.record.faults.counts().map(|(_, number)| number).sum()
    }
}

impl Pairing {
    /// Whether there is something to compare: a server answers a quiet client while nobody does anything.
    pub(super) fn is_measured(&self) -> bool {
        !self.pairs.is_empty() && self.pairs.iter().all(|pair| pair.quiet.reply().is_some() && pair.quiet.faults() == 0)
    }

    /// The middle one of all pairs.
    ///
    /// # Panics
    /// Without pairs.
    pub fn median(&self, figure: impl Fn(&Pair) -> f64) -> f64 {
        let mut figures: Vec<_> = self.pairs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    }

    /// How many times longer the quiet client waited: the middle one of the pairs' multiples.
    pub fn ratio(&self) -> f64 {
        self.median(|pair| pair.abused.p99_ns() as f64 / pair.quiet.p99_ns().max(1) as f64)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fault::Fault;
    use crate::measure::histogram;
    use crate::record::Whole;
    use crate::report::table::tests::record;

    /// A run whose answers took so many microseconds.
    fn side(us: u64) -> Side {
        let mut replies = histogram();
        replies.record_n(us * 1000, 100).unwrap();
        let whole = BTreeMap::from([(Measure::Reply, Whole::of(&replies, 100, 1.0))]);
        Side { peak_bytes: us << 20, tick_p999_ns: None, record: Record { whole, ..record() } }
    }

    /// Pairs of runs, by what their answers took, microseconds.
    pub(crate) fn pairing(pairs: &[(u64, u64)]) -> Pairing {
        let pairs = pairs.iter().map(|(quiet, abused)| Pair { quiet: side(*quiet), abused: side(*abused) });
        Pairing { abuse: "a flood".into(), goal: 2.0, pairs: pairs.collect() }
    }

    #[test]
    fn the_multiple_is_the_middle_one_of_the_pairs() {
        let pairing = pairing(&[(100, 120), (10, 90), (100, 150)]);
        assert!((pairing.ratio() - 1.5).abs() < 0.01, "{}", pairing.ratio());
        assert_eq!(pairing.median(|pair| pair.abused.peak_bytes as f64), (120 << 20) as f64);
    }

    #[test]
    fn a_client_that_was_never_answered_waited_for_ever_and_only_in_quiet_is_that_no_figure() {
        let mut pairing = pairing(&[(100, 120)]);
        pairing.pairs[0].abused.record.whole.clear();
        pairing.pairs[0].abused.record.faults.note(Fault::Disconnected, || "gone".into());
        assert!(pairing.is_measured() && pairing.ratio() > 1e6);
        assert_eq!(pairing.pairs[0].abused.faults(), 1);
        pairing.pairs[0].quiet.record.whole.clear();
        assert!(!pairing.is_measured());
    }
}
