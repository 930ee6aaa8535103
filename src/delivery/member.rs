//! A user who belongs to a channel, connected or not: how far the user has received and read.

use std::sync::Arc;

use serde::Serialize;

/// How far one member is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberPosition {
    /// The user.
    pub user: Arc<str>,
    /// The furthest that any device of the user has received.
    pub received: u64,
    /// Up to where the user has read.
    pub read: u64,
}

/// A member of a channel, but for the devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The furthest that any device has received; where a new device begins.
    pub(super) received: u64,
    /// The furthest of that which was [noticed](super::pushing); no further than was received.
    pub(super) noticed: u64,
    /// Up to where the user has read.
    pub(super) read: u64,
    /// The lowest floor of the devices that were forgotten: one that comes back may have missed what follows.
    pub(super) forgotten: Option<u64>,
}

impl Member {
    /// A member who is to receive what follows this offset.
    pub(super) fn since(offset: u64) -> Self {
        Self { received: offset, noticed: offset, read: offset, forgotten: None }
    }

    /// A device with this floor is forgotten.
    pub(super) fn forget(&mut self, floor: u64) {
        self.forgotten = Some(self.forgotten.map_or(floor, |lowest| lowest.min(floor)));
    }

    /// The stream has begun anew: nothing of it was received.
    pub(super) fn begin_anew(&mut self) {
        (self.received, self.noticed, self.read, self.forgotten) = (0, 0, 0, self.forgotten.map(|_| 0));
    }
}
