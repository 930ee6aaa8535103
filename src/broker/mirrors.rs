//! The bridge's side of a shard: what is sent over it, what comes back, and who is answered then.
//!
//! The caller takes [`Broker::take_outgoing`] at the end of each tick, and gives what comes: answers always, deliveries while
//! [`Broker::takes_deliveries`].

use std::sync::Arc;

use super::Broker;
use super::bridge::{Answer as BucketAnswer, Delivery, Life, Outgoing};
use super::home::{API_LIMIT, Answered, Asking, Awaits, Heard, Ready, Tried, Until, Waiting, Wanted, Wish};
use super::letter::{Answer, Asker, HistoryAsk};
use super::order::Responder;
use crate::model::ledger::Attached;
use crate::model::refusal::Error;
use crate::model::{HistoryFilter, HistoryPage};
use crate::session::Terms;
use crate::time::Now;

impl Broker {
    /// Output: what homes here ask of buckets, in order.
    pub fn take_outgoing(&mut self) -> Vec<Outgoing> {
        self.home.send_notes();
        std::mem::take(&mut self.home.mirrors.outgoing)
    }

    /// Whether [`Broker::take_outgoing`] or [`Broker::take_attendance`] has something.
    pub fn has_outgoing(&self) -> bool {
        !self.home.mirrors.outgoing.is_empty() || self.home.has_notes() || !self.attendance.is_empty()
    }

    /// Whether what buckets tell may be taken: not while so much waits for rooms, or for other shards, that nothing more is to be
    /// made for them.
    pub fn takes_deliveries(&self) -> bool {
        !self.is_crowded() && !self.is_congested()
    }

    /// Whether somebody waits for a bucket.
    pub fn awaits_bridge(&self) -> bool {
        self.home.mirrors.are_awaited()
            || self.home.ledgers.are_awaited()
            || self.home.plans.are_awaited()
            || self.home.presence_asks.are_awaited()
    }

    /// A bucket has answered.
    pub fn bridge_answered(&mut self, answer: BucketAnswer, now: Now) {
        let settled = match answer {
            BucketAnswer::Published(ticket, result) => self.home.published(ticket, result),
            BucketAnswer::Removed(ticket, result) => self.home.removed(ticket, result),
            BucketAnswer::Enrolled(ticket, outcome) => {
                self.entered(ticket, outcome, now);
                None
            }
            BucketAnswer::Schedule(ticket, result) => {
                self.schedule_answered(ticket, result);
                None
            }
            BucketAnswer::Ledger(ticket, result) => {
                self.ledger_answered(ticket, result, now);
                None
            }
            BucketAnswer::Listed(channel, client, result) => {
                self.home.listed(&channel, client, result, now);
                None
            }
            BucketAnswer::Renewed(channel, result) => {
                self.home.list_renewed(&channel, result, now);
                None
            }
            BucketAnswer::Presence(channel, result) => {
                self.tell_presence(&channel, result, now);
                None
            }
            BucketAnswer::PresenceStats(channel, result) => {
                self.tell_presence_stats(&channel, result, now);
                None
            }
            BucketAnswer::Joined(channel, result) => {
                let answered = self.home.joined(&channel, result, now);
                self.go_on_with(answered, now);
                None
            }
            BucketAnswer::Read(channel, result) => {
                let answered = self.home.read_answered(&channel, result, now);
                self.go_on_with(answered, now);
                None
            }
        };
        if let Some((waiter, outcome)) = settled {
            self.settled(waiter, outcome, now);
        }
        self.finish(now);
    }

    /// A bucket has told something to all who listen.
    pub fn bridge_delivered(&mut self, delivery: Delivery, now: Now) {
        match delivery {
            Delivery::Said { channel, life, kept } => self.home.heard(&channel, life, Heard::Said(kept), now),
            Delivery::Removed { channel, life, up_to } => {
                self.home.heard(&channel, life, Heard::Removed(up_to), now);
            }
            Delivery::Ledger { channel, life, news } => self.home.ledger_told(&channel, life, *news, now),
            Delivery::Announced { channel, body } => {
                self.home.heard(&channel, Life::default(), Heard::Announced(body), now);
            }
            Delivery::Hole(bucket) => self.home.missed(bucket, now),
            Delivery::Lost(bucket) => self.home.lost(bucket, now),
        }
        self.finish(now);
    }

