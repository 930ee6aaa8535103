//! `unsubscribe`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reply::Done;
use super::who::who;
use super::{Method, where_user_is};
use crate::broker::order::Order;
use crate::control::nodes::Elsewhere;
use crate::control::state::ControlState;
use crate::model::refusal::{self, Error};

/// End the subscription of a user's sessions to a channel.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "UnsubscribeRequest")]
pub(super) struct Unsubscribe {
    /// Whose sessions lose the subscription.
    user: String,
    /// The channel; empty is every channel.
    channel: String,
    /// Only this session of the user.
    client: Option<String>,
    /// Names nobody: clients of this node have no session of another name. Name the client.
    session: Option<String>,
}

impl Method for Unsubscribe {
    const NAME: &'static str = "unsubscribe";
    type Result = Done;

    async fn run(self, state: &ControlState) -> Result<Done, Error> {
        let who = Arc::new(who(&self.user, self.client.as_deref(), self.session.as_deref()));
        let channel: Arc<str> = Arc::from(self.channel);
        let order = |answer| Order::Unsubscribe {
            who: who.clone(),
            channel: channel.clone(),
            reason: refusal::Unsubscribe::Server,
            answer,
        };
        state.shards.ask_all(order).await?;
        Ok(Done {})
    }

    fn elsewhere(&self) -> Option<Elsewhere> {
        where_user_is(&self.user, self)
    }
}
