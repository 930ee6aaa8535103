//! Channels on their home shard: their order, history, presence, and which shards have subscribers.
//!
//! Sans-IO: no clock, no socket, no encoding, no configuration; the caller passes the channel's options and
//! the time. Publishing costs the same with one channel as with a million.
//!
//! Invariants: a channel exists exactly while it has a subscriber or a stream; a stream's epoch and offsets
//! hold as long as anybody subscribes.

mod channel;
mod commit;
mod cursor;
mod ends;
mod history;
mod idempotency;
mod link;
mod log;
mod mirror;
mod options;
mod pattern;
mod placed;
mod placement;
mod presence;
mod publish;
mod recovery;
mod remains;
mod shard_set;
mod shelf;
mod snapshot;
#[cfg(test)]
mod tests;
mod unused;
mod version;

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::HashMap;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use slab::Slab;

pub use channel::FanOut;
pub use ends::Lifetime;
pub use log::{Log, failed, full};
pub use mirror::Mirror;
pub use options::{HubOptions, Limit, RecoveryMode};
pub use pattern::Pattern;
pub use placed::{OnItsWay, Placed, Published};
pub use placement::Placement;
pub use shard_set::ShardSet;
pub use shelf::Shelf;
pub use version::Version;

use self::channel::Channel;
use self::cursor::Cursor;
use self::history::Stream;
use self::idempotency::{Bounds, Idempotency};
use self::remains::Remains;
use self::unused::Unused;
use crate::limits::{
    CLIENT_MESSAGE_WINDOW_MS, CLIENT_MESSAGES_MAX, CLIENT_MESSAGES_PER_USER_MAX, FREED_AT_ONCE, IDEMPOTENCY_KEYS_MAX,
    IDEMPOTENCY_WINDOW_MS,
};
use crate::model;
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{
    ClientId, ClientInfo, HistoryFilter, HistoryPage, Payload, Position, Publication, ScheduledId, Tags, TagsFilter,
};
use crate::store::Record;
use crate::time::Now;

/// What keys of clients' messages begin with.
const CLIENT_MESSAGE: char = '\u{1}';

/// A subscription that begins.
#[derive(Debug)]
pub struct Join<'a> {
    /// At home here.
    pub channel: &'a Arc<str>,
    /// The subscriber's shard.
    pub shard: u16,
    /// As presence and announcements have it.
    pub info: &'a Arc<ClientInfo>,
    /// Whether others hear of its coming and going.
    pub announce: bool,
    /// Whether it is listed in presence.
    pub presence: bool,
    /// Where to recover from.
    pub recover: Option<&'a Position>,
    /// Whether all is brought or only the latest.
    pub mode: RecoveryMode,
    /// Recover no more than this.
    pub recovery_limit: Limit,
    /// Do not begin it unless all that was missed is there.
    pub whole: bool,
    /// Whether the subscriber wants to know where the stream stands.
    pub stream: bool,
    /// Which publications it wants.
    pub filter: Option<&'a TagsFilter>,
}

/// A subscription that has begun.
#[derive(Debug, Default)]
pub struct Joined {
    /// Where the stream stands; the next publication that is delivered follows it.
    pub position: Position,
    /// Oldest first; empty where nothing was asked for.
    pub publications: Vec<Arc<Publication>>,
    /// Whether that is all that was missed.
    pub recovered: bool,
    /// The shards to tell who came.
    pub announce_to: ShardSet,
}

/// A subscription that has ended.
#[derive(Debug)]
pub struct Left {
    /// As it was seen last.
    pub info: Arc<ClientInfo>,
    /// Whether others hear of it.
    pub announce: bool,
    /// Whether it was listed in presence.
    pub presence: bool,
    /// The shards to tell.
    pub announce_to: ShardSet,
}

/// A message to be put in order.
#[derive(Debug)]
pub struct NewPublication {
    /// JSON or bytes, as it came.
    pub data: Payload,
    /// Who publishes, if a client does.
    pub info: Option<Arc<ClientInfo>>,
    /// Only a backend sets them.
    pub tags: Option<Tags>,
    /// Deliver only, do not keep.
    pub skip_history: bool,
    /// Publish once per key.
    pub idempotency_key: Option<Box<str>>,
    /// Publish only where the channel's newest publication is not of this version yet. Of no effect where the message
    /// is not kept.
    pub version: Option<Box<Version>>,
    /// How long it is given to who recovers or reads, milliseconds; `None` is as long as it is kept.
    pub ttl_ms: Option<u64>,
    /// What it was called on disk while it was to come: with its place it is no longer.
    pub scheduled: Option<ScheduledId>,
}

