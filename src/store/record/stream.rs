//! The life of a channel's stream as records.

use serde::Serialize;

use super::fields::{Fields, Unreadable, put_bytes, put_i64, put_option, put_u64};
use super::publication::VersionOf;

/// How a stream stands. Recovery forgets what it knows of the channel below `first`, and of other epochs.
///
/// Written where a history is removed (`first` is above `top`), and at the head of a channel's state in a snapshot, whose
/// publications from `first` on follow. A publication that was on its way then may lie before it: recovery puts
/// publications in the order of their offsets, and skips those that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StreamRecord<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The life of the channel from here on.
    pub epoch: &'a str,
    /// The lowest offset that may still be kept.
    pub first: u64,
    /// The highest offset that was given; 0 before the first.
    pub top: u64,
    /// That of the publication at `top`, where it had one and may not be kept any more.
    pub version: Option<VersionOf<'a>>,
}

impl<'a> StreamRecord<'a> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        put_bytes(into, self.channel.as_bytes());
        put_bytes(into, self.epoch.as_bytes());
        put_u64(into, self.first);
        put_u64(into, self.top);
        put_option(into, self.version, VersionOf::encode);
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self {
            channel: fields.text()?,
            epoch: fields.text()?,
            first: fields.u64()?,
            top: fields.u64()?,
            version: fields.option(VersionOf::decode)?,
        })
    }
}

/// An idempotency key and what it was answered with, in a snapshot: its publication may not be kept any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRecord<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The key.
    pub key: &'a str,
    /// The life of the channel that the publication belongs to.
    pub epoch: &'a str,
    /// Its place.
    pub offset: u64,
    /// When it was taken, Unix milliseconds.
    pub time_unix_ms: i64,
}

impl<'a> KeyRecord<'a> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        put_bytes(into, self.channel.as_bytes());
        put_bytes(into, self.key.as_bytes());
        put_bytes(into, self.epoch.as_bytes());
        put_u64(into, self.offset);
        put_i64(into, self.time_unix_ms);
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self {
            channel: fields.text()?,
            key: fields.text()?,
            epoch: fields.text()?,
            offset: fields.u64()?,
            time_unix_ms: fields.i64()?,
        })
    }
}
