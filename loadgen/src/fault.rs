//! What a server did wrong: counted by kind, the first ones told in words.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::FAULT_EXAMPLES_MAX;

/// What can go wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A subscriber never got a message.
    Lost,
    /// A subscriber got a message after a later one of its publisher.
    OutOfOrder,
    /// A subscriber got a message again.
    Duplicate,
    /// A client got a message of a channel that it is not subscribed to.
    Misdelivered,
    /// Subscribers of a channel were told different lives of it: their nodes do not share it.
    Split,
    /// A subscriber was not given what it missed, where that was to be expected.
    Unrecovered,
    /// A client that is in a channel was told that nobody is.
    Absent,
    /// A device was told that it has received, or its user read, what nobody has said, or less than was answered.
    Position,
    /// A message did not come as it was sent.
    Damaged,
    /// A command was refused.
    Refused,
    /// A command was not answered.
    Unanswered,
    /// A reply came that nobody waited for.
    Unasked,
    /// A connection ended.
    Disconnected,
    /// A connection could not be opened.
    NotConnected,
    /// A subscription was ended.
    Unsubscribed,
    /// The server broke the protocol.
    Protocol,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Lost => "messages lost",
            Self::OutOfOrder => "messages out of order",
            Self::Duplicate => "messages delivered twice",
            Self::Misdelivered => "messages to clients that did not subscribe",
            Self::Split => "channels that are not one on all nodes",
            Self::Unrecovered => "recoveries that the server could not make",
            Self::Absent => "channels told to be empty to those who are in them",
            Self::Position => "positions told that are not what was said",
            Self::Damaged => "messages damaged",
            Self::Refused => "commands refused",
            Self::Unanswered => "commands not answered",
            Self::Unasked => "replies that nobody waited for",
            Self::Disconnected => "connections ended by the server",
            Self::NotConnected => "connections that could not be opened",
            Self::Unsubscribed => "subscriptions ended by the server",
            Self::Protocol => "violations of the protocol",
        })
    }
}

impl Fault {
    /// Whether a server that is asked for more than it can do may come to this; otherwise it is wrong at any rate.
    pub fn may_come_of_overload(self) -> bool {
        match self {
            Self::Lost
            | Self::Unrecovered
            | Self::Refused
            | Self::Unanswered
            | Self::Disconnected
            | Self::NotConnected
            | Self::Unsubscribed => true,
            Self::OutOfOrder
            | Self::Duplicate
            | Self::Misdelivered
            | Self::Split
            | Self::Absent
            | Self::Position
            | Self::Damaged
            | Self::Unasked
            | Self::Protocol => false,
        }
    }
}

/// All that went wrong in a run. A run with any of it has failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    counts: BTreeMap<Fault, u64>,
    /// The first ones, for a person.
    pub examples: Vec<String>,
}

impl Faults {
    /// Counts one. It is described only if it is among the first.
    pub fn note(&mut self, fault: Fault, describe: impl FnOnce() -> String) {
        self.note_many(fault, 1, describe);
    }

    /// Counts several, with one description.
    pub fn note_many(&mut self, fault: Fault, count: u64, describe: impl FnOnce() -> String) {
        *self.counts.entry(fault).or_default() += count;
        if self.examples.len() < FAULT_EXAMPLES_MAX {
            self.examples.push(describe());
        }
    }

    /// Adds those of another part of the same run.
    pub fn add(&mut self, other: Self) {
        for (fault, count) in other.counts {
            *self.counts.entry(fault).or_default() += count;
        }
        self.examples.extend(other.examples);
        self.examples.truncate(FAULT_EXAMPLES_MAX);
    }

    /// How many of a kind.
    pub fn count(&self, fault: Fault) -> u64 {
        self.counts.get(&fault).copied().unwrap_or(0)
    }

    /// How many of each kind that there were.
    pub fn counts(&self) -> impl Iterator<Item = (Fault, u64)> {
        self.counts.iter().map(|(fault, count)| (*fault, *count))
    }

    /// Whether nothing went wrong.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_counts_and_the_first_are_told() {
        let mut faults = Faults::default();
        assert!(faults.is_empty());
        for number in 0..20 {
            faults.note(Fault::Lost, || format!("number {number}"));
        }
        faults.note_many(Fault::Refused, 5, || unreachable!("enough was told"));
        assert_eq!(faults.counts().collect::<Vec<_>>(), [(Fault::Lost, 20), (Fault::Refused, 5)]);
        assert_eq!(faults.examples.len(), FAULT_EXAMPLES_MAX);
        assert_eq!(faults.examples[1], "number 1");
    }

    #[test]
    fn faults_of_several_processes_add_up() {
        let mut faults = Faults::default();
        faults.note(Fault::Lost, || "here".into());
        let mut other = Faults::default();
        other.note_many(Fault::Lost, 2, || "there".into());
        (0..FAULT_EXAMPLES_MAX).for_each(|_| other.note(Fault::Refused, || "there, too".into()));
        faults.add(other);
        assert_eq!(faults.counts().collect::<Vec<_>>(), [(Fault::Lost, 3), (Fault::Refused, 8)]);
        assert_eq!((faults.examples.len(), faults.examples[1].as_str()), (FAULT_EXAMPLES_MAX, "there"));
    }
}
