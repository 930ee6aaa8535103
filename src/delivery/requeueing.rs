//! Dead letters that are sent once more to the devices that did not receive them.
//!
//! The floors of these devices have passed them, so that they go beside what is sent otherwise: by name, at any pace. Each is
//! received when its device says so of this very offset, or of one that it can only have received after it. Until then a
//! letter stays what it is. That it was requeued is kept, on disk or in a ledger, and how often it was sent since.

use std::sync::Arc;

use super::change::Changed;
use super::dead_letters::{DeadLetter, Failure};
use super::desk::{Count, Desk};
use super::device::Known;
use super::dispatch::Sending;
use super::inbox::{Inbox, Whose};
use super::live::Pace;
use super::requeued::{Again, Place};
use super::trace::What;
use super::wakes::Wake;
use crate::time::Now;

impl Inbox {
    /// Has a dead letter sent once more to those of its devices that are known; how many those are.
    pub(super) fn requeue(&mut self, letter: &DeadLetter, now: Now, desk: &mut Desk) -> usize {
        let mut devices = 0;
        for failure in &letter.failures {
            if self.known(&failure.user, &failure.device).is_none() {
                continue;
            }
            let place = (failure.user.clone(), failure.device.clone(), letter.publication.offset);
            self.requeued.set(&place, Again::new(letter.publication.clone(), Some(now.mono_ms)));
            let (user, device, offset) = place;
            self.keep(desk, || Changed::DeadLetterRequeued { offset, user, device });
            devices += 1;
        }
        self.wake_for_requeued(desk);
        devices
    }

    /// A device has come: what it is to be sent once more is looked at.
    pub(super) fn resume_requeued(&mut self, whose: Whose<'_>, now: Now, desk: &mut Desk) {
        if self.requeued.by_place.is_empty() {
            return;
        }
        let mine = self.requeued.of_device(whose.user, whose.device);
        for (place, again) in mine.map(|(place, again)| (place.clone(), again.clone())).collect::<Vec<_>>() {
            self.requeued.set(&place, Again { due_ms: Some(now.mono_ms), covered_by: None, ..again });
        }
        self.wake_for_requeued(desk);
    }

    /// A device says that it has received all up to an offset, and what it was sent once more with it.
    pub(super) fn received_requeued(&mut self, whose: Whose<'_>, offset: u64, now: Now, desk: &mut Desk) {
        if self.requeued.by_place.is_empty() {
            return;
        }
        for place in self.requeued.received(whose.user, whose.device, offset) {
            self.requeued.remove(&place);
            desk.note(&self.channel, (place.2, place.2), What::Received, Some((whose.user, whose.device, 0)), now);
            self.resolve(&place, desk);
        }
    }

    /// A device is not waited for any more.
    fn resolve(&mut self, (user, device, offset): &Place, desk: &mut Desk) {
        let received = || Changed::DeadLetterReceived { offset: *offset, user: user.clone(), device: device.clone() };
        if self.options.is_shared {
            return self.keep(desk, received);
        }
        let what = match desk.dead.resolve(&self.channel, *offset, user, device) {
            None => return,
            Some(true) => Changed::DeadLetterGone { offset: *offset },
            Some(false) => received(),
        };
        self.keep(desk, || what);
    }

    /// What is due is sent, or was sent as often as may be. As many as the sweep may.
    pub(super) fn send_requeued(&mut self, now: Now, desk: &mut Desk) {
        self.requeued.wake_ms = None;
        while desk.has_looks()
            && let Some((_, place)) = self.requeued.due.first().filter(|(due_ms, _)| *due_ms <= now.mono_ms).cloned()
        {
            desk.looked_at(1);
            self.send_again(&place, now, desk);
        }
        self.wake_for_requeued(desk);
    }

    fn send_again(&mut self, place: &Place, now: Now, desk: &mut Desk) {
        let (user, id, offset) = place;
        let letter = desk.dead.find(&self.channel, *offset).filter(|letter| letter.has_failed(user, id));
        let known = self.known(user, id).filter(|_| self.options.is_shared || letter.is_some());
        let Some(known) = known else {
            // Purged, or forgotten.
            self.requeued.remove(place);
            return;
        };
        let again = self.requeued.by_place[place].clone();
        let (attempts, publication) = (again.attempts, again.publication.clone());
        let Known::Here(at) = known else {
            return self.requeued.set(place, Again { due_ms: None, ..again });
        };
        let reached = self.reached(known);
        let live = &self.live[at as usize];
        if !live.wants(&publication) {
            self.requeued.remove(place);
            return self.resolve(place, desk);
        }
        let of = |attempt| Some((user, &**id, attempt));
        if attempts >= self.options.max_attempts {
            self.requeued.remove(place);
            desk.note(&self.channel, (*offset, *offset), What::GivenUp, of(attempts), now);
            let failure = Failure { user: user.clone(), device: id.clone(), attempts, at_unix_ms: now.unix_ms };
            if !self.options.is_shared {
                desk.dead.add(&self.channel, &self.epoch, &publication, failure.clone());
            }
            self.count(Count::GivenUp, desk);
            return self.keep(desk, || Changed::DeadLetter { publication, failure });
        }
        let jitter = desk.jitter();
        let attempt = attempts + 1;
        self.requeued.set(place, again.sent(reached, now.mono_ms + self.options.wait_ms(attempts, jitter)));
        desk.note(&self.channel, (*offset, *offset), What::Sent, of(attempt), now);
        desk.sent_bytes(publication.weight());
        self.count(Count::Redelivery, desk);
        let (behind, publications) = (live.pace != Pace::Along, Arc::from([publication]));
        self.say(at, Sending::Publications { publications, attempt, behind }, desk);
        let (user, device, offset) = place.clone();
        self.keep(desk, || Changed::DeadLetterTried { offset, user, device, attempts: attempt });
    }

    pub(super) fn wake_for_requeued(&mut self, desk: &mut Desk) {
        let first_ms = self.requeued.due.first().map(|(due_ms, _)| *due_ms);
        desk.wakes.move_to(Wake::Requeued(self.key), &mut self.requeued.wake_ms, first_ms);
    }
}
