//! How fast messages are sent, as scenarios say it.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::checks::{positive, positive_rate};
use crate::plan::Pace;

/// How fast messages are sent: by a schedule, or, where `outstanding` is set, as fast as the server takes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaceSettings {
    /// Messages a second, of all publishers together.
    pub rate_per_s: f64,
    /// Messages that are due at the same time. In a closed loop: so many of each publisher to each of its channels
    /// are sent together, once so many more may be under way.
    pub burst: u32,
    /// Closed loop: so many messages of each publisher to each of its channels are under way at any time, and the
    /// next one is sent when one is answered and has reached every subscriber. 0: `rate_per_s` holds.
    pub outstanding: u32,
}

/// Most messages of a stream in a closed loop.
const OUTSTANDING_MAX: u32 = 4096;

impl Default for PaceSettings {
    fn default() -> Self {
        Self { rate_per_s: 1000.0, burst: 1, outstanding: 0 }
    }
}

impl PaceSettings {
    pub(super) fn pace(&self) -> anyhow::Result<Pace> {
        let burst = positive("burst", self.burst)?;
        if self.outstanding > 0 {
            let outstanding = self.outstanding;
            ensure!(outstanding <= OUTSTANDING_MAX, "`outstanding` is {outstanding}: at most {OUTSTANDING_MAX}");
            ensure!(burst <= outstanding, "`burst` is {burst}: at most `outstanding`, which is {outstanding}");
            return Ok(Pace::Closed { outstanding, burst });
        }
        let rate_per_s = positive_rate("rate_per_s", self.rate_per_s)?;
        Ok(Pace::Open { rate_per_s, burst })
    }
}
