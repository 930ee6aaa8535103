//! `publish`

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::who::client_id;
use super::{Method, payload};
use crate::broker::order::{self, Order};
use crate::control::state::ControlState;
use crate::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{ClientId, Payload, Position, Tags};

/// Put a message into a channel.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "PublishRequest")]
pub(super) struct Publish {
    /// Where to: a name whose namespace is configured.
    channel: String,
    /// The message: any JSON value but null. This or `b64data` is required.
    data: Option<Box<RawValue>>,
    /// The message: bytes in base64.
    b64data: Option<String>,
    /// Deliver it only, do not keep it in the channel's history.
    skip_history: Option<bool>,
    /// Application tags; subscribers get them with the message.
    tags: Option<BTreeMap<String, String>>,
    /// Publishing again with the same key within five minutes gives the first result and no second message.
    idempotency_key: Option<String>,
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
}

fn is_zero(offset: &u64) -> bool {
    *offset == 0
}

impl From<Position> for PublishResult {
    fn from(Position { offset, epoch }: Position) -> Self {
        Self { offset, epoch }
    }
}

/// What `publish` and `broadcast` put into a channel.
#[derive(Debug)]
pub(super) struct Message {
    data: Payload,
    tags: Option<Tags>,
    skip_history: bool,
    idempotency_key: Option<Box<str>>,
    exclude_client: Option<ClientId>,
}

impl Message {
    /// Reads the fields that both methods have.
    ///
    /// # Errors
    /// 107 without data, and for data, keys and clients that cannot be.
    pub(super) fn new(
        data: Option<&RawValue>,
        b64data: Option<&str>,
        tags: Option<BTreeMap<String, String>>,
        skip_history: Option<bool>,
        idempotency_key: Option<String>,
        exclude_client: Option<&str>,
    ) -> Result<Self, Error> {
        let missing = || ErrorKind::BadRequest.because("bad request: data or b64data is required");
        let data = payload::read(data, b64data, "b64data")?.ok_or_else(missing)?;
        let tags = tags.filter(|tags| !tags.is_empty());
        let tags = tags.map(|tags| tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect());
        let idempotency_key = idempotency_key.filter(|key| !key.is_empty());
        if idempotency_key.as_ref().is_some_and(|key| key.len() > IDEMPOTENCY_KEY_BYTES_MAX) {
            let why = format!("bad request: idempotency_key is longer than {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
            return Err(ErrorKind::BadRequest.because(why));
        }
        let exclude_client = exclude_client.filter(|client| !client.is_empty());
        Ok(Self {
            data,
            tags,
            skip_history: skip_history.unwrap_or_default(),
            idempotency_key: idempotency_key.map(String::into_boxed_str),
            exclude_client: exclude_client.map(|client| client_id(client, "exclude_client")).transpose()?,
        })
    }

    /// The order that puts it into a channel.
    pub(super) fn to(&self, channel: &str) -> Box<order::Publish> {
        Box::new(order::Publish {
            channel: Arc::from(channel),
            data: self.data.clone(),
            tags: self.tags.clone(),
            skip_history: self.skip_history,
            idempotency_key: self.idempotency_key.clone(),
            exclude_client: self.exclude_client,
        })
    }
}

impl Method for Publish {
    const NAME: &'static str = "publish";
    type Result = PublishResult;

    async fn run(self, state: &ControlState) -> Result<PublishResult, Error> {
        let Self { channel, data, b64data, skip_history, tags, idempotency_key, exclude_client } = self;
        let message = Message::new(
            data.as_deref(),
            b64data.as_deref(),
            tags,
            skip_history,
            idempotency_key,
            exclude_client.as_deref(),
        )?;
        let position = state.shards.ask(&channel, |answer| Order::Publish(message.to(&channel), answer)).await?;
        Ok(position.into())
    }
}
