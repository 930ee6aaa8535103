//! A disk on paper: it does what journals ask when it is told to, or fails, and keeps what was synced when the node is killed.

use std::collections::{BTreeMap, BTreeSet};

use crate::broker::Broker;
use crate::hub::Placement;
use crate::store::journal::JournalSetup;
use crate::store::segment::{Blocks, Head, Prepared, ShardOf};
use crate::store::{Batch, Journal, Record, Request, SegmentId};
use crate::time::Now;

/// Long enough for some batches, short enough for several segments and snapshots.
const SEGMENT_BYTES: u64 = 24 * 1024;

/// What the disk does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Some writes are told to be synced, and are not.
    Early,
    /// Some writes are never told of.
    Lost,
    /// Some writes are told of twice.
    Twice,
    /// A start does not find the last batch.
    Forgetful,
}

/// A write that is in flight.
#[derive(Debug)]
struct Write {
    segment: SegmentId,
    at: usize,
    bytes: Vec<u8>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    segments: BTreeMap<SegmentId, (Head, Vec<u8>)>,
    made: u64,
    starts: u32,
    /// By shard.
    writes: BTreeMap<usize, Write>,
    fault: Fault,
    /// Writes since the beginning.
    written: u64,
    /// No segment is given out.
    pub(crate) is_full: bool,
    /// Segments that were given back since the beginning.
    pub(crate) discarded: u64,
}

impl Disk {
    /// A disk with a fault.
    pub(crate) fn with(fault: Fault) -> Self {
        Self { fault, ..Self::default() }
    }

    /// Has the shards of a node that starts recover what there is, and opens their journals.
    pub(crate) fn start(&mut self, brokers: &mut [Broker], placement: &Placement, now: Now) {
        self.starts += 1;
        let old: Vec<(SegmentId, Head)> = self.segments.iter().map(|(segment, (head, _))| (*segment, *head)).collect();
        for (shard, broker) in brokers.iter_mut().enumerate() {
            for (_, record) in self.records() {
                let record = Record::decode(&record).expect("whole blocks have whole records");
                if record.is_for_all()
                    || record.channel().is_some_and(|channel| usize::from(placement.of(channel)) == shard)
                {
                    broker.recover(&record, now);
                }
            }
            // Of another number of shards, a segment has channels of several.
            let is_own = |head: &Head| (head.shard, head.shards) == (shard as u16, placement.shards());
            let found =
                old.iter().filter(|(_, head)| is_own(head)).map(|(segment, head)| (*segment, head.size)).collect();
            let first = self.prepare(shard, placement.shards());
            let writer = ShardOf { shard: shard as u16, shards: placement.shards() };
            let setup = JournalSetup { start: self.starts, writer, first, ends: Vec::new(), found };
            broker.recovered(Journal::new(setup), now);
        }
    }

    /// How often a node has started on it.
    pub(crate) fn starts(&self) -> u32 {
        self.starts
    }

    fn prepare(&mut self, shard: usize, shards: u16) -> Prepared {
        self.made += 1;
        let (segment, shard) = (SegmentId(self.made), shard as u16);
        let head = Head { store: 1, segment, start: self.starts, shard, shards, size: SEGMENT_BYTES };
        let seed = head.encode().1;
        self.segments.insert(segment, (head, vec![0; SEGMENT_BYTES as usize]));
        Prepared { segment, seed, size: SEGMENT_BYTES }
    }

    /// All records, in the order of their batches.
    fn records(&self) -> Vec<(Batch, Vec<u8>)> {
        let mut records = Vec::new();
        for (head, bytes) in self.segments.values() {
            for block in Blocks::new(bytes, head.encode().1) {
                records.extend(block.records().map(|record| (block.batch, record.to_vec())));
            }
        }
        // Stable: those of one batch stay in order.
        records.sort_by_key(|(batch, _)| *batch);
        if self.fault == Fault::Forgetful {
            let last = records.last().map(|(batch, _)| *batch);
            records.retain(|(batch, _)| Some(*batch) != last);
        }
        records
    }

    /// Takes what a shard asks for. Its writes wait for [`Disk::complete`].
    pub(crate) fn serve(&mut self, shard: usize, shards: usize, broker: &mut Broker) {
        while let Some(request) = broker.next_request() {
            match request {
                Request::Prepare { for_snapshot } => {
                    let prepared = (!self.is_full || for_snapshot).then(|| self.prepare(shard, shards as u16));
                    broker.prepared(prepared);
                }
                Request::Write { segment, at, bytes } => {
                    let before = self.writes.insert(shard, Write { segment, at: at as usize, bytes });
                    assert!(before.is_none(), "one write in flight");
                }
                Request::Discard { segment } => {
                    self.segments.remove(&segment).expect("it was there");
                    self.discarded += 1;
                }
            }
        }
    }

    /// Whether a write of a shard is in flight.
    pub(crate) fn is_busy(&self, shard: usize) -> bool {
        self.writes.contains_key(&shard)
    }

    /// The write of a shard is synced, or fails.
    pub(crate) fn complete(&mut self, shard: usize, broker: &mut Broker, is_synced: bool, now: Now) {
        let Some(write) = self.writes.remove(&shard) else { return };
        self.written += 1;
        let is_faulty = self.written.is_multiple_of(5);
        if is_synced && !(is_faulty && self.fault == Fault::Early) {
            self.write(&write);
        }
        if is_faulty && self.fault == Fault::Lost {
            return;
        }
        broker.written(is_synced, write.bytes, now);
        if is_faulty && self.fault == Fault::Twice {
            broker.written(is_synced, Vec::new(), now);
        }
    }

    fn write(&mut self, write: &Write) {
        let (_, bytes) = self.segments.get_mut(&write.segment).expect("it was prepared");
        bytes[write.at..write.at + write.bytes.len()].copy_from_slice(&write.bytes);
    }

    /// The node is killed. Of what was in flight, the writes of `kept` have reached the disk.
    pub(crate) fn kill(&mut self, kept: &BTreeSet<usize>) {
        for (shard, write) in std::mem::take(&mut self.writes) {
            if kept.contains(&shard) {
                self.write(&write);
            }
        }
    }
}
