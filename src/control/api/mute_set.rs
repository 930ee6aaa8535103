//! `mute_set`

use schemars::JsonSchema;
use serde::Deserialize;

use super::reply::Done;
use super::shape::whole_or_null;
use super::{Method, notify};
use crate::clock;
use crate::config::Role;
use crate::control::state::ControlState;
use crate::limits::NOTIFY_MUTES_MAX;
use crate::model::refusal::{Error, ErrorKind};
use crate::roles::notify::standing::Mute;

/// Keep notifications of a user back, or those of one channel. What comes meanwhile counts in the badge, and is not told later.
/// Answered by processes with the role `notify`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "MuteSetRequest")]
pub(super) struct MuteSet {
    /// Whose.
    user: String,
    /// Only those of this channel; empty for all.
    channel: String,
    /// Until when, Unix milliseconds; 0 or none is until `mute_remove`.
    #[serde(deserialize_with = "whole_or_null")]
    until_unix_ms: Option<i64>,
}

impl Method for MuteSet {
    const NAME: &'static str = "mute_set";
    const ROLE: Role = Role::Notify;
    type Result = Done;

    async fn run(self, state: &ControlState) -> Result<Done, Error> {
        let (standing, now_unix_ms) = (notify::standing(state)?, clock::unix_ms());
        let (user, channel) = (notify::user(&self.user)?, notify::channel(&self.channel)?);
        let until_unix_ms = self.until_unix_ms.filter(|until| *until != 0);
        if until_unix_ms.is_some_and(|until| until <= now_unix_ms) {
            return Err(ErrorKind::BadRequest.because("bad request: until_unix_ms has passed"));
        }
        let mute = Mute { channel: channel.map(str::to_owned), until_unix_ms };
        if standing.mute(user, &mute, now_unix_ms).await.map_err(notify::away)? {
            return Ok(Done {});
        }
        let why = format!("limit exceeded: the user has muted {NOTIFY_MUTES_MAX} channels");
        Err(ErrorKind::LimitExceeded.because(why))
    }
}
