//! `dead_letters_purge`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::shape::whole_or_null;
use crate::broker::inbox_order::InboxOrder;
use crate::broker::order::Order;
use crate::control::state::ControlState;
use crate::model::refusal::Error;

/// Forget one publication that was given up, or all of a channel.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "DeadLettersPurgeRequest")]
pub(super) struct DeadLettersPurge {
    /// The channel.
    channel: String,
    /// The publication's number in the stream; without it all of the channel are meant.
    #[serde(deserialize_with = "whole_or_null")]
    offset: Option<u64>,
}

/// How many are forgotten.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DeadLettersPurgeResult {
    /// 0 where there was none.
    purged: u64,
}

impl Method for DeadLettersPurge {
    const NAME: &'static str = "dead_letters_purge";
    type Result = DeadLettersPurgeResult;

    async fn run(self, state: &ControlState) -> Result<DeadLettersPurgeResult, Error> {
        let channel: Arc<str> = Arc::from(self.channel);
        let order = |answer| Order::Inbox(InboxOrder::Purge(channel.clone(), self.offset, answer));
        let purged = state.shards.ask(&channel, order).await?;
        Ok(DeadLettersPurgeResult { purged: purged as u64 })
    }
}
