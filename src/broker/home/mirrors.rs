//! The mirrors of a home: of each channel of several nodes that somebody here uses, how far its mirror is.
//!
//! Invariants: of a mirror one join and one read are on their way at the most, and it stays until both are answered, so that no
//! answer reaches its successor. What is kept of the stream is the hub's.

use std::collections::{BTreeSet, VecDeque};
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;
use slab::Slab;

use super::asked::Asked;
use crate::broker::bridge::{Kept, Life, Outgoing};
use crate::broker::letter::{Asker, HistoryAsk};
use crate::broker::order::Responder;
use crate::config::Config;
use crate::hub::Lifetime;
use crate::limits::{MIRROR_HELD_MAX, MIRROR_LINGER_MS, MIRRORS_HELD_BYTES_MAX};
use crate::model::ledger::Attached;
use crate::model::refusal::Error;
use crate::model::{ClientId, HistoryFilter, HistoryPage, Publication, bucket_of};
use crate::session::Terms;
use crate::time::Now;

/// What a held message takes in memory beside its body, about.
const HELD_BYTES: usize = 96;

/// Something that a bucket has told of a stream.
#[derive(Debug)]
pub(in crate::broker) enum Heard {
    Said(Kept),
    /// The publications up to this offset are no more.
    Removed(u64),
    /// Who came or left, as far as a node knows that does not have the session.
    Announced(Bytes),
}

impl Heard {
    fn bytes(&self) -> usize {
        HELD_BYTES
            + match self {
                Self::Said(kept) => kept.body.len(),
                Self::Announced(body) => body.len(),
                Self::Removed(_) => 0,
            }
    }
}

/// A publication as a bucket has given it.
#[derive(Debug)]
pub(in crate::broker) struct Taken {
    pub(in crate::broker) publication: Arc<Publication>,
    /// The session that does not get it.
    pub(in crate::broker) exclude: Option<ClientId>,
    /// How long it is given out, where it ends by itself, milliseconds.
    pub(in crate::broker) ttl_ms: Option<u64>,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum Until {
    /// The mirror has joined.
    Joined,
    /// The mirror has joined once more, after the question came.
    CaughtUp,
    /// What lies before the mirror was read, from this offset on.
    Read(u64),
}

impl Until {
    /// Whether it is what a read brings, and no join.
    pub(super) fn is_read(self) -> bool {
        matches!(self, Self::Read(_))
    }
}

/// Somebody whose question waits for a mirror.
#[derive(Debug)]
pub(in crate::broker) enum Asking {
    /// A session of this shard subscribes on these terms; what the channel's ledger has said of its device, if it was asked.
    Subscriber(u16, Asker, Box<Terms>, Option<Box<Attached>>),
    /// A session of this shard reads history.
    Reader(u16, Asker, Box<HistoryAsk>),
    /// A backend reads history.
    Backend(HistoryFilter, Responder<HistoryPage>),
}

/// What somebody has waited for already.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::broker) struct Tried {
    /// A join: what it has seen beyond the top was lost.
    pub(in crate::broker) join: bool,
    /// A read of as much as can be read at once: it did not reach, or brought all that there is.
    pub(in crate::broker) read: bool,
    /// Rows that were of another life of the stream than the mirror.
    pub(in crate::broker) rows: u8,
}

/// One that waits.
#[derive(Debug)]
pub(in crate::broker) struct Waiting {
    pub(in crate::broker) channel: Arc<str>,
    pub(in crate::broker) asking: Asking,
    pub(in crate::broker) until: Until,
    pub(in crate::broker) tried: Tried,
}

/// How it goes on for one that has waited.
#[derive(Debug)]
pub(in crate::broker) enum Ready {
    /// It is answered from the mirror, or waits for something else.
    Again,
    /// This is the answer to a question about history.
    Page(HistoryPage),
    Refused(Error),
}

/// A read that is on its way.
#[derive(Debug)]
pub(super) struct Reading {
    /// The first offset that is wanted.
    pub(super) from: u64,
    /// What has come so far, oldest first, without a hole.
    pub(super) older: Vec<Taken>,
    /// Its bytes.
    pub(super) bytes: usize,
    /// The mirror has begun anew meanwhile: what has come so far is of what it was.
    pub(super) is_stale: bool,
}

