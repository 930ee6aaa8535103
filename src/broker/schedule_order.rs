//! What backends ask about publications that are to come: each to the home shard of the channel.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::publish::Publish;
use super::responder::Responder;
use crate::model::{Payload, Position, Tags};

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

/// By which a publication that is to come is called, at its channel's home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScheduledId {
    /// When it is due, Unix milliseconds.
    pub due_unix_ms: i64,
    /// In which order it was asked for, among all of its shard.
    pub number: u64,
    /// Which life of the node has made it: after a restart it names nothing.
    pub life: u32,
}

impl fmt::Display for ScheduledId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}-{:x}-{:x}", self.due_unix_ms, self.number, self.life)
    }
}

impl FromStr for ScheduledId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '-');
        let mut part = || parts.next().and_then(|part| u64::from_str_radix(part, 16).ok()).ok_or(());
        let (due, number, life) = (part()?, part()?, part()?);
        Ok(Self { due_unix_ms: i64::try_from(due).map_err(drop)?, number, life: u32::try_from(life).map_err(drop)? })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written_and_nothing_else_is() {
        let id = ScheduledId { due_unix_ms: 1_700_000_000_000, number: 7, life: u32::MAX };
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "1", "1-2", "1-2-3-4", "-1-2-3", "x-1-2", "1-2-100000000", "ffffffffffffffff-1-2"] {
            assert_eq!(text.parse::<ScheduledId>(), Err(()), "{text}");
        }
    }
}
