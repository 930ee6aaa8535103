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
}

/// See the module.
#[derive(Debug)]
pub(super) struct Commits {
    waiting: VecDeque<Waiting>,
    /// By shard and level.
    receipts: Vec<[u32; Level::COUNT]>,
    bytes: usize,
}

impl Commits {
    /// On behalf of so many shards, none.
    pub(super) fn new(shards: u16) -> Self {
        Self { waiting: VecDeque::new(), receipts: vec![[0; Level::COUNT]; usize::from(shards)], bytes: 0 }
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
        self.waiting.push_back(Waiting { batch, what, waiter });
    }

    /// Takes the oldest, if its batch is committed, or if nothing more will be (`has_failed`); whether it is.
    pub(super) fn next(&mut self, committed: Batch, has_failed: bool) -> Option<(Awaited, Waiter, bool)> {
        let Waiting { batch, what, waiter } =
            self.waiting.pop_front_if(|waiting| has_failed || waiting.batch <= committed)?;
        if let Waiter::Receipt(shard, level) = waiter {
            self.receipts[usize::from(shard)][level as usize] -= 1;
        }
        if let Awaited::Change(pending) = &what {
            self.bytes -= pending.bytes;
        }
        Some((what, waiter, batch <= committed))
    }
}
