//! `subscribe`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::reply::Done;
use super::shape::{object, whole, whole_or_null};
use super::who::who;
use super::{Method, payload, where_user_is};
use crate::auth::grant::{Grant, Overrides};
use crate::broker::order::{self, Order};
use crate::control::nodes::Elsewhere;
use crate::control::state::ControlState;
use crate::model::refusal::Error;
use crate::model::{Position, Recover};

/// Subscribe a user's sessions to a channel.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "SubscribeRequest")]
pub(super) struct Subscribe {
    /// Whose sessions are subscribed.
    user: String,
    /// A name whose namespace is configured.
    channel: String,
    /// When the subscription ends, Unix seconds; 0 is never, what is past is refused.
    #[serde(default, deserialize_with = "whole_or_null")]
    expire_at: Option<i64>,
    /// Shown to others as `chan_info`: any JSON value.
    info: Option<Box<RawValue>>,
    /// The same: bytes in base64.
    b64info: Option<String>,
    /// Only this session of the user.
    client: Option<String>,
    /// Names nobody: clients of this node have no session of another name. Name the client.
    session: Option<String>,
    /// Given to the client with the subscription: any JSON value.
    data: Option<Box<RawValue>>,
    /// The same: bytes in base64.
    b64data: Option<String>,
    /// Recover from here at once.
    #[serde(default, deserialize_with = "object")]
    recover_since: Option<StreamPosition>,
    /// Options to take instead of the namespace's.
    #[serde(default, deserialize_with = "object")]
    r#override: Option<SubscribeOptionOverride>,
}

/// A place in a channel.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct StreamPosition {
    /// The offset of the last publication that was seen.
    #[serde(default, deserialize_with = "whole")]
    offset: u64,
    /// Which life of the channel the offset belongs to.
    #[serde(default)]
    epoch: String,
}

impl From<StreamPosition> for Position {
    fn from(StreamPosition { offset, epoch }: StreamPosition) -> Self {
        Self { offset, epoch: Arc::from(epoch) }
    }
}

/// Options of a namespace that the subscription takes differently.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
struct SubscribeOptionOverride {
    /// The subscriber is listed.
    #[serde(default, deserialize_with = "object")]
    presence: Option<BoolValue>,
    /// Its coming and going is announced.
    #[serde(default, deserialize_with = "object")]
    join_leave: Option<BoolValue>,
    /// It is told who comes and goes.
    #[serde(default, deserialize_with = "object")]
    force_push_join_leave: Option<BoolValue>,
    /// It recovers what it missed while it was away.
    #[serde(default, deserialize_with = "object")]
    force_recovery: Option<BoolValue>,
    /// It watches for gaps.
    #[serde(default, deserialize_with = "object")]
    force_positioning: Option<BoolValue>,
}

/// A truth value that may be left out.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct BoolValue {
    /// What holds in place of the namespace's option.
    value: bool,
}

impl From<SubscribeOptionOverride> for Overrides {
    fn from(options: SubscribeOptionOverride) -> Self {
        let value = |option: Option<BoolValue>| option.map(|option| option.value);
        Self {
            presence: value(options.presence),
            join_leave: value(options.join_leave),
            force_push_join_leave: value(options.force_push_join_leave),
            force_recovery: value(options.force_recovery),
            force_positioning: value(options.force_positioning),
        }
    }
}

impl Method for Subscribe {
    const NAME: &'static str = "subscribe";
    type Result = Done;

    async fn run(self, state: &ControlState) -> Result<Done, Error> {
        let subscribe = Arc::new(order::Subscribe {
            who: who(&self.user, self.client.as_deref(), self.session.as_deref()),
            channel: Arc::from(self.channel),
            grant: Grant {
                info: payload::read(self.info.as_deref(), self.b64info.as_deref(), "b64info")?,
                data: payload::read(self.data.as_deref(), self.b64data.as_deref(), "b64data")?,
                expire_at_unix_s: self.expire_at.filter(|at| *at != 0),
                overrides: self.r#override.unwrap_or_default().into(),
            },
            recover: self.recover_since.map(|since| Recover { recover: true, since: since.into() }),
        });
        state.shards.ask_all(|answer| Order::Subscribe(subscribe.clone(), answer)).await?;
        Ok(Done {})
    }

    fn elsewhere(&self) -> Option<Elsewhere> {
        where_user_is(&self.user, self)
    }
}
