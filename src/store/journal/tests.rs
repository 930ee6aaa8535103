//! A journal beside a disk in memory that does what it is asked, when the test says so.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::limits::STORE_SNAPSHOT_SEGMENTS;
use crate::store::segment::{Blocks, Head};

const SIZE: u64 = 24 * 1024;

/// Segments as bytes, and what was asked of them.
#[derive(Debug, Default)]
struct Disk {
    segments: BTreeMap<SegmentId, Vec<u8>>,
    made: u64,
    /// No more than so many segments at once.
    room: usize,
    writes: usize,
    hurried: usize,
    discarded: Vec<SegmentId>,
}

impl Disk {
    fn prepare(&mut self) -> Option<Prepared> {
        if self.segments.len() >= self.room {
            return None;
        }
        self.made += 1;
        let segment = SegmentId(self.made);
        let (head, seed) = Head { store: 1, segment, start: 1, shard: 0, shards: 1, size: SIZE }.encode();
        let mut bytes = vec![0; SIZE as usize];
        bytes[..head.len()].copy_from_slice(&head);
        self.segments.insert(segment, bytes);
        Some(Prepared { segment, seed, size: SIZE })
    }

    /// All records that are found, with their batches, and the ends that segments name.
    fn read(&self) -> (Vec<(Batch, String)>, Vec<End>) {
        let (mut found, mut ends) = (Vec::new(), Vec::new());
        for bytes in self.segments.values() {
            let mut blocks = Blocks::new(bytes, Head::decode(bytes).unwrap().1);
            for block in &mut blocks {
                for record in block.records() {
                    match Record::decode(record).unwrap() {
                        Record::Over(channel) => found.push((block.batch, channel.to_owned())),
                        Record::Begin(begin) => ends.extend(begin.ends()),
                        _ => {}
                    }
                }
            }
            assert_eq!(blocks.hole(), None);
        }
        (found, ends)
    }
}

/// A journal and its disk.
#[derive(Debug)]
struct World {
    disk: Disk,
    journal: Journal,
    /// The write that is in flight, as it was asked for.
    in_flight: Option<Vec<u8>>,
    now_ns: u64,
}

impl World {
    fn new(room: usize) -> Self {
        Self::with_sync_interval(room, 0)
    }

    fn with_sync_interval(room: usize, sync_interval_ns: u64) -> Self {
        let mut disk = Disk { room, ..Disk::default() };
        let first = disk.prepare().unwrap();
        let writer = ShardOf { shard: 0, shards: 1 };
        let journal = Journal::new(JournalSetup {
            start: 1,
            writer,
            first,
            ends: Vec::new(),
            found: Vec::new(),
            sync_interval_ns,
        });
        Self { disk, journal, in_flight: None, now_ns: 0 }
    }

    /// Takes requests until there is none; what is written stays in flight.
    fn take_requests(&mut self) {
        while let Some(request) = self.journal.next_request(self.now_ns) {
            match request {
                Request::Prepare { .. } => {
                    let prepared = self.disk.prepare();
                    self.journal.prepared(prepared);
                }
                Request::Hurry => self.disk.hurried += 1,
                Request::Write { segment, at, bytes } => {
                    assert!(self.in_flight.is_none(), "one write is in flight at a time");
                    self.disk.segments.get_mut(&segment).unwrap()[at as usize..][..bytes.len()].copy_from_slice(&bytes);
                    self.disk.writes += 1;
                    self.in_flight = Some(bytes);
                }
                Request::Discard { segment } => {
                    self.disk.segments.remove(&segment).unwrap();
                    self.disk.discarded.push(segment);
                }
            }
        }
    }

    /// Lets the write in flight end. False where there is none.
    fn write_ends(&mut self, is_synced: bool) -> bool {
        let Some(bytes) = self.in_flight.take() else { return false };
        self.journal.written(is_synced, bytes);
        true
    }

    /// Writes all that waits.
    fn settle(&mut self) {
        self.take_requests();
        while self.write_ends(true) {
            self.take_requests();
        }
    }

