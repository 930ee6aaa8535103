//! `fanout`: channels with few publishers and many subscribers. What a delivery costs.

use serde::{Deserialize, Serialize};

use super::{PaceSettings, check_pairs, clients, positive};
use crate::plan::{Load, Plan, Stream};

/// Channels that each have publishers and subscribers of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FanOut {
    /// How many channels.
    pub channels: u32,
    /// Publishers of each channel.
    pub publishers: u32,
    /// Subscribers of each channel.
    pub subscribers: u32,
    /// How fast.
    pub pace: PaceSettings,
}

impl Default for FanOut {
    fn default() -> Self {
        let pace = PaceSettings { rate_per_s: 100.0, ..PaceSettings::default() };
        Self { channels: 1, publishers: 1, subscribers: 1000, pace }
    }
}

impl FanOut {
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let channels = positive("channels", self.channels)?;
        let publishers = clients(&[channels, positive("publishers", self.publishers)?])?;
        let subscribers = clients(&[channels, positive("subscribers", self.subscribers)?])?;
        check_pairs(&[channels, self.publishers, self.subscribers])?;
        clients(&[publishers.saturating_add(subscribers)])?;
        // Subscribers of different channels stand side by side, and so do publishers: their turns mix the channels.
        let subscribed = (0..subscribers).map(|number| vec![number % channels]);
        let silent = (0..publishers).map(|_| Vec::new());
        let stream = |number| Stream { publisher: subscribers + number, channel: number % channels };
        Ok(Plan {
            clients: subscribed.chain(silent).collect(),
            channels,
            streams: (0..publishers).map(stream).collect(),
            load: Load::Publish(self.pace.pace()?),
        })
    }
}