impl NewPublication {
    /// Somebody's, to be kept for as long as the channel keeps it.
    pub fn new(data: Payload) -> Self {
        Self {
            data,
            info: None,
            tags: None,
            skip_history: false,
            idempotency_key: None,
            version: None,
            ttl_ms: None,
            scheduled: None,
        }
    }

    /// As [`Publication::weight`].
    pub fn weight(&self) -> usize {
        model::weight(&self.data, self.info.as_deref(), self.tags.as_ref())
    }
}

/// The channels at home on one shard.
#[derive(Debug)]
pub struct Hub {
    channels: Slab<Channel>,
    by_name: HashMap<Arc<str>, usize, foldhash::quality::RandomState>,
    active: u32,
    idempotency: Idempotency,
    /// Of clients' messages.
    client_messages: Idempotency,
    random: StdRng,
    sweep_at: usize,
    /// Channels that only their stream keeps.
    unused: Unused,
    remains: Remains,
    /// Bytes that all streams take, about, and the most that they may.
    stream_bytes: usize,
    stream_bytes_max: usize,
    evictions: u64,
    /// What is kept on disk.
    pub log: Log,
    /// How far the snapshot of what lives has come.
    snapshot: Cursor,
    /// When the newest record was taken that recovery has read, Unix milliseconds.
    newest_unix_ms: i64,
}

impl Hub {
    /// A hub without channels, whose streams may take so many bytes. Epochs follow from the seed: it must not be that of an
    /// earlier start.
    pub fn new(seed: u64, stream_bytes_max: usize) -> Self {
        Self {
            channels: Slab::new(),
            by_name: HashMap::default(),
            active: 0,
            idempotency: Idempotency::new(Bounds {
                window_ms: IDEMPOTENCY_WINDOW_MS,
                keys_max: IDEMPOTENCY_KEYS_MAX,
                share: None,
            }),
            client_messages: Idempotency::new(Bounds {
                window_ms: CLIENT_MESSAGE_WINDOW_MS,
                keys_max: CLIENT_MESSAGES_MAX,
                share: Some(CLIENT_MESSAGES_PER_USER_MAX),
            }),
            random: StdRng::seed_from_u64(seed),
            sweep_at: 0,
            unused: Unused::new(),
            remains: Remains::default(),
            stream_bytes: 0,
            stream_bytes_max,
            evictions: 0,
            log: Log::default(),
            snapshot: Cursor::default(),
            newest_unix_ms: 0,
        }
    }

    /// Changes how many bytes the streams may take. What is too much goes bit by bit, with sweeps and the use of
    /// streams.
    pub fn set_stream_bytes_max(&mut self, stream_bytes_max: usize) {
        self.stream_bytes_max = stream_bytes_max;
    }

    /// Bytes that all streams take, about.
    pub fn stream_bytes(&self) -> usize {
        self.stream_bytes
    }

    /// Streams that went because memory was short, since the beginning.
    pub fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Channels that exist: with subscribers or with a stream.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// Whether no channel exists.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Channels with subscribers.
    pub fn active(&self) -> u32 {
        self.active
    }

    /// The key of a message that a client has given an id: of the user, and remembered for longer than those of backends. No
    /// two users have one together, whatever they and their ids are called.
    pub fn client_message_key(user: &str, id: &str) -> Box<str> {
        // The first zero ends the user. One of the user's own, hardly ever there, is written with another character before it.
        let user = match user.contains(['\0', CLIENT_MESSAGE]) {
            true => Cow::Owned(user.replace(CLIENT_MESSAGE, "\u{1}1").replace('\0', "\u{1}0")),
            false => Cow::Borrowed(user),
        };
        format!("{CLIENT_MESSAGE}{user}\0{id}").into()
    }

    /// Whether a key is that of a message that a client has given an id.
    pub fn is_client_message_key(key: &str) -> bool {
        key.starts_with(CLIENT_MESSAGE)
    }

    /// What is remembered of keys such as this one.
    fn keys(&mut self, key: &str) -> &mut Idempotency {
        if Self::is_client_message_key(key) { &mut self.client_messages } else { &mut self.idempotency }
    }

    fn find(&self, name: &str) -> Option<&Channel> {
        self.by_name.get(name).map(|key| &self.channels[*key])
    }

    /// The channel of this name; `share` makes the name that a new one keeps.
    fn entry(&mut self, name: &str, share: impl FnOnce() -> Arc<str>) -> usize {
        if let Some(key) = self.by_name.get(name) {
            return *key;
        }
        let name = share();
        let key = self.channels.insert(Channel::new(name.clone()));
        self.by_name.insert(name, key);
        key
    }

