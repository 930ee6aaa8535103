//! `badge_get`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Method, notify};
use crate::config::Role;
use crate::control::state::ControlState;
use crate::model::refusal::Error;

/// How much has a user unread, as pushes have said last? Answered by processes with the role `notify`; `inbox_unread` tells of one
/// channel what is so now.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "BadgeGetRequest")]
pub(super) struct BadgeGet {
    /// Whose.
    user: String,
    /// Whether to list the channels, too.
    channels: bool,
}

/// What is unread.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BadgeGetResult {
    /// In all channels.
    badge: u64,
    /// By channel, where that was asked for and there are some.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    channels: BTreeMap<String, u64>,
}

impl Method for BadgeGet {
    const NAME: &'static str = "badge_get";
    const ROLE: Role = Role::Notify;
    type Result = BadgeGetResult;

    async fn run(self, state: &ControlState) -> Result<BadgeGetResult, Error> {
        let user = notify::user(&self.user)?;
        let (badge, channels) = notify::standing(state)?.badge(user).await.map_err(notify::away)?;
        Ok(BadgeGetResult { badge, channels: if self.channels { channels } else { BTreeMap::new() } })
    }
}
