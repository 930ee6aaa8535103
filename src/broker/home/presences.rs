//! Sessions of this node in the lists that buckets have of who is in channels: what of it the buckets have yet to confirm.
//!
//! Whoever comes, goes or is seen anew is sent to the bucket at once, in this order. What has failed is sent again, as it is by
//! then. What a bucket has lost with its writes, or has cleared away since it took this node for dead, is put there again.
//!
//! Invariants: of each session the last that was sent says how it is; what is not here is in its bucket as it is in the hub, as
//! far as the bucket has not said that it has lost writes; a list stays until all of it is answered. Who is in a channel on
//! other nodes is never here.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::broker::bridge::{Outgoing, Presence};
use crate::limits::{PRESENCE_RENEW_MS, PRESENCE_REST_MS, PRESENCE_RETRY_MS, PRESENCES_SENT_MAX};
use crate::model::refusal::Error;
use crate::model::{ClientId, ClientInfo};
use crate::time::Now;

/// What has become of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Comes,
    IsSeenAnew,
    Goes,
}

/// A session of which the bucket has yet to confirm how it is.
#[derive(Debug)]
struct Unconfirmed {
    presence: Presence,
    /// It is in the channel.
    is_here: bool,
    /// How often it was sent and is not answered.
    sent: u32,
    /// It is to be sent again: it has failed, or what it did is lost.
    is_behind: bool,
    /// What is on its way is lost if it was done in this generation, or in any where that is 0.
    doubt: Option<u64>,
    /// It is in [`Presences::behind`].
    is_queued: bool,
}

/// What this node has in the list of one channel.
#[derive(Debug)]
struct List {
    /// The generation of the bucket in which it has confirmed last; 0: not yet.
    generation: u64,
    unconfirmed: HashMap<ClientId, Unconfirmed>,
    /// When it is renewed next, monotonic milliseconds.
    renew_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::broker) struct Presences {
    lists: HashMap<Arc<str>, List, foldhash::quality::RandomState>,
    /// What is to be sent again, in order.
    behind: VecDeque<(Arc<str>, ClientId)>,
    /// How much was sent and is not answered.
    sent: usize,
    /// Nothing is sent again before then, monotonic milliseconds.
    rests_until_ms: u64,
    /// When which list is to be renewed, in order.
    renewals: VecDeque<(u64, Arc<str>)>,
}

impl Presences {
    /// Sessions that buckets have yet to hear of, about.
    pub(in crate::broker) fn waiting(&self) -> usize {
        self.sent + self.behind.len()
    }

    /// Whether nothing of any session is known to a bucket, or on its way there.
    #[cfg(test)]
    pub(in crate::broker) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    fn list(&mut self, channel: &Arc<str>, now: Now) -> &mut List {
        self.lists.entry(channel.clone()).or_insert_with(|| {
            let renew_ms = now.mono_ms + PRESENCE_RENEW_MS;
            self.renewals.push_back((renew_ms, channel.clone()));
            List { generation: 0, unconfirmed: HashMap::new(), renew_ms }
        })
    }

    /// What is sent of a session that something has become of.
    pub(super) fn change(
        &mut self,
        channel: &Arc<str>,
        info: Arc<ClientInfo>,
        announces: bool,
        change: Change,
        now: Now,
    ) -> Outgoing {
        self.sent += 1;
        let list = self.list(channel, now);
        let before = list.unconfirmed.remove(&info.client);
        let told_in = match &before {
            _ if change == Change::Comes => 0,
            Some(before) => before.presence.told_in,
            None => list.generation,
        };
        let sent = before.as_ref().map_or(0, |before| before.sent);
        let client = info.client;
        let unconfirmed = Unconfirmed {
            presence: Presence { channel: channel.clone(), info, announces, told_in },
            is_here: change != Change::Goes,
            sent: sent + 1,
            // What is sent now takes the place of what has failed, but not of what may yet fail.
            is_behind: sent > 0 && before.as_ref().is_some_and(|before| before.is_behind),
            doubt: before.as_ref().and_then(|before| before.doubt),
            is_queued: before.is_some_and(|before| before.is_queued),
        };
        let outgoing = unconfirmed.outgoing();
        list.unconfirmed.insert(client, unconfirmed);
        outgoing
    }

