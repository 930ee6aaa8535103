//! The node's ticks, as it tells them itself.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};

const BUCKETS: &str = "ringpost_tick_duration_seconds_bucket{";

/// How many ticks took no longer than so many nanoseconds, on all shards.
pub(crate) struct Ticks(BTreeMap<u64, u64>);

impl Ticks {
    /// Those since the node began.
    pub(crate) fn of(metrics_url: &str) -> anyhow::Result<Self> {
        let text = ureq::get(metrics_url).call().context("the node tells no metrics")?.body_mut().read_to_string()?;
        let mut ticks = BTreeMap::new();
        for line in text.lines().filter_map(|line| line.strip_prefix(BUCKETS)) {
            let (labels, number) = line.rsplit_once(' ').context("a sample without a value")?;
            let (_, bound) = labels.split_once("le=\"").context("a bucket without a bound")?;
            let bound = bound.split('"').next().unwrap_or_default();
            let bound_ns = if bound == "+Inf" { u64::MAX } else { (bound.parse::<f64>()? * 1e9).round() as u64 };
            *ticks.entry(bound_ns).or_default() += number.parse::<f64>()? as u64;
        }
        ensure!(!ticks.is_empty(), "the node tells nothing of its ticks");
        Ok(Self(ticks))
    }

    /// Those since an earlier look.
    pub(crate) fn since(mut self, earlier: &Self) -> Self {
        self.0.iter_mut().for_each(|(bound_ns, ticks)| *ticks -= earlier.0.get(bound_ns).copied().unwrap_or(0));
        self
    }

    /// Within so many nanoseconds all but one in a thousand ended, to a bucket. `None` where there was none.
    pub(crate) fn p999_ns(&self) -> Option<u64> {
        let all = *self.0.last_key_value()?.1;
        let within = |ticks: u64| ticks as f64 >= all as f64 * 0.999;
        self.0.iter().find(|(_, ticks)| all > 0 && within(**ticks)).map(|(bound_ns, _)| *bound_ns)
    }
}
