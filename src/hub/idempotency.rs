//! Publishing twice with one key publishes once: the results of the last minutes, by channel and key.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::Position;
use crate::time::Now;

type Key = (Arc<str>, Arc<str>);

/// A result that is remembered.
#[derive(Debug)]
pub(super) struct Remembered<'a> {
    /// Which one it is, counted since the beginning.
    pub(super) number: u64,
    pub(super) channel: &'a str,
    pub(super) key: &'a str,
    pub(super) position: &'a Position,
    pub(super) until_ms: u64,
}

/// Remembered results, oldest first. Bounded in time and number.
#[derive(Debug)]
pub(super) struct Idempotency {
    pub(super) window_ms: u64,
    keys_max: usize,
    results: HashMap<Key, Position>,
    order: VecDeque<(u64, Key)>,
    /// Results that were forgotten since the beginning.
    forgotten: u64,
}

impl Idempotency {
    /// Remembers results for so long, and no more than so many.
    pub(super) fn new(window_ms: u64, keys_max: usize) -> Self {
        Self { window_ms, keys_max, results: HashMap::new(), order: VecDeque::new(), forgotten: 0 }
    }

    /// The result of an earlier publish with this key.
    pub(super) fn find(&mut self, channel: &str, key: &str, now: Now) -> Option<Position> {
        self.forget(now);
        self.results.get(&(Arc::from(channel), Arc::from(key))).cloned()
    }

    /// Remembers a result.
    pub(super) fn remember(&mut self, channel: &str, key: &str, position: Position, now: Now) {
        let key: Key = (Arc::from(channel), Arc::from(key));
        self.order.push_back((now.mono_ms + self.window_ms, key.clone()));
        self.results.insert(key, position);
    }

    /// A result did not come to pass, and no other with this key will.
    pub(super) fn take_back(&mut self, channel: &str, key: &str) {
        self.results.remove(&(Arc::from(channel), Arc::from(key)));
    }

    /// Forgets what is past its time.
    pub(super) fn forget(&mut self, now: Now) {
        while let Some((until_ms, _)) = self.order.front() {
            if *until_ms > now.mono_ms && self.order.len() <= self.keys_max {
                return;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.results.remove(&key);
            self.forgotten += 1;
        }
    }

    /// The result of this number, or the oldest after it.
    pub(super) fn next(&self, number: u64) -> Option<Remembered<'_>> {
        let first = number.max(self.forgotten);
        let rest = self.order.iter().zip(self.forgotten..).skip((first - self.forgotten) as usize);
        let mut kept = rest.filter_map(|((until_ms, key), number)| {
            let position = self.results.get(key)?;
            Some(Remembered { number, channel: &key.0, key: &key.1, position, until_ms: *until_ms })
        });
        kept.next()
    }

    /// Recovery: remembers a result that is past its time at `until_ms`, on a clock that [`Idempotency::restored`] knows.
    pub(super) fn restore(&mut self, channel: &str, key: &str, position: Position, until_ms: u64) {
        let key: Key = (Arc::from(channel), Arc::from(key));
        if self.results.insert(key.clone(), position).is_none() {
            self.order.push_back((until_ms, key));
        }
        if self.order.len() > self.keys_max {
            self.forget_oldest();
        }
    }

    /// Recovery has read all. `mono_ms` turns a time on the records' clock into one on the node's.
    pub(super) fn restored(&mut self, mono_ms: impl Fn(u64) -> u64) {
        self.order.make_contiguous().sort_by_key(|(until_ms, _)| *until_ms);
        for (until_ms, _) in &mut self.order {
            *until_ms = mono_ms(*until_ms);
        }
    }
}
