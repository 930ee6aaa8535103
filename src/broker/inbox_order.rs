//! What backends ask about members and what they have received: each to the home shard of the channel.

use std::sync::Arc;

use super::responder::Responder;
use crate::delivery::{DeadLetter, DeadLetterFilter, MemberDevices, Positions, TraceEvent, Unread};
use crate::model::Position;
use crate::model::refusal::Error;

/// One question or wish. The channel's namespace must be one of at least once.
#[derive(Debug)]
pub enum InboxOrder {
    /// These users are to receive what is published from now on.
    AddMembers(Arc<str>, Vec<Arc<str>>, Responder<()>),
    /// These users belong to the channel no longer.
    RemoveMembers(Arc<str>, Vec<Arc<str>>, Responder<()>),
    /// A page of the members: so many of those whose names follow this one.
    Members(Arc<str>, Box<str>, usize, Responder<Positions>),
    /// How far a member is, with each device.
    Devices(Arc<str>, Arc<str>, Responder<MemberDevices>),
    /// What a member has not read.
    Unread(Arc<str>, Arc<str>, Responder<Unread>),
    /// Dead letters. Without a channel this is for every shard.
    DeadLetters(Arc<DeadLetterFilter>, Responder<Vec<DeadLetter>>),
    /// Send a dead letter once more to the devices that have not received it.
    Requeue(Arc<str>, u64, Responder<Position>),
    /// Forget a dead letter, or all of the channel; answered with how many those were.
    Purge(Arc<str>, Option<u64>, Responder<usize>),
    /// What has become of a message here. Where another node asks, nothing but of a channel that nodes share.
    Trace(Arc<str>, u64, bool, Responder<Vec<TraceEvent>>),
}

impl InboxOrder {
    /// The channel that it is about, if it is about one.
    pub fn channel(&self) -> Option<&Arc<str>> {
        match self {
            Self::AddMembers(channel, ..)
            | Self::RemoveMembers(channel, ..)
            | Self::Members(channel, ..)
            | Self::Devices(channel, ..)
            | Self::Unread(channel, ..)
            | Self::Requeue(channel, ..)
            | Self::Purge(channel, ..)
            | Self::Trace(channel, ..) => Some(channel),
            Self::DeadLetters(filter, _) => Some(&filter.channel).filter(|channel| !channel.is_empty()),
        }
    }

    /// Whoever waits is refused.
    pub fn refuse(self, error: Error) {
        // One that has gone meanwhile is nobody's loss.
        match self {
            Self::AddMembers(.., answer) | Self::RemoveMembers(.., answer) => drop(answer.send(Err(error))),
            Self::Members(.., answer) => drop(answer.send(Err(error))),
            Self::Devices(.., answer) => drop(answer.send(Err(error))),
            Self::Unread(.., answer) => drop(answer.send(Err(error))),
            Self::DeadLetters(.., answer) => drop(answer.send(Err(error))),
            Self::Requeue(.., answer) => drop(answer.send(Err(error))),
            Self::Purge(.., answer) => drop(answer.send(Err(error))),
            Self::Trace(.., answer) => drop(answer.send(Err(error))),
        }
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_abandoned(&self) -> bool {
        match self {
            Self::AddMembers(.., answer) | Self::RemoveMembers(.., answer) => answer.is_closed(),
            Self::Members(.., answer) => answer.is_closed(),
            Self::Devices(.., answer) => answer.is_closed(),
            Self::Unread(.., answer) => answer.is_closed(),
            Self::DeadLetters(.., answer) => answer.is_closed(),
            Self::Requeue(.., answer) => answer.is_closed(),
            Self::Purge(.., answer) => answer.is_closed(),
            Self::Trace(.., answer) => answer.is_closed(),
        }
    }
}
