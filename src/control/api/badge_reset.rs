//! `badge_reset`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Method, notify};
use crate::config::Role;
use crate::control::state::ControlState;
use crate::model::refusal::Error;

/// Nothing is unread of a user, or of one channel: the next push of a channel says anew what is. Answered by processes with the role
/// `notify`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "BadgeResetRequest")]
pub(super) struct BadgeReset {
    /// Whose.
    user: String,
    /// Only this channel; empty for all.
    channel: String,
}

/// What is left.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BadgeResetResult {
    /// What is unread in all channels.
    badge: u64,
}

impl Method for BadgeReset {
    const NAME: &'static str = "badge_reset";
    const ROLE: Role = Role::Notify;
    type Result = BadgeResetResult;

    async fn run(self, state: &ControlState) -> Result<BadgeResetResult, Error> {
        let (user, channel) = (notify::user(&self.user)?, notify::channel(&self.channel)?);
        let badge = notify::standing(state)?.reset_badge(user, channel).await.map_err(notify::away)?;
        Ok(BadgeResetResult { badge })
    }
}
