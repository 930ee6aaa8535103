//! A disk of sectors: what is synced stays, of what is in flight each sector may be there or not when the power goes.
//!
//! It takes what journals ask, and does it when the world says so: files are made and taken away one after the other, as
//! the thread of the store does, and every shard has a write of its own in flight. A start reads it as a node does that
//! starts on a directory. All simulations have this disk.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::fault::{Fault, flip};
use crate::limits::STORE_SPARES_PER_SHARD;
use crate::store::catalog::{Catalog, Damage, Entry};
use crate::store::discards::Discards;
use crate::store::recovery::{RecoveryError, Segments, check_empty, recover};
use crate::store::segment::{Head, Prepared, SegmentId, ShardOf};
use crate::store::{JournalSetup, Record, Request};

/// Long enough for some batches, short enough for several segments and snapshots.
const SEGMENT_BYTES: u64 = 24 * 1024;

const SECTOR: usize = 512;

/// Which store all of it is.
const STORE: u128 = 5;

/// How often a segment is not taken away when it should be, in worlds where that happens.
const REFUSES: f64 = 0.3;

/// How often a planted fault shows.
const FAULTY: f64 = 0.2;

/// A write that is in flight.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) segment: SegmentId,
    pub(super) at: usize,
    pub(super) bytes: Vec<u8>,
}

/// What is asked of the files.
#[derive(Debug)]
enum Task {
    Prepare { shard: u16, for_snapshot: bool },
    Discard(SegmentId),
}

/// What a disk has been through: so that a test can tell that a simulation goes everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Been {
    /// Writes of which a part was there after a loss of power.
    pub(crate) torn: u64,
    /// Sectors that the kernel had and the disk did not, when the power went.
    pub(crate) unsynced: u64,
    /// Writes that failed.
    pub(crate) failed: u64,
    /// Segments that were refused for want of room.
    pub(crate) refused: u64,
    /// Files that were used again.
    pub(crate) reused: u64,
    /// Segments that were given back.
    pub(crate) discarded: u64,
    /// Times that one was not, or was told not to be.
    pub(crate) held_up: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Disk {
    random: StdRng,
    /// What it refuses to take away; of its own, so that all else goes as in a world without refusals.
    refusals: StdRng,
    refuses: bool,
    fault: Option<Fault>,
    /// Of writes that fail a part may be there.
    tears: bool,
    segments: BTreeMap<SegmentId, Vec<u8>>,
    spares: Vec<(SegmentId, Vec<u8>)>,
    /// The number of the next segment.
    next: u64,
    /// How often a node has started, and with how many shards the last.
    starts: u32,
    shards: u16,
    /// What it found.
    catalog: Catalog,
    discards: Discards,
    tasks: VecDeque<Task>,
    /// By shard: what has come of the segment that it asked for.
    made: BTreeMap<u16, Option<Prepared>>,
    /// By shard.
    writes: BTreeMap<u16, Write>,
    /// By shard: the last that was synced.
    synced: BTreeMap<u16, Write>,
    /// Sectors that a start reads, and the disk does not have: what it has instead, oldest first.
    unsynced: Vec<Write>,
    /// No segment is given out, but for snapshots.
    pub(crate) is_full: bool,
    pub(crate) been: Been,
}

impl Default for Disk {
    /// One for tests step by step: nothing is there of a write that failed.
    fn default() -> Self {
        Self { tears: false, ..Self::new(0, None) }
    }
}

impl Disk {
    /// An empty one, perhaps with a fault. What becomes of what is in flight follows from the seed.
    pub(crate) fn new(seed: u64, fault: Option<Fault>) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            refusals: StdRng::seed_from_u64(seed ^ 1 << 41),
            // One for tests step by step has none.
            refuses: seed % 3 == 1,
            fault,
            tears: true,
            segments: BTreeMap::new(),
            spares: Vec::new(),
            next: 1,
            starts: 0,
            shards: 0,
            catalog: Catalog::default(),
            discards: Discards::default(),
            tasks: VecDeque::new(),
            made: BTreeMap::new(),
            writes: BTreeMap::new(),
            synced: BTreeMap::new(),
            unsynced: Vec::new(),
            is_full: false,
            been: Been::default(),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn strikes(&mut self, fault: Fault) -> bool {
        self.has(fault) && self.random.random_bool(FAULTY)
    }

