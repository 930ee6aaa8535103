//! Publishing twice with one key publishes once: the results of the last minutes, by channel and key.
//!
//! Bounded in time and number: the oldest are forgotten. Keys of clients' messages are their users', of whom none has more
//! than a share: who sends very many has own ones forgotten, and nobody else's.

use std::collections::{BTreeMap, VecDeque};
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

/// How many results are remembered, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) window_ms: u64,
    pub(super) keys_max: usize,
    /// So many of one user at the most, where keys are users'.
    pub(super) share: Option<usize>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Idempotency {
    pub(super) bounds: Bounds,
    results: HashMap<Key, (u64, Position)>,
    /// By number: until when each is remembered.
    order: BTreeMap<u64, (u64, Key)>,
    /// The number of the next.
    next: u64,
    /// Those of each user, oldest first.
    of_users: HashMap<String, VecDeque<u64>>,
}

impl Idempotency {
    /// Remembers nothing yet.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, results: HashMap::new(), order: BTreeMap::new(), next: 0, of_users: HashMap::new() }
    }

    /// The result of an earlier publish with this key.
    pub(super) fn find(&mut self, channel: &str, key: &str, now: Now) -> Option<Position> {
        self.forget(now);
        self.results.get(&(Arc::from(channel), Arc::from(key))).map(|(_, position)| position.clone())
    }

    /// Remembers a result.
    pub(super) fn remember(&mut self, channel: &str, key: &str, position: Position, now: Now) {
        self.insert((channel.into(), key.into()), position, now.mono_ms + self.bounds.window_ms);
    }

    fn insert(&mut self, key: Key, position: Position, until_ms: u64) {
        let number = self.next;
        self.next += 1;
        if let Some(share) = self.bounds.share {
            let numbers = self.of_users.entry_ref(user_of(&key)).or_default();
            numbers.push_back(number);
            if numbers.len() > share {
                let oldest = numbers[0];
                self.remove(oldest);
            }
        }
        self.order.insert(number, (until_ms, key.clone()));
        self.results.insert(key, (number, position));
    }

    /// A result did not come to pass, and no other with this key will.
    pub(super) fn take_back(&mut self, channel: &str, key: &str) {
        if let Some((number, _)) = self.results.get(&(Arc::from(channel), Arc::from(key))) {
            self.remove(*number);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some((_, key)) = self.order.remove(&number) else { return };
        if let Some(numbers) = self.of_users.get_mut(user_of(&key)) {
            _ = numbers.binary_search(&number).map(|at| numbers.remove(at));
            if numbers.is_empty() {
                self.of_users.remove(user_of(&key));
            }
        }
        self.results.remove(&key);
    }

    /// Forgets what is past its time.
    pub(super) fn forget(&mut self, now: Now) {
        while let Some((number, (until_ms, _))) = self.order.first_key_value() {
            if *until_ms > now.mono_ms && self.order.len() <= self.bounds.keys_max {
                return;
            }
            self.remove(*number);
        }
    }

    /// The result of this number, or the oldest after it.
    pub(super) fn next(&self, number: u64) -> Option<Remembered<'_>> {
        let (number, (until_ms, key)) = self.order.range(number..).next()?;
        let position = &self.results[key].1;
        Some(Remembered { number: *number, channel: &key.0, key: &key.1, position, until_ms: *until_ms })
    }

    /// Recovery: remembers a result that is past its time at `until_ms`, on a clock that [`Idempotency::restored`] knows.
    pub(super) fn restore(&mut self, channel: &str, key: &str, position: Position, until_ms: u64) {
        let key: Key = (Arc::from(channel), Arc::from(key));
        match self.results.get(&key) {
            // A snapshot says it again.
            Some((_, known)) if *known == position => {}
            // It was past its time, and was given anew.
            Some((number, _)) => {
                self.remove(*number);
                self.insert(key, position, until_ms);
            }
            None => self.insert(key, position, until_ms),
        }
        if self.order.len() > self.bounds.keys_max
            && let Some((oldest, _)) = self.order.first_key_value()
        {
            self.remove(*oldest);
        }
    }

    /// Recovery has read all. `mono_ms` turns a time on the records' clock into one on the node's.
    pub(super) fn restored(&mut self, mono_ms: impl Fn(u64) -> u64) {
        let mut all: Vec<_> = std::mem::take(&mut self.order).into_values().collect();
        all.sort_by_key(|(until_ms, _)| *until_ms);
        let mut results = std::mem::take(&mut self.results);
        self.of_users.clear();
        for (until_ms, key) in all {
            let (_, position) = results.remove(&key).expect("each has its result");
            self.insert(key, position, mono_ms(until_ms));
        }
    }
}

