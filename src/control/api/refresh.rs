//! `refresh`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::reply::Done;
use super::shape::whole_or_null;
use super::who::who;
use super::{Method, payload, where_user_is};
use crate::broker::order::Order;
use crate::control::nodes::Elsewhere;
use crate::control::state::ControlState;
use crate::model::refusal::Error;

/// Say anew when a user's sessions expire.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "RefreshRequest")]
pub(super) struct Refresh {
    /// Whose sessions go on, or end.
    user: String,
    /// Only this session of the user.
    client: Option<String>,
    /// Names nobody: clients of this node have no session of another name. Name the client.
    session: Option<String>,
    /// They have expired: end them with 3005.
    expired: Option<bool>,
    /// When they expire, Unix seconds; 0 is never, what is past ends them.
    #[serde(default, deserialize_with = "whole_or_null")]
    expire_at: Option<i64>,
    /// Shown to others as `conn_info` from now on: any JSON value.
    info: Option<Box<RawValue>>,
}

impl Method for Refresh {
    const NAME: &'static str = "refresh";
    type Result = Done;

    async fn run(self, state: &ControlState) -> Result<Done, Error> {
        let who = Arc::new(who(&self.user, self.client.as_deref(), self.session.as_deref()));
        let expired = self.expired.unwrap_or_default();
        let expire_at_unix_s = self.expire_at.filter(|at| *at != 0);
        let info = payload::read(self.info.as_deref(), None, "info")?;
        let order = |answer| Order::Refresh { who: who.clone(), expired, expire_at_unix_s, info: info.clone(), answer };
        state.shards.ask_all(order).await?;
        Ok(Done {})
    }

    fn elsewhere(&self) -> Option<Elsewhere> {
        where_user_is(&self.user, self)
    }
}
