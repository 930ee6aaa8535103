//! What the mover counts, for the outside to read.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::broker::counter::{Counter, Gauge};
use crate::cluster::redis::streams::Outcome;

/// See the module. The bridge's thread writes what becomes of records, the mover's the rest.
#[derive(Debug, Default)]
pub struct MoverMetrics {
    /// Records that have come into the order of their channels.
    pub moved: Counter,
    /// Records that were there already, or whose key or version was.
    pub repeated: Counter,
    /// Records that went to the topic of the dead.
    pub buried: Counter,
    /// Records that cannot be published, nor written to the topic of the dead.
    pub passed_over: Counter,
    /// Publications that are missing in their topic, since it has refused them for too long.
    pub left_out: Counter,
    /// Messages to the node itself, which do not go by Kafka.
    pub told_here: Counter,
    /// Messages to nodes that Kafka has taken.
    pub told: Counter,
    /// Messages to nodes that it has not, which leave a hole.
    pub untold: Counter,
    /// Times that records are moved again, since a bucket has lost writes, or the group's position is not known.
    pub replays: Counter,
    /// Partitions that this node moves.
    pub partitions: Gauge,
    /// Records on their way into buckets.
    pub waiting: Gauge,
    /// Bytes of these.
    pub waiting_bytes: Gauge,
    /// Records that this node's partitions hold and it has not moved yet, as of what it last heard of their ends.
    pub lag: Gauge,
    /// For how long the oldest of those that were read and are not moved yet has lain there, milliseconds, by the topic's clock.
    pub lag_ms: Gauge,
    failures: Mutex<BTreeMap<&'static str, u64>>,
}

impl MoverMetrics {
    /// A bucket has answered about a record.
    pub(super) fn came(&self, outcome: Outcome) {
        match outcome {
            Outcome::Published => self.moved.add(1),
            Outcome::Repeated | Outcome::Passed | Outcome::Moved => self.repeated.add(1),
            // Counted when it is buried.
            Outcome::TooMany | Outcome::Foreign(_) => {}
        }
    }

    /// A call has failed in this way.
    pub(super) fn failed(&self, kind: &'static str) {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    /// Per kind of fault of Redis, how often records had to wait for it.
    pub fn failures(&self) -> Vec<(&'static str, u64)> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.iter().map(|(kind, number)| (*kind, *number)).collect()
    }
}
