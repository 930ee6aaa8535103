//! A shard's end of the store: what is to be kept, gathered into batches, written one after the other.
//!
//! Inputs: [`Journal::append`], and what came of the requests ([`Journal::prepared`], [`Journal::written`]). Outputs:
//! [`Journal::next_request`], until there is none, and [`Journal::committed`].
//!
//! - One write is in flight at a time; the next batch is all that waited, within a cap. Where syncs are to be few, it is
//!   written no sooner than some time after the one before it.
//! - Whatever was appended first is committed first. A write that fails shuts the journal for good: what became of the bytes
//!   is unknown, and asking again would not tell.
//! - Segments go in whole: when they take too much, a *snapshot* writes all that lives into new ones, and the old ones are
//!   discarded.
//!
//! Never looks at a clock or a file: who serves it says what time it is.

mod room;
mod snapshot;

use std::collections::VecDeque;

use self::room::Room;
use self::snapshot::Snapshot;
use super::batch::Batch;
use super::block::BlockBuilder;
use super::record::{BeginRecord, End, Record};
use super::segment::{Found, Prepared, SegmentId, ShardOf};
use crate::limits::{
    STORE_BATCH_BYTES_MAX, STORE_BUFFERS_KEPT, STORE_RESERVE_BYTES_MAX, STORE_SNAPSHOT_WAITING_BYTES_MAX,
    STORE_WAITING_BYTES_MAX,
};

/// What the journal asks of the disk.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Prepare a segment: [`Journal::prepared`].
    Prepare {
        /// Whether a snapshot needs it, which makes room: it may go past what publications may take.
        for_snapshot: bool,
    },
    /// The segment that was asked for, or the one after it, is needed soon. Nothing is answered.
    Hurry,
    /// Write and sync: [`Journal::written`], with the bytes.
    Write {
        /// Into this segment.
        segment: SegmentId,
        /// At this byte of it.
        at: u64,
        /// A whole block.
        bytes: Vec<u8>,
    },
    /// What is in this segment is needed no more. Nothing is answered.
    Discard {
        /// The segment.
        segment: SegmentId,
    },
}

/// The journal takes nothing any more: a write has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a write to the store has failed; it takes nothing until the node is started again")]
pub struct Shut;

/// What a journal begins with.
#[derive(Debug)]
pub struct JournalSetup {
    /// The start of the node, from 1.
    pub start: u32,
    /// The shard that writes.
    pub writer: ShardOf,
    /// An empty segment of this start.
    pub first: Prepared,
    /// Where the segments end that were found, as far as none of them says it of another.
    pub ends: Vec<End>,
    /// The segments that were found and may be discarded after a snapshot, oldest first.
    pub found: Vec<Found>,
    /// Least time from one write to the next, nanoseconds.
    pub sync_interval_ns: u64,
}

/// What is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InFlight {
    /// The first block of a segment.
    Begin,
    /// A batch.
    Batch(Batch),
}

/// The journal of one shard.
#[derive(Debug)]
pub struct Journal {
    /// Where the next record goes.
    building: BlockBuilder,
    /// The batch of `building`.
    batch: Batch,
    /// Batches that are full, oldest first.
    full: VecDeque<(Batch, BlockBuilder)>,
    /// Bytes that wait to be written.
    waiting: usize,
    in_flight: Option<InFlight>,
    sync_interval_ns: u64,
    /// When the next write may be asked for, nanoseconds of the clock of who serves the journal.
    write_due_ns: u64,
    committed: Batch,
    is_shut: bool,
    writer: ShardOf,
    room: Room,
    /// What the next segment says of those before it.
    ends: Vec<End>,
    snapshot: Snapshot,
    /// Memory of blocks that were written.
    spare: Vec<Vec<u8>>,
}

