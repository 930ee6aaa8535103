//! `history_remove`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Method;
use super::reply::Done;
use crate::broker::order::Order;
use crate::control::state::ControlState;
use crate::model::refusal::Error;

/// Forget a channel's past publications. Offsets go on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "HistoryRemoveRequest")]
pub(super) struct HistoryRemove {
    /// The channel; its namespace must keep history.
    channel: String,
}

impl Method for HistoryRemove {
    const NAME: &'static str = "history_remove";
    type Result = Done;

    async fn run(self, state: &ControlState) -> Result<Done, Error> {
        let channel: Arc<str> = Arc::from(self.channel);
        let order = |answer| Order::HistoryRemove { channel: channel.clone(), answer };
        state.shards.ask(&channel, order).await?;
        Ok(Done {})
    }
}
