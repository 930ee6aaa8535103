//! How many members of a large room have received and read a message: told to the device that sent it.
//!
//! In a small room everybody hears of everybody's position; in a large one that would be a word from each to all. So the
//! newest messages that connected members have sent there are *open*: each counts the members whose positions have passed
//! it, but for its sender. No position goes back, so that each is counted once. Counts are in memory only, and bounded.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::limits::RECEIPTS_OPEN_MAX;

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Its offset.
    pub offset: u64,
    /// Members who have received it.
    pub received: u32,
    /// Members who have read it.
    pub read: u32,
    /// Members when it was published, but for its sender.
    pub members: u32,
}

/// Which position has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Received,
    Read,
}

/// The device that has sent a message: the user, and its id.
type Sender = (Arc<str>, Box<str>);

#[derive(Debug)]
struct Open {
    sender: Sender,
    receipt: Receipt,
    is_told: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Receipts(BTreeMap<u64, Open>);

impl Receipts {
    /// A device has sent a message, which so many others are to receive. The oldest is counted no longer.
    pub(super) fn open(&mut self, offset: u64, sender: Sender, members: u32) {
        if self.0.len() == RECEIPTS_OPEN_MAX {
            self.0.pop_first();
        }
        let receipt = Receipt { offset, received: 0, read: 0, members };
        self.0.insert(offset, Open { sender, receipt, is_told: true });
    }

    /// A member's position has moved from one offset to another. Whether that is to be told to anybody.
    pub(super) fn count(&mut self, user: &str, what: Moved, from: u64, to: u64) -> bool {
        let mut is_news = false;
        for open in self.0.range_mut(from + 1..=to).map(|(_, open)| open).filter(|open| *open.sender.0 != *user) {
            match what {
                Moved::Received => open.receipt.received += 1,
                Moved::Read => open.receipt.read += 1,
            }
            open.is_told = false;
            is_news = true;
        }
        is_news
    }

    /// What is to be told, by device: it is told from now on.
    pub(super) fn take_news(&mut self) -> BTreeMap<Sender, Vec<Receipt>> {
        let mut news = BTreeMap::<_, Vec<_>>::new();
        for open in self.0.values_mut().filter(|open| !open.is_told) {
            open.is_told = true;
            news.entry(open.sender.clone()).or_default().push(open.receipt);
        }
        news
    }

    /// Of the messages of one device, oldest first.
    pub(super) fn of(&self, user: &str, device: &str) -> Vec<Receipt> {
        let is_own = |open: &&Open| (&*open.sender.0, &*open.sender.1) == (user, device);
        self.0.values().filter(is_own).map(|open| open.receipt).collect()
    }

    /// The stream has begun anew.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(user: &str) -> Sender {
        (user.into(), "phone".into())
    }

    #[test]
    fn each_member_is_counted_once_for_each_message_but_for_its_sender() {
        let mut receipts = Receipts::default();
        receipts.open(3, sender("ada"), 200);
        receipts.open(5, sender("bob"), 201);
        assert!(receipts.count("cyd", Moved::Received, 0, 4) && receipts.count("cyd", Moved::Received, 4, 9));
        assert!(!receipts.count("ada", Moved::Read, 0, 4), "a sender does not count for what it has sent");
        assert!(receipts.count("ada", Moved::Read, 4, 5));
        let news = receipts.take_news();
        assert_eq!(news[&sender("ada")], [Receipt { offset: 3, received: 1, read: 0, members: 200 }]);
        assert_eq!(news[&sender("bob")], [Receipt { offset: 5, received: 1, read: 1, members: 201 }]);
        assert!(receipts.take_news().is_empty(), "told once");
        assert_eq!(receipts.of("bob", "phone").len(), 1);
        assert!(receipts.of("bob", "laptop").is_empty());
    }

    #[test]
    fn so_many_messages_are_counted_and_the_oldest_go() {
        let mut receipts = Receipts::default();
        (1..=RECEIPTS_OPEN_MAX as u64 + 1).for_each(|offset| receipts.open(offset, sender("ada"), 200));
        assert!(!receipts.count("bob", Moved::Received, 0, 1));
        assert!(receipts.count("bob", Moved::Received, 1, 2));
        assert_eq!(receipts.0.len(), RECEIPTS_OPEN_MAX);
    }
}