    /// Something that was sent was answered. The generation before, where the bucket has begun another one since.
    pub(super) fn answered(
        &mut self,
        channel: &Arc<str>,
        client: ClientId,
        result: Result<u64, Error>,
        now: Now,
    ) -> Option<u64> {
        self.sent -= 1;
        let list = self.lists.get_mut(channel).expect("a list stays until all of it is answered");
        let Entry::Occupied(mut entry) = list.unconfirmed.entry(client) else {
            unreachable!("a session stays until all of it is answered")
        };
        let unconfirmed = entry.get_mut();
        unconfirmed.sent -= 1;
        unconfirmed.is_behind |= match &result {
            Ok(generation) => unconfirmed.doubt.is_some_and(|lost| lost == 0 || lost == *generation),
            Err(_) => true,
        };
        if unconfirmed.sent == 0 && !unconfirmed.is_behind {
            entry.remove();
        } else if unconfirmed.sent == 0 && !std::mem::replace(&mut unconfirmed.is_queued, true) {
            self.behind.push_back((channel.clone(), client));
        }
        let Ok(generation) = result else {
            self.rests_until_ms = now.mono_ms + PRESENCE_RETRY_MS;
            return None;
        };
        let before = std::mem::replace(&mut list.generation, generation);
        (before != 0 && before != generation).then_some(before)
    }

    /// Nothing is sent again for a while: who is to hear of it listens again first.
    pub(super) fn rest(&mut self, now: Now) {
        self.rests_until_ms = now.mono_ms + PRESENCE_REST_MS;
    }

    /// The generation in which a channel's sessions here were listed last, if any was to be.
    pub(super) fn generation(&self, channel: &str) -> Option<u64> {
        self.lists.get(channel).map(|list| list.generation)
    }

    /// Has all sessions here put into the list of a channel again that were listed in this generation until now.
    pub(super) fn list_again<'a>(
        &mut self,
        channel: &Arc<str>,
        sessions: impl Iterator<Item = (&'a Arc<ClientInfo>, bool)>,
        told_in: u64,
    ) {
        let Some(list) = self.lists.get_mut(channel) else { return };
        for (info, announces) in sessions {
            if let Entry::Vacant(place) = list.unconfirmed.entry(info.client) {
                place.insert(Unconfirmed {
                    presence: Presence { channel: channel.clone(), info: info.clone(), announces, told_in },
                    is_here: true,
                    sent: 0,
                    is_behind: true,
                    doubt: None,
                    is_queued: true,
                });
                self.behind.push_back((channel.clone(), info.client));
            }
        }
    }

    /// What was done of what is on its way is lost, if it was done in this generation.
    pub(super) fn doubt(&mut self, channel: &str, generation: u64) {
        let unconfirmed = self.lists.get_mut(channel).into_iter().flat_map(|list| list.unconfirmed.values_mut());
        unconfirmed.filter(|unconfirmed| unconfirmed.sent > 0).for_each(|one| one.doubt = Some(generation));
    }

    /// Whether all of a channel's list is confirmed.
    pub(super) fn is_confirmed(&self, channel: &str) -> bool {
        self.lists.get(channel).is_some_and(|list| list.unconfirmed.is_empty())
    }

    /// Forgets a channel in which nobody here is listed any more.
    pub(super) fn end(&mut self, channel: &str) {
        self.lists.remove(channel);
    }

    /// The next that is to be sent again.
    pub(super) fn next_behind(&mut self, now: Now) -> Option<Outgoing> {
        while self.sent < PRESENCES_SENT_MAX
            && self.rests_until_ms <= now.mono_ms
            && let Some((channel, client)) = self.behind.pop_front()
        {
            let list = self.lists.get_mut(&channel);
            let Some(unconfirmed) = list.and_then(|list| list.unconfirmed.get_mut(&client)) else { continue };
            unconfirmed.is_queued = false;
            if unconfirmed.sent == 0 {
                (unconfirmed.sent, unconfirmed.is_behind, unconfirmed.doubt) = (1, false, None);
                self.sent += 1;
                return Some(unconfirmed.outgoing());
            }
        }
        None
    }

    /// The next list whose time has come to be renewed.
    pub(super) fn next_renewal(&mut self, now: Now) -> Option<Outgoing> {
        while let Some((due_ms, channel)) = self.renewals.pop_front_if(|(due_ms, _)| *due_ms <= now.mono_ms) {
            // One that ended meanwhile, and perhaps began anew, is not this one.
            if let Some(list) = self.lists.get_mut(&channel).filter(|list| list.renew_ms == due_ms) {
                list.renew_ms = now.mono_ms + PRESENCE_RENEW_MS;
                self.renewals.push_back((list.renew_ms, channel.clone()));
                return Some(Outgoing::Renew(channel));
            }
        }
        None
    }
}

impl Unconfirmed {
    fn outgoing(&self) -> Outgoing {
        let presence = Box::new(self.presence.clone());
        if self.is_here { Outgoing::Enter(presence) } else { Outgoing::Exit(presence) }
    }
}
