//! `ping`: clients that ask for nothing but an answer. What others make them wait.

use serde::{Deserialize, Serialize};

use super::PaceSettings;
use super::checks::{clients, positive};
use crate::plan::{Load, Plan, Stream};

/// Clients that ping the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ping {
    /// How many clients.
    pub clients: u32,
    /// How fast, all together.
    pub pace: PaceSettings,
}

impl Default for Ping {
    fn default() -> Self {
        Self { clients: 10, pace: PaceSettings { rate_per_s: 500.0, ..PaceSettings::default() } }
    }
}

impl Ping {
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let count = clients(&[positive("clients", self.clients)?])?;
        Ok(Plan {
            clients: vec![Vec::new(); count as usize],
            channels: count,
            // A ping goes to no channel: each client has a stream of its own, so that its answers have their order.
            streams: (0..count).map(|client| Stream { publisher: client, channel: client }).collect(),
            load: Load::Ping(self.pace.pace()?),
        })
    }
}
