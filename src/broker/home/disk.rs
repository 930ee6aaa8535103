//! The home's dealings with the disk: what waits for it, what it has of an earlier start, what it is to be told again.

use super::commits::{Awaited, Pending, Settled, Waiter};
use super::{Home, Later, Outcome};
use crate::broker::letter::Level;
use crate::hub::{HubOptions, NewPublication, Placed, Published, failed, full};
use crate::limits::{ANSWERS_WAITING_MAX, COMMITS_WAITING_BYTES_MAX};
use crate::model::Position;
use crate::model::refusal::{Error, ErrorKind};
use crate::store::record::TimedRecord;
use crate::store::{Journal, Record};
use crate::time::Now;

impl Home {
    /// Gives a message its place, unless the disk is behind.
    pub(super) fn place(
        &mut self,
        channel: &str,
        message: NewPublication,
        options: HubOptions,
        now: Now,
    ) -> Result<Placed<Published>, Error> {
        if !options.is_durable {
            return self.hub.publish(channel, message, options, now);
        }
        let placed = match self.may_wait() {
            true => self.hub.publish(channel, message, options, now),
            false => Err(ErrorKind::Internal.because("internal server error: too much waits for its subscribers")),
        };
        if placed.is_err() {
            self.policy.counts(options.namespace).disk_refusals.add(1);
        }
        placed
    }

    /// Whether more may wait for the disk.
    fn may_wait(&self) -> bool {
        self.commits.bytes() < COMMITS_WAITING_BYTES_MAX
    }

    /// Whether what a device or a backend says may wait for the disk, which takes it where it takes no publications: it is small.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where too much waits already.
    pub(in crate::broker) fn check_reserve(&self) -> Result<(), Error> {
        match self.commits.len() < ANSWERS_WAITING_MAX {
            true => self.hub.log.check_reserve(),
            false => Err(full()),
        }
    }

    /// Whether publications of this level can be put in order now.
    pub(in crate::broker) fn takes(&self, level: Level) -> bool {
        match level {
            Level::Memory => true,
            Level::Disk => self.may_wait() && self.hub.log.check_room().is_ok(),
        }
    }

    /// Forgets a channel's publications; offsets go on.
    ///
    /// # Errors
    /// As `Policy::with_history` and [`Hub::history_remove`](crate::hub::Hub::history_remove).
    pub(in crate::broker) fn history_remove(&mut self, channel: &str) -> Result<Outcome<()>, Error> {
        let options = self.policy.with_history(channel)?;
        if options.is_mirrored {
            return self.remove_from_bucket(channel, options);
        }
        Ok(match self.hub.history_remove(channel)? {
            Placed::Done(()) => Outcome::Done(()),
            Placed::Later(batch, change) => {
                let counts = self.policy.counts(options.namespace).clone();
                let (by, bytes) = (self.me, channel.len());
                let pending = Pending { batch, change, exclude: None, received_in: None, by, bytes, counts };
                Outcome::Later(Later::OnDisk(pending))
            }
        })
    }

    /// Somebody waits for a change. Must follow the call that made it.
    pub(in crate::broker) fn wait(&mut self, later: Later, waiter: Waiter) {
        match later {
            Later::OnDisk(pending) => self.commits.push(Awaited::Change(pending), waiter),
            Later::OverBridge(ticket) => self.mirrors.asked.wait(ticket, waiter),
        }
    }

    /// Somebody waits for all that was said to the disk so far: given back with the outcome where there is nothing to wait
    /// for.
    pub(in crate::broker) fn wait_for_disk(&mut self, waiter: Waiter) -> Option<(Waiter, Result<(), Error>)> {
        let log = &self.hub.log;
        if log.has_failed() {
            return Some((waiter, Err(failed())));
        }
        let newest = log.newest();
        if newest <= log.committed() {
            return Some((waiter, Ok(())));
        }
        self.commits.push(Awaited::Kept(newest), waiter);
        None
    }

    /// Somebody is answered after all who wait already.
    pub(in crate::broker) fn stand_in_line(&mut self, outcome: Result<(), Error>, waiter: Waiter) {
        self.commits.push(Awaited::Turn(outcome), waiter);
    }

    /// Whether a receipt for a shard at this level waits.
    pub(in crate::broker) fn awaits_receipt(&self, shard: u16, level: Level) -> bool {
        self.commits.has_receipt(shard, level)
    }

    /// The disk is asked for something, nanoseconds of the clock of who serves it: what has come since then waits from here on.
    pub(in crate::broker) fn asks_disk(&mut self, now_ns: u64) {
        self.commits.date(now_ns);
    }

    /// The disk has written something, by the same clock.
    pub(in crate::broker) fn disk_has_written(&mut self, now_ns: u64) {
        self.commits.written(now_ns);
    }

