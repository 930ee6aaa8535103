//! `users_status`

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use crate::control::online;
use crate::control::state::ControlState;
use crate::limits::USERS_STATUS_MAX;
use crate::model::refusal::{Error, ErrorKind};

/// Which of these users are online: have a session, on any node?
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "UsersStatusRequest")]
pub(super) struct UsersStatus {
    /// At most 1,000.
    users: Vec<String>,
}

/// Who is online.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UsersStatusResult {
    /// By user.
    users: BTreeMap<Arc<str>, UserStatus>,
}

/// One user.
#[derive(Debug, Serialize, JsonSchema)]
struct UserStatus {
    /// Whether there is a session. Those of a node that was killed count until its lease has run out, 10 seconds.
    online: bool,
}

impl Method for UsersStatus {
    const NAME: &'static str = "users_status";
    type Result = UsersStatusResult;

    async fn run(self, state: &ControlState) -> Result<UsersStatusResult, Error> {
        if self.users.len() > USERS_STATUS_MAX {
            return Err(ErrorKind::LimitExceeded.because(format!("limit exceeded: more than {USERS_STATUS_MAX} users")));
        }
        let users: Vec<Arc<str>> = self.users.into_iter().map(Arc::from).collect();
        let online = online::look_up(state, &users).await?.into_iter().map(|online| UserStatus { online });
        Ok(UsersStatusResult { users: users.into_iter().zip(online).collect() })
    }
}
