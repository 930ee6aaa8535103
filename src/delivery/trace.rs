//! What has become of messages of at-least-once channels: the newest events of one shard, in a ring.
//!
//! What goes along with everybody in a channel is one event, not one a device.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::limits::TRACE_EVENTS_MAX;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was put in its place, and sent to everybody in the channel who had received enough of what came before.
    Published,
    /// It was sent to a device by its name.
    Sent,
    /// A device has received it.
    Received,
    /// A device does not want it yet.
    Retry,
    /// The user has read it.
    Read,
    /// It was sent to a device as often as it may be: it is a dead letter.
    GivenUp,
    /// It was not for the device, and counts as received: its filter kept it out, its time was over, or it is its own.
    PassedOver,
    /// It was no longer kept when a device was to be sent it.
    Lost,
}

impl What {
    /// As backends read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Retry => "retry",
            Self::Read => "read",
            Self::GivenUp => "given_up",
            Self::PassedOver => "passed_over",
            Self::Lost => "lost",
        }
    }
}

/// Something that has happened to one message or to several in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEvent {
    /// The channel.
    pub channel: Arc<str>,
    /// The first of the messages.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// When, Unix milliseconds.
    pub at_unix_ms: i64,
    /// What.
    pub what: What,
    /// Whose device; `None` where it is about no one in particular.
    pub user: Option<Arc<str>>,
    /// The device; empty for sessions without an id.
    pub device: Box<str>,
    /// Which attempt, from 1; 0 where it is none.
    pub attempt: u16,
}

/// The newest events.
#[derive(Debug, Default)]
pub struct Trace(VecDeque<TraceEvent>);

impl Trace {
    pub(super) fn note(&mut self, event: TraceEvent) {
        if self.0.len() == TRACE_EVENTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    /// How many there are: so many are looked at for one message.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has happened to one message, in order.
    pub fn of(&self, channel: &str, offset: u64) -> Vec<TraceEvent> {
        let concerned =
            |event: &&TraceEvent| *event.channel == *channel && (event.first..=event.last).contains(&offset);
        self.0.iter().filter(concerned).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_events_are_kept_and_found_by_a_message_within_their_range() {
        let mut trace = Trace::default();
        let event = |first, last| TraceEvent {
            channel: "a".into(),
            first,
            last,
            at_unix_ms: 0,
            what: What::Received,
            user: None,
            device: "".into(),
            attempt: 0,
        };
        trace.note(event(1, 3));
        trace.note(event(2, 5));
        assert_eq!([1, 2, 5, 6].map(|offset| trace.of("a", offset).len()), [1, 2, 1, 0]);
        assert!(trace.of("b", 2).is_empty());
        (0..TRACE_EVENTS_MAX).for_each(|_| trace.note(event(9, 9)));
        assert!(trace.of("a", 2).is_empty());
    }
}
