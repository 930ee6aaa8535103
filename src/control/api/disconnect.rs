//! `disconnect`

use std::collections::HashSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reply::Done;
use super::shape::{object, whole};
use super::who::{client_id, who};
use super::{Method, where_user_is};
use crate::broker::order::Order;
use crate::control::nodes::{Elsewhere, Nodes};
use crate::control::state::ControlState;
use crate::limits::{CLOSE_REASON_BYTES_MAX, SENT_AWAY_STAY_MAX, SHARED_USER_BYTES_MAX};
use crate::model::ClientId;
use crate::model::refusal::{self, DisconnectKind, Error, ErrorKind};
use crate::protocol::centrifuge::codes::{self, BACKENDS_DISCONNECTS, CodedDisconnect};

/// End a user's sessions.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "DisconnectRequest")]
pub(super) struct Disconnect {
    /// Whose sessions end.
    user: String,
    /// What the clients are told; without it 3503, after which they stay away.
    #[serde(default, deserialize_with = "object")]
    disconnect: Option<DisconnectReason>,
    /// Only this session of the user.
    client: Option<String>,
    /// Names nobody: clients of this node have no session of another name. Name the client.
    session: Option<String>,
    /// Client ids of sessions that stay.
    whitelist: Option<Vec<String>>,
}

/// What a client is told.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
struct DisconnectReason {
    /// 3000 to 4999; clients do not come back after 3500–3999 and 4500–4999. 0 is 3503.
    #[serde(default, deserialize_with = "whole")]
    code: u16,
    /// For a person, at most 123 bytes.
    #[serde(default)]
    reason: String,
}

impl TryFrom<DisconnectReason> for refusal::Disconnect {
    type Error = Error;

    fn try_from(DisconnectReason { code, reason }: DisconnectReason) -> Result<Self, Error> {
        if code != 0 && !BACKENDS_DISCONNECTS.contains(&code) {
            return Err(ErrorKind::BadRequest.because("bad request: disconnect.code must be 3000 to 4999"));
        }
        if reason.len() > CLOSE_REASON_BYTES_MAX {
            let why = format!("bad request: disconnect.reason is longer than {CLOSE_REASON_BYTES_MAX} bytes");
            return Err(ErrorKind::BadRequest.because(why));
        }
        Ok(match (code, reason.is_empty()) {
            (0, true) => DisconnectKind::ForceDisconnect.into(),
            (0, false) => DisconnectKind::ForceDisconnect.because(reason),
            // A backend's own code, and no words of ours for it.
            (code, _) => codes::disconnect_of(code).because(reason),
        })
    }
}

impl Method for Disconnect {
    const NAME: &'static str = "disconnect";
    type Result = Done;

    async fn run(self, state: &ControlState) -> Result<Done, Error> {
        let who = Arc::new(who(&self.user, self.client.as_deref(), self.session.as_deref()));
        let reason = refusal::Disconnect::try_from(self.disconnect.unwrap_or_default())?;
        let stay = self.whitelist.unwrap_or_default();
        let whitelist: Arc<HashSet<ClientId>> = Arc::new(stay.iter().map(|client| client_id(client)).collect());
        let order = |answer| Order::Disconnect {
            who: who.clone(),
            whitelist: whitelist.clone(),
            reason: reason.clone(),
            answer,
        };
        state.shards.ask_all(order).await?;
        Ok(Done {})
    }

    fn elsewhere(&self) -> Option<Elsewhere> {
        where_user_is(&self.user, self)
    }

    /// Sessions of nodes that are away now are ended when they are back.
    async fn keep(&self, nodes: &Nodes) -> Result<(), Error> {
        let stay = self.whitelist.iter().flatten().map(|client| client_id(client)).collect::<Vec<_>>();
        let is_of_all = self.client.is_none() && self.session.is_none() && !self.user.is_empty();
        if !is_of_all || self.user.len() > SHARED_USER_BYTES_MAX || stay.len() > SENT_AWAY_STAY_MAX {
            return Ok(());
        }
        let reason = refusal::Disconnect::try_from(self.disconnect.clone().unwrap_or_default())?;
        let CodedDisconnect { code, reason } = (&reason).into();
        nodes.send_away(&self.user, (code, reason.into_owned()), stay).await
    }
}