    // ------------------------------------------------------------ starts

    /// A node starts with so many shards. As a directory does, it takes segments that were never begun for spares.
    ///
    /// # Errors
    /// The start is refused.
    pub(crate) fn begin(&mut self, shards: u16) -> Result<(), Damage> {
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
        for segment in empty {
            let file = self.segments.remove(&segment).expect("it was just read");
            self.spares.push((segment, file));
        }
        let spare = self.spares.iter().map(|(segment, _)| *segment).max();
        self.next = spare.max(Some(catalog.highest().0)).unwrap_or_default().0 + 1;
        self.discards = Discards::new(&catalog, shards);
        self.starts = self.starts.max(catalog.highest().1) + 1;
        (self.shards, self.catalog) = (shards, catalog);
        Ok(())
    }

    /// One of the shards reads what is its own, and has a segment to begin with.
    ///
    /// # Errors
    /// The start is refused.
    pub(crate) fn recover(
        &mut self,
        shard: u16,
        is_mine: impl Fn(&str) -> bool,
        mut take: impl FnMut(&Record<'_>),
    ) -> Result<JournalSetup, Damage> {
        let writer = ShardOf { shard, shards: self.shards };
        let first = self.make(shard);
        let (has_no_floors, secures) = (self.has(Fault::ForgetsFloors), !self.has(Fault::TrustsTheKernel));
        let Self { segments, unsynced, catalog, .. } = self;
        let mut files = Cached { segments, unsynced, secures };
        let is_forgotten = |record: &Record<'_>| has_no_floors && matches!(record, Record::Device(_));
        let take = |record: &Record<'_>| {
            if !is_forgotten(record) {
                take(record);
            }
        };
        match recover(catalog, writer, is_mine, &mut files, take) {
            Ok(found) => {
                let (start, ends, found) = (self.starts, found.ends, found.segments);
                Ok(JournalSetup { start, writer, first, ends, found, sync_interval_ns: 0 })
            }
            Err(RecoveryError::Damaged(damage)) => Err(damage),
            Err(RecoveryError::Files(never)) => match never {},
        }
    }

    /// How often a node has started on it.
    pub(crate) fn starts(&self) -> u32 {
        self.starts
    }

    /// Whether a start has found segments of another number of shards.
    pub(super) fn is_shared(&self) -> bool {
        self.discards.is_shared()
    }

    // ------------------------------------------------------------ what journals ask

    /// Takes a request of a shard's journal.
    pub(crate) fn ask(&mut self, shard: u16, request: Request) {
        match request {
            Request::Prepare { for_snapshot } => self.tasks.push_back(Task::Prepare { shard, for_snapshot }),
            // It is made when the seed says so.
            Request::Hurry => {}
            Request::Discard { segment } => self.tasks.push_back(Task::Discard(segment)),
            Request::Write { segment, at, bytes } => {
                assert!(self.segments.contains_key(&segment), "it writes to what was prepared");
                let before = self.writes.insert(shard, Write { segment, at: at as usize, bytes });
                assert!(before.is_none(), "one write is in flight at a time");
            }
        }
    }

    /// Whether a write of a shard is in flight.
    pub(crate) fn is_writing(&self, shard: u16) -> bool {
        self.writes.contains_key(&shard)
    }

    /// Whether a shard is to hear of something.
    pub(crate) fn is_busy(&self, shard: u16) -> bool {
        let is_asked = |task: &Task| matches!(task, Task::Prepare { shard: by, .. } if *by == shard);
        self.is_writing(shard) || self.made.contains_key(&shard) || self.tasks.iter().any(is_asked)
    }

