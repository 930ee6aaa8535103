//! What a process counts of what it writes to Kafka, for the outside to read. Any thread writes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// See the module.
#[derive(Debug, Default)]
pub struct ProducerMetrics {
    written: AtomicU64,
    waiting_bytes: AtomicUsize,
    failures: Mutex<BTreeMap<&'static str, u64>>,
}

impl ProducerMetrics {
    /// A record of so many bytes waits from now on.
    pub(super) fn enters(&self, bytes: usize) {
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One of so many bytes waits no more.
    pub(super) fn leaves(&self, bytes: usize) {
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes of keys and values that wait for Kafka, or are on their way.
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes.load(Ordering::Relaxed) as u64
    }

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
