//! What a process counts of what it writes to Kafka, for the outside to read. Any thread writes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// See the module.
#[derive(Debug, Default)]
pub struct ProducerMetrics {
    written: AtomicU64,
    failures: Mutex<BTreeMap<&'static str, u64>>,
}

impl ProducerMetrics {
    /// Kafka has taken a record.
    pub(super) fn taken(&self) {
        self.written.fetch_add(1, Ordering::Relaxed);
    }

    /// A record was not taken, for this kind of fault.
    pub(super) fn failed(&self, kind: &'static str) {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    /// Records that Kafka has taken.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Per kind of fault, how many records were not taken.
    pub fn failures(&self) -> Vec<(&'static str, u64)> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.iter().map(|(kind, number)| (*kind, *number)).collect()
    }
}
