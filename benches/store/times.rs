//! How long something took, each time. Nothing is allocated while it is measured.

use std::time::Duration;

use hdrhistogram::Histogram;
use ringpost_loadgen::measure::histogram;

/// See the module. In nanoseconds, with three digits.
#[derive(Debug)]
pub(super) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        Self(histogram())
    }
}

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.saturating_record(time.as_nanos() as u64);
    }

    /// The time that this share of all keep within.
    pub(super) fn at(&self, share: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(share))
    }

    /// What is told of them, in microseconds.
    pub(super) fn facts(&self, what: &str) -> [(String, f64); 3] {
        [("p50", 0.5), ("p99", 0.99), ("max", 1.0)]
            .map(|(name, share)| (format!("{what}, {name}, us"), self.at(share).as_micros() as f64))
    }
}
