//! `members_remove`

use schemars::JsonSchema;
use serde::Deserialize;

use super::Method;
use super::members::change;
use super::reply::Done;
use crate::broker::inbox_order::InboxOrder;
use crate::control::state::ControlState;
use crate::model::refusal::Error;

/// End the membership of users in a channel.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "MembersRemoveRequest")]
pub(super) struct MembersRemove {
    /// The channel; its namespace must be one of at least once.
    channel: String,
    /// The users, at most 10,000 at once. Whom it does not change is none of an error.
    users: Vec<String>,
}

impl Method for MembersRemove {
    const NAME: &'static str = "members_remove";
    type Result = Done;

    async fn run(self, state: &ControlState) -> Result<Done, Error> {
        change(state, self.channel, self.users, InboxOrder::RemoveMembers).await
    }
}