/// The user whose message has this key: see `Hub::client_message_key`.
fn user_of((_, key): &Key) -> &str {
    key.split('\0').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Hub;

    const BOUNDS: Bounds = Bounds { window_ms: 1_000, keys_max: 10, share: Some(3) };

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, unix_ms: 0 }
    }

    fn position(offset: u64) -> Position {
        Position { offset, epoch: "e".into() }
    }

    /// What is remembered of a user's ids.
    fn known(keys: &mut Idempotency, user: &str, ids: std::ops::Range<u64>) -> Vec<u64> {
        let key = |id: &u64| Hub::client_message_key(user, &id.to_string());
        ids.filter_map(|id| keys.find("a", &key(&id), at(0))).map(|position| position.offset).collect()
    }

    fn say(keys: &mut Idempotency, user: &str, id: u64) {
        keys.remember("a", &Hub::client_message_key(user, &id.to_string()), position(id), at(0));
    }

    #[test]
    fn who_sends_very_many_has_own_ones_forgotten_and_nobody_elses() {
        let mut keys = Idempotency::new(BOUNDS);
        say(&mut keys, "bob", 1);
        (1..100).for_each(|id| say(&mut keys, "ada", id));
        assert_eq!(known(&mut keys, "ada", 1..100), [97, 98, 99]);
        assert_eq!(known(&mut keys, "bob", 1..2), [1]);
        for user in 0..20 {
            say(&mut keys, &format!("user {user}"), 1);
        }
        assert!(known(&mut keys, "bob", 1..2).is_empty(), "all together are bounded as well");
        assert_eq!((keys.order.len(), keys.results.len(), keys.of_users.len()), (10, 10, 10));
        keys.forget(at(1_000));
        assert!(keys.order.is_empty() && keys.results.is_empty() && keys.of_users.is_empty());
    }

    #[test]
    fn no_two_users_have_a_key_together_whatever_they_are_called() {
        let parts = ["", "a", "\0", "\u{1}", "0", "1", "a\0", "\0a", "\u{1}0", "\0\u{1}", "\0\0"];
        let names = parts.iter().flat_map(|one| parts.map(|other| format!("{one}{other}")));
        let names: std::collections::BTreeSet<_> = names.collect();
        let mut keys = std::collections::BTreeMap::new();
        for (user, id) in names.iter().flat_map(|user| names.iter().map(move |id| (user, id))) {
            let key: Key = ("a".into(), Hub::client_message_key(user, id).into());
            assert!(Hub::is_client_message_key(&key.1));
            assert_eq!(keys.insert(key.clone(), (user, id)), None, "{user:?} {id:?}");
            assert_eq!(user_of(&key), user_of(&("a".into(), Hub::client_message_key(user, "").into())));
        }
        assert_eq!(&*Hub::client_message_key("ada", "m1"), "\u{1}ada\0m1", "those on disk are found");
    }

    #[test]
    fn what_is_taken_back_counts_for_nobody() {
        let mut keys = Idempotency::new(BOUNDS);
        (1..=3).for_each(|id| say(&mut keys, "ada", id));
        keys.take_back("a", &Hub::client_message_key("ada", "2"));
        say(&mut keys, "ada", 4);
        assert_eq!(known(&mut keys, "ada", 1..5), [1, 3, 4]);
    }

    #[test]
    fn a_restart_keeps_shares_and_the_order_of_times() {
        let mut keys = Idempotency::new(BOUNDS);
        for (id, until_ms) in [(1, 300), (2, 100), (3, 200), (3, 999)] {
            keys.restore("a", &Hub::client_message_key("ada", &id.to_string()), position(id), until_ms);
        }
        keys.restored(|until_ms| until_ms + 1_000);
        let mut said = Vec::<(u64, u64, u64)>::new();
        while let Some(next) = keys.next(said.last().map_or(0, |(number, ..)| number + 1)) {
            said.push((next.number, next.position.offset, next.until_ms));
        }
        assert_eq!(said, [(3, 2, 1_100), (4, 3, 1_200), (5, 1, 1_300)]);
        say(&mut keys, "ada", 4);
        assert_eq!(known(&mut keys, "ada", 1..5), [1, 3, 4], "the oldest goes");
    }

    #[test]
    fn a_key_that_was_given_anew_is_restored_with_its_own_time() {
        let mut keys = Idempotency::new(Bounds { share: None, ..BOUNDS });
        for (key, offset, until_ms) in [("k", 1, 100), ("other", 2, 150), ("k", 3, 900), ("k", 3, 900)] {
            keys.restore("a", key, position(offset), until_ms);
        }
        keys.restored(|until_ms| until_ms);
        assert_eq!(keys.find("a", "k", at(500)).map(|position| position.offset), Some(3));
        assert_eq!(keys.find("a", "other", at(500)), None);
        assert_eq!((keys.order.len(), keys.results.len()), (1, 1));
    }

    #[test]
    fn keys_of_backends_have_no_owner() {
        let mut keys = Idempotency::new(Bounds { share: None, ..BOUNDS });
        (1..=5).for_each(|id: u64| keys.remember("a", &id.to_string(), position(id), at(0)));
        assert_eq!((keys.results.len(), keys.of_users.len()), (5, 0));
    }
}
