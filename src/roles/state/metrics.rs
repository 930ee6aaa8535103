//! What the role counts, for the outside to read. Its thread alone writes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::broker::counter::Counter;
use crate::events::SessionCause;

/// See the module.
#[derive(Debug, Default)]
pub struct StateMetrics {
    /// Records that were applied.
    pub applied: Counter,
    /// Records that had been applied before.
    pub repeated: Counter,
    /// Records that say nothing of sessions that begin or end.
    pub passed: Counter,
    /// Records that cannot be used.
    pub unusable: Counter,
    /// Sessions that nodes' register had and no record.
    pub adopted: Counter,
    /// Sessions that ended with their node.
    pub ended_with_node: Counter,
    /// Sessions that ended without a record that told of it.
    pub ended_untold: Counter,
    /// Partitions that were read anew since something was lost.
    pub rebuilds: Counter,
    transitions: Mutex<BTreeMap<&'static str, u64>>,
    faults: Mutex<BTreeMap<&'static str, u64>>,
}

fn count(counts: &Mutex<BTreeMap<&'static str, u64>>, name: &'static str) {
    *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
}

fn counted(counts: &Mutex<BTreeMap<&'static str, u64>>) -> Vec<(&'static str, u64)> {
    counts.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(name, number)| (*name, *number)).collect()
}

impl StateMetrics {
    /// A transition was written.
    pub(super) fn told(&self, cause: SessionCause) {
        count(&self.transitions, cause.as_str());
    }

    /// Something went wrong.
    pub(super) fn failed(&self, kind: &'static str) {
        count(&self.faults, kind);
    }

    /// Transitions that were written, by cause.
    pub fn transitions(&self) -> Vec<(&'static str, u64)> {
        counted(&self.transitions)
    }

    /// What went wrong, by kind.
    pub fn faults(&self) -> Vec<(&'static str, u64)> {
        counted(&self.faults)
    }
}