/// A channel's mirror.
#[derive(Debug)]
pub(in crate::broker) struct Mirror {
    pub(super) channel: Arc<str>,
    bucket: u16,
    /// `None`: it has yet to join, or must begin anew.
    pub(super) life: Option<Life>,
    /// Somebody has subscribed, or wanted to, since it began.
    pub(super) is_subscribed: bool,
    /// A join is on its way.
    pub(super) is_joining: bool,
    /// That join does not do: something was missed since, perhaps.
    pub(super) joins_again: bool,
    /// Since when it may have missed something, monotonic milliseconds.
    pub(super) unsure_since_ms: Option<u64>,
    /// Joins in a row that have brought a part only.
    pub(super) pages: u32,
    /// Joins in a row that have failed.
    pub(super) failures: u32,
    /// Up to where all who listen were told, before it had to begin anew.
    pub(super) told: Option<(Life, u64)>,
    /// Where the first join reads from: what the first who asks has seen.
    pub(super) wish: Option<(Life, u64)>,
    /// From here on all that the bucket keeps is known.
    pub(super) known_from: u64,
    /// Up to here nothing is kept.
    pub(super) removed: u64,
    /// The highest offset that a publish was answered with.
    pub(super) promised: u64,
    /// What waits for what lies before it.
    held: VecDeque<(Life, Heard)>,
    pub(super) reading: Option<Reading>,
    pub(super) waiting: Vec<Waiting>,
    /// When somebody last used it, monotonic milliseconds.
    pub(super) used_ms: u64,
    /// When it is looked at next, `u64::MAX` for never.
    due_ms: u64,
}

