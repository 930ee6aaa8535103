//! `publish`

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::shape::whole_or_null;
use super::span::Span;
use super::who::client_id;
use super::{Method, payload};
use crate::broker::order::{self, Order};
use crate::broker::schedule_order::{ScheduleOrder, Scheduled};
use crate::control::shards::Pending;
use crate::control::state::ControlState;
use crate::hub::Version;
use crate::limits::{IDEMPOTENCY_KEY_BYTES_MAX, TTL_MS_MAX, VERSION_EPOCH_BYTES_MAX};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{ClientId, Payload, Position, Tags};

/// Put a message into a channel.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "PublishRequest")]
pub(super) struct Publish {
    /// Where to: a name whose namespace is configured.
    channel: String,
    /// The message: any JSON value. This or `b64data` is required.
    #[serde(deserialize_with = "payload::given")]
    data: Option<Box<RawValue>>,
    /// The message: bytes in base64.
    b64data: Option<String>,
    /// Deliver it only, do not keep it in the channel's history.
    skip_history: Option<bool>,
    /// Application tags; subscribers get them with the message.
    tags: Option<BTreeMap<String, String>>,
    /// Publishing again with the same key within five minutes gives the first result and no second message.
    idempotency_key: Option<String>,
    /// Which state of a thing the message tells: dropped where the channel's newest message is of this one or a later
    /// one. Needs a history; 0 is none.
    #[serde(deserialize_with = "whole_or_null")]
    version: Option<u64>,
    /// Which count the version belongs to: in another one every version is new. Empty goes by the version alone.
    version_epoch: Option<String>,
    /// Publish it after so long, a week at the most: seconds, or a time such as `1h30m`. It gets its offset when it is due; until
    /// then it lies where the channel's publications are kept: in memory, where a restart forgets it, on disk
    /// as well, or in Redis.
    delay: Option<Span>,
    /// How long it is given to clients that recover and to who reads the history, from when it is published: seconds, or a
    /// time such as `1h30m`. Its place in the stream stays. Where publications are received at
    /// least once it counts as received after that.
    ttl: Option<Span>,
    /// The client that does not get the message: its sender, on whose behalf the backend publishes.
    exclude_client: Option<String>,
}

/// Where the message stands in the channel.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct PublishResult {
    /// Its offset; left out where the channel keeps no history.
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
    /// Which life of the channel the offset belongs to; left out likewise.
    #[serde(skip_serializing_if = "str::is_empty")]
    epoch: Arc<str>,
    /// Of a message with `delay`: by which `scheduled_cancel` names it until it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled: Option<String>,
}

fn is_zero(offset: &u64) -> bool {
    *offset == 0
}

impl From<Position> for PublishResult {
    fn from(Position { offset, epoch }: Position) -> Self {
        Self { offset, epoch, scheduled: None }
    }
}

impl From<Scheduled> for PublishResult {
    fn from(scheduled: Scheduled) -> Self {
        match scheduled {
            Scheduled::Waits(id) => Self { scheduled: Some(id.to_string()), ..Self::default() },
            Scheduled::Published(position) => position.into(),
        }
    }
}

/// What `publish` and `broadcast` put into a channel.
#[derive(Debug)]
pub(super) struct Message {
    data: Payload,
    tags: Option<Tags>,
    skip_history: bool,
    idempotency_key: Option<Box<str>>,
    version: Option<Box<Version>>,
    delay_ms: Option<u64>,
    ttl_ms: Option<u64>,
    exclude_client: Option<ClientId>,
}

/// The fields that both methods have.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) data: Option<Box<RawValue>>,
    pub(super) b64data: Option<String>,
    pub(super) skip_history: Option<bool>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) idempotency_key: Option<String>,
    pub(super) version: Option<u64>,
    pub(super) version_epoch: Option<String>,
    pub(super) delay: Option<Span>,
    pub(super) ttl: Option<Span>,
    pub(super) exclude_client: Option<String>,
}

