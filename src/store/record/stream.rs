//! The life of a channel's stream as records.

use super::fields::{Fields, Unreadable, put_bytes, put_u64};

/// How a stream stands. Recovery forgets what it knows of the channel below `first`, and of other epochs.
///
/// Written where a history is removed (`first` is above `top`), and at the head of a channel's state in a snapshot, whose
/// publications from `first` on follow. A publication that was on its way then may lie before it: recovery puts
/// publications in the order of their offsets, and skips those that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamRecord<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The life of the channel from here on.
    pub epoch: &'a str,
    /// The lowest offset that may still be kept.
    pub first: u64,
    /// The highest offset that was given; 0 before the first.
    pub top: u64,
}

impl<'a> StreamRecord<'a> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        put_bytes(into, self.channel.as_bytes());
        put_bytes(into, self.epoch.as_bytes());
        put_u64(into, self.first);
        put_u64(into, self.top);
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        Ok(Self { channel: fields.text()?, epoch: fields.text()?, first: fields.u64()?, top: fields.u64()? })
    }
}
