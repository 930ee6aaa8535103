//! `broadcast`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::publish::{Fields, Message, PublishResult};
use super::reply::Reply;
use super::shape::whole_or_null;
use super::span::Span;
use super::{Method, payload};
use crate::control::state::ControlState;
use crate::limits::BROADCAST_CHANNELS_MAX;
use crate::model::refusal::{Error, ErrorKind};

/// Put the same message into many channels.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "BroadcastRequest")]
pub(super) struct Broadcast {
    /// The channels, at most 100,000.
    channels: Vec<String>,
    /// The message: any JSON value. This or `b64data` is required.
    #[serde(deserialize_with = "payload::given")]
    data: Option<Box<RawValue>>,
    /// The message: bytes in base64.
    b64data: Option<String>,
    /// Deliver it only, do not keep it in the channels' histories.
    skip_history: Option<bool>,
    /// Application tags; subscribers get them with the message.
    tags: Option<BTreeMap<String, String>>,
    /// Publishing again with the same key within five minutes gives the first results and no second message.
    idempotency_key: Option<String>,
    /// Which state of a thing the message tells: dropped in channels whose newest message is of this one or a later one.
    /// Needs a history; 0 is none.
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
    /// The client that does not get the message.
    exclude_client: Option<String>,
}

/// What became of each.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BroadcastResult {
    /// In the order of the channels.
    responses: Vec<Reply<PublishResult>>,
}

impl Method for Broadcast {
    const NAME: &'static str = "broadcast";
    type Result = BroadcastResult;

    async fn run(self, state: &ControlState) -> Result<BroadcastResult, Error> {
        let Self {
            channels,
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
        if channels.is_empty() {
            return Err(ErrorKind::BadRequest.because("bad request: channels is empty"));
        }
        if channels.len() > BROADCAST_CHANNELS_MAX {
            let why = format!("limit exceeded: more than {BROADCAST_CHANNELS_MAX} channels");
            return Err(ErrorKind::LimitExceeded.because(why));
        }
        let mut pending = Vec::with_capacity(channels.len());
        for channel in &channels {
            pending.push(message.send(channel, state).await);
        }
        let mut responses = Vec::with_capacity(channels.len());
        for pending in pending {
            responses.push(Reply::from(pending.answer().await));
        }
        Ok(BroadcastResult { responses })
    }
}
