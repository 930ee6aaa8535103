//! Numbers that one thread writes and others may read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows. One thread writes it, so adding is a load and a store, without a locked
/// instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// By the shard alone.
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    /// By any thread; it may be a moment old.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down. One thread writes it.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// By the shard alone.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Up by so many, or down. By the shard alone.
    #[inline]
    pub fn add(&self, more: i64) {
        self.0.store(self.0.load(Relaxed).wrapping_add_signed(more), Relaxed);
    }

    /// By any thread; it may be a moment old.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