    fn stream(&mut self, key: usize, options: HubOptions, now: Now) -> &mut Stream {
        let channel = &self.channels[key];
        if channel.has_outlived_stream(now) || channel.is_logged_elsewhere(options) {
            self.end_stream(key);
        }
        let random = &mut self.random;
        let begin = || Box::new(Stream::new(epoch(random), options.is_durable));
        let stream = self.channels[key].stream.get_or_insert_with(begin);
        stream.use_with(options, now);
        stream
    }

    fn end_stream(&mut self, key: usize) {
        let Some(mut stream) = self.channels[key].stream.take() else { return };
        self.remains.bury(stream.clear());
        if stream.is_on_disk() {
            self.log.append(&Record::Over(&self.channels[key].name));
        }
    }

    /// Must follow whatever was done to a channel, whose stream took `before` bytes until then: it goes if nothing is
    /// left to keep it for, and others go if memory is short.
    fn settle(&mut self, key: usize, before: usize) {
        let channel = &self.channels[key];
        let added = channel.stream_bytes().saturating_sub(before);
        self.stream_bytes = self.stream_bytes + channel.stream_bytes() - before;
        if channel.is_unused() {
            self.unused.touch(&mut self.channels, key);
        } else {
            self.unused.remove(&mut self.channels, key);
        }
        self.drop_if_over(key);
        if self.stream_bytes > self.stream_bytes_max {
            self.evict(key, FREED_AT_ONCE, added);
        }
    }

    fn drop_if_over(&mut self, key: usize) {
        if self.channels[key].is_over() {
            self.unused.remove(&mut self.channels, key);
            let channel = self.channels.remove(key);
            self.by_name.remove(&channel.name);
        }
    }

    /// Memory is short: the streams that nobody uses go, the oldest first, then what `key` keeps, the oldest first. A
    /// client that comes back is told that it has missed something. No more than `most` go, unless that is less than
    /// the bytes that were `added`: where the memory was made smaller, the rest goes with later uses and sweeps.
    #[cold]
    fn evict(&mut self, key: usize, most: usize, added: usize) {
        let before = self.stream_bytes;
        let mut gone = 0;
        let is_enough = |hub: &Self, gone: usize| {
            hub.stream_bytes <= hub.stream_bytes_max || (gone >= most && before - hub.stream_bytes >= added)
        };
        while !is_enough(self, gone) {
            let Some(oldest) = self.unused.oldest().filter(|oldest| *oldest != key) else { break };
            self.stream_bytes -= self.channels[oldest].stream_bytes();
            self.end_stream(oldest);
            self.evictions += 1;
            self.drop_if_over(oldest);
            gone += 1;
        }
        while !is_enough(self, gone) {
            let Some(stream) = self.channels.get_mut(key).and_then(|channel| channel.stream.as_mut()) else { return };
            let before = stream.bytes();
            if !stream.forget_oldest() {
                return;
            }
            self.stream_bytes -= before - stream.bytes();
            gone += 1;
        }
    }

    fn stream_bytes_of(&self, key: usize) -> usize {
        self.channels[key].stream_bytes()
    }

    /// Begins a subscription and recovers what was missed.
    ///
    /// # Errors
    /// [`ErrorKind::UnrecoverablePosition`] where not all that was missed is there and the subscriber takes nothing
    /// less.
    pub fn subscribe(&mut self, ask: Join<'_>, options: HubOptions, now: Now) -> Result<Joined, Error> {
        let key = self.entry(ask.channel, || ask.channel.clone());
        let before = self.stream_bytes_of(key);
        let mut joined = Joined::default();
        if ask.stream && options.has_history() {
            let stream = self.stream(key, options, now);
            joined.position = stream.position();
            if let Some(since) = ask.recover {
                let found = stream.recover(since, ask.mode, ask.recovery_limit, ask.filter, now);
                if ask.whole && !found.recovered {
                    self.settle(key, before);
                    return Err(ErrorKind::UnrecoverablePosition.into());
                }
                joined.publications = found.publications;
                joined.recovered = found.recovered;
            }
        }
        let channel = &mut self.channels[key];
        self.active += u32::from(channel.subscribers() == 0);
        channel.join(ask.info, ask.shard, ask.announce, ask.presence);
        if ask.announce {
            joined.announce_to = channel.shard_set();
        }
        self.settle(key, before);
        Ok(joined)
    }

