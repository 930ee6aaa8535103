//! Buckets that may have said what was not heard, until whoever is to make up for it takes them, each once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub struct Misses {
    buckets: Mutex<BTreeSet<u16>>,
    added: Notify,
}

impl Misses {
    /// Something of this bucket may have been missed.
    pub fn add(&self, bucket: u16) {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).insert(bucket);
        self.added.notify_one();
    }

    /// Takes the next, when there is one. One task takes them.
    pub async fn next(&self) -> u16 {
        loop {
            if let Some(bucket) = self.buckets.lock().unwrap_or_else(PoisonError::into_inner).pop_first() {
                return bucket;
            }
            self.added.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bucket_that_is_missed_twice_is_made_up_for_once() {
        let misses = Misses::default();
        [7, 3, 7].into_iter().for_each(|bucket| misses.add(bucket));
        assert_eq!((misses.next().await, misses.next().await), (3, 7));
        misses.add(7);
        assert_eq!(misses.next().await, 7);
    }
}
