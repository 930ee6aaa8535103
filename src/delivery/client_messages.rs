//! Messages that clients have given an id: the same message, sent again after a lost answer, is published once.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::limits::{CLIENT_MESSAGE_WINDOW_MS, CLIENT_MESSAGES_MAX};
use crate::model::Position;
use crate::time::Now;

/// Channel, user, and the id.
type Key = Arc<(Box<str>, Box<str>, Box<str>)>;

/// Where they were put, for a day; bounded in number, the oldest go first.
#[derive(Debug, Default)]
pub(super) struct ClientMessages {
    places: HashMap<Key, Position>,
    order: VecDeque<(u64, Key)>,
}

impl ClientMessages {
    /// Where the message is that the user has sent with this id before.
    pub(super) fn find(&mut self, channel: &str, user: &str, id: &str, now: Now) -> Option<Position> {
        self.forget(now);
        self.places.get(&(channel.into(), user.into(), id.into())).cloned()
    }

    /// A message was put in its place.
    pub(super) fn note(&mut self, channel: &str, user: &str, id: &str, position: &Position, now: Now) {
        let key = Key::new((channel.into(), user.into(), id.into()));
        self.order.push_back((now.mono_ms + CLIENT_MESSAGE_WINDOW_MS, key.clone()));
        self.places.insert(key, position.clone());
    }

    fn forget(&mut self, now: Now) {
        while let Some((until_ms, key)) = self.order.front() {
            if *until_ms > now.mono_ms && self.order.len() <= CLIENT_MESSAGES_MAX {
                return;
            }
            self.places.remove(key);
            self.order.pop_front();
        }
    }
}
