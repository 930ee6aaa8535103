//! Publishing twice with one key publishes once: the results of the last minutes, by channel and key.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::limits::{IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_WINDOW_MS};
use crate::model::Position;
use crate::time::Now;

type Key = (Arc<str>, Arc<str>);

/// Remembered results, oldest first. Bounded in time and number.
#[derive(Debug, Default)]
pub(super) struct Idempotency {
    results: HashMap<Key, Position>,
    order: VecDeque<(u64, Key)>,
}

impl Idempotency {
    /// The result of an earlier publish with this key.
    pub(super) fn find(&mut self, channel: &str, key: &str, now: Now) -> Option<Position> {
        self.forget(now);
        self.results.get(&(Arc::from(channel), Arc::from(key))).cloned()
    }

    /// Remembers a result.
    pub(super) fn remember(&mut self, channel: &str, key: &str, position: Position, now: Now) {
        let key: Key = (Arc::from(channel), Arc::from(key));
        self.order.push_back((now.mono_ms + IDEMPOTENCY_WINDOW_MS, key.clone()));
        self.results.insert(key, position);
    }

    /// Forgets what is past its time.
    pub(super) fn forget(&mut self, now: Now) {
        while let Some((until_ms, key)) = self.order.front() {
            if *until_ms > now.mono_ms && self.order.len() <= IDEMPOTENCY_KEYS_MAX {
                return;
            }
            self.results.remove(key);
            self.order.pop_front();
        }
    }
}
