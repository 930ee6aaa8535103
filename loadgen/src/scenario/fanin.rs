//! `fanin`: channels with many publishers and one subscriber, as where devices report.

use serde::{Deserialize, Serialize};

use super::{FanOut, PaceSettings};
use crate::plan::Plan;

/// Channels that each have many publishers and one subscriber.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FanIn {
    /// How many channels.
    pub channels: u32,
    /// Publishers of each channel.
    pub publishers: u32,
    /// When the next message is due.
    pub pace: PaceSettings,
}

impl Default for FanIn {
    fn default() -> Self {
        Self { channels: 1, publishers: 1000, pace: PaceSettings { rate_per_s: 5000.0, ..PaceSettings::default() } }
    }
}

impl FanIn {
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let Self { channels, publishers, pace } = self.clone();
        FanOut { channels, publishers, subscribers: 1, pace, ..FanOut::default() }.plan()
    }
}
