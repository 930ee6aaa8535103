//! Members of channels and what they have received, as records: each says how it is from now on.

use serde::Serialize;

use super::fields::{Fields, Unreadable, put_bytes, put_u64};
use super::publication::PublicationRecord;

/// A member, and how far the user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemberRecord<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The user.
    pub user: &'a str,
    /// The life of the channel that the offsets belong to; empty before there was one.
    pub epoch: &'a str,
    /// The furthest that any device has received.
    pub received: u64,
    /// Up to where the user has read.
    pub read: u64,
}

/// A device of a member, and its floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceRecord<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The user.
    pub user: &'a str,
    /// The device's id, empty for sessions without one.
    pub device: &'a str,
    /// The life of the channel that the offsets belong to; empty before there was one.
    pub epoch: &'a str,
    /// All up to here was received, given up, or is lost.
    pub floor: u64,
    /// The furthest that any device of the user has received.
    pub received: u64,
    /// When it was written, Unix seconds.
    pub seen_unix_s: u64,
    /// Attempts of the first after the floor that have failed.
    pub failed: u64,
    /// It has lost something before its floor, and may not have heard of it.
    pub has_lost: bool,
}

/// A device was given up on one publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetterRecord<'a> {
    /// The publication, which may not be kept in its stream any more.
    pub publication: PublicationRecord<'a>,
    /// Whose device.
    pub user: &'a str,
    /// The device's id, empty for sessions without one.
    pub device: &'a str,
    /// How often it was sent.
    pub attempts: u64,
    /// When it was given up, Unix milliseconds.
    pub at_unix_ms: u64,
}

impl<'a> MemberRecord<'a> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        put_bytes(into, self.channel.as_bytes());
        put_bytes(into, self.user.as_bytes());
        put_bytes(into, self.epoch.as_bytes());
        put_u64(into, self.received);
        put_u64(into, self.read);
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self {
            channel: fields.text()?,
            user: fields.text()?,
            epoch: fields.text()?,
            received: fields.u64()?,
            read: fields.u64()?,
        })
    }
}

impl<'a> DeviceRecord<'a> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        put_bytes(into, self.channel.as_bytes());
        put_bytes(into, self.user.as_bytes());
        put_bytes(into, self.device.as_bytes());
        put_bytes(into, self.epoch.as_bytes());
        put_u64(into, self.floor);
        put_u64(into, self.received);
        put_u64(into, self.seen_unix_s);
        if self.failed > 0 || self.has_lost {
            put_u64(into, self.failed);
        }
    }

    /// Reads one with failed attempts, whose number follows.
    pub(super) fn decode_failing(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        let record = Self::decode(fields)?;
        let failed = fields.u64()?;
        if failed == 0 { Err(Unreadable::Newer) } else { Ok(Self { failed, ..record }) }
    }

    /// Reads one that has lost something, with its failed attempts.
    pub(super) fn decode_lost(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        let record = Self::decode(fields)?;
        Ok(Self { failed: fields.u64()?, has_lost: true, ..record })
    }

    /// Reads one without failed attempts.
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self {
            channel: fields.text()?,
            user: fields.text()?,
            device: fields.text()?,
            epoch: fields.text()?,
            floor: fields.u64()?,
            received: fields.u64()?,
            seen_unix_s: fields.u64()?,
            failed: 0,
            has_lost: false,
        })
    }
}

impl<'a> DeadLetterRecord<'a> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        self.publication.encode(into);
        put_bytes(into, self.user.as_bytes());
        put_bytes(into, self.device.as_bytes());
        put_u64(into, self.attempts);
        put_u64(into, self.at_unix_ms);
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self {
            publication: PublicationRecord::decode(fields)?,
            user: fields.text()?,
            device: fields.text()?,
            attempts: fields.u64()?,
            at_unix_ms: fields.u64()?,
        })
    }
}
