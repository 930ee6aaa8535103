//! `publish`: messages that only their publishers hear of. What it costs to take one and to say so.

use serde::{Deserialize, Serialize};

use super::PaceSettings;
use super::checks::{clients, positive};
use crate::plan::{Load, Plan, Stream};

/// Publishers whose channels nobody subscribes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Publish {
    /// How many publishers.
    pub publishers: u32,
    /// How many channels they are spread over, each publisher in one.
    pub channels: u32,
    /// When the next message is due.
    pub pace: PaceSettings,
}

impl Default for Publish {
    fn default() -> Self {
        Self { publishers: 100, channels: 100, pace: PaceSettings { outstanding: 1, ..PaceSettings::default() } }
    }
}

impl Publish {
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let publishers = clients(&[positive("publishers", self.publishers)?])?;
        let channels = positive("channels", self.channels)?.min(publishers);
        let stream = |publisher| Stream { publisher, channel: publisher % channels };
        Ok(Plan {
            clients: vec![Vec::new(); publishers as usize],
            channels,
            streams: (0..publishers).map(stream).collect(),
            load: Load::Publish(self.pace.pace()?),
        })
    }
}
