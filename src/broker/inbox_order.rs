//! What backends ask about members and what they have received: each to the home shard of the channel.

use std::sync::Arc;

use super::responder::Responder;
use crate::delivery::{DeadLetter, DeadLetterFilter, MemberDevices, Positions, TraceEvent, Unread};
use crate::model::Position;

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
    /// What has become of a message.
    Trace(Arc<str>, u64, Responder<Vec<TraceEvent>>),
}

impl InboxOrder {
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
