//! A model of whom buckets list in channels: what each incarnation of a node has put, in which generation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::broker::body::Told;
use crate::broker::bridge::{Delivery, Kept, Life, Presence};
use crate::model::{ClientId, ClientInfo, PresenceStats};

/// A node, and how often it was taken for dead before.
type Incarnation = (usize, u64);

#[derive(Clone, Debug)]
struct Entry {
    of: Incarnation,
    info: Arc<ClientInfo>,
    announces: bool,
}

#[derive(Debug, Default)]
struct List {
    generation: u64,
    entries: BTreeMap<ClientId, Entry>,
}

/// Who came or left, and whether the node that has the session knows better.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) channel: Arc<str>,
    body: Bytes,
    is_of_the_dead: bool,
}

impl News {
    fn new(channel: &Arc<str>, info: &Arc<ClientInfo>, joined: bool, is_of_the_dead: bool) -> Self {
        let body = Told::Announcement { info: info.clone(), joined }.pack();
        Self { channel: channel.clone(), body, is_of_the_dead }
    }

    /// As a node is told.
    pub(crate) fn delivery(&self) -> Delivery {
        let (channel, body) = ((&*self.channel).into(), self.body.clone());
        match self.is_of_the_dead {
            true => Delivery::Announced { channel, body },
            false => {
                let kept = Kept { offset: 0, time_unix_ms: 0, body };
                Delivery::Said { channel, life: Life::default(), kept }
            }
        }
    }
}

/// The lists of all buckets.
#[derive(Debug)]
pub(crate) struct Lists {
    lists: BTreeMap<Arc<str>, List>,
    nodes: Vec<u64>,
    /// Whom a node has left that is no more counts for ever.
    pub(super) keeps_ghosts: bool,
    /// Who is put again is told again.
    pub(super) repeats: bool,
}

impl Lists {
    pub(super) fn new(nodes: usize) -> Self {
        Self { lists: BTreeMap::new(), nodes: vec![0; nodes], keeps_ghosts: false, repeats: false }
    }

    fn incarnation(&self, node: usize) -> Incarnation {
        (node, self.nodes[node])
    }

    /// A node was taken for dead; it may be back as another incarnation at once.
    pub(super) fn die(&mut self, node: usize) {
        self.nodes[node] += 1;
    }

    fn of_now(&mut self, channel: &Arc<str>, generation: u64) -> &mut List {
        let list = self.lists.entry(channel.clone()).or_default();
        if list.generation != generation {
            *list = List { generation, ..List::default() };
        }
        list
    }

    pub(super) fn enter(&mut self, node: usize, generation: u64, presence: &Presence) -> Option<News> {
        let (of, repeats) = (self.incarnation(node), self.repeats);
        let Presence { channel, info, announces, told_in } = presence;
        let entry = Entry { of, info: info.clone(), announces: *announces };
        let before = self.of_now(channel, generation).entries.insert(info.client, entry);
        let is_news = before.is_none() && (*told_in == 0 || *told_in == generation);
        (*announces && (is_news || repeats)).then(|| News::new(channel, info, true, *told_in != 0 && !repeats))
    }

    pub(super) fn exit(&mut self, node: usize, generation: u64, presence: &Presence) -> Option<News> {
        let Presence { channel, info, announces, told_in } = presence;
        let list = self.of_now(channel, generation);
        let goes = match list.entries.get(&info.client) {
            Some(entry) => entry.of.0 == node,
            None => *told_in != 0 && *told_in != generation,
        };
        if goes {
            list.entries.remove(&info.client);
        }
        (goes && *announces).then(|| News::new(channel, info, false, false))
    }

    /// Whether a list is there, which lives on then.
    pub(super) fn renew(&mut self, channel: &Arc<str>, generation: u64) -> bool {
        !self.of_now(channel, generation).entries.is_empty()
    }

    /// Who is in a channel, by client id.
    pub(super) fn clients(&mut self, channel: &Arc<str>, generation: u64) -> Vec<Arc<ClientInfo>> {
        let (nodes, keeps_ghosts) = (self.nodes.clone(), self.keeps_ghosts);
        let list = self.of_now(channel, generation);
        let counts = |entry: &&Entry| keeps_ghosts || nodes[entry.of.0] == entry.of.1;
        list.entries.values().filter(counts).map(|entry| entry.info.clone()).collect()
    }

    pub(super) fn stats(&mut self, channel: &Arc<str>, generation: u64) -> PresenceStats {
        let clients = self.clients(channel, generation);
        let users: BTreeSet<_> = clients.iter().map(|info| &info.user).collect();
        PresenceStats { num_clients: clients.len() as u32, num_users: users.len() as u32 }
    }

    /// Takes away what dead incarnations have left.
    pub(super) fn reap(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        if self.keeps_ghosts {
            return news;
        }
        for (channel, list) in &mut self.lists {
            for (_, gone) in list.entries.extract_if(.., |_, entry| self.nodes[entry.of.0] != entry.of.1) {
                news.extend(gone.announces.then(|| News::new(channel, &gone.info, false, true)));
            }
        }
        news
    }

    /// A list has expired.
    pub(super) fn expire(&mut self, channel: &str) {
        self.lists.remove(channel);
    }
}
