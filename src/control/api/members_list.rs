//! `members_list`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::shape::whole_or_null;
use crate::broker::inbox_order::InboxOrder;
use crate::broker::order::Order;
use crate::control::state::ControlState;
use crate::delivery::MemberPosition;
use crate::limits::MEMBERS_PER_CALL_MAX;
use crate::model::refusal::Error;

/// List the members of a channel, by name, with how far each has received and read.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "MembersListRequest")]
pub(super) struct MembersList {
    /// The channel; its namespace must be one of at least once.
    channel: String,
    /// Only those whose names follow this one: the last of the page before.
    after: String,
    /// How many at the most; 0 or none, and more than 10,000, is 10,000.
    #[serde(deserialize_with = "whole_or_null")]
    limit: Option<u32>,
}

/// A page of the members of a channel.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MembersListResult {
    /// By name. Fewer than were asked for: there are no more.
    members: Vec<Member>,
    /// Which life of the channel the offsets belong to; empty before there was one.
    epoch: Arc<str>,
    /// The offset of the channel's latest publication.
    offset: u64,
}

/// A member of a channel.
#[derive(Debug, Serialize, JsonSchema)]
struct Member {
    /// The user.
    user: Arc<str>,
    /// The furthest that any device of the user has received.
    received: u64,
    /// Up to where the user has read.
    read: u64,
}

impl Method for MembersList {
    const NAME: &'static str = "members_list";
    type Result = MembersListResult;

    async fn run(self, state: &ControlState) -> Result<MembersListResult, Error> {
        let channel: Arc<str> = Arc::from(self.channel);
        let limit = match self.limit.unwrap_or_default() as usize {
            0 => MEMBERS_PER_CALL_MAX,
            limit => limit.min(MEMBERS_PER_CALL_MAX),
        };
        let after = self.after.into();
        let order = |answer| Order::Inbox(InboxOrder::Members(channel.clone(), after, limit, answer));
        let page = state.shards.ask(&channel, order).await?;
        let member = |one: &MemberPosition| Member { user: one.user.clone(), received: one.received, read: one.read };
        let members = page.users.iter().map(member).collect();
        Ok(MembersListResult { members, epoch: page.epoch, offset: page.offset })
    }
}