impl Message {
    /// Reads the fields that both methods have.
    ///
    /// # Errors
    /// 107 without data, and for data and keys that cannot be.
    pub(super) fn new(fields: Fields) -> Result<Self, Error> {
        let missing = || ErrorKind::BadRequest.because("bad request: data or b64data is required");
        let data = payload::read(fields.data.as_deref(), fields.b64data.as_deref(), "b64data")?.ok_or_else(missing)?;
        let tags = fields.tags.filter(|tags| !tags.is_empty());
        let tags = tags.map(|tags| tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect());
        let idempotency_key = fields.idempotency_key.filter(|key| !key.is_empty()).map(String::into_boxed_str);
        let version_epoch = fields.version_epoch.unwrap_or_default();
        for (name, length, most) in [
            ("idempotency_key", idempotency_key.as_ref().map_or(0, |key| key.len()), IDEMPOTENCY_KEY_BYTES_MAX),
            ("version_epoch", version_epoch.len(), VERSION_EPOCH_BYTES_MAX),
        ] {
            if length > most {
                return Err(ErrorKind::BadRequest.because(format!("bad request: {name} is longer than {most} bytes")));
            }
        }
        let version = fields.version.filter(|number| *number > 0);
        let exclude_client = fields.exclude_client.filter(|client| !client.is_empty());
        Ok(Self {
            data,
            tags,
            skip_history: fields.skip_history.unwrap_or_default(),
            idempotency_key,
            version: version.map(|number| Box::new(Version { number, epoch: version_epoch.into() })),
            delay_ms: fields.delay.map(|Span(delay)| delay.as_millis()).filter(|delay_ms| *delay_ms > 0),
            ttl_ms: fields.ttl.map(|Span(ttl)| ttl.as_millis().min(TTL_MS_MAX)).filter(|ttl_ms| *ttl_ms > 0),
            exclude_client: exclude_client.map(|client| client_id(&client)),
        })
    }

    /// Gives it to the home of a channel, to be published at once or later.
    pub(super) async fn send(&self, channel: &str, state: &ControlState) -> Sent {
        let publish = self.to(channel);
        match self.delay_ms {
            None => Sent::Now(state.shards.order(channel, |answer| Order::Publish(publish, answer)).await),
            Some(delay_ms) => {
                let order = |answer| Order::Schedule(ScheduleOrder::Publish(publish, delay_ms, answer));
                Sent::Later(state.shards.order(channel, order).await)
            }
        }
    }

    fn to(&self, channel: &str) -> Box<order::Publish> {
        Box::new(order::Publish {
            channel: Arc::from(channel),
            data: self.data.clone(),
            tags: self.tags.clone(),
            skip_history: self.skip_history,
            idempotency_key: self.idempotency_key.clone(),
            version: self.version.clone(),
            ttl_ms: self.ttl_ms,
            exclude_client: self.exclude_client,
        })
    }
}

/// A message that a channel's home has, and will answer.
pub(super) enum Sent {
    Now(Pending<Position>),
    Later(Pending<Scheduled>),
}

impl Sent {
    /// Waits for the answer.
    ///
    /// # Errors
    /// What the home refuses.
    pub(super) async fn answer(self) -> Result<PublishResult, Error> {
        match self {
            Self::Now(pending) => pending.answer().await.map(PublishResult::from),
            Self::Later(pending) => pending.answer().await.map(PublishResult::from),
        }
    }
}

impl Method for Publish {
    const NAME: &'static str = "publish";
    type Result = PublishResult;

    async fn run(self, state: &ControlState) -> Result<PublishResult, Error> {
        let Self {
            channel,
            data,
            b64data,
            skip_history,
            tags,
            idempotency_key,
            version,
            version_epoch,
            delay,
            ttl,
            exclude_client,
        } = self;
        let message = Message::new(Fields {
            data,
            b64data,
            skip_history,
            tags,
            idempotency_key,
            version,
            version_epoch,
            delay,
            ttl,
            exclude_client,
        })?;
        message.send(&channel, state).await.answer().await
    }
}
