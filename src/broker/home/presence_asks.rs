//! Who asks buckets who is in channels, and how many: of each channel one question is on its way, and those who ask meanwhile
//! wait for the next, so that all are told what was so after they asked, by few calls.
//!
//! Whenever a bucket has lost its lists, or the node was taken for dead, nobody is told until all nodes have put their sessions
//! there again: a part is not given for the whole.

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::member_lists::{Clients, encode, too_long};
use crate::broker::bridge::OfList;
use crate::broker::letter::{Asker, MemberList};
use crate::broker::order::Responder;
use crate::limits::PRESENCE_UNSURE_MS;
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{ClientInfo, PresenceStats};
use crate::protocol::centrifuge::Encoding;
use crate::time::Now;

/// Who asks who is in a channel.
#[derive(Debug)]
pub(in crate::broker) enum Lister {
    /// A session of this shard, whose replies are written so.
    Client(u16, Asker, Encoding),
    Backend(Responder<Clients>),
}

/// Who asks how many are in a channel.
#[derive(Debug)]
pub(in crate::broker) enum Counter {
    /// A session of this shard.
    Client(u16, Asker),
    Backend(Responder<PresenceStats>),
}

/// Who asks one question.
#[derive(Debug)]
struct Turns<T> {
    /// Those for whom it is on its way.
    asked: Vec<T>,
    /// Those who have asked since.
    next: Vec<T>,
}

/// Who asks one kind of question.
#[derive(Debug)]
pub(super) struct Questions<T>(HashMap<Arc<str>, Turns<T>, foldhash::quality::RandomState>);

/// How far the lists of a bucket are whole.
#[derive(Debug, Default)]
struct Whole {
    /// The generation in which they were seen last; 0: not yet.
    generation: u64,
    /// Before then nodes may have to put their sessions there, monotonic milliseconds.
    from_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::broker) struct PresenceAsks {
    pub(super) lists: Questions<Lister>,
    pub(super) counts: Questions<Counter>,
    /// By bucket.
    whole: HashMap<u16, Whole>,
}

impl<T> Default for Questions<T> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<T> Questions<T> {
    /// Somebody asks. Whether the bucket is to be asked for it now.
    pub(super) fn ask(&mut self, channel: &Arc<str>, who: T) -> bool {
        match self.0.entry(channel.clone()) {
            Entry::Occupied(mut turns) => {
                turns.get_mut().next.push(who);
                false
            }
            Entry::Vacant(place) => {
                place.insert(Turns { asked: vec![who], next: Vec::new() });
                true
            }
        }
    }

    /// Those for whom a question is on its way.
    pub(super) fn asked(&self, channel: &str) -> &[T] {
        self.0.get(channel).map_or(&[], |turns| &turns.asked)
    }

    /// The bucket has answered: for whom, and whether it is to be asked for others.
    pub(super) fn answered(&mut self, channel: &str) -> (Vec<T>, bool) {
        let turns = self.0.get_mut(channel).expect("a bucket answers what it was asked");
        let next = std::mem::take(&mut turns.next);
        let goes_on = !next.is_empty();
        let answered = std::mem::replace(&mut turns.asked, next);
        if !goes_on {
            self.0.remove(channel);
        }
        (answered, goes_on)
    }
}

impl PresenceAsks {
    /// Whether somebody waits for a bucket.
    pub(in crate::broker) fn are_awaited(&self) -> bool {
        !self.lists.0.is_empty() || !self.counts.0.is_empty()
    }

    /// Nothing that a bucket has said holds any more.
    pub(super) fn lost(&mut self, bucket: u16, now: Now) {
        self.whole.insert(bucket, Whole { generation: 0, from_ms: now.mono_ms + PRESENCE_UNSURE_MS });
    }

    /// A bucket has answered in this generation: in another one than before its lists have begun anew.
    pub(super) fn see(&mut self, bucket: u16, generation: u64, now: Now) {
        let whole = self.whole.entry(bucket).or_default();
        let before = std::mem::replace(&mut whole.generation, generation);
        if before != 0 && before != generation {
            whole.from_ms = now.mono_ms + PRESENCE_UNSURE_MS;
        }
    }

    /// What a bucket says of a list, if that is whole.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where it may not be.
    pub(super) fn whole<T>(&mut self, bucket: u16, list: OfList<T>, now: Now) -> Result<T, Error> {
        self.see(bucket, list.generation, now);
        if self.whole[&bucket].from_ms > now.mono_ms {
            let why = "internal server error: not all nodes have said yet who is there, since what they share was lost or away";
            return Err(ErrorKind::Internal.because(why));
        }
        Ok(list.told)
    }
}

/// Who is in a channel on all nodes, encoded once per encoding for all who have asked.
#[derive(Debug)]
pub(in crate::broker) struct SharedList {
    /// None: more than any who has asked may be given.
    clients: Option<Clients>,
    weight: usize,
    encoded: [Option<Arc<[u8]>>; Encoding::COUNT],
}

impl SharedList {
    pub(super) fn new(clients: Option<Vec<Arc<ClientInfo>>>) -> Self {
        let weight = clients.iter().flatten().map(|info| info.weight()).sum();
        Self { clients: clients.map(Into::into), weight, encoded: Default::default() }
    }

    /// As a backend is told.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] where it is longer than `bytes_max`.
    pub(in crate::broker) fn clients(&self, bytes_max: usize) -> Result<Clients, Error> {
        self.clients.clone().filter(|_| self.weight <= bytes_max).ok_or_else(|| too_long(bytes_max))
    }

    /// As a client is told. Who comes first pays for the encoding.
    ///
    /// # Errors
    /// As [`SharedList::clients`].
    pub(in crate::broker) fn encoded(&mut self, encoding: Encoding, bytes_max: usize) -> Result<MemberList, Error> {
        let clients = self.clients(bytes_max)?;
        let kept = &mut self.encoded[encoding.index()];
        let newly = if kept.is_none() { clients.len() as u32 } else { 0 };
        let encoded = kept.get_or_insert_with(|| encode(encoding, &clients)).clone();
        Ok(MemberList { encoded, newly })
    }
}