    /// Ends a subscription; `None` when there is none.
    pub fn unsubscribe(&mut self, channel: &str, shard: u16, client: ClientId, now: Now) -> Option<Left> {
        let key = *self.by_name.get(channel)?;
        let entry = &mut self.channels[key];
        let (info, announce, presence) = entry.leave(client, shard)?;
        let announce_to = if announce { entry.shard_set() } else { ShardSet::EMPTY };
        if entry.subscribers() == 0 {
            self.active -= 1;
            // Who left last can still come back to the same life of the stream.
            if let Some(stream) = &mut entry.stream {
                stream.touch(now);
            }
            let bytes = self.stream_bytes_of(key);
            self.settle(key, bytes);
        }
        Some(Left { info, announce, presence, announce_to })
    }

    /// Reads a part of the history, as much as `limit` allows; one publication in any case, so that who pages gets on.
    ///
    /// # Errors
    /// [`ErrorKind::UnrecoverablePosition`] when the position asked for is of another life of the stream, or is no
    /// longer kept; [`ErrorKind::LimitExceeded`] when a filter keeps out all that it may be asked about.
    pub fn history(
        &mut self,
        channel: &str,
        filter: &HistoryFilter,
        limit: Limit,
        tags: Option<&TagsFilter>,
        options: HubOptions,
        now: Now,
    ) -> Result<HistoryPage, Error> {
        // Reading makes the stream, so that the epoch that is told holds from now on.
        let key = self.entry(channel, || Arc::from(channel));
        let before = self.stream_bytes_of(key);
        let page = self.stream(key, options, now).page(filter, limit, tags, now);
        self.settle(key, before);
        page
    }

    /// A look at what a channel's stream keeps, if it has one. Looking is no use.
    pub fn shelf(&mut self, channel: &str, now: Now) -> Option<Shelf<'_>> {
        let key = *self.by_name.get(channel)?;
        let before = self.stream_bytes_of(key);
        self.channels[key].stream.as_mut()?.expire(now);
        self.stream_bytes = self.stream_bytes + self.stream_bytes_of(key) - before;
        self.channels[key].stream.as_deref().map(|stream| Shelf { stream, now })
    }

    /// Looks at up to `looks` channels from the place `from` on, 0 at the beginning, and lists those with subscribers
    /// whose names match, with their number of subscribers. Returns where to go on, unless that were all.
    pub fn channels(
        &self,
        pattern: &Pattern,
        from: usize,
        looks: usize,
        found: &mut Vec<(Arc<str>, u32)>,
    ) -> Option<usize> {
        let end = self.channels.capacity();
        let until = from.saturating_add(looks).min(end);
        let looked_at = (from..until).filter_map(|key| self.channels.get(key));
        let matching = looked_at.filter(|channel| channel.subscribers() > 0 && pattern.matches(&channel.name));
        found.extend(matching.map(|channel| (channel.name.clone(), channel.subscribers())));
        (until < end).then_some(until)
    }

    /// Where a channel's stream stands and what it keeps, seen without use.
    #[cfg(test)]
    pub(crate) fn kept(&self, channel: &str) -> Option<(Position, Vec<Arc<Publication>>)> {
        let stream = self.find(channel)?.stream.as_ref()?;
        Some((stream.position(), stream.kept().cloned().collect()))
    }

    /// Looks at up to `budget` channels, in turn, and drops what is past its time.
    pub fn sweep(&mut self, now: Now, budget: usize) {
        self.idempotency.forget(now);
        self.client_messages.forget(now);
        self.remains.sweep();
        if self.stream_bytes > self.stream_bytes_max {
            self.evict(usize::MAX, FREED_AT_ONCE, 0);
        }
        let end = self.channels.capacity();
        for _ in 0..budget.min(end) {
            let key = self.sweep_at;
            self.sweep_at = if key + 1 >= end { 0 } else { key + 1 };
            let Some(channel) = self.channels.get_mut(key) else { continue };
            let before = channel.stream_bytes();
            if let Some(stream) = &mut channel.stream {
                stream.expire(now);
            }
            if channel.has_outlived_stream(now) {
                self.end_stream(key);
            }
            // Looking is no use.
            self.stream_bytes = self.stream_bytes + self.stream_bytes_of(key) - before;
            self.drop_if_over(key);
        }
    }
}

/// The name of a new life of a stream: 11 of 62 letters, 65 bits. Clients compare it with that of an earlier life of
/// the same channel only: one in 10^19 times the two are the same.
fn epoch(random: &mut StdRng) -> Arc<str> {
    let letters: String = (0..11).map(|_| char::from(random.sample(rand::distr::Alphanumeric))).collect();
    Arc::from(letters)
}
