//! Subscriptions at the home of their channel: answered at once, or when the membership is on disk that they make.
//!
//! The subscription begins when it is answered: what is delivered meanwhile lies before it.

use std::sync::Arc;

use super::Broker;
use super::home::{Asking, Tried, Waiter};
use super::letter::{Answer, Asker};
use crate::model::ledger::Attached;
use crate::model::refusal::Error;
use crate::session::Terms;
use crate::time::Now;

impl Broker {
    /// A session here subscribes where the home is here; what its answer takes while it is waited for, and what it costs to
    /// tell each subscriber.
    pub(super) fn subscribe_here(
        &mut self,
        session: u32,
        id: u32,
        (channel, terms): (Arc<str>, Terms),
        (bytes, each_ns): (u32, u64),
        now: Now,
    ) {
        if self.home.asks_ledger(&channel, &terms) {
            let asker = self.edge.awaits(session, id, bytes);
            return self.subscribe_mirrored((self.me, asker), channel, Box::new(terms), None, Tried::default(), now);
        }
        let attached = self.edge.attached;
        let waits = match self.awaits_mirror(&channel, &terms, now) {
            Ok(Some(until)) => {
                let asker = self.edge.awaits(session, id, bytes);
                let asking = Asking::Subscriber(self.me, asker, Box::new(terms), None);
                return self.home.wait_for_mirror(channel, asking, until, Tried::default());
            }
            Ok(None) => self.home.enlist(&channel, &terms, now),
            Err(error) => Err(error),
        };
        match waits {
            Ok(true) => {
                let asker = self.edge.awaits(session, id, bytes);
                self.answer_from_disk(Waiter::Subscriber(self.me, asker, channel, Box::new(terms)), now);
                // Nobody has heard of it yet: as of one that is on its way to another shard.
                return;
            }
            Ok(false) => {
                let answer = self.home.subscribe(channel, &terms, None, (self.me, session), now);
                // What the answer follows is told before it.
                self.carry(now);
                self.edge.answered(session, id, answer, now);
            }
            Err(error) => {
                let answer = self.home.refuse_subscriber(channel, &terms, error);
                self.edge.answered(session, id, answer, now);
            }
        }
        self.home.announce();
        self.carry(now);
        self.edge.charge_deliveries(session, self.edge.attached - attached, each_ns, now);
    }

    /// A session of another shard subscribes where the home is here.
    pub(super) fn subscribe_arrived(
        &mut self,
        (from, asker): (u16, Asker),
        channel: Arc<str>,
        terms: Box<Terms>,
        now: Now,
    ) {
        match self.home.enlist(&channel, &terms, now) {
            Ok(true) => self.answer_from_disk(Waiter::Subscriber(from, asker, channel, terms), now),
            Ok(false) => self.subscribe_mirrored((from, asker), channel, terms, None, Tried::default(), now),
            Err(error) => self.refuse_subscriber((from, asker), channel, &terms, error, now),
        }
    }

    /// It is certain whether a session's user is a member as far as the namespace makes one of everybody who subscribes;
    /// `attached` is what the channel's ledger has said of its device, if it was asked.
    pub(super) fn subscribe_enlisted(
        &mut self,
        (shard, asker): (u16, Asker),
        channel: Arc<str>,
        terms: &Terms,
        attached: Option<&Attached>,
        now: Now,
    ) {
        let answer = self.home.subscribe(channel, terms, attached, (shard, asker.session), now);
        self.answer_subscriber((shard, asker), answer, now);
    }

    /// A session of a shard is not subscribed.
    pub(super) fn refuse_subscriber(
        &mut self,
        (shard, asker): (u16, Asker),
        channel: Arc<str>,
        terms: &Terms,
        error: Error,
        now: Now,
    ) {
        let answer = self.home.refuse_subscriber(channel, terms, error);
        self.answer_subscriber((shard, asker), answer, now);
    }

    fn answer_subscriber(&mut self, (shard, asker): (u16, Asker), answer: Answer, now: Now) {
        if shard == self.me {
            self.carry(now);
            self.edge.answer_arrived(asker, answer, now);
            self.home.announce();
            self.carry(now);
        } else {
            self.answer(shard, asker, answer);
            self.home.announce();
        }
    }
}
