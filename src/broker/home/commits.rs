//! What waits for the disk, in the order in which the home took it, and for whom.
//!
//! Batches are committed in the order of their numbers, so one line does for all channels: none waits for another longer
//! than for the batch that it lies in. Receipts of publishes are counted, not named, so that the answer to a publish which
//! waits for nothing stands in line, too, where one to the same shard at the same level is there already.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::broker::letter::{Asker, Level};
use crate::broker::namespaces::NamespaceMetrics;
use crate::broker::order::Responder;
use crate::broker::schedule_order::Scheduled;
use crate::hub::OnItsWay;
use crate::model::refusal::Error;
use crate::model::{ClientId, Position};
use crate::session::Terms;
use crate::store::Batch;

/// Who is answered when it is certain.
#[derive(Debug)]
pub(in crate::broker) enum Waiter {
    /// A session that has published: its shard has a receipt of this level.
    Receipt(u16, Level),
    /// A session of this shard that has published, where receipts are named.
    Client(u16, Asker),
    /// A backend that has published.
    Publisher(Responder<Position>),
    /// A backend that has removed a history, changed who belongs to a channel, or cancelled what was scheduled.
    Remover(Responder<()>),
    /// A backend that has purged so many dead letters.
    Purger(Responder<usize>, usize),
    /// A backend that has requeued the dead letter at this place.
    Requeuer(Responder<Position>, Position),
    /// A backend that has requeued the dead letter of this channel and offset, which is published anew.
    Republisher(Responder<Position>, Arc<str>, u64),
    /// A session of this shard that has said something of what it received; how many sessions hear of it.
    Receiver(u16, Asker, u32),
    /// A session of this shard that has sent a message with an id.
    Sender(u16, Asker),
    /// A backend that has scheduled a publication; what it is answered.
    Scheduler(Responder<Scheduled>, Scheduled),
    /// A session of this shard that subscribes on these terms, and becomes a member by that.
    Subscriber(u16, Asker, Arc<str>, Box<Terms>),
    /// A backend that has called tokens back.
    Revoker(Responder<()>),
}

/// Something that changes a channel once its batch is committed.
#[derive(Debug)]
#[must_use = "somebody has to wait for it"]
pub(in crate::broker) struct Pending {
    pub(super) batch: Batch,
    pub(super) change: OnItsWay,
    /// The session that does not get the publication.
    pub(super) exclude: Option<ClientId>,
    /// The channel, where its members must receive the publication.
    pub(super) received_in: Option<Arc<str>>,
    /// On whose behalf.
    pub(super) by: u16,
    pub(super) bytes: usize,
    pub(super) counts: Arc<NamespaceMetrics>,
}

/// What somebody waits for.
#[derive(Debug)]
pub(super) enum Awaited {
    Change(Pending),
    /// Nothing but that this batch is committed.
    Kept(Batch),
    /// The answers before it.
    Turn(Result<(), Error>),
}

#[derive(Debug)]
struct Waiting {
    batch: Batch,
    what: Awaited,
    waiter: Waiter,
    /// When it came, nanoseconds of the clock of who serves the journal.
    since_ns: u64,
}

/// What is certain.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) what: Awaited,
    pub(super) waiter: Waiter,
    /// Whether its batch is committed.
    pub(super) is_kept: bool,
    /// How long it waited until the disk had its batch, nanoseconds.
    pub(super) took_ns: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Commits {
    waiting: VecDeque<Waiting>,
    /// By shard and level.
    receipts: Vec<[u32; Level::COUNT]>,
    bytes: usize,
    /// How many of the last have come since time was told.
    undated: usize,
    /// When the disk had the newest batch that is committed, nanoseconds of the same clock.
    written_ns: u64,
}

impl Commits {
    /// On behalf of so many shards, none.
    pub(super) fn new(shards: u16) -> Self {
        Self {
            waiting: VecDeque::new(),
            receipts: vec![[0; Level::COUNT]; usize::from(shards)],
            bytes: 0,
            undated: 0,
            written_ns: 0,
        }
    }

    /// Changes and answers that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of the messages that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The batch of the oldest.
    pub(super) fn oldest(&self) -> Option<Batch> {
        self.waiting.front().map(|waiting| waiting.batch)
    }

    /// Whether a receipt for this shard at this level waits.
    pub(super) fn has_receipt(&self, shard: u16, level: Level) -> bool {
        self.receipts[usize::from(shard)][level as usize] > 0
    }

    /// Somebody waits, behind all others.
    pub(super) fn push(&mut self, what: Awaited, waiter: Waiter) {
        if let Waiter::Receipt(shard, level) = waiter {
            self.receipts[usize::from(shard)][level as usize] += 1;
        }
        let newest = self.waiting.back().map_or(Batch::NONE, |waiting| waiting.batch);
        let batch = match &what {
            Awaited::Change(pending) => {
                self.bytes += pending.bytes;
                pending.batch
            }
            Awaited::Kept(batch) => *batch,
            Awaited::Turn(_) => newest,
        };
        assert!(batch >= newest, "batches grow");
        self.waiting.push_back(Waiting { batch, what, waiter, since_ns: 0 });
        self.undated += 1;
    }

    /// What time it is, nanoseconds: whatever has come since this was last told has come now.
    pub(super) fn date(&mut self, now_ns: u64) {
        let undated = std::mem::take(&mut self.undated);
        self.waiting.iter_mut().rev().take(undated).for_each(|waiting| waiting.since_ns = now_ns);
    }

    /// The disk has what is committed since this time, nanoseconds.
    pub(super) fn written(&mut self, now_ns: u64) {
        self.written_ns = now_ns;
    }

    /// Takes the oldest, if its batch is committed, or if nothing more will be (`has_failed`).
    pub(super) fn next(&mut self, committed: Batch, has_failed: bool) -> Option<Settled> {
        let Waiting { batch, what, waiter, since_ns } =
            self.waiting.pop_front_if(|waiting| has_failed || waiting.batch <= committed)?;
        self.undated = self.undated.min(self.waiting.len());
        if let Waiter::Receipt(shard, level) = waiter {
            self.receipts[usize::from(shard)][level as usize] -= 1;
        }
        if let Awaited::Change(pending) = &what {
            self.bytes -= pending.bytes;
        }
        let took_ns = self.written_ns.saturating_sub(since_ns);
        Some(Settled { what, waiter, is_kept: batch <= committed, took_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_the_disk_has_waited_since_the_time_told_after_it_came_until_the_write_was_done() {
        let first = Batch::NONE.next();
        let second = first.next();
        let mut commits = Commits::new(1);
        let push = |commits: &mut Commits, batch| commits.push(Awaited::Kept(batch), Waiter::Receipt(0, Level::Disk));
        push(&mut commits, first);
        push(&mut commits, first);
        commits.date(1_000);
        push(&mut commits, second);
        commits.date(1_500);
        commits.date(9_000);
        commits.written(4_000);
        let took = |commits: &mut Commits, committed| commits.next(committed, false).map(|settled| settled.took_ns);
        assert_eq!([(); 3].map(|()| took(&mut commits, first)), [Some(3_000), Some(3_000), None]);
        commits.written(6_000);
        assert_eq!([(); 2].map(|()| took(&mut commits, second)), [Some(4_500), None]);
    }
}
