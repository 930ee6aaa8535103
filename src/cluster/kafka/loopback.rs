//! What a node's mover tells the node itself: it is heard at once, and does not go by Kafka.
//!
//! Nothing is less safe by that: a node that dies hears nothing by Kafka either, and begins its next term at the end of its partition.
//! The messages are those that Kafka would bring, with the same numbers, and what is missing shows by them. Those of a bucket
//! are heard in the order in which they were given; between them and what other nodes tell there is none, as before.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::cluster::redis::moves::Told;
use crate::cluster::redis::relayed::Relayed;

/// A term of the node that hears.
#[derive(Debug)]
struct Hearing {
    slot: u8,
    to: mpsc::Sender<Relayed>,
}

/// See the module. Closed at first, and between the terms of the node.
#[derive(Debug, Default)]
pub struct Loopback(Mutex<Option<Hearing>>);

impl Loopback {
    /// A term with this slot begins to hear: what is given from now on comes behind [`Relayed::Begins`]. False where nobody takes it.
    pub(super) fn open(&self, slot: u8, to: &mpsc::Sender<Relayed>) -> bool {
        let mut hearing = self.hearing();
        let is_taken = to.try_send(Relayed::Begins).is_ok();
        *hearing = is_taken.then(|| Hearing { slot, to: to.clone() });
        is_taken
    }

    /// The term has ended.
    pub(super) fn close(&self) {
        *self.hearing() = None;
    }

    /// Gives a message of a bucket to the node, where it is the node's; waits while too much waits to be heard. False where it is
    /// another's, or nobody hears: it is to be written to Kafka.
    pub(super) async fn give(&self, bucket: u16, told: &Told) -> bool {
        let Some(to) = self.way_to(told.slot) else { return false };
        to.send(Relayed::Said(bucket, told.message.clone())).await.is_ok()
    }

    fn way_to(&self, slot: u8) -> Option<mpsc::Sender<Relayed>> {
        self.hearing().as_ref().filter(|hearing| hearing.slot == slot).map(|hearing| hearing.to.clone())
    }

    fn hearing(&self) -> MutexGuard<'_, Option<Hearing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(slot: u8) -> Told {
        Told { slot, message: "a".into() }
    }

    #[tokio::test]
    async fn a_term_hears_what_is_for_its_slot_and_nothing_else_is_kept_from_kafka() {
        let loopback = Loopback::default();
        assert!(!loopback.give(7, &told(1)).await, "nobody hears yet");
        let (to, mut heard) = mpsc::channel(4);
        assert!(loopback.open(1, &to));
        assert!(loopback.give(7, &told(1)).await && !loopback.give(7, &told(2)).await);
        assert_eq!(heard.try_recv(), Ok(Relayed::Begins));
        assert_eq!(heard.try_recv(), Ok(Relayed::Said(7, "a".into())));
        assert!(heard.try_recv().is_err());
        loopback.close();
        assert!(!loopback.give(7, &told(1)).await);
    }

    #[tokio::test]
    async fn a_term_that_hears_no_more_keeps_nothing_from_kafka() {
        let loopback = Loopback::default();
        let (to, heard) = mpsc::channel(4);
        assert!(loopback.open(1, &to));
        drop(heard);
        assert!(!loopback.give(7, &told(1)).await && !loopback.open(1, &to));
        assert!(!loopback.give(7, &told(1)).await);
    }
}
