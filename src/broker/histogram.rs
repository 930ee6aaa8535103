//! How long something took, or how large it was, each time: counted in buckets. One thread writes, any may read.

use std::marker::PhantomData;

use super::counter::Counter;

/// Buckets of a histogram that have an upper bound; one more takes the rest.
pub const BUCKETS: usize = 12;

/// What is counted, and in which buckets.
pub trait Scale {
    /// Upper bounds of the buckets.
    const BOUNDS: [u64; BUCKETS];
    /// How many of what is counted make one of what is told.
    const PER_UNIT: f64;
}

/// Nanoseconds, told in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nanoseconds;

impl Scale for Nanoseconds {
    const BOUNDS: [u64; BUCKETS] = [
        10_000,
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        50_000_000,
        250_000_000,
    ];
    const PER_UNIT: f64 = 1e9;
}

/// Bytes, from a small record to a full batch and more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes;

impl Scale for Bytes {
    const BOUNDS: [u64; BUCKETS] =
        [256, 512, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20];
    const PER_UNIT: f64 = 1.0;
}

/// See the module.
#[derive(Debug, Default)]
pub struct Histogram<S> {
    buckets: [Counter; BUCKETS + 1],
    sum: Counter,
    scale: PhantomData<S>,
}

/// How long something took.
pub type DurationHistogram = Histogram<Nanoseconds>;

/// How large something was.
pub type BytesHistogram = Histogram<Bytes>;

/// What a histogram has counted, in the units that are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// All of them together.
    pub sum: f64,
    /// Upper bounds, and times per bucket, not cumulated. The last has no bound.
    pub buckets: Vec<(f64, u64)>,
}

impl Observed {
    /// How many there were.
    pub fn number(&self) -> u64 {
        self.buckets.iter().map(|(_, times)| times).sum()
    }
}

impl<S: Scale> Histogram<S> {
    /// Adds one, in what the scale counts.
    #[inline]
    pub fn record(&self, value: u64) {
        let bucket = S::BOUNDS.iter().position(|bound| value <= *bound);
        self.buckets[bucket.unwrap_or(BUCKETS)].add(1);
        self.sum.add(value);
    }

    /// What was counted so far.
    pub fn observed(&self) -> Observed {
        let bounds = S::BOUNDS.iter().map(|bound| *bound as f64 / S::PER_UNIT).chain([f64::INFINITY]);
        let buckets = bounds.zip(self.buckets.iter().map(Counter::get)).collect();
        Observed { sum: self.sum.get() as f64 / S::PER_UNIT, buckets }
    }
}
