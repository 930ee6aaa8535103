//! What devices of a channel are sent once more of dead letters, and when each is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::dead_letters::DeadLetter;
use crate::limits::REQUEUED_PER_RECEIVED;
use crate::model::Publication;

/// A user, a device, and an offset.
pub(super) type Place = (Arc<str>, Box<str>, u64);

/// What one device is sent once more.
#[derive(Clone, Debug)]
pub(super) struct Again {
    /// What.
    pub(super) publication: Arc<Publication>,
    /// How often it was.
    pub(super) attempts: u16,
    /// When it is looked at next, monotonic milliseconds; `None` while the device is away.
    pub(super) due_ms: Option<u64>,
    /// Who has received all up to this offset has received it, too; `None` before it was sent to the device since that came.
    pub(super) covered_by: Option<u64>,
}

impl Again {
    /// It was not sent yet.
    pub(super) fn new(publication: Arc<Publication>, due_ms: Option<u64>) -> Self {
        Self { publication, attempts: 0, due_ms, covered_by: None }
    }

    /// It is sent to a device that was sent all up to `reached` before. What is sent later comes later, and who has received
    /// that has received this. From the second time on the same is said of what was sent before: who only ever says its newest
    /// offset says it again, and what it had said before the first time has come long since.
    pub(super) fn sent(self, reached: u64, due_ms: u64) -> Self {
        let covered_by = self.covered_by.map_or(reached + 1, |before| before.min(reached));
        Self { attempts: self.attempts + 1, due_ms: Some(due_ms), covered_by: Some(covered_by), ..self }
    }

    fn is_covered_by(&self, received: u64) -> bool {
        self.covered_by.is_some_and(|by| by <= received)
    }
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

    /// A dead letter is to be sent to nobody.
    pub(super) fn forget_letter(&mut self, letter: &DeadLetter) {
        for failure in &letter.failures {
            self.remove(&(failure.user.clone(), failure.device.clone(), letter.publication.offset));
        }
    }

    /// The letter of this offset is to be sent to nobody, or none at all.
    pub(super) fn forget_offset(&mut self, offset: Option<u64>) {
        let is_meant = |of: u64| offset.is_none_or(|offset| offset == of);
        self.by_place.retain(|(_, _, of), _| !is_meant(*of));
        self.due.retain(|(_, (_, _, of))| !is_meant(*of));
    }

    /// Nothing is to be sent to this device of a user.
    pub(super) fn forget_device(&mut self, user: &Arc<str>, device: &str) {
        for place in self.of_device(user, device).map(|(place, _)| place.clone()).collect::<Vec<_>>() {
            self.remove(&place);
        }
    }

    /// What a device is to be sent, by offset.
    pub(super) fn of_device(&self, user: &Arc<str>, device: &str) -> impl Iterator<Item = (&Place, &Again)> {
        let places = (user.clone(), Box::from(device), 0)..=(user.clone(), Box::from(device), u64::MAX);
        self.by_place.range(places)
    }

    /// What a device has received by saying that it has received all up to an offset: this very one, and what that covers.
    /// So many of those are looked at.
    pub(super) fn received(&self, user: &Arc<str>, device: &str, offset: u64) -> Vec<Place> {
        let this = (user.clone(), Box::from(device), offset);
        let places = (user.clone(), Box::from(device), 0)..this.clone();
        let before = self.by_place.range(places).take(REQUEUED_PER_RECEIVED);
        let covered = before.filter(|(_, again)| again.is_covered_by(offset)).map(|(place, _)| place.clone());
        covered.chain(self.has(&this).then_some(this)).collect()
    }

    /// Whether this is to be sent.
    pub(super) fn has(&self, place: &Place) -> bool {
        self.by_place.contains_key(place)
    }

    /// It was sent so often, and is looked at then.
    pub(super) fn set(&mut self, place: &Place, again: Again) {
        let due_ms = again.due_ms;
        let before = self.by_place.insert(place.clone(), again);
        if let Some(due_ms) = before.and_then(|before| before.due_ms) {
            self.due.remove(&(due_ms, place.clone()));
        }
        if let Some(due_ms) = due_ms {
            self.due.insert((due_ms, place.clone()));
        }
    }

    /// It was sent so often before a restart, where it is to be sent once more at all.
    pub(super) fn restore_attempts(&mut self, place: &Place, attempts: u16) {
        if let Some(again) = self.by_place.get_mut(place) {
            again.attempts = attempts;
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
