//! `connect`: clients that come at a steady rate, stay for a while and leave. What a new connection costs.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::{clients, positive_rate};
use crate::limits::ARRIVALS_MAX;
use crate::plan::{Load, Plan};

/// Clients that come at a steady rate. Each is measured from when it was due until it is subscribed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Connect {
    /// New clients a second.
    pub rate_per_s: f64,
    /// How long each stays once it is there.
    pub stay_s: f64,
    /// How many channels they are spread over, each client in one; 0: they subscribe to nothing.
    pub channels: u32,
}

impl Default for Connect {
    fn default() -> Self {
        Self { rate_per_s: 500.0, stay_s: 1.0, channels: 100 }
    }
}

impl Connect {
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let rate_per_s = positive_rate("rate_per_s", self.rate_per_s)?;
        ensure!(self.stay_s.is_finite() && self.stay_s >= 0.0, "`stay_s` is {}: it must be 0 or more", self.stay_s);
        let channels = clients(&[self.channels])?;
        let load = Load::Connect { rate_per_s, stay_ns: (self.stay_s * 1e9) as u64 };
        Ok(Plan { clients: Vec::new(), channels, streams: Vec::new(), load })
    }

    /// Those who stay, and those who may be under way.
    pub(super) fn connections_max(&self) -> u64 {
        (self.rate_per_s * self.stay_s) as u64 + ARRIVALS_MAX as u64
    }
}
