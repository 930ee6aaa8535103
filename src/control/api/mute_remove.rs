//! `mute_remove`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Method, notify};
use crate::config::Role;
use crate::control::state::ControlState;
use crate::model::refusal::Error;

/// Take a mute away that `mute_set` has set. Answered by processes with the role `notify`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "MuteRemoveRequest")]
pub(super) struct MuteRemove {
    /// Whose.
    user: String,
    /// That of this channel; empty for that of all, which leaves those of channels as they are.
    channel: String,
}

/// What was there.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MuteRemoveResult {
    /// Whether there was such a mute.
    removed: bool,
}

impl Method for MuteRemove {
    const NAME: &'static str = "mute_remove";
    const ROLE: Role = Role::Notify;
    type Result = MuteRemoveResult;

    async fn run(self, state: &ControlState) -> Result<MuteRemoveResult, Error> {
        let (user, channel) = (notify::user(&self.user)?, notify::channel(&self.channel)?);
        let removed = notify::standing(state)?.unmute(user, channel).await.map_err(notify::away)?;
        Ok(MuteRemoveResult { removed })
    }
}
