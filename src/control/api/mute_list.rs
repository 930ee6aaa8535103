//! `mute_list`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Method, notify};
use crate::clock;
use crate::config::Role;
use crate::control::state::ControlState;
use crate::model::refusal::Error;
use crate::roles::notify::standing::Mute;

/// List what a user has muted. Answered by processes with the role `notify`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "MuteListRequest")]
pub(super) struct MuteList {
    /// Whose.
    user: String,
}

/// What a user has muted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MuteListResult {
    /// Mutes in force: that of all first, then by channel.
    mutes: Vec<ListedMute>,
}

/// One mute.
#[derive(Debug, Serialize, JsonSchema)]
struct ListedMute {
    /// Of which channel; missing for that of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    /// Until when, Unix milliseconds; missing for one that stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    until_unix_ms: Option<i64>,
}

impl From<Mute> for ListedMute {
    fn from(Mute { channel, until_unix_ms }: Mute) -> Self {
        Self { channel, until_unix_ms }
    }
}

impl Method for MuteList {
    const NAME: &'static str = "mute_list";
    const ROLE: Role = Role::Notify;
    type Result = MuteListResult;

    async fn run(self, state: &ControlState) -> Result<MuteListResult, Error> {
        let user = notify::user(&self.user)?;
        let mutes = notify::standing(state)?.mutes(user, clock::unix_ms()).await.map_err(notify::away)?;
        Ok(MuteListResult { mutes: mutes.into_iter().map(ListedMute::from).collect() })
    }
}
