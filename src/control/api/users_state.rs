//! `users_state`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use crate::config::Role;
use crate::control::state::ControlState;
use crate::limits::USERS_STATUS_MAX;
use crate::model::refusal::{Error, ErrorKind};

/// Which of these users are online on any node, since when, and when were they seen last? Answered by processes with the role
/// `state`; `users_status` asks the nodes themselves.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "UsersStateRequest")]
pub(super) struct UsersState {
    /// At most 1,000.
    users: Vec<String>,
}

/// Who is online, and who was when.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UsersStateResult {
    /// By user.
    users: BTreeMap<String, StateOfUser>,
}

/// One user.
#[derive(Debug, Serialize, JsonSchema)]
struct StateOfUser {
    /// Whether there is a session. Those of a node that was killed count until its lease has been gone for as long again, 30 seconds
    /// at the most.
    online: bool,
    /// Since when that is so, Unix milliseconds. Missing for a user of whom nothing is known: never seen, or not for 90 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_unix_ms: Option<i64>,
    /// When a session of the user began or ended last, Unix milliseconds; missing as above.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_unix_ms: Option<i64>,
    /// How many devices are connected. Sessions whose token names no device are one each.
    devices: u32,
}

impl Method for UsersState {
    const NAME: &'static str = "users_state";
    const ROLE: Role = Role::State;
    type Result = UsersStateResult;

    async fn run(self, state: &ControlState) -> Result<UsersStateResult, Error> {
        if self.users.len() > USERS_STATUS_MAX {
            return Err(ErrorKind::LimitExceeded.because(format!("limit exceeded: more than {USERS_STATUS_MAX} users")));
        }
        let view = state.roles.state.as_ref().ok_or(ErrorKind::NotAvailable)?;
        let away = |fault| ErrorKind::Internal.because(format!("internal server error: {fault}"));
        let found = view.look_up(&self.users).await.map_err(away)?;
        let told = self.users.into_iter().zip(found).map(|(user, of)| {
            let is_known = of.since_unix_ms > 0;
            let known = |at: i64| is_known.then_some(at);
            let state = StateOfUser {
                online: of.online,
                since_unix_ms: known(of.since_unix_ms),
                last_seen_unix_ms: known(of.last_seen_unix_ms),
                devices: of.devices,
            };
            (user, state)
        });
        Ok(UsersStateResult { users: told.collect() })
    }
}
