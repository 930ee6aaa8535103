//! Who waits for the receipt of a publish that went to its channel's home on another shard.
//!
//! A home takes the publishes of one shard in the order in which they were sent. So it need only count those that are in
//! their places, and who asked is known here, in the same order.

use std::collections::VecDeque;

use crate::broker::letter::Asker;

/// By home: who published there and has no answer yet, oldest first.
#[derive(Debug)]
pub(in crate::broker) struct Receipts {
    awaited: Vec<VecDeque<Asker>>,
}

impl Receipts {
    /// Between so many shards, none.
    pub(super) fn new(shards: u16) -> Self {
        Self { awaited: (0..shards).map(|_| VecDeque::new()).collect() }
    }

    /// A publish goes to its home.
    pub(in crate::broker) fn expect(&mut self, home: u16, asker: Asker) {
        self.awaited[usize::from(home)].push_back(asker);
    }

    /// The home has dealt with the oldest of those that are awaited: whose it is.
    ///
    /// # Panics
    /// When none is awaited.
    pub(in crate::broker) fn came(&mut self, home: u16) -> Asker {
        self.awaited[usize::from(home)].pop_front().expect("a home answers what it was asked")
    }
}