impl Mirror {
    /// It begins anew: what a read has brought so far is of no use, nor is what that read still brings.
    pub(super) fn spoil_reading(&mut self) {
        if let Some(reading) = &mut self.reading {
            reading.is_stale = true;
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::broker) struct Mirrors {
    mirrors: Slab<Mirror>,
    by_channel: HashMap<Arc<str>, usize, foldhash::quality::RandomState>,
    by_bucket: BTreeSet<(u16, usize)>,
    /// When which is looked at.
    due: BTreeSet<(u64, usize)>,
    /// How many buckets there are, 0 without a cluster.
    buckets: u16,
    /// Bytes of what is held.
    held_bytes: usize,
    /// Who waits for mirrors.
    waiting: usize,
    /// Monotonic milliseconds less Unix milliseconds of the buckets, by the newest that was said.
    clock_ms: Option<i64>,
    pub(in crate::broker) asked: Asked,
    /// Output: what is asked of buckets, in order.
    pub(in crate::broker) outgoing: Vec<Outgoing>,
}

impl Index<usize> for Mirrors {
    type Output = Mirror;

    fn index(&self, key: usize) -> &Mirror {
        &self.mirrors[key]
    }
}

impl IndexMut<usize> for Mirrors {
    fn index_mut(&mut self, key: usize) -> &mut Mirror {
        &mut self.mirrors[key]
    }
}

impl Mirrors {
    /// None, on a node that is configured so.
    pub(super) fn new(config: &Config) -> Self {
        let redis = &config.cluster.redis;
        Self { buckets: if redis.is_set() { redis.buckets } else { 0 }, ..Self::default() }
    }

    /// Whether there is a cluster.
    #[inline]
    pub(super) fn are_possible(&self) -> bool {
        self.buckets > 0
    }

    pub(in crate::broker) fn len(&self) -> usize {
        self.mirrors.len()
    }

    /// Whether somebody waits for a bucket.
    pub(in crate::broker) fn are_awaited(&self) -> bool {
        self.waiting > 0 || self.asked.len() > 0
    }

    pub(super) fn bucket_of(&self, channel: &str) -> u16 {
        bucket_of(channel, self.buckets)
    }

    pub(super) fn find(&self, channel: &str) -> Option<usize> {
        self.by_channel.get(channel).copied()
    }

    /// The mirrors of a bucket.
    pub(super) fn of(&self, bucket: u16) -> Vec<usize> {
        self.by_bucket.range((bucket, 0)..=(bucket, usize::MAX)).map(|(_, key)| *key).collect()
    }

    /// Begins one.
    pub(super) fn insert(&mut self, channel: Arc<str>) -> usize {
        let bucket = self.bucket_of(&channel);
        let key = self.mirrors.insert(Mirror {
            channel: channel.clone(),
            bucket,
            life: None,
            is_subscribed: false,
            is_joining: false,
            joins_again: false,
            unsure_since_ms: None,
            pages: 0,
            failures: 0,
            told: None,
            wish: None,
            known_from: 0,
            removed: 0,
            promised: 0,
            held: VecDeque::new(),
            reading: None,
            waiting: Vec::new(),
            used_ms: 0,
            due_ms: u64::MAX,
        });
        self.by_channel.insert(channel, key);
        self.by_bucket.insert((bucket, key));
        key
    }

    /// Forgets one, of which nothing is on its way.
    pub(super) fn remove(&mut self, key: usize) -> Arc<str> {
        self.let_go(key);
        let mirror = self.mirrors.remove(key);
        assert!(mirror.waiting.is_empty() && !mirror.is_joining && mirror.reading.is_none());
        self.by_channel.remove(&mirror.channel);
        self.by_bucket.remove(&(mirror.bucket, key));
        self.due.remove(&(mirror.due_ms, key));
        mirror.channel
    }

    /// Somebody uses it: nobody needs to look at it for a while.
    pub(super) fn touch(&mut self, key: usize, now: Now) {
        self.mirrors[key].used_ms = now.mono_ms;
        self.look_at(key, now.mono_ms + MIRROR_LINGER_MS);
    }

    /// It is to be looked at then at the latest.
    pub(super) fn look_at(&mut self, key: usize, at_ms: u64) {
        let mirror = &mut self.mirrors[key];
        if at_ms < mirror.due_ms {
            self.due.remove(&(mirror.due_ms, key));
            mirror.due_ms = at_ms;
            self.due.insert((at_ms, key));
        }
    }

    /// The next whose time has come.
    pub(super) fn next_due(&mut self, now: Now) -> Option<usize> {
        let (_, key) = self.due.first().copied().filter(|(at_ms, _)| *at_ms <= now.mono_ms)?;
        self.due.pop_first();
        self.mirrors[key].due_ms = u64::MAX;
        Some(key)
    }

    /// Keeps a message until what lies before it has come. Where there is no room all that is held goes, and is read again.
    pub(super) fn hold(&mut self, key: usize, life: Life, heard: Heard) {
        self.held_bytes += heard.bytes();
        let held = &mut self.mirrors[key].held;
        held.push_back((life, heard));
        if held.len() > MIRROR_HELD_MAX || self.held_bytes > MIRRORS_HELD_BYTES_MAX {
            self.let_go(key);
            self.mirrors[key].joins_again = true;
        }
    }

    pub(super) fn holds(&self, key: usize) -> bool {
        !self.mirrors[key].held.is_empty()
    }

    /// The first offset of this life that is held.
    pub(super) fn held_from(&self, key: usize, life: Life) -> Option<u64> {
        self.mirrors[key].held.iter().find_map(|(of, heard)| match heard {
            Heard::Said(kept) if *of == life && kept.offset > 0 => Some(kept.offset),
            _ => None,
        })
    }

    /// The oldest that is held.
    pub(super) fn next_held(&mut self, key: usize) -> Option<(Life, Heard)> {
        let (life, heard) = self.mirrors[key].held.pop_front()?;
        self.held_bytes -= heard.bytes();
        Some((life, heard))
    }

    /// It is still too early for the oldest.
    pub(super) fn hold_on(&mut self, key: usize, life: Life, heard: Heard) {
        self.held_bytes += heard.bytes();
        self.mirrors[key].held.push_front((life, heard));
    }

    /// Forgets what a mirror holds.
    pub(super) fn let_go(&mut self, key: usize) {
        let held = std::mem::take(&mut self.mirrors[key].held);
        self.held_bytes -= held.iter().map(|(_, heard)| heard.bytes()).sum::<usize>();
    }

    /// Somebody waits for a mirror.
    pub(super) fn wait(&mut self, key: usize, waiting: Waiting) {
        self.waiting += 1;
        self.mirrors[key].waiting.push(waiting);
    }

    /// Those who have waited for something of this kind.
    pub(super) fn ready(&mut self, key: usize, is_meant: impl Fn(Until) -> bool) -> Vec<Waiting> {
        let ready: Vec<_> = self.mirrors[key].waiting.extract_if(.., |waiting| is_meant(waiting.until)).collect();
        self.waiting -= ready.len();
        ready
    }

    /// It was just now this time by the clock of a bucket.
    pub(super) fn set_clock(&mut self, unix_ms: i64, now: Now) {
        self.clock_ms = Some((now.mono_ms as i64).saturating_sub(unix_ms));
    }

    /// How long ago something was taken at this time of the bucket's clock, milliseconds; as far as that is known, nothing.
    pub(super) fn age_ms(&self, taken_unix_ms: i64, now: Now) -> u64 {
        let age_ms = self
            .clock_ms
            .map_or(0, |clock_ms| (now.mono_ms as i64).saturating_sub(clock_ms).saturating_sub(taken_unix_ms));
        u64::try_from(age_ms).unwrap_or(0)
    }

    /// How long a publication is given out, if it ends by itself.
    pub(super) fn lifetime(&self, publication: &Publication, ttl_ms: Option<u64>, now: Now) -> Option<Lifetime> {
        let age_ms = self.age_ms(publication.time_unix_ms, now);
        ttl_ms.map(|ttl_ms| Lifetime { ttl_ms, left_ms: ttl_ms.saturating_sub(age_ms) })
    }

    #[cfg(test)]
    pub(in crate::broker) fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}