    fn append(&mut self, channel: &str) -> Batch {
        self.journal.append(&Record::Over(channel)).unwrap()
    }
}

#[test]
fn what_waited_while_a_batch_was_written_is_the_next_batch() {
    let mut world = World::new(9);
    world.settle();
    assert_eq!(world.disk.writes, 0, "nothing is written for nothing");
    let first = world.append("a");
    world.take_requests();
    world.write_ends(true);
    world.take_requests();
    let second = world.append("b");
    assert_eq!(world.append("c"), second);
    assert!(first < second && world.journal.committed() < first);
    world.take_requests();
    assert!(world.write_ends(true));
    assert_eq!(world.journal.committed(), first);
    world.settle();
    assert_eq!(world.journal.committed(), second);
    assert_eq!(world.disk.writes, 3, "the first of a segment, and two batches");
    let found = world.disk.read().0;
    assert_eq!(found, [(first, "a".to_owned()), (second, "b".to_owned()), (second, "c".to_owned())]);
}

#[test]
fn a_batch_is_bounded_in_bytes_and_so_is_what_waits() {
    let mut world = World::new(9);
    world.settle();
    let name = "x".repeat(100);
    let mut batches = Vec::new();
    while world.journal.has_room() {
        batches.push(world.append(&name));
    }
    assert!(world.journal.waiting_bytes() > STORE_WAITING_BYTES_MAX);
    assert!(world.journal.waiting_bytes() < STORE_WAITING_BYTES_MAX + 200);
    batches.dedup();
    assert_eq!(batches.len(), STORE_WAITING_BYTES_MAX / STORE_BATCH_BYTES_MAX);
    world.settle();
    assert!(world.journal.has_room());
    assert_eq!(world.journal.waiting_bytes(), 0);
    assert_eq!(world.journal.committed(), *batches.last().unwrap());
}

#[test]
fn syncs_are_no_closer_to_each_other_than_they_may_be_and_take_all_that_waited() {
    const APART_NS: u64 = 10;
    let mut world = World::with_sync_interval(9, APART_NS);
    let mut written_at = Vec::new();
    let mut last = Batch::NONE;
    for now_ns in 0..200 {
        world.now_ns = now_ns;
        if now_ns < 150 {
            last = world.append("a");
        }
        world.take_requests();
        if world.write_ends(true) {
            written_at.push(now_ns);
            assert_eq!(
                world.journal.waiting_bytes() == 0,
                written_at.len() > 1,
                "after the first block of a segment all goes"
            );
        }
        // Who serves it knows when to come back.
        let expected_ns = (world.journal.waiting_bytes() > 0).then(|| written_at.last().unwrap() + APART_NS);
        assert_eq!(world.journal.write_due_ns(now_ns), expected_ns);
    }
    assert!(written_at.windows(2).all(|pair| pair[1] - pair[0] == APART_NS), "{written_at:?}");
    assert_eq!((written_at.len(), world.journal.committed()), (16, last));
}

#[test]
fn a_write_that_fails_shuts_the_journal_for_good() {
    let mut world = World::new(9);
    let first = world.append("a");
    world.settle();
    let lost = world.append("b");
    world.take_requests();
    world.append("c");
    world.write_ends(false);
    assert!(world.journal.is_shut() && !world.journal.has_room());
    assert_eq!(world.journal.append(&Record::Over("d")), Err(Shut));
    assert_eq!(world.journal.next_request(0), None, "what waits is never written");
    assert_eq!(world.journal.committed(), first);
    assert!(lost > first);
}

#[test]
fn a_segment_says_where_the_one_before_it_ended() {
    let mut world = World::new(usize::MAX);
    let name = "x".repeat(200);
    for _ in 0..300 {
        world.append(&name);
        world.settle();
    }
    let (found, ends) = world.disk.read();
    assert_eq!(found.len(), 300);
    assert!(world.disk.segments.len() > 3);
    for end in &ends {
        let bytes = &world.disk.segments[&end.segment];
        let mut blocks = Blocks::new(bytes, Head::decode(bytes).unwrap().1);
        blocks.by_ref().for_each(drop);
        assert_eq!(blocks.at(), end.at);
    }
    let begun = world.disk.segments.len() - 1;
    assert_eq!(ends.len(), begun - 1, "one is prepared ahead, and the first follows none");
}

