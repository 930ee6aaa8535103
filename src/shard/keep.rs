//! What the disk is asked at the end of a tick, and what it has done: a batch for all that a tick, or several, made.

use std::time::Duration;

use super::Shard;
use super::disk::{Disk, ShardStore};
use super::reactor::Reactor;
use crate::store::segment::ShardOf;
use crate::store::{Journal, JournalSetup, Request, StoreError};
use crate::time::Now;

impl<R: Reactor> Shard<R> {
    /// Asks the disk for what the broker wants of it.
    pub(super) fn keep(&mut self) {
        if self.broker.journal().is_none() {
            return;
        }
        // What was appended in this tick has waited since it began.
        let looked_ns = self.looked_ns;
        let oldest_ns = self.keeping.oldest_ns.unwrap_or(looked_ns);
        while let Some(request) = self.broker.next_request(looked_ns) {
            match request {
                Request::Prepare { for_snapshot } => self.reactor.prepare(for_snapshot),
                Request::Hurry => self.reactor.hurry(),
                Request::Discard { segment } => self.reactor.discard(segment),
                Request::Write { segment, at, bytes } => {
                    self.keeping.writing_ns = (self.reactor.mono_ns(), oldest_ns);
                    self.metrics.store.batch_bytes.record(bytes.len() as u64);
                    self.reactor.write(segment, at, bytes);
                }
            }
        }
        let Some(journal) = self.broker.journal() else { return };
        self.keeping.oldest_ns = (journal.waiting_bytes() > 0).then_some(oldest_ns);
        self.keeping.write_due_ns = journal.write_due_ns(looked_ns);
    }

    /// How long the shard may sleep at most, where a write waits for nothing but its time.
    pub(super) fn write_is_due_in(&self) -> Option<Duration> {
        let due_ns = self.keeping.write_due_ns?;
        Some(Duration::from_nanos(due_ns.saturating_sub(self.reactor.mono_ns())))
    }

    /// A write has ended: what it has committed happens.
    pub(super) fn written(&mut self, is_synced: bool, memory: Vec<u8>, now: Now) {
        let (asked_ns, oldest_ns) = self.keeping.writing_ns;
        let now_ns = self.reactor.mono_ns();
        self.metrics.store.syncs.record(now_ns - asked_ns);
        self.metrics.store.commits.record(now_ns - oldest_ns);
        if !is_synced {
            self.metrics.store.failures.add(1);
        }
        self.broker.written(is_synced, memory, now, now_ns);
        self.say_goodbyes(now);
    }
}

impl Shard {
    /// Reads what the store has of the channels at home here, and keeps more there from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn recover(&mut self, store: ShardStore) -> Result<(), StoreError> {
        let ShardStore { directory, files, first, placement } = store;
        let (now, began_ns) = (self.reactor.now(), self.reactor.mono_ns());
        let me = ShardOf { shard: self.me, shards: placement.shards() };
        let is_mine = |channel: &str| placement.of(channel) == self.me;
        let recovered = directory.recover(me, is_mine, |record| self.broker.recover(record, now))?;
        let took_ms = (self.reactor.mono_ns() - began_ns) / 1_000_000;
        let (records, bytes) = (recovered.records, recovered.bytes);
        tracing::info!(shard = self.me, records, bytes, took_ms, "the store was read");
        let journal = Journal::new(JournalSetup {
            start: directory.identity().starts,
            writer: me,
            first: first.prepared,
            ends: recovered.ends,
            found: recovered.segments,
            sync_interval_ns: self.broker.config().store.sync_interval_ns(placement.shards()),
        });
        self.broker.recovered(journal, now);
        self.reactor.keep_on(Disk::new(self.me, files, first, self.waker.clone()));
        Ok(())
    }
}