    /// Whether anybody waits for the disk.
    pub(in crate::broker) fn awaits_disk(&self) -> bool {
        self.commits.len() > 0
    }

    /// How many do.
    pub(in crate::broker) fn waiting(&self) -> usize {
        self.commits.len()
    }

    /// Whether [`Home::next_settled`] has something.
    pub(in crate::broker) fn has_settled(&self) -> bool {
        let log = &self.hub.log;
        self.commits.oldest().is_some_and(|batch| batch <= log.committed() || log.has_failed())
    }

    /// The oldest that waits, if what it waits for is certain: the change has been made, or never will be.
    pub(in crate::broker) fn next_settled(&mut self, now: Now) -> Option<(Waiter, Result<Position, Error>)> {
        let log = &self.hub.log;
        let Settled { what, waiter, is_kept, took_ns } = self.commits.next(log.committed(), log.has_failed())?;
        let outcome = match what {
            Awaited::Turn(outcome) => outcome.map(|()| Position::default()),
            Awaited::Kept(_) if is_kept => Ok(Position::default()),
            Awaited::Kept(_) => Err(failed()),
            Awaited::Change(Pending { change, exclude, received_in, by, bytes, counts, .. }) if is_kept => {
                counts.keeps.record(took_ns);
                counts.kept_bytes.add(bytes as u64);
                let published = self.hub.commit(change, now);
                if let Some(channel) = received_in {
                    self.expect_received(&channel, published.position.offset, exclude, now);
                }
                if !matches!(waiter, Waiter::Remover(_)) {
                    counts.publishes.add(1);
                }
                Ok(self.leave_spread(published, exclude, by))
            }
            Awaited::Change(Pending { change, counts, .. }) => {
                self.hub.take_back(change);
                counts.disk_refusals.add(1);
                let error = failed();
                if matches!(waiter, Waiter::Receipt(..) | Waiter::Client(..)) {
                    counts.errors.count(error.kind);
                }
                Err(error)
            }
        };
        Some((waiter, outcome))
    }

    /// Whether the journal wants a part of what lives to be said now.
    pub(in crate::broker) fn wants_snapshot(&mut self) -> bool {
        self.hub.wants_snapshot(self.commits.oldest())
    }

    /// Says a part of what lives to the journal, if it wants that. True where more is to be said at once.
    pub(in crate::broker) fn snapshot(&mut self, now: Now) -> bool {
        if !self.wants_snapshot() {
            return false;
        }
        let Self { hub, delivery, schedule, .. } = self;
        let mut keep = |record: &Record<'_>| {
            hub.log.append(record);
        };
        let are_these_said = delivery.say(now, &mut keep) && schedule.say(&mut keep);
        if let Some(journal) = hub.log.journal_mut() {
            journal.snapshot_said_part();
        }
        if !are_these_said {
            return true;
        }
        let more = self.hub.snapshot(now);
        if !self.hub.is_in_snapshot() {
            self.delivery.say_anew();
            self.schedule.say_anew();
        }
        more
    }

    /// Takes a record of an earlier start. What is not kept on disk any more is passed over.
    pub(in crate::broker) fn recover(&mut self, record: &Record<'_>, now: Now) {
        let Some(channel) = record.channel() else { return };
        if let Record::Unscheduled(_, id) | Record::Timed(TimedRecord { scheduled: Some(id), .. }) = record {
            self.schedule.remove(*id);
        }
        if let Record::Member(_)
        | Record::MemberGone(..)
        | Record::Device(_)
        | Record::DeviceGone(..)
        | Record::DeadLetter(_)
        | Record::DeadLetterReceived(..)
        | Record::DeadLetterRequeued(..)
        | Record::DeadLetterTried(..)
        | Record::DeadLetterMore(..)
        | Record::DeadLetterGone(..) = record
        {
            return match self.policy.inbox_options(channel) {
                Ok(options) if options.is_durable => self.delivery.recover(record, options),
                _ => self.passed_over += 1,
            };
        }
        match self.policy.hub_options(channel) {
            Ok(options) if options.is_durable => match record {
                Record::Scheduled(scheduled) => self.schedule.recover(scheduled),
                _ => self.hub.recover(record, options, now),
            },
            _ => self.passed_over += 1,
        }
    }

    /// All was read: records go to this journal from now on.
    pub(in crate::broker) fn recovered(&mut self, journal: Journal, now: Now) {
        let lost = self.hub.recovered(journal, now);
        self.delivery.recovered(&mut self.hub, now);
        self.dispatch();
        if lost > 0 {
            tracing::error!(shard = self.me, lost, "the store lacks publications: those before them are not given out");
        }
        if self.passed_over > 0 {
            let records = self.passed_over;
            tracing::warn!(
                shard = self.me,
                records,
                "the store has channels of namespaces that are not kept on disk any more: they begin anew, and what was kept \
                 of them goes with the next snapshot"
            );
        }
    }
}
