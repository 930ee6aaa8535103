//! `trace`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::shape::whole;
use super::{Method, read_lists, where_user_is};
use crate::broker::inbox_order::InboxOrder;
use crate::broker::order::Order;
use crate::control::nodes::Elsewhere;
use crate::control::state::ControlState;
use crate::delivery;
use crate::model::refusal::Error;

/// What has become of one message of an at-least-once channel?
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "TraceRequest")]
pub(super) struct Trace {
    /// The channel; its namespace must be one of at least once.
    channel: String,
    /// The publication's number in the stream.
    #[serde(deserialize_with = "whole")]
    offset: u64,
    /// Another node asks, of a channel that nodes share.
    #[schemars(skip)]
    is_elsewhere: bool,
}

/// What has become of a message.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct TraceResult {
    /// In the order in which it happened. The newest 65,536 events of the channel's shard are kept, on each node that shares the
    /// channel, until the node ends.
    events: Vec<TraceEvent>,
}

/// Something that has happened to a message.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct TraceEvent {
    /// When, Unix milliseconds.
    at_ms: i64,
    /// `published` (and sent to everybody in the channel who had received enough), `sent` to a device by its name,
    /// `received`, `retry` (a device does not want it yet), `read`, `given_up`, `passed_over`
    /// (not for the device: kept out by its filter, over, or its own), or `lost` (no longer kept).
    what: String,
    /// Whose device; left out where it is about nobody in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Arc<str>>,
    /// The device's id, empty for sessions that name none; left out with the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<Box<str>>,
    /// Which attempt it was, from 1; left out where it was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u16>,
}

impl From<delivery::TraceEvent> for TraceEvent {
    fn from(event: delivery::TraceEvent) -> Self {
        Self {
            at_ms: event.at_unix_ms,
            what: event.what.name().into(),
            device: event.user.is_some().then_some(event.device),
            user: event.user,
            attempt: (event.attempt > 0).then_some(event.attempt),
        }
    }
}

impl Method for Trace {
    const NAME: &'static str = "trace";
    type Result = TraceResult;

    async fn run(self, state: &ControlState) -> Result<TraceResult, Error> {
        let channel: Arc<str> = Arc::from(self.channel);
        let order = |answer| Order::Inbox(InboxOrder::Trace(channel.clone(), self.offset, self.is_elsewhere, answer));
        let events = state.shards.ask(&channel, order).await?;
        Ok(TraceResult { events: events.into_iter().map(TraceEvent::from).collect() })
    }

    fn elsewhere(&self) -> Option<Elsewhere> {
        where_user_is("", &Self { channel: self.channel.clone(), offset: self.offset, is_elsewhere: true })
    }

    /// Each node knows what it has done. That it was published each has heard.
    fn gather(own: TraceResult, others: Vec<Box<RawValue>>, _page_limit: usize) -> Result<TraceResult, Error> {
        let others = read_lists::<TraceResult>(&others)?;
        let mut events: Vec<_> = others.into_iter().chain([own]).flat_map(|one| one.events).collect();
        events.sort_by_key(|event| event.at_ms);
        let mut is_known = false;
        events.retain(|event| event.what != "published" || !std::mem::replace(&mut is_known, true));
        Ok(TraceResult { events })
    }
}
