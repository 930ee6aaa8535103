//! A shard's disk in the simulation: it makes segments and syncs writes when the world says so, and keeps what was written.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;

use crate::store::catalog::{Catalog, Entry};
use crate::store::recovery::read_segment;
use crate::store::segment::{HEAD_BYTES, Head, Prepared, ShardOf};
use crate::store::{Record, SegmentId};

/// Some batches, so that segments and snapshots follow each other.
const SEGMENT_BYTES: u64 = 32 * 1024;

/// What the disk has done.
#[derive(Debug)]
pub(super) enum Done {
    Prepared(Option<Prepared>),
    Written(Vec<u8>),
}

/// See the module.
#[derive(Debug)]
pub(super) struct SimulatedDisk {
    writer: ShardOf,
    segments: BTreeMap<SegmentId, Vec<u8>>,
    made: u64,
    prepares: bool,
    write: Option<(SegmentId, u64, Vec<u8>)>,
}

impl SimulatedDisk {
    pub(super) fn new(writer: ShardOf) -> Self {
        Self { writer, segments: BTreeMap::new(), made: 0, prepares: false, write: None }
    }

    pub(super) fn make(&mut self) -> Prepared {
        self.made += 1;
        let (segment, ShardOf { shard, shards }) = (SegmentId(self.made), self.writer);
        let (head, seed) = Head { store: 1, segment, start: 1, shard, shards, size: SEGMENT_BYTES }.encode();
        let mut file = vec![0; SEGMENT_BYTES as usize];
        file[..head.len()].copy_from_slice(&head);
        self.segments.insert(segment, file);
        Prepared { segment, seed, size: SEGMENT_BYTES }
    }

    pub(super) fn prepare(&mut self) {
        assert!(!std::mem::replace(&mut self.prepares, true), "one segment is made at a time");
    }

    pub(super) fn write(&mut self, segment: SegmentId, at: u64, bytes: Vec<u8>) {
        assert!(at >= HEAD_BYTES && self.segments.contains_key(&segment), "it writes to what was prepared");
        assert!(self.write.replace((segment, at, bytes)).is_none(), "one write is in flight at a time");
    }

    pub(super) fn discard(&mut self, segment: SegmentId) {
        self.segments.remove(&segment).expect("it is discarded once");
    }

    /// Whether it has something to do.
    pub(super) fn is_busy(&self) -> bool {
        self.prepares || self.write.is_some()
    }

    /// Does something, or leaves it for later.
    pub(super) fn progress(&mut self, random: &mut StdRng) -> Vec<Done> {
        let mut done = Vec::new();
        if self.prepares && random.random_bool(0.4) {
            self.prepares = false;
            // Full, for a moment.
            let is_full = random.random_bool(0.1);
            done.push(Done::Prepared((!is_full).then(|| self.make())));
        }
        if random.random_bool(0.4)
            && let Some((segment, at, bytes)) = self.write.take()
        {
            let file = self.segments.get_mut(&segment).expect("it is not discarded while it is written");
            file[at as usize..][..bytes.len()].copy_from_slice(&bytes);
            done.push(Done::Written(bytes));
        }
        done
    }

    /// The channel, the epoch and the offset of each publication that a start would find.
    pub(super) fn publications(&self) -> Vec<(String, String, u64)> {
        let mut found = Vec::new();
        for (segment, file) in &self.segments {
            let entry = Entry::read(*segment, 1, file).expect("heads are whole");
            let read = read_segment(&Catalog::default(), &entry, file, |_, record| {
                if let Record::Publication(publication) = record {
                    found.push((publication.channel.into(), publication.epoch.into(), publication.offset));
                }
            });
            read.expect("nothing was lost or changed");
        }
        found
    }
}
