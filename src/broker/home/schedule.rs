//! Publications that are to come: kept in memory until they are due, and on disk as well where their channels are.
//!
//! Invariants: what waits is bounded in number, bytes and time; of one channel what is due first comes first, and of what
//! is due at once what was asked for first. An idempotency key is taken from the moment on in which it was asked for. What
//! waits at the level of the disk has a record there until its publication is written, which takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::broker::letter::Level;
use crate::broker::publish::Publish;
use crate::broker::schedule_order::ToCome;
use crate::hub::Version;
use crate::limits::{
    API_REPLY_BYTES_MAX, SCHEDULE_BYTES_MAX, SCHEDULE_MS_MAX, SCHEDULED_BYTES, SCHEDULED_MAX, SWEEP_BUDGET,
};
use crate::model::ScheduledId;
use crate::model::refusal::{Error, ErrorKind};
use crate::store::Record;
use crate::store::record::{PayloadOf, ScheduledRecord, TagsOf, VersionOf};
use crate::time::Now;

type Key = (Arc<str>, Box<str>);

/// See the module.
#[derive(Debug, Default)]
pub(in crate::broker) struct Schedule {
    /// By level: what waits for a disk that takes nothing holds up nothing else.
    waiting: [BTreeMap<ScheduledId, Box<Publish>>; Level::COUNT],
    by_channel: HashMap<Arc<str>, BTreeSet<ScheduledId>>,
    by_key: HashMap<Key, ScheduledId>,
    bytes: usize,
    number: u64,
    life: u32,
    /// How far a snapshot has come: the last that was said.
    said: Option<ScheduledId>,
}

impl Schedule {
    /// Of a life that is told from others by a number.
    pub(super) fn new(life: u32) -> Self {
        Self { life, ..Self::default() }
    }

    /// Publications that wait.
    pub(in crate::broker) fn len(&self) -> usize {
        self.waiting.iter().map(BTreeMap::len).sum()
    }

    /// The one that was asked for with the same idempotency key, if it waits.
    pub(in crate::broker) fn find(&self, channel: &Arc<str>, key: &str) -> Option<ScheduledId> {
        self.by_key.get(&(channel.clone(), Box::from(key))).copied()
    }

    /// What a publication is called that is due after so long.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] for one that is too far off, [`ErrorKind::LimitExceeded`] where too much waits.
    pub(in crate::broker) fn admit(
        &mut self,
        publish: &Publish,
        delay_ms: u64,
        now: Now,
    ) -> Result<ScheduledId, Error> {
        check_delay(delay_ms)?;
        if self.len() >= SCHEDULED_MAX || self.bytes + bytes_of(publish) > SCHEDULE_BYTES_MAX {
            return Err(ErrorKind::LimitExceeded.because("limit exceeded: too much is scheduled; try again later"));
        }
        self.number += 1;
        let due_unix_ms = now.unix_ms + delay_ms as i64;
        Ok(ScheduledId { due_unix_ms, number: self.number, life: self.life })
    }

    /// Keeps a publication until it is due.
    pub(in crate::broker) fn add(&mut self, id: ScheduledId, publish: Box<Publish>, level: Level) {
        self.bytes += bytes_of(&publish);
        self.by_channel.entry(publish.channel.clone()).or_default().insert(id);
        if let Some(key) = &publish.idempotency_key {
            self.by_key.insert((publish.channel.clone(), key.clone()), id);
        }
        self.waiting[level as usize].insert(id, publish);
    }

    /// Takes the next of a level that is due.
    pub(in crate::broker) fn next_due(&mut self, level: Level, now: Now) -> Option<(ScheduledId, Box<Publish>)> {
        let waiting = &self.waiting[level as usize];
        let id = *waiting.first_key_value().filter(|(id, _)| id.due_unix_ms <= now.unix_ms)?.0;
        Some((id, self.remove(id)?))
    }

    /// At which level one of a channel waits.
    ///
    /// # Errors
    /// [`ErrorKind::NotAvailable`] where it does not wait.
    pub(in crate::broker) fn level_of(&self, channel: &Arc<str>, id: ScheduledId) -> Result<Level, Error> {
        let is_known = self.by_channel.get(channel).is_some_and(|ids| ids.contains(&id));
        let level = Level::ALL.into_iter().find(|level| self.waiting[*level as usize].contains_key(&id));
        let unknown = || ErrorKind::NotAvailable.because("not available: no such scheduled publication");
        level.filter(|_| is_known).ok_or_else(unknown)
    }