impl Journal {
    /// The journal of a shard that has read what there was.
    pub fn new(setup: JournalSetup) -> Self {
        let batch = Batch::before_start(setup.start);
        let mut snapshot = Snapshot::new(&setup.found);
        snapshot.begun(setup.first);
        // Where it is time at once, the empty segment is the one to begin with.
        snapshot.consider();
        Self {
            building: BlockBuilder::new(Vec::new()),
            batch: batch.next(),
            full: VecDeque::new(),
            waiting: 0,
            in_flight: None,
            sync_interval_ns: setup.sync_interval_ns,
            write_due_ns: 0,
            committed: batch,
            is_shut: false,
            writer: setup.writer,
            room: Room::new(setup.first),
            ends: setup.ends,
            snapshot,
            spare: Vec::new(),
        }
    }

    /// Adds a record to the batch that is written next. Batches are written in the order of their numbers.
    ///
    /// Look at [`Journal::has_room`] before: a record is taken in any case, since some must be kept in order to end
    /// something.
    ///
    /// # Errors
    /// [`Shut`].
    ///
    /// # Panics
    /// When the record does not fit into a segment: the configuration bounds messages by a part of it.
    pub fn append(&mut self, record: &Record<'_>) -> Result<Batch, Shut> {
        if self.is_shut {
            return Err(Shut);
        }
        let before = self.building.bytes();
        if self.building.is_empty() {
            self.waiting += before;
        }
        self.building.add(|into| record.encode(into));
        let bytes = self.building.bytes();
        assert!(self.room.takes_whole(bytes), "a block of {bytes} bytes is larger than a segment");
        self.waiting += bytes - before;
        let batch = self.batch;
        if bytes >= STORE_BATCH_BYTES_MAX {
            let full = self.take_building();
            self.full.push_back(full);
        }
        Ok(batch)
    }

    /// All batches up to this one are on disk.
    pub fn committed(&self) -> Batch {
        self.committed
    }

    /// Whether there is room for what can be refused: in memory, and in the segments that are prepared.
    pub fn has_room(&self) -> bool {
        !self.is_shut && self.waiting <= STORE_WAITING_BYTES_MAX && self.room.has_for(self.waiting)
    }

    /// Whether so much waits that nothing more is to be added of what is taken beyond that room.
    pub fn is_swamped(&self) -> bool {
        self.waiting > STORE_RESERVE_BYTES_MAX
    }

    /// Whether a write has failed.
    pub fn is_shut(&self) -> bool {
        self.is_shut
    }