/// Names that live; the others were said once and are over.
fn snapshot(world: &mut World, living: &[String]) {
    let mut left = living.iter();
    while world.journal.snapshot_wants() {
        match left.next() {
            Some(name) => {
                world.append(name);
            }
            None => world.journal.snapshot_done().unwrap(),
        }
        world.settle();
    }
}

#[test]
fn segments_before_a_snapshot_go_once_it_is_on_disk() {
    let mut world = World::new(usize::MAX);
    let living: Vec<String> = (0..40).map(|number| format!("lives {number}")).collect();
    let gone = "x".repeat(200);
    for name in &living {
        world.append(name);
    }
    let mut snapshots = 0;
    for number in 0..3000 {
        world.append(&gone);
        world.settle();
        if world.journal.snapshot_wants() {
            snapshots += 1;
            snapshot(&mut world, &living);
        }
        assert!(world.disk.segments.len() <= STORE_SNAPSHOT_SEGMENTS as usize + 3);
        if number % 40 > 0 {
            continue;
        }
        let found = world.disk.read().0;
        assert!(living.iter().all(|name| found.iter().any(|(_, found)| found == name)), "all that lives is there");
    }
    assert!(snapshots > 3, "{snapshots}");
    assert!(world.disk.discarded.is_sorted(), "oldest first");
}

#[test]
fn segments_are_urged_once_when_an_eighth_of_the_one_at_hand_is_full() {
    let mut world = World::new(8);
    let (mut made, mut urged) = (Vec::new(), Vec::new());
    for taken in 1..=SIZE / 200 * 3 / 2 {
        let (made_before, urged_before) = (world.disk.made, world.disk.hurried);
        world.append(&"x".repeat(200));
        world.settle();
        made.extend((world.disk.made > made_before).then_some(taken));
        urged.extend((world.disk.hurried > urged_before).then_some(taken));
    }
    // One segment is made ahead as soon as the one at hand begins, and urged when an eighth of that is full.
    assert!(made.len() > 2 && made.len() == urged.len(), "{made:?} {urged:?}");
    for (made, urged) in made.iter().zip(&urged) {
        assert!((SIZE / 12 / 200..SIZE / 6 / 200).contains(&(urged - made)), "{made:?} {urged:?}");
    }
}

#[test]
fn a_full_disk_refuses_early_and_a_snapshot_makes_room() {
    let mut world = World::new(3);
    let gone = "x".repeat(200);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..2000 {
        if world.journal.has_room() {
            world.append(&gone);
            taken += 1;
        } else {
            refused += 1;
            assert_eq!(world.journal.waiting_bytes(), 0, "what was taken is written");
            // For a snapshot the disk gives more.
            world.disk.room = 4;
            world.journal.retry();
        }
        world.settle();
        snapshot(&mut world, &[]);
        if world.disk.segments.len() < 3 {
            world.disk.room = 3;
        }
    }
    assert!(refused > 3 && taken > 1900, "{refused} refused, {taken} taken");
}

proptest! {
    #[test]
    fn whatever_comes_between_batches_are_committed_in_order_and_whole(steps in prop::collection::vec(0u8..6, 1..400)) {
        let mut world = World::new(usize::MAX);
        let mut appended = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                0..3 => {
                    let name = format!("{number} {}", "x".repeat(number % 300));
                    appended.push((world.append(&name), name));
                }
                3 => world.take_requests(),
                _ => {
                    world.write_ends(true);
                }
            }
            let committed = world.journal.committed();
            let found = if step > 3 { world.disk.read().0 } else { continue };
            let promised = appended.iter().filter(|(batch, _)| *batch <= committed).count();
            prop_assert!(found.len() >= promised, "what is committed is there");
            prop_assert_eq!(&found[..], &appended[..found.len()], "in order, and nothing else");
        }
        world.settle();
        prop_assert_eq!(world.disk.read().0, appended);
    }
}
