//! How long something took, each time.

use std::time::Duration;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The time that this share of all keep within.
    pub(super) fn at(&self, share: f64) -> Duration {
        self.within([share])[0]
    }

    fn within<const N: usize>(&self, shares: [f64; N]) -> [Duration; N] {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        shares.map(|share| sorted.get((last as f64 * share) as usize).copied().unwrap_or_default())
    }

    /// What is told of them, in microseconds.
    pub(super) fn facts(&self, what: &str) -> [(String, f64); 3] {
        let [p50, p99, max] = self.within([0.5, 0.99, 1.0]).map(|time| time.as_micros() as f64);
        [("p50", p50), ("p99", p99), ("max", max)].map(|(name, us)| (format!("{what}, {name}, us"), us))
    }
}
