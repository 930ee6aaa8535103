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
use crate::limits::TRACE_EVENTS_PER_CALL_MAX;
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
    /// In the order in which it happened, the newest 10,000. The newest 65,536 events of the channel's shard are kept, on each node
    /// that shares the channel, until the node ends.
    events: Vec<TraceEvent>,
    /// How many earlier events are known and left out, where there are more.
    #[serde(default, skip_serializing_if = "is_zero")]
    left_out: u64,
    /// Nodes that share the channel and have not answered: what has happened there is missing. Left out where all have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unanswered: Vec<String>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl TraceResult {
    /// Of these events, which are in order, and so many before them, as many as an answer has.
    fn newest(mut events: Vec<TraceEvent>, left_out: u64) -> Self {
        let beyond = events.len().saturating_sub(TRACE_EVENTS_PER_CALL_MAX);
        drop(events.drain(..beyond));
        Self { events, left_out: left_out + beyond as u64, unanswered: Vec::new() }
    }
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
        Ok(TraceResult::newest(events.into_iter().map(TraceEvent::from).collect(), 0))
    }

    fn elsewhere(&self) -> Option<Elsewhere> {
        let request = Self { channel: self.channel.clone(), offset: self.offset, is_elsewhere: true };
        // One that hangs may be the one that is looked for: the others' part is told without it.
        where_user_is("", &request).map(|elsewhere| Elsewhere { needs_all: false, ..elsewhere })
    }

    /// Each node knows what it has done. That it was published each has heard.
    fn gather(own: TraceResult, others: Vec<Box<RawValue>>, _page_limit: usize) -> Result<TraceResult, Error> {
        let all: Vec<_> = read_lists::<TraceResult>(&others)?.into_iter().chain([own]).collect();
        let left_out = all.iter().map(|one| one.left_out).sum();
        let mut events: Vec<_> = all.into_iter().flat_map(|one| one.events).collect();
        events.sort_by_key(|event| event.at_ms);
        let mut is_known = false;
        events.retain(|event| event.what != "published" || !std::mem::replace(&mut is_known, true));
        Ok(TraceResult::newest(events, left_out))
    }

    fn miss(result: &mut TraceResult, nodes: Vec<String>) {
        result.unanswered = nodes;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    fn event(at_ms: i64, what: &str) -> TraceEvent {
        TraceEvent { at_ms, what: what.into(), user: None, device: None, attempt: None }
    }

    #[test]
    fn what_nodes_know_is_one_list_in_order_and_was_published_once() {
        let own = TraceResult::newest(vec![event(10, "published"), event(30, "received")], 0);
        let other =
            json!({"events": [{"at_ms": 11, "what": "published"}, {"at_ms": 20, "what": "sent"}], "left_out": 3});
        let gathered = Trace::gather(own, vec![to_raw_value(&other).unwrap()], 0).unwrap();
        let events: Vec<_> = gathered.events.iter().map(|event| (event.at_ms, event.what.as_str())).collect();
        assert_eq!(events, [(10, "published"), (20, "sent"), (30, "received")]);
        assert_eq!(gathered.left_out, 3);
    }

    #[test]
    fn an_answer_is_bounded_and_says_how_much_is_left_out() {
        let events = |count: usize| (0..count).map(|at| event(at as i64, "sent")).collect::<Vec<_>>();
        let own = TraceResult::newest(events(TRACE_EVENTS_PER_CALL_MAX + 2), 0);
        assert_eq!((own.events.len(), own.events[0].at_ms, own.left_out), (TRACE_EVENTS_PER_CALL_MAX, 2, 2));
        let other = to_raw_value(&TraceResult::newest(events(1), 0)).unwrap();
        let gathered = Trace::gather(own, vec![other], 0).unwrap();
        assert_eq!((gathered.events.len(), gathered.left_out), (TRACE_EVENTS_PER_CALL_MAX, 3));
    }
}
