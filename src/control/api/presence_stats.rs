//! `presence_stats`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use crate::broker::order::Order;
use crate::control::state::ControlState;
use crate::model::refusal::Error;

/// How many are in a channel?
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "PresenceStatsRequest")]
pub(super) struct PresenceStats {
    /// The channel; its namespace must have `presence`.
    channel: String,
}

/// How many are in a channel.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PresenceStatsResult {
    /// Clients.
    num_clients: u32,
    /// Distinct users.
    num_users: u32,
}

impl Method for PresenceStats {
    const NAME: &'static str = "presence_stats";
    type Result = PresenceStatsResult;

    async fn run(self, state: &ControlState) -> Result<PresenceStatsResult, Error> {
        let channel: Arc<str> = Arc::from(self.channel);
        let order = |answer| Order::PresenceStats { channel: channel.clone(), answer };
        let stats = state.shards.ask(&channel, order).await?;
        Ok(PresenceStatsResult { num_clients: stats.num_clients, num_users: stats.num_users })
    }
}