    /// Makes a file, or takes one away: what was asked first. False where there is nothing to do.
    pub(crate) fn work(&mut self) -> bool {
        self.take_away();
        match self.tasks.pop_front() {
            Some(Task::Prepare { shard, for_snapshot }) => {
                let is_refused = self.is_full && !for_snapshot;
                self.been.refused += u64::from(is_refused);
                let made = (!is_refused).then(|| self.make(shard));
                assert!(self.made.insert(shard, made).is_none(), "one segment is made at a time");
            }
            Some(Task::Discard(segment)) => self.discard(segment),
            None => return false,
        }
        true
    }

    /// What has come of the segment that a shard asked for.
    pub(crate) fn next_made(&mut self, shard: u16) -> Option<Option<Prepared>> {
        self.made.remove(&shard)
    }

    fn make(&mut self, shard: u16) -> Prepared {
        let segment = SegmentId(self.next);
        self.next += 1;
        let (start, shards) = (self.starts, self.shards);
        let (head, seed) = Head { store: STORE, segment, start, shard, shards, size: SEGMENT_BYTES }.encode();
        let spare = self.spares.pop();
        self.been.reused += u64::from(spare.is_some());
        let mut file = spare.map_or_else(|| vec![0; SEGMENT_BYTES as usize], |(_, file)| file);
        if self.has(Fault::SeedsAllAlike) {
            Fault::seed_anew(&mut file, seed);
        }
        file[..head.len()].copy_from_slice(&head);
        self.segments.insert(segment, file);
        Prepared { segment, seed, size: SEGMENT_BYTES }
    }

    fn discard(&mut self, segment: SegmentId) {
        self.discards.discard(segment);
        self.take_away();
    }

    /// Takes away what may go, up to what it refuses: that it is asked again when there is work. It may have gone all the same.
    fn take_away(&mut self) {
        while let Some(segment) = self.discards.next_to_go() {
            let is_refused = self.refuses && self.refusals.random_bool(REFUSES);
            self.been.held_up += u64::from(is_refused);
            if is_refused && self.refusals.random_bool(0.7) {
                return;
            }
            if let Some(file) = self.segments.remove(&segment) {
                // Before the file is used again, it is synced.
                self.unsynced.retain(|sector| sector.segment != segment);
                self.been.discarded += 1;
                if (self.spares.len() as u64) < STORE_SPARES_PER_SHARD * u64::from(self.shards) {
                    self.spares.push((segment, file));
                }
            }
            if is_refused {
                return;
            }
            self.discards.gone(segment);
        }
    }

    /// The write of a shard ends: it is synced, or nobody knows how much of it is. What the shard is told: whether it is
    /// synced, with the bytes.
    pub(crate) fn complete(&mut self, shard: u16, is_synced: bool) -> Vec<(bool, Vec<u8>)> {
        let Some(write) = self.writes.remove(&shard) else { return Vec::new() };
        if !is_synced {
            self.been.failed += 1;
            if self.tears {
                let before = self.tear(&write).0;
                self.unsynced.extend(before);
            }
        } else if !self.strikes(Fault::TellsTooEarly) {
            self.file(write.segment)[write.at..][..write.bytes.len()].copy_from_slice(&write.bytes);
            self.synced.insert(shard, write.clone());
        }
        if self.strikes(Fault::NeverTells) {
            return Vec::new();
        }
        let is_synced = is_synced || self.has(Fault::IgnoresFailedSync);
        let mut told = vec![(is_synced, write.bytes)];
        if self.strikes(Fault::TellsTwice) {
            told.push((is_synced, Vec::new()));
        }
        told
    }

    fn file(&mut self, segment: SegmentId) -> &mut Vec<u8> {
        self.segments.get_mut(&segment).expect("it is not discarded while it is written")
    }

    /// Some sectors of a write are there, in whatever order they came: what lay there before. Whether it is torn.
    fn tear(&mut self, write: &Write) -> (Vec<Write>, bool) {
        // Now and then none, or all.
        let share = *[0.0, 0.3, 0.7, 1.0].get(self.random.random_range(0..4)).expect("it is one of four");
        let (start, end) = (write.at, write.at + write.bytes.len());
        let (mut before, mut is_torn) = (Vec::new(), false);
        for sector in start / SECTOR..end.div_ceil(SECTOR) {
            let (from, to) = ((sector * SECTOR).max(start), ((sector + 1) * SECTOR).min(end));
            if self.random.random_bool(share) {
                let there = &mut self.file(write.segment)[from..to];
                before.push(Write { segment: write.segment, at: from, bytes: there.to_vec() });
                there.copy_from_slice(&write.bytes[from - start..to - start]);
            } else {
                is_torn = true;
            }
        }
        if self.has(Fault::TakesTailForWhole) {
            Fault::make_whole(write, self.file(write.segment));
        }
        (before, is_torn)
    }

