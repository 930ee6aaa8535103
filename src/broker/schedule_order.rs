//! What backends ask about publications that are to come: each to the home shard of the channel.

use std::sync::Arc;

use super::publish::Publish;
use super::responder::Responder;
use crate::model::{Payload, Position, ScheduledId, Tags};

/// One question or wish.
#[derive(Debug)]
pub enum ScheduleOrder {
    /// Publish it after so many milliseconds.
    Publish(Box<Publish>, u64, Responder<Scheduled>),
    /// Do not publish it.
    Cancel(Arc<str>, ScheduledId, Responder<()>),
    /// Those of a channel that come next, so many at the most.
    List(Arc<str>, usize, Responder<Vec<ToCome>>),
}

impl ScheduleOrder {
    /// The channel that it is about.
    pub fn channel(&self) -> &Arc<str> {
        match self {
            Self::Publish(publish, ..) => &publish.channel,
            Self::Cancel(channel, ..) | Self::List(channel, ..) => channel,
        }
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_abandoned(&self) -> bool {
        match self {
            Self::Publish(.., answer) => answer.is_closed(),
            Self::Cancel(.., answer) => answer.is_closed(),
            Self::List(.., answer) => answer.is_closed(),
        }
    }
}

/// What became of a publish that is to come later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheduled {
    /// It waits.
    Waits(ScheduledId),
    /// Its idempotency key has been published before, here.
    Published(Position),
}

/// A publication that is to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToCome {
    /// By which it is cancelled.
    pub id: ScheduledId,
    /// What will be published.
    pub data: Payload,
    /// With these.
    pub tags: Option<Tags>,
}
