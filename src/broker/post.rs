//! What goes to other shards: letters in order, and the receipts that are owed, one letter for all of a tick.

use std::vec::Drain;

use super::letter::Letter;

/// Letters on their way out, by shard.
#[derive(Debug, Default)]
pub(super) struct Post {
    letters: Vec<(u16, Letter)>,
    /// Shards, and how many of their publishes came into their places here since they were told.
    receipts: Vec<(u16, u32)>,
}

impl Post {
    pub(super) fn send(&mut self, to: u16, letter: Letter) {
        self.letters.push((to, letter));
    }

    /// A publish of a shard came into its place.
    pub(super) fn owe_receipt(&mut self, shard: u16) {
        match self.receipts.last_mut() {
            Some((last, count)) if *last == shard => *count += 1,
            _ => self.receipts.push((shard, 1)),
        }
    }

    /// Writes the receipts that are owed. Before a refusal, too: a shard is told of its publishes in their order.
    pub(super) fn give_receipts(&mut self) {
        self.letters.extend(self.receipts.drain(..).map(|(to, count)| (to, Letter::Published { count })));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.letters.is_empty() && self.receipts.is_empty()
    }

    /// All that is to be told, in order.
    pub(super) fn drain(&mut self) -> Drain<'_, (u16, Letter)> {
        self.give_receipts();
        self.letters.drain(..)
    }
}