    /// Bytes that wait to be written.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting
    }

    /// Bytes of the segments that hold something.
    pub fn kept_bytes(&self) -> u64 {
        self.snapshot.kept_bytes()
    }

    /// What the disk should do next, at this time of a clock that never goes back.
    pub fn next_request(&mut self, now_ns: u64) -> Option<Request> {
        if self.is_shut {
            return None;
        }
        if let Some(segment) = self.snapshot.next_discard() {
            return Some(Request::Discard { segment });
        }
        if self.room.wants_segment() {
            return Some(Request::Prepare { for_snapshot: self.snapshot.is_active() });
        }
        if self.room.wants_haste() {
            return Some(Request::Hurry);
        }
        if self.in_flight.is_some() || now_ns < self.write_due_ns {
            return None;
        }
        let write = self.next_write()?;
        self.write_due_ns = now_ns.saturating_add(self.sync_interval_ns);
        Some(write)
    }

    /// When [`Journal::next_request`] is to be asked again, if it has told of no write at this time only because it is too
    /// early for one.
    pub fn write_due_ns(&self, now_ns: u64) -> Option<u64> {
        let waits = self.in_flight.is_none() && !self.is_shut && self.waits();
        (waits && now_ns < self.write_due_ns).then_some(self.write_due_ns)
    }

    fn next_write(&mut self) -> Option<Request> {
        if !self.room.has_begun() {
            return self.waits().then(|| self.begin_segment());
        }
        let is_full = self.waits() && !self.room.fits(self.next_bytes());
        if is_full || self.snapshot.is_urgent() {
            let end = self.room.end(self.writer);
            if let Some(next) = self.room.go_on() {
                self.ends.push(end);
                self.snapshot.begun(next);
                self.snapshot.consider();
                return Some(self.begin_segment());
            }
        }
        (self.waits() && !is_full).then(|| self.write_batch())
    }

    /// Whether a record waits to be written.
    fn waits(&self) -> bool {
        !self.full.is_empty() || !self.building.is_empty()
    }

    /// What the batch takes that is next.
    fn next_bytes(&self) -> usize {
        self.full.front().map_or(self.building.bytes(), |(_, block)| block.bytes())
    }

    fn write_batch(&mut self) -> Request {
        let (batch, block) = self.full.pop_front().unwrap_or_else(|| self.take_building());
        self.in_flight = Some(InFlight::Batch(batch));
        self.waiting -= block.bytes();
        self.write(block, batch)
    }

    fn take_building(&mut self) -> (Batch, BlockBuilder) {
        let next = BlockBuilder::new(self.spare.pop().unwrap_or_default());
        let batch = self.batch;
        self.batch = batch.next();
        (batch, std::mem::replace(&mut self.building, next))
    }

    /// The first block of a segment names the ends of those before. All before it is committed: nothing is in flight.
    fn begin_segment(&mut self) -> Request {
        let mut block = BlockBuilder::new(self.spare.pop().unwrap_or_default());
        block.add(|into| Record::Begin(BeginRecord::Held(&self.ends)).encode(into));
        self.ends.clear();
        self.in_flight = Some(InFlight::Begin);
        self.write(block, self.committed)
    }

    fn write(&mut self, block: BlockBuilder, batch: Batch) -> Request {
        let (segment, at) = self.room.take(block.bytes());
        Request::Write { segment: segment.segment, at, bytes: block.seal(batch, segment.seed) }
    }

    /// A segment was prepared, or cannot be now: then [`Journal::retry`] asks again.
    pub fn prepared(&mut self, prepared: Option<Prepared>) {
        self.room.prepared(prepared);
        if prepared.is_none() {
            self.snapshot.is_pressed = true;
        }
    }

    /// Asks again for a segment that was refused. To be called now and then.
    pub fn retry(&mut self) {
        self.room.retry();
    }

    /// The write that was in flight has been synced, or has failed. Takes its memory back.
    pub fn written(&mut self, is_synced: bool, memory: Vec<u8>) {
        let in_flight = self.in_flight.take().expect("a write is in flight");
        if self.spare.len() < STORE_BUFFERS_KEPT {
            self.spare.push(memory);
        }
        if !is_synced {
            self.is_shut = true;
            return;
        }
        if let InFlight::Batch(batch) = in_flight {
            self.committed = batch;
            self.snapshot.committed(batch);
        }
    }

    /// Whether the home is to append a part of what lives, some [`SNAPSHOT_BYTES_PER_TICK`]: a snapshot has begun, and
    /// little waits, or a batch was written since the last part. However much is published, a snapshot so has a share of
    /// what the disk writes.
    ///
    /// [`SNAPSHOT_BYTES_PER_TICK`]: crate::limits::SNAPSHOT_BYTES_PER_TICK
    pub fn snapshot_wants(&self) -> bool {
        let has_turn = self.waiting <= STORE_SNAPSHOT_WAITING_BYTES_MAX || self.snapshot.has_share;
        !self.is_shut && has_turn && self.snapshot.wants() && self.room.has_for_snapshot(self.waiting)
    }

    /// The home has appended a part, since [`Journal::snapshot_wants`] said so.
    pub fn snapshot_said_part(&mut self) {
        self.snapshot.has_share = false;
    }

    /// The home has appended all that lives since [`Journal::snapshot_wants`] first said so: once it is on disk, what lies
    /// before the snapshot is discarded.
    ///
    /// # Errors
    /// [`Shut`].
    pub fn snapshot_done(&mut self) -> Result<(), Shut> {
        let since = self.snapshot.since().expect("a snapshot has begun");
        let batch = self.append(&Record::Snapshot(since))?;
        self.snapshot.ends_with(batch);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
