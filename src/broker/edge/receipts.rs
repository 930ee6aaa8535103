//! Who waits for the receipt of a publish that went to its channel's home on another shard.
//!
//! A home takes the publishes of one shard in the order in which they were sent. So it need only count those that are in
//! their places, and who asked is known here, in the same order; by level, since a slower level must not hold up another.

use std::collections::VecDeque;

use crate::broker::letter::{Asker, Level};

/// By home and level: who published there and has no answer yet, oldest first. This shard's own channels are among them:
/// where their deliveries wait for room, so do their publishers.
#[derive(Debug)]
pub(in crate::broker) struct Receipts {
    awaited: Vec<[VecDeque<Asker>; Level::COUNT]>,
}

impl Receipts {
    /// Between so many shards, none.
    pub(super) fn new(shards: u16) -> Self {
        Self { awaited: (0..shards).map(|_| Default::default()).collect() }
    }

    /// A publish goes to its home.
    pub(in crate::broker) fn expect(&mut self, home: u16, level: Level, asker: Asker) {
        self.awaited[usize::from(home)][level as usize].push_back(asker);
    }

    /// The home has dealt with the oldest of those that are awaited: whose it is.
    ///
    /// # Panics
    /// When none is awaited.
    pub(in crate::broker) fn came(&mut self, home: u16, level: Level) -> Asker {
        self.awaited[usize::from(home)][level as usize].pop_front().expect("a home answers what it was asked")
    }
}
