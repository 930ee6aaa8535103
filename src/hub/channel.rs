//! One channel on its home shard: who subscribes from where, and its stream if it has one.

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_table::{Entry, HashTable};
use smallvec::SmallVec;

use super::HubOptions;
use super::history::Stream;
use super::link::Link;
use super::shard_set::ShardSet;
use crate::limits::STREAM_BYTES;
use crate::model::{ClientId, ClientInfo, PresenceStats, Publication};
use crate::time::Now;

/// A publication on its way to the subscribers.
#[derive(Debug)]
pub struct FanOut {
    /// The channel, its name shared.
    pub channel: Arc<str>,
    /// Shared with all shards that subscribers are on.
    pub publication: Arc<Publication>,
    /// The shards with subscribers.
    pub shards: ShardSet,
}

/// A subscriber as the home shard knows it.
#[derive(Debug)]
struct Member {
    info: Arc<ClientInfo>,
    shard: u16,
    announce: bool,
    presence: bool,
}

/// What its home knows of a channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: Arc<str>,
    pub(super) stream: Option<Box<Stream>>,
    /// How much of what was asked of it waits for a commit: what is asked now stands in line behind it.
    pub(super) on_its_way: u32,
    /// Its place among those that only their stream keeps.
    pub(super) link: Link,
    /// By client id.
    members: HashTable<Member>,
    /// A shard's number, and how many subscribers it has; none with 0.
    shards: SmallVec<[(u16, u32); 2]>,
    /// Sessions per user, only of those in presence.
    users: HashMap<Arc<str>, u32, foldhash::fast::RandomState>,
    present: u32,
    /// Bytes of the list of those in presence.
    present_bytes: usize,
}

impl Channel {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            stream: None,
            on_its_way: 0,
            link: Link::OUT,
            members: HashTable::new(),
            shards: SmallVec::new(),
            users: HashMap::default(),
            present: 0,
            present_bytes: 0,
        }
    }

    pub(super) fn subscribers(&self) -> u32 {
        self.members.len() as u32
    }

    /// Bytes that its stream takes, about.
    pub(super) fn stream_bytes(&self) -> usize {
        self.stream.as_ref().map_or(0, |stream| STREAM_BYTES + stream.bytes())
    }

    /// Whether only its stream keeps it, and may go if memory is short. A mirror is ended by whoever has begun it.
    pub(super) fn is_unused(&self) -> bool {
        self.is_idle() && self.stream.as_ref().is_some_and(|stream| !stream.is_mirror())
    }

    /// Whether nothing is left to keep it for.
    pub(super) fn is_over(&self) -> bool {
        self.is_idle() && self.stream.is_none()
    }

    /// Whether nobody is in it and nothing is on its way.
    fn is_idle(&self) -> bool {
        self.members.is_empty() && self.on_its_way == 0
    }

    /// Whether its stream's time is over. Subscribers hold it: they count on its epoch.
    pub(super) fn has_outlived_stream(&self, now: Now) -> bool {
        self.is_idle() && self.stream.as_ref().is_some_and(|stream| stream.is_over(now))
    }

    /// Whether its stream is kept elsewhere than these options say, and can end: a stream is in one log all its life.
    pub(super) fn is_logged_elsewhere(&self, options: HubOptions) -> bool {
        let differs =
            |stream: &Stream| stream.is_durable() != options.is_durable || stream.is_mirror() != options.is_mirrored;
        self.on_its_way == 0 && self.stream.as_deref().is_some_and(differs)
    }

    /// Where a publication goes, if anybody subscribes.
    pub(super) fn fan_out(&self, publication: Arc<Publication>) -> Option<FanOut> {
        let shards = self.shard_set();
        (!shards.is_empty()).then(|| FanOut { channel: self.name.clone(), publication, shards })
    }

    pub(super) fn shard_set(&self) -> ShardSet {
        let mut set = ShardSet::EMPTY;
        for (shard, _) in &self.shards {
            set.insert(*shard);
        }
        set
    }

    pub(super) fn join(&mut self, info: &Arc<ClientInfo>, shard: u16, announce: bool, presence: bool) {
        let member = Member { info: info.clone(), shard, announce, presence };
        match self.members.entry(hash_of(info.client), |other| other.info.client == info.client, hash_of_member) {
            Entry::Vacant(place) => drop(place.insert(member)),
            Entry::Occupied(_) => unreachable!("a session subscribes to a channel once"),
        }
        match self.shards.iter_mut().find(|(other, _)| *other == shard) {
            Some((_, count)) => *count += 1,
            None => self.shards.push((shard, 1)),
        }
        if presence {
            self.present += 1;
            self.present_bytes += info.weight();
            *self.users.entry(info.user.clone()).or_default() += 1;
        }
    }

    /// A subscriber, who stays the same, is seen with other information. Whether others hear of its coming and going, if it is
    /// listed.
    pub(super) fn appear(&mut self, info: Arc<ClientInfo>) -> Option<bool> {
        let member = self.members.find_mut(hash_of(info.client), |member| member.info.client == info.client)?;
        debug_assert_eq!(member.info.user, info.user, "presence counts users");
        if member.presence {
            self.present_bytes = self.present_bytes - member.info.weight() + info.weight();
        }
        member.info = info;
        member.presence.then_some(member.announce)
    }

    /// Whether somebody subscribes.
    pub(super) fn has(&self, client: ClientId) -> bool {
        self.members.find(hash_of(client), |member| member.info.client == client).is_some()
    }

    /// Removes a subscriber; says who it was, whether others hear of it, and whether it was listed.
    pub(super) fn leave(&mut self, client: ClientId, shard: u16) -> Option<(Arc<ClientInfo>, bool, bool)> {
        let place = self.members.find_entry(hash_of(client), |member| member.info.client == client).ok()?;
        let (member, _) = place.remove();
        assert_eq!(member.shard, shard, "a session leaves from where it joined");
        let at = self.shards.iter().position(|(other, _)| *other == shard).expect("its shard is counted");
        self.shards[at].1 -= 1;
        if self.shards[at].1 == 0 {
            self.shards.swap_remove(at);
        }
        if member.presence {
            self.present -= 1;
            self.present_bytes -= member.info.weight();
            let sessions = self.users.get_mut(&member.info.user).expect("its user is counted");
            *sessions -= 1;
            if *sessions == 0 {
                self.users.remove(&member.info.user);
            }
        }
        Some((member.info, member.announce, member.presence))
    }

    /// Who is listed, in no order, and whether others hear of its coming and going.
    pub(super) fn listed(&self) -> impl Iterator<Item = (&Arc<ClientInfo>, bool)> {
        let listed = self.members.iter().filter(|member| member.presence);
        listed.map(|member| (&member.info, member.announce))
    }

    pub(super) fn presence(&self) -> Vec<Arc<ClientInfo>> {
        let mut clients: Vec<_> = self.listed().map(|(info, _)| info.clone()).collect();
        clients.sort_unstable_by_key(|info| info.client);
        clients
    }

    pub(super) fn presence_weight(&self) -> usize {
        self.present_bytes
    }

    pub(super) fn presence_stats(&self) -> PresenceStats {
        PresenceStats { num_clients: self.present, num_users: self.users.len() as u32 }
    }
}

/// Client ids are random, and the node's own: both halves, one over the other so that no fixed bit is left, are as good as
/// a hash.
fn hash_of(client: ClientId) -> u64 {
    let (first, second) = client.as_u64_pair();
    first ^ second
}

fn hash_of_member(member: &Member) -> u64 {
    hash_of(member.info.client)
}
