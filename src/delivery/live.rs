//! What a device needs while it is connected: where its sessions are, how it is sent to, when it is looked at next.

use std::sync::Arc;

use smallvec::SmallVec;

use super::device::Device;
use super::members::Hint;
use crate::model::{ClientId, Publication, TagsFilter};

/// A session that a device is connected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The client, whose session is no other's.
    pub client: ClientId,
    /// The shard that serves it.
    pub shard: u16,
    /// The number of the session there, which is another's when it has ended.
    pub session: u32,
}

/// A session that a device is connected by, and what it wants.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where it is.
    pub seat: Seat,
    /// Which publications it wants; `None` is all.
    pub filter: Option<Arc<TagsFilter>>,
    /// Whether its device is of a kind that pushes are for.
    pub is_pushed: bool,
    /// It has said that nobody looks.
    pub is_background: bool,
}

impl Listener {
    /// One that wants everything, and is looked at.
    #[cfg(test)]
    pub(super) fn at(seat: Seat) -> Self {
        Self { seat, filter: None, is_pushed: true, is_background: false }
    }

    /// Whether its filter lets a publication pass.
    pub(super) fn wants(&self, publication: &Publication) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.passes(publication.tags.as_ref()))
    }
}

/// How a device is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// With everybody in the channel: it was sent all that there is.
    Along,
    /// By its name, up to `max_unacked` beyond its floor, until it has caught up.
    Behind,
    /// By its name, nothing but the first after its floor, which it was sent before.
    Again,
    /// Not at all: the stream has begun anew, and it is to be told so.
    Over,
}

/// A connected device.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) user: Arc<str>,
    /// As the device names itself; empty for all sessions of the user that name none.
    pub(super) id: Box<str>,
    pub(super) device: Device,
    /// Where its member's row was when it said something.
    pub(super) row: Hint,
    pub(super) listeners: SmallVec<[Listener; 1]>,
    pub(super) pace: Pace,
    /// The offset that it must not be sent along with everybody, where it is registered; 0 where it is not.
    pub(super) stop_at: u64,
    /// When it is looked at, where it is registered; monotonic milliseconds.
    pub(super) due_ms: Option<u64>,
    /// Until when the first after its floor is waited for, monotonic milliseconds. One that goes along with everybody has
    /// longer where that came later.
    pub(super) deadline_ms: u64,
    /// Which attempt the device did not want yet when it said so last: of this offset, after so many that had failed.
    pub(super) put_off: (u64, u16),
}

impl Live {
    /// Whether one of its sessions wants a publication.
    pub(super) fn wants(&self, publication: &Publication) -> bool {
        self.listeners.iter().any(|listener| listener.wants(publication))
    }

    /// Whether one of its sessions has published it.
    pub(super) fn has_published(&self, publication: &Publication) -> bool {
        let client = publication.info.as_ref().map(|info| info.client);
        client.is_some_and(|client| self.listeners.iter().any(|listener| listener.seat.client == client))
    }
}
