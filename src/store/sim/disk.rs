//! A disk of sectors: what is synced stays, of what is in flight each sector may be there or not when the power goes.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;

use crate::store::block::BLOCK_HEAD_BYTES;
use crate::store::catalog::{Catalog, Damage, Entry};
use crate::store::recovery::check_empty;
use crate::store::segment::{Blocks, Head, Prepared, SegmentId};

const SEGMENT_BYTES: u64 = 20 * 1024;

const SECTOR: usize = 512;

/// Which store all of it is.
const STORE: u128 = 5;

/// A fault of the node's, played by the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A sync that failed is taken for one that did not.
    IgnoresFailedSync,
    /// Blocks of all segments have the same seed.
    SeedsAllAlike,
    /// Bytes of a torn write are taken for whole.
    TakesTailForWhole,
    /// A write is told to be on disk before it is.
    TellsTooEarly,
}

impl Fault {
    pub(super) const ALL: [Self; 4] =
        [Self::IgnoresFailedSync, Self::SeedsAllAlike, Self::TakesTailForWhole, Self::TellsTooEarly];
}

/// A write that is in flight.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) segment: SegmentId,
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Disk {
    segments: BTreeMap<SegmentId, Vec<u8>>,
    spares: Vec<Vec<u8>>,
    next: u64,
    pub(super) start: u32,
    fault: Option<Fault>,
    /// Files that were used again.
    pub(super) reused: u64,
}

impl Disk {
    pub(super) fn new(fault: Option<Fault>) -> Self {
        Self { segments: BTreeMap::new(), spares: Vec::new(), next: 1, start: 0, fault, reused: 0 }
    }

    pub(super) fn prepare(&mut self, shard: u16, shards: u16) -> Prepared {
        let segment = SegmentId(self.next);
        self.next += 1;
        let (head, seed) =
            Head { store: STORE, segment, start: self.start, shard, shards, size: SEGMENT_BYTES }.encode();
        let spare = self.spares.pop();
        self.reused += u64::from(spare.is_some());
        let mut file = spare.unwrap_or_else(|| vec![0; SEGMENT_BYTES as usize]);
        if self.fault == Some(Fault::SeedsAllAlike) {
            seed_anew(&mut file, seed);
        }
        file[..head.len()].copy_from_slice(&head);
        self.segments.insert(segment, file);
        Prepared { segment, seed, size: SEGMENT_BYTES }
    }

    pub(super) fn segments(&self) -> usize {
        self.segments.len()
    }

    pub(super) fn discard(&mut self, segment: SegmentId) {
        let file = self.segments.remove(&segment).expect("it is discarded once");
        self.spares.push(file);
    }

    /// All of a write is on disk.
    pub(super) fn sync(&mut self, write: &Write) {
        self.file(write.segment)[write.at as usize..][..write.bytes.len()].copy_from_slice(&write.bytes);
    }

    fn file(&mut self, segment: SegmentId) -> &mut Vec<u8> {
        self.segments.get_mut(&segment).expect("it is not discarded while it is written")
    }

    /// Some sectors of a write are on disk, in whatever order they came. Whether it is torn.
    pub(super) fn tear(&mut self, write: &Write, random: &mut StdRng) -> bool {
        // Now and then none, or all.
        let share = *[0.0, 0.3, 0.7, 1.0].get(random.random_range(0..4)).expect("it is one of four");
        let (start, end) = (write.at as usize, write.at as usize + write.bytes.len());
        let mut is_torn = false;
        for sector in start / SECTOR..end.div_ceil(SECTOR) {
            let (from, to) = ((sector * SECTOR).max(start), ((sector + 1) * SECTOR).min(end));
            if random.random_bool(share) {
                self.file(write.segment)[from..to].copy_from_slice(&write.bytes[from - start..to - start]);
            } else {
                is_torn = true;
            }
        }
        if self.fault == Some(Fault::TakesTailForWhole) {
            self.make_whole(write);
        }
        is_torn
    }

    /// As a reader would see it that does not look at checksums.
    fn make_whole(&mut self, write: &Write) {
        let at = write.at as usize;
        let mut bytes = self.file(write.segment)[at..][..write.bytes.len()].to_vec();
        bytes[..BLOCK_HEAD_BYTES].copy_from_slice(&write.bytes[..BLOCK_HEAD_BYTES]);
        let seed = u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"));
        sign(&mut bytes, seed);
        self.file(write.segment)[at..][..bytes.len()].copy_from_slice(&bytes);
    }

    /// What a node finds that starts: as a directory does, it takes segments that were never begun for spares.
    pub(super) fn catalog(&mut self) -> Result<Catalog, Damage> {
        let (mut catalog, mut empty) = (Catalog::default(), Vec::new());
        for (segment, file) in &self.segments {
            let entry = Entry::read(*segment, STORE, file)?;
            if entry.has_begun {
                catalog.add(entry);
            } else {
                check_empty(&entry, file)?;
                empty.push(*segment);
            }
        }
        empty.into_iter().for_each(|segment| self.discard(segment));
        self.start += 1;
        Ok(catalog)
    }

    pub(super) fn read(&self, segment: SegmentId, into: &mut Vec<u8>) {
        into.clone_from(&self.segments[&segment]);
    }

    /// The number of the next segment.
    pub(super) fn next(&self) -> SegmentId {
        SegmentId(self.next)
    }

    /// Turns a bit of a segment before this one, if there is one: in what was written to it.
    pub(super) fn flip(&mut self, before: SegmentId, random: &mut StdRng) {
        let old = self.segments.range(..before).count();
        if old == 0 {
            return;
        }
        let file = self.segments.values_mut().nth(random.random_range(0..old)).expect("there are as many");
        let written = file.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        let bit = random.random_range(0..written * 8);
        file[bit / 8] ^= 1 << (bit % 8);
    }
}

/// Gives a block the seed of a segment, and the checksum that goes with it.
fn sign(block: &mut [u8], seed: u32) {
    let length = u32::from_le_bytes(block[16..20].try_into().expect("four bytes")) as usize;
    block[..4].copy_from_slice(&seed.to_le_bytes());
    let sum = crc32c::crc32c_append(seed, &block[8..BLOCK_HEAD_BYTES + length]);
    block[4..8].copy_from_slice(&sum.to_le_bytes());
}

/// What a file was used for before has the seed of what it is used for now.
fn seed_anew(file: &mut [u8], seed: u32) {
    let Ok((_, old)) = Head::decode(file) else { return };
    let mut blocks = Blocks::new(file, old);
    let mut begins = vec![blocks.at() as usize];
    while blocks.next().is_some() {
        begins.push(blocks.at() as usize);
    }
    begins.pop();
    begins.into_iter().for_each(|at| sign(&mut file[at..], seed));
}
