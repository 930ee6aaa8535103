//! Who waits for the answer of a bucket, by ticket. Bounded in number and bytes.

use std::sync::Arc;

use slab::Slab;

use super::commits::Waiter;
use crate::broker::bridge::Ticket;
use crate::broker::namespaces::NamespaceMetrics;
use crate::limits::{ASKED_OF_BUCKETS_BYTES_MAX, ASKED_OF_BUCKETS_MAX};

/// Something that was asked of a bucket.
#[derive(Debug)]
pub(super) struct AskedOf {
    /// Of which channel.
    pub(super) channel: Arc<str>,
    pub(super) counts: Arc<NamespaceMetrics>,
    pub(super) bytes: usize,
    /// Who waits; until it is known, nobody.
    pub(super) waiter: Option<Waiter>,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::broker) struct Asked {
    waiting: Slab<AskedOf>,
    bytes: usize,
}

impl Asked {
    /// Whether more may wait.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < ASKED_OF_BUCKETS_MAX && self.bytes < ASKED_OF_BUCKETS_BYTES_MAX
    }

    /// How many wait.
    pub(in crate::broker) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Something is asked.
    pub(super) fn expect(&mut self, asked: AskedOf) -> Ticket {
        self.bytes += asked.bytes;
        Ticket(self.waiting.insert(asked) as u64)
    }

    /// Somebody waits for the answer.
    pub(super) fn wait(&mut self, ticket: Ticket, waiter: Waiter) {
        self.waiting[ticket.0 as usize].waiter = Some(waiter);
    }

    /// The answer has come.
    ///
    /// # Panics
    /// When none was due.
    pub(super) fn answered(&mut self, ticket: Ticket) -> AskedOf {
        let asked = self.waiting.remove(ticket.0 as usize);
        self.bytes -= asked.bytes;
        asked
    }
}
