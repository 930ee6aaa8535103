//! `dead_letters_requeue`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Method;
use super::publish::PublishResult;
use super::shape::whole;
use crate::broker::inbox_order::InboxOrder;
use crate::broker::order::Order;
use crate::control::state::ControlState;
use crate::model::refusal::Error;

/// Send one that was given up once more to the devices that have not received it: its attempts begin anew.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "DeadLettersRequeueRequest")]
pub(super) struct DeadLettersRequeue {
    /// The channel.
    channel: String,
    /// The publication's number in the stream.
    #[serde(deserialize_with = "whole")]
    offset: u64,
}

impl Method for DeadLettersRequeue {
    const NAME: &'static str = "dead_letters_requeue";
    type Result = PublishResult;

    async fn run(self, state: &ControlState) -> Result<PublishResult, Error> {
        let channel: Arc<str> = Arc::from(self.channel);
        let order = |answer| Order::Inbox(InboxOrder::Requeue(channel.clone(), self.offset, answer));
        Ok(state.shards.ask(&channel, order).await?.into())
    }
}
