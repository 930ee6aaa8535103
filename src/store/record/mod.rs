//! What is kept, as bytes: one enum with every kind of record, so that recovery is one match and
//! `ringpost store dump` prints them all.
//!
//! A record is its kind in one byte, then its fields. A kind that is unknown, or fields that are left over, were written
//! by a newer version: they are an error, never skipped.

mod fields;
mod member;
mod publication;
mod revocation;
mod scheduled;
mod segment;
mod stream;

pub use fields::Unreadable;
pub use member::{DeadLetterRecord, DeviceRecord, MemberRecord};
pub use publication::{InfoOf, PayloadOf, PublicationRecord, TagsOf, VersionOf};
pub use revocation::RevocationRecord;
pub use scheduled::{ScheduledRecord, TimedRecord};
pub use segment::{BeginRecord, END_BYTES, End};
pub use stream::{KeyRecord, StreamRecord};

use serde::Serialize;

use self::fields::{Fields, put_bytes, put_u64};
use self::scheduled::{put_id, read_id};
use super::segment::SegmentId;
use crate::model::ScheduledId;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Record<'a> {
    /// The journal's own: what a segment follows.
    Begin(BeginRecord<'a>),
    /// The journal's own: a snapshot is whole. What lies in segments before this one is needed no more.
    Snapshot(SegmentId),
    /// A publication.
    Publication(PublicationRecord<'a>),
    /// How a stream stands.
    Stream(StreamRecord<'a>),
    /// An idempotency key that a snapshot says again.
    Key(KeyRecord<'a>),
    /// A publication that is to come.
    Scheduled(ScheduledRecord<'a>),
    /// What was to come in this channel does not, or has come without being kept.
    Unscheduled(&'a str, ScheduledId),
    /// A publication that ends by itself, or was scheduled until now.
    Timed(TimedRecord<'a>),
    /// A user belongs to a channel.
    Member(MemberRecord<'a>),
    /// This user belongs to the channel no longer.
    MemberGone(&'a str, &'a str),
    /// A device of a member.
    Device(DeviceRecord<'a>),
    /// This device of the user is forgotten.
    DeviceGone(&'a str, &'a str, &'a str),
    /// A device was given up on a publication.
    DeadLetter(DeadLetterRecord<'a>),
    /// So many devices have not received a dead letter beyond those that are listed: channel, offset, number.
    DeadLetterMore(&'a str, u64, u64),
    /// What was given up at this offset is no dead letter any more.
    DeadLetterGone(&'a str, u64),
    /// A dead letter was received after all: channel, offset, user, device.
    DeadLetterReceived(&'a str, u64, &'a str, &'a str),
    /// A dead letter is sent once more to a device: channel, offset, user, device.
    DeadLetterRequeued(&'a str, u64, &'a str, &'a str),
    /// How often a dead letter was sent to a device since it was requeued: channel, offset, user, device, attempts.
    DeadLetterTried(&'a str, u64, &'a str, &'a str, u64),
    /// The stream of this channel has ended: nothing is known of it any more.
    Over(&'a str),
    /// Tokens that are called back.
    Revocation(RevocationRecord<'a>),
}

/// First byte of a record. Numbers are for ever.
mod kind {
    pub(super) const BEGIN: u8 = 1;
    pub(super) const SNAPSHOT: u8 = 2;
    pub(super) const PUBLICATION: u8 = 16;
    pub(super) const STREAM: u8 = 17;
    pub(super) const OVER: u8 = 18;
    pub(super) const KEY: u8 = 19;
    pub(super) const SCHEDULED: u8 = 20;
    pub(super) const UNSCHEDULED: u8 = 21;
    pub(super) const TIMED: u8 = 22;
    pub(super) const MEMBER: u8 = 32;
    pub(super) const MEMBER_GONE: u8 = 33;
    pub(super) const DEVICE: u8 = 34;
    pub(super) const DEVICE_GONE: u8 = 35;
    pub(super) const DEAD_LETTER: u8 = 36;
    pub(super) const DEAD_LETTER_GONE: u8 = 37;
    pub(super) const DEVICE_FAILING: u8 = 38;
    pub(super) const DEAD_LETTER_RECEIVED: u8 = 39;
    pub(super) const DEVICE_LOST: u8 = 40;
    pub(super) const DEAD_LETTER_REQUEUED: u8 = 41;
    pub(super) const DEAD_LETTER_TRIED: u8 = 42;
    pub(super) const DEAD_LETTER_MORE: u8 = 43;
    pub(super) const REVOCATION: u8 = 64;
}

impl<'a> Record<'a> {
    /// Appends the record.
    pub fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::Begin(begin) => {
                into.push(kind::BEGIN);
                begin.encode(into);
            }
            Self::Snapshot(since) => {
                into.push(kind::SNAPSHOT);
                put_u64(into, since.0);
            }
            Self::Publication(publication) => {
                into.push(kind::PUBLICATION);
                publication.encode(into);
            }
            Self::Stream(stream) => {
                into.push(kind::STREAM);
                stream.encode(into);
            }
            Self::Key(key) => {
                into.push(kind::KEY);
                key.encode(into);
            }
            Self::Scheduled(scheduled) => {
                into.push(kind::SCHEDULED);
                scheduled.encode(into);
            }
            Self::Unscheduled(channel, id) => {
                into.push(kind::UNSCHEDULED);
                put_bytes(into, channel.as_bytes());
                put_id(into, *id);
            }
            Self::Timed(timed) => {
                into.push(kind::TIMED);
                timed.encode(into);
            }
            Self::Member(member) => {
                into.push(kind::MEMBER);
                member.encode(into);
            }
            Self::MemberGone(channel, user) => {
                into.push(kind::MEMBER_GONE);
                [channel, user].iter().for_each(|name| put_bytes(into, name.as_bytes()));
            }
            Self::Device(device) => {
                into.push(match (device.has_lost, device.failed) {
                    (true, _) => kind::DEVICE_LOST,
                    (false, 0) => kind::DEVICE,
                    (false, _) => kind::DEVICE_FAILING,
                });
                device.encode(into);
            }
            Self::DeviceGone(channel, user, device) => {
                into.push(kind::DEVICE_GONE);
                [channel, user, device].iter().for_each(|name| put_bytes(into, name.as_bytes()));
            }
            Self::DeadLetter(letter) => {
                into.push(kind::DEAD_LETTER);
                letter.encode(into);
            }
            Self::DeadLetterMore(channel, offset, more) => {
                into.push(kind::DEAD_LETTER_MORE);
                put_bytes(into, channel.as_bytes());
                [*offset, *more].iter().for_each(|number| put_u64(into, *number));
            }
            Self::DeadLetterGone(channel, offset) => {
                into.push(kind::DEAD_LETTER_GONE);
                put_bytes(into, channel.as_bytes());
                put_u64(into, *offset);
            }
            Self::DeadLetterReceived(channel, offset, user, device)
            | Self::DeadLetterRequeued(channel, offset, user, device) => {
                let is_received = matches!(self, Self::DeadLetterReceived(..));
                into.push(if is_received { kind::DEAD_LETTER_RECEIVED } else { kind::DEAD_LETTER_REQUEUED });
                put_bytes(into, channel.as_bytes());
                put_u64(into, *offset);
                [user, device].iter().for_each(|name| put_bytes(into, name.as_bytes()));
            }
            Self::DeadLetterTried(channel, offset, user, device, attempts) => {
                into.push(kind::DEAD_LETTER_TRIED);
                put_bytes(into, channel.as_bytes());
                put_u64(into, *offset);
                [user, device].iter().for_each(|name| put_bytes(into, name.as_bytes()));
                put_u64(into, *attempts);
            }
            Self::Revocation(revocation) => {
                into.push(kind::REVOCATION);
                revocation.encode(into);
            }
            Self::Over(channel) => {
                into.push(kind::OVER);
                put_bytes(into, channel.as_bytes());
            }
        }
    }

    /// Reads a record that fills `bytes`.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut fields = Fields(bytes);
        let record = match fields.u8()? {
            kind::BEGIN => Self::Begin(BeginRecord::decode(&mut fields)?),
            kind::SNAPSHOT => Self::Snapshot(SegmentId(fields.u64()?)),
            kind::PUBLICATION => Self::Publication(PublicationRecord::decode(&mut fields)?),
            kind::STREAM => Self::Stream(StreamRecord::decode(&mut fields)?),
            kind::KEY => Self::Key(KeyRecord::decode(&mut fields)?),
            kind::SCHEDULED => Self::Scheduled(ScheduledRecord::decode(&mut fields)?),
            kind::UNSCHEDULED => Self::Unscheduled(fields.text()?, read_id(&mut fields)?),
            kind::TIMED => Self::Timed(TimedRecord::decode(&mut fields)?),
            kind::MEMBER => Self::Member(MemberRecord::decode(&mut fields)?),
            kind::MEMBER_GONE => Self::MemberGone(fields.text()?, fields.text()?),
            kind::DEVICE => Self::Device(DeviceRecord::decode(&mut fields)?),
            kind::DEVICE_FAILING => Self::Device(DeviceRecord::decode_failing(&mut fields)?),
            kind::DEVICE_LOST => Self::Device(DeviceRecord::decode_lost(&mut fields)?),
            kind::DEVICE_GONE => Self::DeviceGone(fields.text()?, fields.text()?, fields.text()?),
            kind::DEAD_LETTER => Self::DeadLetter(DeadLetterRecord::decode(&mut fields)?),
            kind::DEAD_LETTER_GONE => Self::DeadLetterGone(fields.text()?, fields.u64()?),
            kind::DEAD_LETTER_RECEIVED => {
                Self::DeadLetterReceived(fields.text()?, fields.u64()?, fields.text()?, fields.text()?)
            }
            kind::DEAD_LETTER_REQUEUED => {
                Self::DeadLetterRequeued(fields.text()?, fields.u64()?, fields.text()?, fields.text()?)
            }
            kind::DEAD_LETTER_TRIED => {
                Self::DeadLetterTried(fields.text()?, fields.u64()?, fields.text()?, fields.text()?, fields.u64()?)
            }
            kind::DEAD_LETTER_MORE => Self::DeadLetterMore(fields.text()?, fields.u64()?, fields.u64()?),
            kind::OVER => Self::Over(fields.text()?),
            kind::REVOCATION => Self::Revocation(RevocationRecord::decode(&mut fields)?),
            _ => return Err(Unreadable::Newer),
        };
        if fields.0.is_empty() { Ok(record) } else { Err(Unreadable::Newer) }
    }

    /// Whether every shard needs it, whoever wrote it.
    pub fn is_for_all(&self) -> bool {
        matches!(self, Self::Revocation(_))
    }

    /// The channel that it is of; `None` for the journal's own, and for what is of no channel.
    pub fn channel(&self) -> Option<&'a str> {
        match self {
            Self::Begin(_) | Self::Snapshot(_) | Self::Revocation(_) => None,
            Self::Publication(publication) => Some(publication.channel),
            Self::Stream(stream) => Some(stream.channel),
            Self::Key(key) => Some(key.channel),
            Self::Scheduled(scheduled) => Some(scheduled.channel),
            Self::Timed(timed) => Some(timed.publication.channel),
            Self::Member(member) => Some(member.channel),
            Self::Device(device) => Some(device.channel),
            Self::DeadLetter(letter) => Some(letter.publication.channel),
            Self::MemberGone(channel, _) | Self::DeviceGone(channel, ..) | Self::DeadLetterGone(channel, _) => {
                Some(channel)
            }
            Self::Over(channel) | Self::Unscheduled(channel, _) => Some(channel),
            Self::DeadLetterReceived(channel, ..)
            | Self::DeadLetterRequeued(channel, ..)
            | Self::DeadLetterTried(channel, ..)
            | Self::DeadLetterMore(channel, ..) => Some(channel),
        }
    }
}

#[cfg(test)]
mod tests;