    /// Those who have waited for a mirror are answered, or wait for something else.
    fn go_on_with(&mut self, answered: Answered, now: Now) {
        // What the answers follow is told before them.
        self.carry(now);
        for (Waiting { channel, asking, tried, .. }, ready) in answered {
            match (asking, ready) {
                (Asking::Subscriber(shard, asker, terms, attached), Ready::Refused(error)) => {
                    if attached.is_some() {
                        self.home.let_row_go(&channel, &terms);
                    }
                    self.refuse_subscriber((shard, asker), channel, &terms, error, now);
                }
                (Asking::Subscriber(shard, asker, terms, attached), _) => {
                    self.subscribe_mirrored((shard, asker), channel, terms, attached, tried, now);
                }
                (Asking::Reader(shard, asker, _), Ready::Page(page)) => {
                    self.answer_asker((shard, asker), Answer::History(Ok(Box::new(page))), now);
                }
                (Asking::Reader(shard, asker, _), Ready::Refused(error)) => {
                    self.refuse_reader((shard, asker), &channel, error, now)
                }
                (Asking::Reader(shard, asker, ask), Ready::Again) => {
                    self.read_mirrored((shard, asker), channel, ask, tried, now);
                }
                (Asking::Backend(_, answer), Ready::Page(page)) => drop(answer.send(Ok(page))),
                (Asking::Backend(_, answer), Ready::Refused(error)) => drop(answer.send(Err(error))),
                (Asking::Backend(filter, answer), Ready::Again) => {
                    self.read_for_backend(channel, filter, answer, tried, now);
                }
            }
        }
    }

    /// What a session that subscribes has to wait for, where no ledger is to be asked.
    pub(super) fn awaits_mirror(&mut self, channel: &str, terms: &Terms, now: Now) -> Result<Option<Until>, Error> {
        self.home.awaited_of_mirror(channel, Wish::Subscribe(terms), Tried::default(), now)
    }

    /// A session of a shard subscribes to a channel whose mirror has what it wants, or may have it later; `attached` is what
    /// the channel's ledger has said of its device, if it was asked.
    pub(super) fn subscribe_mirrored(
        &mut self,
        (shard, asker): (u16, Asker),
        channel: Arc<str>,
        terms: Box<Terms>,
        mut attached: Option<Box<Attached>>,
        mut tried: Tried,
        now: Now,
    ) {
        let had_row = attached.is_some();
        let awaits = self.home.awaited_by_subscriber(&channel, &terms, &mut attached, &mut tried, now);
        let ask = match awaits {
            Ok(Awaits::Mirror(until)) => {
                let asking = Asking::Subscriber(shard, asker, terms, attached);
                return self.home.wait_for_mirror(channel, asking, until, tried);
            }
            Ok(Awaits::Nothing) => {
                return self.subscribe_enlisted((shard, asker), channel, &terms, attached.as_deref(), now);
            }
            Ok(Awaits::Row) => self.home.attachment(&channel, &terms),
            Err(error) => Err(error),
        };
        match ask {
            Ok(ask) => {
                self.home.ask_ledger(&channel, ask, Wanted::Row(shard, asker, channel.clone(), terms, tried));
            }
            Err(error) => {
                if had_row {
                    self.home.let_row_go(&channel, &terms);
                }
                self.refuse_subscriber((shard, asker), channel, &terms, error, now);
            }
        }
    }

    /// What a session that reads history has to wait for.
    pub(super) fn awaits_history(&mut self, channel: &str, ask: &HistoryAsk, now: Now) -> Result<Option<Until>, Error> {
        self.home.awaited_of_mirror(channel, Wish::of(ask), Tried::default(), now)
    }

    /// A session of a shard reads history, from a mirror perhaps that does not have it yet.
    pub(super) fn read_mirrored(
        &mut self,
        (shard, asker): (u16, Asker),
        channel: Arc<str>,
        ask: Box<HistoryAsk>,
        tried: Tried,
        now: Now,
    ) {
        match self.home.awaited_of_mirror(&channel, Wish::of(&ask), tried, now) {
            Ok(Some(until)) => self.home.wait_for_mirror(channel, Asking::Reader(shard, asker, ask), until, tried),
            Ok(None) => {
                let answer = self.home.history_for_client(&channel, &ask, now);
                self.answer_asker((shard, asker), answer, now);
            }
            Err(error) => self.refuse_reader((shard, asker), &channel, error, now),
        }
    }

    fn refuse_reader(&mut self, who: (u16, Asker), channel: &str, error: Error, now: Now) {
        let page = self.home.counted(channel, Err(error));
        self.answer_asker(who, Answer::History(page), now);
    }

    /// A backend reads history.
    pub(super) fn read_for_backend(
        &mut self,
        channel: Arc<str>,
        filter: HistoryFilter,
        answer: Responder<HistoryPage>,
        tried: Tried,
        now: Now,
    ) {
        match self.home.awaited_of_mirror(&channel, Wish::History(&filter, usize::MAX, false), tried, now) {
            Ok(Some(until)) => self.home.wait_for_mirror(channel, Asking::Backend(filter, answer), until, tried),
            Ok(None) => {
                let page = self.home.history(&channel, &filter, API_LIMIT, None, now);
                self.walks.looked_at(page.as_ref().map_or(0, |page| page.publications.len()));
                drop(answer.send(page));
            }
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// Answers a session of a shard that has published, by its name.
    pub(super) fn answer_publisher(&mut self, who: (u16, Asker), outcome: Result<(), Error>, now: Now) {
        self.answer_asker(who, Answer::Published(outcome), now);
    }

    /// Answers a session of a shard.
    pub(super) fn answer_asker(&mut self, (shard, asker): (u16, Asker), answer: Answer, now: Now) {
        match shard == self.me {
            true => self.edge.answer_arrived(asker, answer, now),
            false => self.answer(shard, asker, answer),
        }
    }
}
