//! One device: whether it is there, what it has, and what it has said of that.
//!
//! All offsets are places in the one channel that it hears. `answered ≤ said ≤ have`: it says only what it has.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::commands::Commands;
use crate::limits::MISSING_REMEMBERED_MAX;
use crate::presence::Presence;

/// A command that a device waits to be answered about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Its subscription.
    Join,
    /// That it has received all up to here.
    Received { offset: u64, said_ns: u64 },
    /// That its user has read all up to here.
    Read { offset: u64 },
    /// What its user has not read; how far the user was known to have read when it asked.
    Unread { read: u64 },
    /// How far its user has received and read; how far that was known when it asked.
    Position { received: u64, read: u64 },
}

/// Up to where something was said, and up to where that was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) said: u64,
    pub(super) answered: u64,
}

impl Said {
    /// It is known to the server.
    pub(super) fn answer(&mut self, offset: u64) {
        self.answered = self.answered.max(offset);
        self.said = self.said.max(offset);
    }

    /// It is said, and may be known to the server.
    pub(super) fn say(&mut self, offset: u64) {
        self.said = self.said.max(offset);
    }

    /// Whether a server may name this: no less than was answered when it was asked, and no more than was said.
    pub(super) fn may_be(self, offset: u64, answered: u64) -> bool {
        (answered..=self.said).contains(&offset)
    }
}

/// What an offset is to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// One that it has not had, in its turn.
    New,
    /// One that it has not had, after a later one.
    Late,
    /// One that it has had, in its turn after it has come back, or as another attempt.
    Again,
    /// One that it has had, and nothing explains why it comes again.
    Twice,
}

/// How far a device is with the end of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It has not all yet, or has not said that its user has read all.
    Open,
    /// It has said so.
    Read,
    /// It has asked how far the server thinks that its user is.
    Asked,
}

/// A device of a user.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) presence: Presence,
    pub(super) commands: Commands<Asked>,
    /// Which life of its channel it knows; `None` before it was there.
    pub(super) epoch: Option<Arc<str>>,
    /// It has all up to here.
    pub(super) have: u64,
    /// What it has beyond the first hole.
    ahead: BTreeSet<u64>,
    /// On this connection, what comes next.
    next: u64,
    /// On this connection, up to where it has said that it has received.
    told: u64,
    /// What it has received, as far as it has said.
    pub(super) received: Said,
    /// Where the channel stood when it was there for the first time: what lies before is not of this run.
    pub(super) from: Option<u64>,
    /// Where the channel stood when it came back, once it was told.
    pub(super) missed: Option<u64>,
    /// When it came back: what was due before is what it missed.
    pub(super) came_ns: u64,
    pub(super) ending: Ending,
}

impl Device {
    /// One that is to come for the first time.
    pub(super) fn new() -> Self {
        Self {
            presence: Presence::Coming,
            commands: Commands::default(),
            epoch: None,
            have: 0,
            ahead: BTreeSet::new(),
            next: 0,
            told: 0,
            received: Said::default(),
            from: None,
            missed: None,
            came_ns: 0,
            ending: Ending::Open,
        }
    }

    /// It is subscribed, and what follows its floor comes.
    pub(super) fn begin(&mut self, floor: u64, now_ns: u64) {
        (self.next, self.told) = (floor.saturating_add(1), floor);
        self.received.answer(floor);
        self.have = self.have.max(floor);
        self.came_ns = now_ns;
    }

    /// A message comes.
    pub(super) fn step(&mut self, offset: u64, attempt: u32) -> Step {
        let is_new = offset > self.have && !self.ahead.contains(&offset);
        // A later attempt goes back to the floor, and what follows comes again.
        let is_in_turn = attempt > 1 || offset >= self.next;
        if is_in_turn {
            self.next = offset.saturating_add(1);
        }
        if is_new {
            self.take(offset);
        }
        match (is_new, is_in_turn) {
            (true, true) => Step::New,
            (true, false) => Step::Late,
            (false, true) if offset > self.received.answered => Step::Again,
            (false, _) => Step::Twice,
        }
    }