    /// Those of a channel that come next, as many as an answer may bring.
    pub(in crate::broker) fn list(&self, channel: &Arc<str>, limit: usize) -> Vec<ToCome> {
        let ids = self.by_channel.get(channel).into_iter().flatten().take(limit);
        let mut bytes = 0;
        let publish = |id| self.waiting.iter().find_map(|waiting| waiting.get(id)).expect("what is listed waits");
        let fitting = ids.map(|id| (id, publish(id))).take_while(|(_, publish)| {
            bytes += bytes_of(publish);
            bytes <= API_REPLY_BYTES_MAX
        });
        fitting
            .map(|(id, publish)| ToCome { id: *id, data: publish.data.clone(), tags: publish.tags.clone() })
            .collect()
    }

    /// Forgets one, wherever it waits.
    pub(in crate::broker) fn remove(&mut self, id: ScheduledId) -> Option<Box<Publish>> {
        let publish = self.waiting.iter_mut().find_map(|waiting| waiting.remove(&id))?;
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

    // ------------------------------------------------------------ on disk

    /// Takes a record of an earlier start.
    pub(super) fn recover(&mut self, record: &ScheduledRecord<'_>) {
        // A snapshot says again what waits.
        self.remove(record.id);
        self.number = self.number.max(record.id.number);
        let publish = Publish {
            channel: record.channel.into(),
            data: record.data.to_payload(),
            tags: record.tags.map(TagsOf::to_tags),
            skip_history: record.skips_history,
            idempotency_key: record.idempotency_key.map(Box::from),
            version: record
                .version
                .map(|VersionOf { number, epoch }| Box::new(Version { number, epoch: epoch.into() })),
            ttl_ms: record.ttl_ms,
            exclude_client: record.exclude_client,
        };
        self.add(record.id, Box::new(publish), Level::Disk);
    }

    /// Says a part of what waits on disk to the journal. True when all was said, until [`Schedule::say_anew`].
    pub(super) fn say(&mut self, mut keep: impl FnMut(&Record<'_>)) -> bool {
        let from = self.said.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.waiting[Level::Disk as usize].range((from, Bound::Unbounded));
        for (id, publish) in rest.by_ref().take(SWEEP_BUDGET) {
            keep(&Record::Scheduled(record(*id, publish)));
            self.said = Some(*id);
        }
        rest.next().is_none()
    }

    /// The next snapshot begins at the beginning.
    pub(super) fn say_anew(&mut self) {
        self.said = None;
    }
}

/// Whether something may come so much later.
///
/// # Errors
/// [`ErrorKind::BadRequest`] for what is too far off.
pub(super) fn check_delay(delay_ms: u64) -> Result<(), Error> {
    if delay_ms > SCHEDULE_MS_MAX {
        let days = SCHEDULE_MS_MAX / 86_400_000;
        return Err(ErrorKind::BadRequest.because(format!("bad request: delay is longer than {days} days")));
    }
    Ok(())
}

/// As it is kept on disk.
pub(in crate::broker) fn record(id: ScheduledId, publish: &Publish) -> ScheduledRecord<'_> {
    ScheduledRecord {
        channel: &publish.channel,
        id,
        data: PayloadOf::of(&publish.data),
        tags: publish.tags.as_deref().map(TagsOf::Held),
        skips_history: publish.skip_history,
        idempotency_key: publish.idempotency_key.as_deref(),
        version: publish.version.as_deref().map(Version::record),
        ttl_ms: publish.ttl_ms,
        exclude_client: publish.exclude_client,
    }
}

/// What one takes in memory, about.
fn bytes_of(publish: &Publish) -> usize {
    let tags = publish.tags.iter().flatten().map(|(key, value)| key.len() + value.len() + 32).sum::<usize>();
    let key = publish.idempotency_key.as_ref().map_or(0, |key| 2 * key.len());
    SCHEDULED_BYTES + publish.channel.len() + publish.data.bytes.len() + tags + key
}
