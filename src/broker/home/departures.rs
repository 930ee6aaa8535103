//! Devices that have left channels which nodes share: the ledgers are told, and told again where they could not be, unless the
//! devices are back.
//!
//! A ledger that was not told takes a device for connected here, until the node's lease ends.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::limits::{DEPARTURE_RETRY_MS, DEPARTURES_UNTOLD_MAX};
use crate::model::ledger::DeviceName;
use crate::time::Now;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::broker) struct Departures {
    /// How many are on their way.
    sent: usize,
    /// What ledgers could not be told, and when it is told again; the first first.
    untold: VecDeque<(u64, Arc<str>, DeviceName)>,
    /// The same, once each. What is not here is over.
    due: HashMap<(Arc<str>, DeviceName), u64>,
}

impl Departures {
    /// How many are on their way: nobody waits for them.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// One is sent.
    pub(super) fn send(&mut self) {
        self.sent += 1;
    }

    /// One that was sent is answered.
    pub(super) fn answered(&mut self) {
        self.sent -= 1;
    }

    /// A ledger may take a device for connected here that is not. Past the bound that stays so.
    pub(super) fn keep(&mut self, channel: Arc<str>, name: DeviceName, now: Now) {
        if self.untold.len() < DEPARTURES_UNTOLD_MAX {
            let at_ms = now.mono_ms + DEPARTURE_RETRY_MS;
            self.untold.push_back((at_ms, channel.clone(), name.clone()));
            self.due.insert((channel, name), at_ms);
        }
    }

    /// The device comes again: it leaves by itself.
    pub(super) fn forget(&mut self, channel: &Arc<str>, name: &DeviceName) {
        if !self.due.is_empty() {
            self.due.remove(&(channel.clone(), name.clone()));
        }
    }

    /// The next that a ledger is to be told again.
    pub(super) fn next(&mut self, now: Now) -> Option<(Arc<str>, DeviceName)> {
        while self.untold.front().is_some_and(|(at_ms, ..)| *at_ms <= now.mono_ms)
            && let Some((at_ms, channel, name)) = self.untold.pop_front()
        {
            let left = (channel, name);
            if self.due.get(&left) == Some(&at_ms) {
                self.due.remove(&left);
                return Some(left);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, ..Now::default() }
    }

    fn name(device: &str) -> DeviceName {
        DeviceName { user: "ada".into(), device: device.into() }
    }

    #[test]
    fn what_could_not_be_told_is_told_once_again_unless_the_device_has_come_back() {
        let (mut departures, room) = (Departures::default(), Arc::<str>::from("room"));
        departures.keep(room.clone(), name("a"), at(0));
        departures.keep(room.clone(), name("b"), at(0));
        assert_eq!(departures.next(at(DEPARTURE_RETRY_MS - 1)), None);
        departures.forget(&room, &name("a"));
        // It has left once more, and that was not told either.
        departures.keep(room.clone(), name("a"), at(1));
        assert_eq!(departures.next(at(DEPARTURE_RETRY_MS)), Some((room.clone(), name("b"))));
        assert_eq!(departures.next(at(DEPARTURE_RETRY_MS)), None);
        assert_eq!(departures.next(at(DEPARTURE_RETRY_MS + 1)), Some((room, name("a"))));
        assert_eq!(departures.next(at(u64::MAX)), None);
        assert!(departures.untold.is_empty() && departures.due.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut departures, room) = (Departures::default(), Arc::<str>::from("room"));
        (0..=DEPARTURES_UNTOLD_MAX).for_each(|device| departures.keep(room.clone(), name(&device.to_string()), at(0)));
        assert_eq!((departures.untold.len(), departures.due.len()), (DEPARTURES_UNTOLD_MAX, DEPARTURES_UNTOLD_MAX));
    }
}