    fn take(&mut self, offset: u64) {
        if offset > self.have + 1 {
            // As many as there is room for; the others count as lost.
            if self.ahead.len() < MISSING_REMEMBERED_MAX {
                self.ahead.insert(offset);
            }
            return;
        }
        self.have = offset;
        while self.ahead.remove(&(self.have + 1)) {
            self.have += 1;
        }
    }

    /// What it lacks of a channel that stands there.
    pub(super) fn lacks(&self, top: u64) -> u64 {
        top.saturating_sub(self.have).saturating_sub(self.ahead.len() as u64)
    }

    /// Whether it has all that was there when it came.
    pub(super) fn is_in(&self) -> bool {
        self.missed.is_some_and(|missed| self.have >= missed)
    }

    /// Up to where it says next that it has received: what came on this connection, since a server takes no word of what it
    /// does not know that it has sent. One word after the other.
    pub(super) fn take_word(&mut self) -> Option<u64> {
        let offset = self.have.min(self.next - 1);
        let is_saying = self.commands.unanswered().any(|asked| matches!(asked, Asked::Received { .. }));
        if is_saying || offset <= self.told {
            return None;
        }
        self.told = offset;
        self.received.say(offset);
        Some(offset)
    }

    /// The connection is gone, and with it what waited for answers.
    pub(super) fn lose_connection(&mut self, presence: Presence) {
        self.presence = presence;
        self.commands = Commands::default();
        self.missed = None;
        // Nothing comes, and it says nothing, until it begins again.
        self.next = self.told + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that was let in behind offset 4.
    fn device() -> Device {
        let mut device = Device::new();
        device.begin(4, 0);
        device
    }

    #[test]
    fn what_follows_the_floor_is_new_once() {
        let mut device = device();
        assert_eq!([5, 6].map(|offset| device.step(offset, 1)), [Step::New; 2]);
        assert_eq!([6, 5, 4].map(|offset| device.step(offset, 1)), [Step::Twice; 3]);
        assert_eq!((device.have, device.lacks(9)), (6, 3));
    }

    #[test]
    fn who_has_come_back_is_given_again_what_was_not_answered_and_no_more() {
        let mut device = device();
        (5..8).for_each(|offset| assert_eq!(device.step(offset, 1), Step::New));
        device.received.answer(5);
        device.begin(5, 9);
        assert_eq!([6, 7, 8].map(|offset| device.step(offset, 1)), [Step::Again, Step::Again, Step::New]);
        device.begin(4, 9);
        assert_eq!(device.step(5, 1), Step::Twice, "it was answered");
        assert_eq!(device.take_word(), Some(5), "it has more, and was sent no more");
        device.step(6, 1);
        device.lose_connection(Presence::Away);
        assert_eq!(device.take_word(), None, "it has nobody to say it to");
    }

    #[test]
    fn another_attempt_goes_back_and_what_follows_comes_again() {
        let mut device = device();
        (5..8).for_each(|offset| assert_eq!(device.step(offset, 1), Step::New));
        assert_eq!([(5, 2), (6, 1), (7, 1)].map(|(offset, attempt)| device.step(offset, attempt)), [Step::Again; 3]);
        assert_eq!(device.step(7, 1), Step::Twice);
    }

    #[test]
    fn what_is_left_out_is_lacking_until_it_comes() {
        let mut device = device();
        assert_eq!([5, 7, 8].map(|offset| device.step(offset, 1)), [Step::New; 3]);
        assert_eq!((device.have, device.lacks(8)), (5, 1), "it says no more than it has");
        assert_eq!(device.step(6, 1), Step::Late);
        assert_eq!((device.have, device.lacks(8)), (8, 0));
    }

    #[test]
    fn a_server_may_name_what_was_said_and_no_less_than_was_answered() {
        let mut said = Said::default();
        said.answer(3);
        said.say(5);
        assert_eq!([2, 3, 5, 6].map(|offset| said.may_be(offset, 3)), [false, true, true, false]);
    }
}
