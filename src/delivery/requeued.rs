//! What devices of a channel are sent once more of dead letters, and when each is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A user, a device, and an offset.
pub(super) type Place = (Arc<str>, Box<str>, u64);

/// What one device is sent once more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    /// How often it was.
    pub(super) attempts: u16,
    /// When it is looked at next, monotonic milliseconds; `None` while the device is away.
    pub(super) due_ms: Option<u64>,
}

/// What devices of a channel are sent once more.
#[derive(Debug, Default)]
pub(super) struct Requeued {
    pub(super) by_place: BTreeMap<Place, Again>,
    /// Those of devices that are connected, by when they are looked at.
    pub(super) due: BTreeSet<(u64, Place)>,
    /// When the first is, where that is registered.
    pub(super) wake_ms: Option<u64>,
}

impl Requeued {
    /// Nothing is to be sent any more.
    pub(super) fn clear(&mut self) {
        self.by_place.clear();
        self.due.clear();
    }

    /// Nothing is to be sent to this user.
    pub(super) fn forget(&mut self, user: &str) {
        self.by_place.retain(|(of, ..), _| **of != *user);
        self.due.retain(|(_, (of, ..))| **of != *user);
    }

    /// It was sent so often, and is looked at then.
    pub(super) fn set(&mut self, place: &Place, again: Again) {
        let before = self.by_place.insert(place.clone(), again);
        if let Some(due_ms) = before.and_then(|before| before.due_ms) {
            self.due.remove(&(due_ms, place.clone()));
        }
        if let Some(due_ms) = again.due_ms {
            self.due.insert((due_ms, place.clone()));
        }
    }

    /// It is not sent any more. False where it was not to be.
    pub(super) fn remove(&mut self, place: &Place) -> bool {
        let Some(again) = self.by_place.remove(place) else { return false };
        if let Some(due_ms) = again.due_ms {
            self.due.remove(&(due_ms, place.clone()));
        }
        true
    }
}
