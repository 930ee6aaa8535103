//! The disk's side of a shard: what it is asked, what it has done, and what happens then.
//!
//! The caller takes [`Broker::next_request`] at the end of each tick until there is none, and tells what came of each by
//! [`Broker::prepared`] and [`Broker::written`]. What is committed is made in the same tick, as far as the tick's budgets
//! go; the rest in the next.

use super::Broker;
use super::home::Waiter;
use super::letter::{InboxAnswer, Level};
use super::schedule_order::Scheduled;
use crate::model::Position;
use crate::model::refusal::Error;
use crate::store::segment::Prepared;
use crate::store::{Journal, Record, Request};
use crate::time::Now;

impl Broker {
    /// Recovery: takes a record of all shards, or of a channel that is at home here, in the order of the store.
    pub fn recover(&mut self, record: &Record<'_>, now: Now) {
        match record {
            Record::Revocation(revocation) => self.recover_revocation(revocation, now),
            _ => self.home.recover(record, now),
        }
    }

    /// Recovery has read all; the store is open from now on.
    pub fn recovered(&mut self, journal: Journal, now: Now) {
        self.home.recovered(journal, now);
    }

    /// What the disk should do next, at this time of the shard's monotonic clock. To be asked at the end of a tick, until
    /// there is nothing.
    pub fn next_request(&mut self, now_ns: u64) -> Option<Request> {
        self.home.asks_disk(now_ns);
        self.home.hub.log.journal_mut()?.next_request(now_ns)
    }

    /// A segment was prepared, or cannot be now.
    ///
    /// # Panics
    /// When none was asked for.
    pub fn prepared(&mut self, prepared: Option<Prepared>) {
        self.home.hub.log.journal_mut().expect("a journal has asked for it").prepared(prepared);
    }

    /// The write that was in flight is on disk, or has failed, at this time of the same clock. Its memory comes back.
    ///
    /// # Panics
    /// When none was in flight.
    pub fn written(&mut self, is_synced: bool, memory: Vec<u8>, now: Now, now_ns: u64) {
        self.home.disk_has_written(now_ns);
        self.home.hub.log.journal_mut().expect("a journal has asked for it").written(is_synced, memory);
        self.settle(now);
        self.finish(now);
    }

    /// The journal, if channels are kept on disk.
    pub fn journal(&self) -> Option<&Journal> {
        self.home.hub.log.journal()
    }

    /// Whether somebody waits for the disk.
    pub fn awaits_disk(&self) -> bool {
        self.home.awaits_disk()
    }

    /// A tick begins: what the one before has left goes on.
    pub(super) fn go_on_with_commits(&mut self, now: Now) {
        self.commits_left = crate::limits::COMMITS_PER_TICK;
        if self.home.has_settled() {
            self.settle(now);
            self.finish(now);
        }
        self.say_revocations();
        self.says_more = self.home.snapshot(now);
    }

    /// Makes the changes that are certain, in order, and answers who waited for them.
    fn settle(&mut self, now: Now) {
        while self.commits_left > 0
            && !self.is_full_of_rooms()
            && let Some((waiter, outcome)) = self.home.next_settled(now)
        {
            self.commits_left -= 1;
            // A publication is delivered before its publisher is answered, and charged before it is owed for.
            self.carry(now);
            self.settled(waiter, outcome, now);
        }
    }

    /// Answers who has waited.
    pub(super) fn settled(&mut self, waiter: Waiter, outcome: Result<Position, Error>, now: Now) {
        match waiter {
            Waiter::Receipt(shard, level) => self.owe_now(shard, level, outcome.map(drop)),
            Waiter::Client(shard, asker) => self.answer_publisher((shard, asker), outcome.map(drop), now),
            Waiter::Publisher(answer) => drop(answer.send(outcome)),
            Waiter::Remover(answer) | Waiter::Revoker(answer) => drop(answer.send(outcome.map(drop))),
            Waiter::Scheduler(answer, scheduled) => {
                // A journal that has failed takes no publication either.
                if let (Err(_), Scheduled::Waits(id)) = (&outcome, &scheduled) {
                    self.home.schedule.remove(*id);
                }
                drop(answer.send(outcome.map(|_| scheduled)));
            }
            Waiter::Subscriber(shard, asker, channel, terms) => match outcome {
                Ok(_) => self.subscribe_enlisted((shard, asker), channel, &terms, None, now),
                Err(error) => self.refuse_subscriber((shard, asker), channel, &terms, error, now),
            },
            Waiter::Purger(answer, purged) => drop(answer.send(outcome.map(|_| purged))),
            Waiter::Requeuer(answer, position) => drop(answer.send(outcome.map(|_| position))),
            Waiter::Republisher(answer, channel, offset) => self.republished(outcome, answer, &channel, offset),
            Waiter::Receiver(shard, asker, hear) => {
                self.answer_receiver(shard, asker, outcome.map(|_| InboxAnswer::Taken(hear)), now);
            }
            Waiter::Sender(shard, asker) => self.answer_sender(shard, asker, outcome, now),
        }
    }

    /// Answers somebody once all that was said so far is on disk.
    pub(super) fn answer_from_disk(&mut self, waiter: Waiter, now: Now) {
        if let Some((waiter, outcome)) = self.home.wait_for_disk(waiter) {
            self.settled(waiter, outcome.map(|()| Position::default()), now);
        }
    }

    /// A publish of a shard has its answer: after those of its publishes before it at the same level.
    pub(super) fn owe(&mut self, shard: u16, level: Level, outcome: Result<(), Error>) {
        if self.home.awaits_receipt(shard, level) {
            self.home.stand_in_line(outcome, Waiter::Receipt(shard, level));
        } else {
            self.owe_now(shard, level, outcome);
        }
    }

    fn owe_now(&mut self, shard: u16, level: Level, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) => self.post.owe_receipt(shard, level),
            Err(error) => self.post.owe_refusal(shard, level, error),
        }
    }
}
