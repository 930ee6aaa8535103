//! `connect`: clients that come at a steady rate, all at once, or all at once again. What a new connection costs.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::checks::{clients, nanoseconds, positive, positive_rate, spread};
use crate::limits::{ARRIVALS_MAX, ARRIVALS_PER_TURN, MISSED_MAX};
use crate::plan::{Breakage, Load, Plan, Recovery, Storm, Stream};

/// Clients that come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum Connect {
    /// At a steady rate.
    Steady(Steady),
    /// All at once.
    Storm(AtOnce),
    /// All at once again, after their connections broke.
    Reconnect(Reconnect),
    /// All at once again, to recover what they missed.
    Recover(Recover),
}

/// Clients that come at a steady rate, stay for a while and leave. Each is measured from when it was due until it is
/// subscribed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Steady {
    /// New clients a second.
    pub rate_per_s: f64,
    /// How long each stays once it is there.
    pub stay_s: f64,
    /// How many channels they are spread over, each client in one; 0: they subscribe to nothing.
    pub channels: u32,
}

/// Clients that are all due at the same time. Each is measured from then until it is subscribed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AtOnce {
    /// How many clients.
    pub clients: u32,
    /// How many channels they are spread over, each client in one; 0: they subscribe to nothing.
    pub channels: u32,
}

/// Clients that are there, lose their connections at the same time, and come back. Each is measured from when its
/// connection broke until it is subscribed again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reconnect {
    /// How many clients.
    pub clients: u32,
    /// How many channels they are spread over, each client in one; 0: they subscribe to nothing.
    pub channels: u32,
    /// How their connections end.
    pub breakage: Breakage,
    /// The share of them whose connections end; the others stay. Of no meaning where the server ends connections.
    pub share: f64,
    /// Each comes back after a random time up to this, and twice as long for each time that it is turned away. 0: all
    /// come back at once, and to be turned away is a fault.
    pub backoff_s: f64,
    /// The longest of these times.
    pub backoff_max_s: f64,
}

/// Clients that are there, lose their connections at the same time, miss messages, and come back at once to recover
/// them. Each is measured from when all was published that it missed until it was given all of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recover {
    /// How many clients.
    pub clients: u32,
    /// How many channels they are spread over, each client in one.
    pub channels: u32,
    /// Messages of its channel that each client misses.
    pub missed: u32,
}

impl Default for Steady {
    fn default() -> Self {
        Self { rate_per_s: 500.0, stay_s: 1.0, channels: 100 }
    }
}

impl Default for AtOnce {
    fn default() -> Self {
        Self { clients: 1000, channels: 100 }
    }
}

impl Default for Recover {
    fn default() -> Self {
        Self { clients: 5000, channels: 500, missed: 10 }
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            clients: 1000,
            channels: 100,
            breakage: Breakage::Reset,
            share: 1.0,
            backoff_s: 0.0,
            backoff_max_s: 20.0,
        }
    }
}

impl Connect {
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        match self {
            Self::Steady(steady) => steady.plan(),
            Self::Storm(at_once) => at_once.plan(),
            Self::Reconnect(reconnect) => reconnect.plan(),
            Self::Recover(recover) => recover.plan(),
        }
    }

    /// Most connections beside those of the plan's clients.
    pub(super) fn visitors_max(&self) -> u64 {
        match self {
            // Those who stay, and those who may be under way.
            Self::Steady(steady) => (steady.rate_per_s * steady.stay_s) as u64 + ARRIVALS_MAX as u64,
            Self::Storm(at_once) => at_once.clients.into(),
            // Broken connections that the ring has not let go of when the first clients are back.
            Self::Reconnect(_) | Self::Recover(_) => 2 * ARRIVALS_PER_TURN as u64,
        }
    }
}

impl Steady {
    fn plan(&self) -> anyhow::Result<Plan> {
        let rate_per_s = positive_rate("rate_per_s", self.rate_per_s)?;
        let load = Load::Connect { rate_per_s, stay_ns: nanoseconds("stay_s", self.stay_s)? };
        Ok(Plan { clients: Vec::new(), channels: clients(&[self.channels])?, streams: Vec::new(), load })
    }
}

impl AtOnce {
    fn plan(&self) -> anyhow::Result<Plan> {
        let count = clients(&[positive("clients", self.clients)?])?;
        let load = Load::Storm(Storm { clients: count, breakage: None, backoff_ns: 0, backoff_max_ns: 0 });
        Ok(Plan { clients: Vec::new(), channels: self.channels.min(count), streams: Vec::new(), load })
    }
}

impl Recover {
    fn plan(&self) -> anyhow::Result<Plan> {
        let count = clients(&[positive("clients", self.clients)?])?;
        let channels = positive("channels", self.channels)?.min(count);
        let missed = positive("missed", self.missed)?;
        ensure!(
            u64::from(channels) * u64::from(missed) <= MISSED_MAX,
            "more than {MISSED_MAX} messages are to be missed: ask for fewer `channels` or a smaller `missed`"
        );
        let publisher = [Vec::new()];
        Ok(Plan {
            clients: spread(count, channels).into_iter().chain(publisher).collect(),
            channels,
            streams: (0..channels).map(|channel| Stream { publisher: count, channel }).collect(),
            load: Load::Recover(Recovery { clients: count, channels, missed }),
        })
    }
}

impl Reconnect {
    fn plan(&self) -> anyhow::Result<Plan> {
        let Self { share, breakage, .. } = *self;
        let count = clients(&[positive("clients", self.clients)?])?;
        ensure!(share > 0.0 && share <= 1.0, "`share` is {share}: it must be above 0 and at most 1");
        let storm = Storm {
            clients: if breakage == Breakage::Server { count } else { (f64::from(count) * share).ceil() as u32 },
            breakage: Some(breakage),
            backoff_ns: nanoseconds("backoff_s", self.backoff_s)?,
            backoff_max_ns: nanoseconds("backoff_max_s", self.backoff_max_s)?,
        };
        Ok(Plan {
            clients: spread(count, self.channels),
            channels: self.channels.min(count),
            streams: Vec::new(),
            load: Load::Storm(storm),
        })
    }
}
