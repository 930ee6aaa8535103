//! Publications that are to come: kept in memory until they are due, and gone with the process.
//!
//! Invariants: what waits is bounded in number, bytes and time; of one channel what is due first comes first, and of what
//! is due at once what was asked for first. An idempotency key is taken from the moment on in which it was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::broker::publish::Publish;
use crate::broker::schedule_order::{ScheduledId, ToCome};
use crate::limits::{API_REPLY_BYTES_MAX, SCHEDULE_BYTES_MAX, SCHEDULE_MS_MAX, SCHEDULED_BYTES, SCHEDULED_MAX};
use crate::model::refusal::{Error, ErrorKind};
use crate::time::Now;

type Key = (Arc<str>, Box<str>);

/// See the module.
#[derive(Debug, Default)]
pub(in crate::broker) struct Schedule {
    waiting: BTreeMap<ScheduledId, Box<Publish>>,
    by_channel: HashMap<Arc<str>, BTreeSet<ScheduledId>>,
    by_key: HashMap<Key, ScheduledId>,
    bytes: usize,
    number: u64,
    life: u32,
}

impl Schedule {
    /// Of a life that is told from others by a number.
    pub(super) fn new(life: u32) -> Self {
        Self { life, ..Self::default() }
    }

    /// Publications that wait.
    pub(in crate::broker) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The one that was asked for with the same idempotency key, if it waits.
    pub(in crate::broker) fn find(&self, channel: &Arc<str>, key: &str) -> Option<ScheduledId> {
        self.by_key.get(&(channel.clone(), Box::from(key))).copied()
    }

    /// Keeps a publication until it is due.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] for one that is too far off, [`ErrorKind::LimitExceeded`] where too much waits.
    pub(in crate::broker) fn add(
        &mut self,
        publish: Box<Publish>,
        delay_ms: u64,
        now: Now,
    ) -> Result<ScheduledId, Error> {
        if delay_ms > SCHEDULE_MS_MAX {
            let days = SCHEDULE_MS_MAX / 86_400_000;
            return Err(ErrorKind::BadRequest.because(format!("bad request: delay is longer than {days} days")));
        }
        let bytes = bytes_of(&publish);
        if self.waiting.len() >= SCHEDULED_MAX || self.bytes + bytes > SCHEDULE_BYTES_MAX {
            return Err(ErrorKind::LimitExceeded.because("limit exceeded: too much is scheduled; try again later"));
        }
        self.number += 1;
        let due_unix_ms = now.unix_ms + delay_ms as i64;
        let id = ScheduledId { due_unix_ms, number: self.number, life: self.life };
        self.bytes += bytes;
        self.by_channel.entry(publish.channel.clone()).or_default().insert(id);
        if let Some(key) = &publish.idempotency_key {
            self.by_key.insert((publish.channel.clone(), key.clone()), id);
        }
        self.waiting.insert(id, publish);
        Ok(id)
    }

    /// Takes the next that is due.
    pub(in crate::broker) fn next_due(&mut self, now: Now) -> Option<Box<Publish>> {
        let id = *self.waiting.first_key_value().filter(|(id, _)| id.due_unix_ms <= now.unix_ms)?.0;
        self.remove(id)
    }

    /// Forgets one of a channel.
    ///
    /// # Errors
    /// [`ErrorKind::NotAvailable`] where it does not wait.
    pub(in crate::broker) fn cancel(&mut self, channel: &Arc<str>, id: ScheduledId) -> Result<(), Error> {
        let is_known = self.by_channel.get(channel).is_some_and(|ids| ids.contains(&id));
        if !is_known {
            return Err(ErrorKind::NotAvailable.because("not available: no such scheduled publication"));
        }
        self.remove(id);
        Ok(())
    }

    /// Those of a channel that come next, as many as an answer may bring.
    pub(in crate::broker) fn list(&self, channel: &Arc<str>, limit: usize) -> Vec<ToCome> {
        let ids = self.by_channel.get(channel).into_iter().flatten().take(limit);
        let mut bytes = 0;
        let fitting = ids.map(|id| (id, &self.waiting[id])).take_while(|(_, publish)| {
            bytes += bytes_of(publish);
            bytes <= API_REPLY_BYTES_MAX
        });
        fitting
            .map(|(id, publish)| ToCome { id: *id, data: publish.data.clone(), tags: publish.tags.clone() })
            .collect()
    }

    fn remove(&mut self, id: ScheduledId) -> Option<Box<Publish>> {
        let publish = self.waiting.remove(&id)?;
        self.bytes -= bytes_of(&publish);
        let ids = self.by_channel.get_mut(&publish.channel).expect("its channel is listed");
        ids.remove(&id);
        if ids.is_empty() {
            self.by_channel.remove(&publish.channel);
        }
        if let Some(key) = &publish.idempotency_key {
            self.by_key.remove(&(publish.channel.clone(), key.clone()));
        }
        Some(publish)
    }
}

/// What one takes in memory, about.
fn bytes_of(publish: &Publish) -> usize {
    let tags = publish.tags.iter().flatten().map(|(key, value)| key.len() + value.len() + 32).sum::<usize>();
    let key = publish.idempotency_key.as_ref().map_or(0, |key| 2 * key.len());
    SCHEDULED_BYTES + publish.channel.len() + publish.data.bytes.len() + tags + key
}
