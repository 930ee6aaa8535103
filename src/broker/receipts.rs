//! Receipts for publishes that went to their channel's home on another shard: one letter for all of a tick.
//!
//! A home takes the publishes of one shard in the order in which they were sent. So it need only count those that are
//! in their places, and who asked is known here, in the same order.

use std::collections::VecDeque;

use crate::broker::letter::Asker;

/// What this shard waits for, and what it owes.
#[derive(Debug)]
pub(super) struct Receipts {
    /// By home: who published there and has no answer yet, oldest first.
    awaited: Vec<VecDeque<Asker>>,
    /// Shards, and how many of their publishes came into their places here since they were told.
    due: Vec<(u16, u32)>,
}

impl Receipts {
    /// Between so many shards, none.
    pub(super) fn new(shards: u16) -> Self {
        Self { awaited: (0..shards).map(|_| VecDeque::new()).collect(), due: Vec::new() }
    }

    /// A publish goes to its home.
    pub(super) fn expect(&mut self, home: u16, asker: Asker) {
        self.awaited[usize::from(home)].push_back(asker);
    }

    /// The home has dealt with the oldest of those that are awaited: whose it is.
    ///
    /// # Panics
    /// When none is awaited.
    pub(super) fn came(&mut self, home: u16) -> Asker {
        self.awaited[usize::from(home)].pop_front().expect("a home answers what it was asked")
    }

    /// A publish of a shard came into its place.
    pub(super) fn owe(&mut self, shard: u16) {
        match self.due.last_mut() {
            Some((last, count)) if *last == shard => *count += 1,
            _ => self.due.push((shard, 1)),
        }
    }

    /// Whether a shard is to be told.
    pub(super) fn are_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// The shards that are to be told, and of how many.
    pub(super) fn give(&mut self) -> impl Iterator<Item = (u16, u32)> {
        self.due.drain(..)
    }
}