    // ------------------------------------------------------------ what befalls it

    /// The power goes: of what is in flight, anything may be there, and of what only the kernel had.
    pub(crate) fn cut(&mut self) {
        for write in std::mem::take(&mut self.writes).into_values() {
            self.been.torn += u64::from(self.tear(&write).1);
        }
        for Write { segment, at, bytes } in std::mem::take(&mut self.unsynced).into_iter().rev() {
            if self.random.random_bool(0.5)
                && let Some(file) = self.segments.get_mut(&segment)
            {
                self.been.unsynced += 1;
                file[at..][..bytes.len()].copy_from_slice(&bytes);
            }
        }
        if self.random.random_bool(0.5) {
            self.work();
        }
        self.forget_what_is_asked();
        if self.has(Fault::ForgetsLast) {
            for Write { segment, at, bytes } in std::mem::take(&mut self.synced).into_values() {
                if let Some(file) = self.segments.get_mut(&segment) {
                    file[at..][..bytes.len()].fill(0);
                }
            }
        }
    }

    /// The node is killed: of what was in flight the kernel has anything, and the disk does not have it yet.
    pub(crate) fn kill(&mut self) {
        for write in std::mem::take(&mut self.writes).into_values() {
            let before = self.tear(&write).0;
            self.unsynced.extend(before);
        }
        self.forget_what_is_asked();
    }

    /// The node is killed, and nothing of what was in flight is there.
    pub(crate) fn lose(&mut self) {
        self.writes.clear();
        self.forget_what_is_asked();
    }

    fn forget_what_is_asked(&mut self) {
        self.tasks.clear();
        self.made.clear();
    }

    /// Turns a bit in what was written to a segment: to one of an earlier start, or to any. False where there is none.
    pub(super) fn flip(&mut self, of_earlier: bool) -> bool {
        let (starts, is_unseen) = (self.starts, self.has(Fault::TakesWrongSums));
        let is_one = |file: &Vec<u8>| {
            let head = Head::decode(file).expect("nothing has befallen it yet").0;
            !of_earlier || head.start < starts
        };
        let mut files: Vec<_> = self.segments.values_mut().filter(|file| is_one(file)).collect();
        if files.is_empty() {
            return false;
        }
        let at = self.random.random_range(0..files.len());
        let file = &mut files[at];
        let written = file.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        let bit = self.random.random_range(0..written * 8);
        if is_unseen {
            Fault::flip_unseen(file, bit);
        } else {
            flip(file, bit);
        }
        true
    }

    pub(super) fn segments(&self) -> usize {
        self.segments.len()
    }
}

/// What the kernel has of the files.
struct Cached<'a> {
    segments: &'a BTreeMap<SegmentId, Vec<u8>>,
    unsynced: &'a mut Vec<Write>,
    secures: bool,
}

impl Segments for Cached<'_> {
    type Error = Infallible;

    fn read(&mut self, segment: SegmentId, into: &mut Vec<u8>) -> Result<(), Infallible> {
        into.clone_from(&self.segments[&segment]);
        Ok(())
    }

    fn secure(&mut self, segment: SegmentId, at: u64, bytes: &[u8]) -> Result<(), Infallible> {
        let (from, until) = (at as usize, at as usize + bytes.len());
        assert_eq!(bytes, &self.segments[&segment][from..until], "what was read is written once more");
        let is_within =
            |sector: &Write| sector.segment == segment && sector.at < until && from < sector.at + sector.bytes.len();
        if self.secures {
            self.unsynced.retain(|sector| !is_within(sector));
        }
        Ok(())
    }
}
