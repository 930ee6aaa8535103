//! `members_add`

use schemars::JsonSchema;
use serde::Deserialize;

use super::Method;
use super::members::change;
use super::reply::Done;
use crate::broker::inbox_order::InboxOrder;
use crate::control::state::ControlState;
use crate::model::refusal::Error;

/// Make users members of a channel: what is published from now on is sent to their devices until it is received.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "MembersAddRequest")]
pub(super) struct MembersAdd {
    /// The channel; its namespace must be one of at least once.
    channel: String,
    /// The users, at most 10,000 at once. Whom it does not change is none of an error.
    users: Vec<String>,
}

impl Method for MembersAdd {
    const NAME: &'static str = "members_add";
    type Result = Done;

    async fn run(self, state: &ControlState) -> Result<Done, Error> {
        change(state, self.channel, self.users, InboxOrder::AddMembers).await
    }
}
