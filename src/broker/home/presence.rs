//! Who is in channels: from what the home knows where it is the only one, and where several nodes share the channel, from its
//! bucket, which the home tells of its own sessions.

use std::sync::Arc;

use super::Home;
use super::member_lists::{Clients, too_long};
use super::presence_asks::{Counter, Lister, SharedList};
use super::presences::Change;
use crate::broker::bridge::{OfList, Outgoing};
use crate::broker::letter::MemberList;
use crate::limits::{API_REPLY_BYTES_MAX, PRESENCE_RENEWALS_PER_SWEEP};
use crate::model::refusal::Error;
use crate::model::{ClientId, ClientInfo, PresenceStats};
use crate::protocol::centrifuge::Encoding;
use crate::time::Now;

impl Home {
    /// Who is in a channel, as a reply to a client brings it. Encoded once until the list changes, however many ask.
    ///
    /// # Errors
    /// As [`Home::presence`].
    pub(in crate::broker) fn member_list(&mut self, channel: &str, encoding: Encoding) -> Result<MemberList, Error> {
        if let Some(encoded) = self.member_lists.find(channel, encoding)
            && self.hub.presence_weight(channel) <= self.reply_bytes_max()
        {
            return Ok(MemberList { encoded, newly: 0 });
        }
        let (clients, _) = self.presence(channel, self.reply_bytes_max())?;
        let encoded = self.member_lists.keep(channel, encoding, &clients);
        Ok(MemberList { encoded, newly: clients.len() as u32 })
    }

    /// Who is in a channel, and how many of them were looked up for it: none until the list changes.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] where the list is longer than `bytes_max`: a part of it would be taken for the
    /// whole.
    pub(in crate::broker) fn presence(&mut self, channel: &str, bytes_max: usize) -> Result<(Clients, usize), Error> {
        if self.hub.presence_weight(channel) > bytes_max {
            return Err(too_long(bytes_max));
        }
        if let Some(clients) = self.member_lists.clients(channel) {
            return Ok((clients, 0));
        }
        let clients: Clients = self.hub.presence(channel).into();
        self.member_lists.keep_clients(channel, &clients);
        let newly = clients.len();
        Ok((clients, newly))
    }

    /// Whether a channel's bucket says who is in it.
    pub(in crate::broker) fn is_listed_in_bucket(&self, channel: &str) -> bool {
        self.mirrors.are_possible() && self.policy.hub_options(channel).is_ok_and(|options| options.is_mirrored)
    }

    /// Somebody asks who is in a channel that several nodes share.
    pub(in crate::broker) fn ask_presence(&mut self, channel: Arc<str>, who: Lister) {
        if self.presence_asks.lists.ask(&channel, who) {
            self.ask_bucket_who_is_in(channel);
        }
    }

    fn ask_bucket_who_is_in(&mut self, channel: Arc<str>) {
        let most = |lister: &Lister| match lister {
            Lister::Client(..) => self.reply_bytes_max(),
            Lister::Backend(_) => API_REPLY_BYTES_MAX,
        };
        let bytes_max = self.presence_asks.lists.asked(&channel).iter().map(most).max().unwrap_or_default();
        self.mirrors.outgoing.push(Outgoing::Presence { channel, bytes_max });
    }

    /// Somebody asks how many are in a channel that several nodes share.
    pub(in crate::broker) fn ask_presence_stats(&mut self, channel: Arc<str>, who: Counter) {
        if self.presence_asks.counts.ask(&channel, who) {
            self.mirrors.outgoing.push(Outgoing::PresenceStats(channel));
        }
    }

    /// A bucket has said who is in a channel: who is told what.
    pub(in crate::broker) fn presence_told(
        &mut self,
        channel: &Arc<str>,
        result: Result<OfList<Option<Vec<Arc<ClientInfo>>>>, Error>,
        now: Now,
    ) -> (Vec<Lister>, Result<SharedList, Error>) {
        let (listers, goes_on) = self.presence_asks.lists.answered(channel);
        if goes_on {
            self.ask_bucket_who_is_in(channel.clone());
        }
        let bucket = self.mirrors.bucket_of(channel);
        let told = result.and_then(|list| self.presence_asks.whole(bucket, list, now));
        (listers, told.map(SharedList::new))
    }

    /// A bucket has said how many are in a channel: who is told what.
    pub(in crate::broker) fn presence_stats_told(
        &mut self,
        channel: &Arc<str>,
        result: Result<OfList<PresenceStats>, Error>,
        now: Now,
    ) -> (Vec<Counter>, Result<PresenceStats, Error>) {
        let (counters, goes_on) = self.presence_asks.counts.answered(channel);
        if goes_on {
            self.mirrors.outgoing.push(Outgoing::PresenceStats(channel.clone()));
        }
        let bucket = self.mirrors.bucket_of(channel);
        (counters, result.and_then(|stats| self.presence_asks.whole(bucket, stats, now)))
    }

    /// Something has become of a session here that is listed in a channel that several nodes share.
    pub(super) fn list(
        &mut self,
        channel: &Arc<str>,
        info: Arc<ClientInfo>,
        announces: bool,
        change: Change,
        now: Now,
    ) {
        let outgoing = self.presences.change(channel, info, announces, change, now);
        self.mirrors.outgoing.push(outgoing);
    }

    /// A bucket has listed a session of this node, or has taken it off.
    pub(in crate::broker) fn listed(
        &mut self,
        channel: &Arc<str>,
        client: ClientId,
        result: Result<u64, Error>,
        now: Now,
    ) {
        if let Ok(generation) = &result {
            self.presence_asks.see(self.mirrors.bucket_of(channel), *generation, now);
        }
        if let Some(before) = self.presences.answered(channel, client, result, now) {
            // Others were listed in what the bucket has lost. It will say so, but what is told of them must name that.
            self.presences.list_again(channel, self.hub.listed(channel), before);
        }
        if self.presences.is_confirmed(channel) && self.hub.listed(channel).next().is_none() {
            self.presences.end(channel);
        }
        self.send_what_is_behind(now);
    }

    /// A list was renewed; one that was not there is put again. One that failed is tried again at the next time: there are two
    /// more.
    pub(in crate::broker) fn list_renewed(&mut self, channel: &Arc<str>, result: Result<bool, Error>, now: Now) {
        if let Ok(false) = result {
            self.list_again(channel, now);
        }
    }

    /// A bucket may have nothing of what this node has put into the list of a channel.
    pub(super) fn list_again(&mut self, channel: &Arc<str>, now: Now) {
        if let Some(generation) = self.presences.generation(channel) {
            self.presences.list_again(channel, self.hub.listed(channel), generation);
            self.presences.doubt(channel, generation);
            self.send_what_is_behind(now);
        }
    }

    fn send_what_is_behind(&mut self, now: Now) {
        while let Some(outgoing) = self.presences.next_behind(now) {
            self.mirrors.outgoing.push(outgoing);
        }
    }

    /// Regular house-keeping: what failed is tried again, lists are renewed.
    pub(in crate::broker) fn look_at_presences(&mut self, now: Now) {
        self.send_what_is_behind(now);
        for _ in 0..PRESENCE_RENEWALS_PER_SWEEP {
            let Some(outgoing) = self.presences.next_renewal(now) else { return };
            self.mirrors.outgoing.push(outgoing);
        }
    }
}
