//! `idle`: clients that do nothing. What a connection costs while it lasts.

use serde::{Deserialize, Serialize};

use super::checks::{clients, positive, spread};
use crate::plan::{Load, Plan};

/// Clients that connect, subscribe and say nothing more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Idle {
    /// How many clients.
    pub clients: u32,
    /// How many channels they are spread over, each client in one; 0: they subscribe to nothing.
    pub channels: u32,
}

impl Default for Idle {
    fn default() -> Self {
        Self { clients: 10_000, channels: 1000 }
    }
}

impl Idle {
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let count = clients(&[positive("clients", self.clients)?])?;
        let clients = spread(count, self.channels);
        Ok(Plan { clients, channels: self.channels.min(count), streams: Vec::new(), load: Load::Idle })
    }
}
