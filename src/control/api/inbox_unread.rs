//! `inbox_unread`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::members::member;
use crate::broker::inbox_order::InboxOrder;
use crate::broker::order::Order;
use crate::control::state::ControlState;
use crate::delivery::Unread;
use crate::model::refusal::Error;

/// How much has a member not read?
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "InboxUnreadRequest")]
pub(super) struct InboxUnread {
    /// The channel; its namespace must be one of at least once.
    channel: String,
    /// A member of the channel; others are refused with 103.
    user: String,
}

/// What a member has not read.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct InboxUnreadResult {
    /// Which life of the channel the offsets belong to; empty before there was one.
    epoch: Arc<str>,
    /// The offset of the channel's latest publication.
    offset: u64,
    /// Up to where the user has read.
    read: u64,
    /// How many publications follow it.
    unread: u64,
}

impl Method for InboxUnread {
    const NAME: &'static str = "inbox_unread";
    type Result = InboxUnreadResult;

    async fn run(self, state: &ControlState) -> Result<InboxUnreadResult, Error> {
        let channel: Arc<str> = Arc::from(self.channel);
        let user = member(self.user)?;
        let order = |answer| Order::Inbox(InboxOrder::Unread(channel.clone(), user, answer));
        let Unread { epoch, offset, read, unread } = state.shards.ask(&channel, order).await?;
        Ok(InboxUnreadResult { epoch, offset, read, unread })
    }
}
