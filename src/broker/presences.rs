//! Who is in a channel, for who asks: at once where the home knows, or when the bucket has said it that several nodes share.

use std::sync::Arc;

use super::Broker;
use super::bridge::OfList;
use super::home::{Clients, Counter, Lister};
use super::letter::{Answer, Asker};
use super::order::Responder;
use crate::limits::API_REPLY_BYTES_MAX;
use crate::model::refusal::Error;
use crate::model::{ClientInfo, PresenceStats};
use crate::protocol::centrifuge::Encoding;
use crate::session::Ask;
use crate::time::Now;

impl Broker {
    /// A session here asks about a channel at home here, whose bucket says who is in it.
    pub(super) fn ask_bucket_for(&mut self, session: u32, id: u32, bytes: u32, ask: Ask<'_>) {
        let asker = self.edge.awaits(session, id, bytes);
        match ask {
            Ask::Presence(channel, encoding) => {
                self.home.ask_presence(channel.into(), Lister::Client(self.me, asker, encoding));
            }
            Ask::PresenceStats(channel) => {
                self.home.ask_presence_stats(channel.into(), Counter::Client(self.me, asker));
            }
            _ => unreachable!("a bucket says who is in a channel"),
        }
    }

    /// A session of another shard asks who is in a channel.
    pub(super) fn presence_arrived(&mut self, from: u16, asker: Asker, channel: Arc<str>, encoding: Encoding) {
        if self.home.is_listed_in_bucket(&channel) {
            return self.home.ask_presence(channel, Lister::Client(from, asker, encoding));
        }
        let list = self.home.member_list(&channel, encoding);
        let list = self.home.counted(&channel, list);
        self.answer(from, asker, Answer::Presence(list));
    }

    /// A session of another shard asks how many are in a channel.
    pub(super) fn presence_stats_arrived(&mut self, from: u16, asker: Asker, channel: Arc<str>) {
        if self.home.is_listed_in_bucket(&channel) {
            return self.home.ask_presence_stats(channel, Counter::Client(from, asker));
        }
        let stats = self.home.hub.presence_stats(&channel);
        self.answer(from, asker, Answer::PresenceStats(Ok(stats)));
    }

    /// A backend asks who is in a channel.
    pub(super) fn presence_for_backend(&mut self, channel: Arc<str>, answer: Responder<Clients>) {
        match self.home.policy.with_presence(&channel) {
            Ok(()) if self.home.is_listed_in_bucket(&channel) => {
                self.home.ask_presence(channel, Lister::Backend(answer));
            }
            Ok(()) => {
                let presence = self.home.presence(&channel, API_REPLY_BYTES_MAX);
                self.walks.looked_at(presence.as_ref().map_or(0, |(_, newly)| *newly));
                drop(answer.send(presence.map(|(clients, _)| clients)));
            }
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// A backend asks how many are in a channel.
    pub(super) fn presence_stats_for_backend(&mut self, channel: Arc<str>, answer: Responder<PresenceStats>) {
        match self.home.policy.with_presence(&channel) {
            Ok(()) if self.home.is_listed_in_bucket(&channel) => {
                self.home.ask_presence_stats(channel, Counter::Backend(answer));
            }
            known => drop(answer.send(known.map(|()| self.home.hub.presence_stats(&channel)))),
        }
    }

    /// A bucket has said who is in a channel.
    pub(super) fn tell_presence(
        &mut self,
        channel: &Arc<str>,
        result: Result<OfList<Option<Vec<Arc<ClientInfo>>>>, Error>,
        now: Now,
    ) {
        let (listers, mut told) = self.home.presence_told(channel, result, now);
        for lister in listers {
            let told = told.as_mut().map_err(|error| error.clone());
            match lister {
                Lister::Client(shard, asker, encoding) => {
                    let bytes_max = self.home.reply_bytes_max();
                    let list = told.and_then(|list| list.encoded(encoding, bytes_max));
                    let list = self.home.counted(channel, list);
                    self.answer_asker((shard, asker), Answer::Presence(list), now);
                }
                Lister::Backend(answer) => {
                    drop(answer.send(told.and_then(|list| list.clients(API_REPLY_BYTES_MAX))));
                }
            }
        }
    }

    /// A bucket has said how many are in a channel.
    pub(super) fn tell_presence_stats(
        &mut self,
        channel: &Arc<str>,
        result: Result<OfList<PresenceStats>, Error>,
        now: Now,
    ) {
        let (counters, told) = self.home.presence_stats_told(channel, result, now);
        for counter in counters {
            match counter {
                Counter::Client(shard, asker) => {
                    let stats = self.home.counted(channel, told.clone());
                    self.answer_asker((shard, asker), Answer::PresenceStats(stats), now);
                }
                Counter::Backend(answer) => drop(answer.send(told.clone())),
            }
        }
    }
}
