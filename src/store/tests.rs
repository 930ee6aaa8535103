//! A store in a directory: written by shards, found again at the next start, refused where it is not as it should be.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use super::files::{Files, FilesHandle, Layout, Open};
use super::journal::JournalSetup;
use super::segment::{HEAD_BYTES, Head, ShardOf};
use super::{Batch, Directory, Journal, Record, Request, SegmentId, StoreError};

const SIZE: u64 = 32 * 1024;

/// Which of so many shards is a channel's home, in these tests: the number that its name begins with decides.
fn home(channel: &str, shards: u16) -> u16 {
    let number: u16 = channel.split(' ').next().unwrap().parse().unwrap();
    number % shards
}

/// A shard's journal, and the segments that it writes to.
#[derive(Debug)]
struct Shard {
    number: u16,
    journal: Journal,
    open: Vec<Open>,
}

/// A node's store: all of its shards.
#[derive(Debug)]
struct Store {
    files: Files,
    shards: Vec<Shard>,
    /// What each shard has found, in order.
    found: Vec<Vec<String>>,
}

fn start(path: &Path, shards: u16) -> Result<Store, StoreError> {
    start_as(path, shards, "a node")
}

fn start_as(path: &Path, shards: u16, name: &str) -> Result<Store, StoreError> {
    let directory = Arc::new(Directory::open(path, name)?);
    let layout = Layout { shards, segment_size: SIZE, max_size: u64::MAX };
    let mut files = Files::new(directory.clone(), layout);
    let (mut all, mut found) = (Vec::new(), Vec::new());
    for shard in 0..shards {
        let mut mine = Vec::new();
        let recovered = directory.recover(
            ShardOf { shard, shards },
            |channel| home(channel, shards) == shard,
            |record| mine.extend(record.channel().map(str::to_owned)),
        )?;
        let open = files.prepare(shard)?;
        let journal = Journal::new(JournalSetup {
            start: directory.identity().starts,
            writer: ShardOf { shard, shards },
            first: open.prepared,
            ends: recovered.ends,
            found: recovered.segments,
            sync_interval_ns: 0,
        });
        all.push(Shard { number: shard, journal, open: vec![open] });
        found.push(mine);
    }
    Ok(Store { files, shards: all, found })
}

impl Store {
    fn append(&mut self, channel: &str) -> Batch {
        let shard = home(channel, self.shards.len() as u16);
        self.shards[usize::from(shard)].journal.append(&Record::Over(channel)).unwrap()
    }

    /// Appends so many records to the first shard, with something after each, and ends the snapshots that it wants: how many.
    fn fill(&mut self, count: usize, mut after_each: impl FnMut(&mut Self)) -> usize {
        let mut snapshots = 0;
        for number in 0..count {
            self.append(&format!("0 number {number} {}", "x".repeat(100)));
            self.settle();
            after_each(self);
            if self.shards[0].journal.snapshot_wants() {
                self.shards[0].journal.snapshot_done().unwrap();
                self.settle();
                snapshots += 1;
            }
        }
        snapshots
    }

    /// Does all that the journals ask for.
    fn settle(&mut self) {
        for shard in &mut self.shards {
            while let Some(request) = shard.journal.next_request(0) {
                match request {
                    Request::Prepare { .. } => {
                        let open = self.files.prepare(shard.number).unwrap();
                        shard.journal.prepared(Some(open.prepared));
                        shard.open.push(open);
                    }
                    Request::Hurry => {}
                    Request::Write { segment, at, bytes } => {
                        let open = shard.open.iter().find(|open| open.prepared.segment == segment).unwrap();
                        open.file.write_all_at(&bytes, at).unwrap();
                        shard.journal.written(true, bytes);
                    }
                    Request::Discard { segment } => self.files.discard(segment),
                }
            }
        }
    }

    /// Appends these one after the other, each committed before the next.
    fn write(&mut self, channels: impl IntoIterator<Item = String>) {
        for channel in channels {
            self.append(&channel);
            self.settle();
        }
    }
}

fn names(numbers: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    numbers.map(|number| format!("{} written as number {number} {}", number % 7, "x".repeat(number % 50)))
}

fn segments(path: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|suffix| suffix == "segment")).collect();
    segments.sort();
    segments
}

fn change(path: &Path, at: u64, byte: u8) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(&[byte], at).unwrap();
}

fn refusal(path: &Path, shards: u16) -> String {
    start(path, shards).expect_err("it must be refused").to_string()
}

#[test]
fn what_was_written_is_found_in_order_with_any_number_of_shards() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = 0;
    for shards in [1, 3, 3, 2, 5, 1] {
        let mut store = start(folder.path(), shards).unwrap();
        for shard in 0..shards {
            let mine = |name: &String| home(name, shards) == shard;
            let expected: Vec<_> = names(0..written).filter(mine).collect();
            // Of one channel the order is kept; the shards of before have written beside each other.
            for number in 0..7 {
                let of = |name: &&String| name.starts_with(&number.to_string());
                let found: Vec<_> = store.found[usize::from(shard)].iter().filter(of).collect();
                let expected: Vec<_> = expected.iter().filter(of).collect();
                assert_eq!(found, expected, "{shards} shards");
            }
            assert_eq!(store.found[usize::from(shard)].len(), expected.len());
        }
        store.write(names(written..written + 600));
        written += 600;
    }
}

#[test]
fn a_start_that_writes_nothing_takes_no_more_room() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), 2).unwrap().write(names(0..10));
    drop(start(folder.path(), 2).unwrap());
    let files = fs::read_dir(folder.path()).unwrap().count();
    for _ in 0..5 {
        drop(start(folder.path(), 2).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), files);
    }
}

#[test]
fn segments_of_before_go_when_all_shards_have_written_what_lives() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), 1).unwrap().write(names(0..3000));
    let old = segments(folder.path());
    let mut store = start(folder.path(), 2).unwrap();
    for shard in 0..2 {
        let before = segments(folder.path()).len();
        assert!(before >= old.len());
        for number in 0.. {
            assert!(number < 10_000, "a snapshot begins");
            store.append(&format!("{shard} {}", "x".repeat(100)));
            store.settle();
            let journal = &mut store.shards[shard].journal;
            if journal.snapshot_wants() {
                journal.append(&Record::Over(&format!("{shard} lives"))).unwrap();
                journal.snapshot_done().unwrap();
                store.settle();
                break;
            }
        }
        let is_left = old.iter().filter(|path| path.exists()).count() > 1;
        assert_eq!(is_left, shard == 0, "the other shard still needs them");
    }
    drop(store);
    let store = start(folder.path(), 2).unwrap();
    for shard in 0..2 {
        assert!(store.found[shard].contains(&format!("{shard} lives")));
    }
}

#[test]
fn what_became_of_a_stream_stays_as_long_as_a_segment_that_tells_of_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), 1).unwrap().write(["0 begins".to_owned()]);
    let mut store = start(folder.path(), 2).unwrap();
    store.append("0 is over");
    store.settle();
    let snapshots = store.fill(10_000, |_| {});
    assert!(snapshots > 2);
    drop(store);
    // The other shard has not said what it needs of the first segment.
    let found = &start(folder.path(), 2).unwrap().found[0];
    assert_is_over(found);
}

/// A stream that has ended is found to, behind its beginning.
fn assert_is_over(found: &[String]) {
    let at = |name: &str| found.iter().position(|found| found == name);
    assert!(at("0 begins").unwrap() < at("0 is over").expect("it is not forgotten"));
}

/// Has the file system refuse to take a segment away: where its spare is to be, there is a folder.
fn hold_up(folder: &Path, segment: SegmentId) -> std::path::PathBuf {
    let spare = folder.join(format!("{:012}.spare", segment.0));
    fs::create_dir(&spare).unwrap();
    spare
}

#[test]
fn what_became_of_a_stream_stays_as_long_as_the_segment_of_its_beginning_is_not_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = start(folder.path(), 1).unwrap();
    store.write(["0 begins".to_owned()]);
    let in_the_way = hold_up(folder.path(), SegmentId(1));
    let mut ending = Some("0 is over");
    let snapshots = store.fill(4_000, |store| {
        if store.shards[0].open.len() > 1
            && let Some(over) = ending.take()
        {
            store.append(over);
        }
    });
    assert!(snapshots > 2);
    drop(store);
    fs::remove_dir(in_the_way).unwrap();
    let found = &start(folder.path(), 1).unwrap().found[0];
    assert_is_over(found);
}

#[test]
fn segments_that_are_held_up_go_in_their_order_when_the_file_system_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Arc::new(Directory::open(folder.path(), "a node").unwrap());
    let mut files = Files::new(directory, Layout { shards: 1, segment_size: SIZE, max_size: u64::MAX });
    let made: Vec<_> = (0..4).map(|_| files.prepare(0).unwrap().prepared.segment).collect();
    let bytes = files.bytes();
    let in_the_way = hold_up(folder.path(), made[1]);
    let (files, thread) = FilesHandle::start(files).unwrap();
    made[..3].iter().for_each(|segment| files.discard(*segment));
    let left = || segments(folder.path()).len();
    while left() == 4 {
        std::thread::yield_now();
    }
    // Whoever waits for a segment is served all the same.
    let (next, is_made) = flume::bounded(1);
    files.prepare(0, false, move |open| next.send(open.is_some()).unwrap());
    assert!(is_made.recv().unwrap());
    assert_eq!((left(), bytes.load(Ordering::Relaxed)), (4, 4 * SIZE));
    fs::remove_dir(in_the_way).unwrap();
    while bytes.load(Ordering::Relaxed) > 2 * SIZE {
        std::thread::yield_now();
    }
    assert_eq!(left(), 2);
    drop(files);
    thread.join().unwrap();
}

#[test]
fn a_segment_whose_name_has_gone_though_the_file_system_said_no_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Arc::new(Directory::open(folder.path(), "a node").unwrap());
    let mut files = Files::new(directory, Layout { shards: 1, segment_size: SIZE, max_size: u64::MAX });
    let made: Vec<_> = (0..3).map(|_| files.prepare(0).unwrap().prepared.segment).collect();
    let in_the_way = hold_up(folder.path(), made[0]);
    made[..2].iter().for_each(|segment| files.discard(*segment));
    assert!(files.next_try().is_some() && segments(folder.path()).len() == 3);
    fs::remove_dir(in_the_way).unwrap();
    fs::remove_file(&segments(folder.path())[0]).unwrap();
    files.take_away();
    assert_eq!((files.next_try(), segments(folder.path()).len()), (None, 1));
    assert_eq!(files.bytes().load(Ordering::Relaxed), SIZE);
}

#[test]
fn one_node_at_a_time_uses_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let store = start(folder.path(), 1).unwrap();
    assert!(matches!(start(folder.path(), 1), Err(StoreError::Locked { .. })));
    assert!(matches!(Directory::look(folder.path()), Err(StoreError::Locked { .. })));
    drop(store);
    let looks = (Directory::look(folder.path()).unwrap(), Directory::look(folder.path()).unwrap());
    assert!(matches!(start(folder.path(), 1), Err(StoreError::Locked { .. })));
    drop(looks);
    start(folder.path(), 1).unwrap();
}

#[test]
fn the_store_of_another_node_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(start(folder.path(), 1).unwrap());
    let refused = start_as(folder.path(), 1, "another").unwrap_err().to_string();
    assert!(refused.contains("name = \"a node\""), "{refused}");
    start(folder.path(), 1).unwrap();
}

#[test]
fn a_directory_with_other_things_in_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "").unwrap();
    assert!(refusal(folder.path(), 1).contains("thesis.txt"));
    assert!(matches!(Directory::look(folder.path()), Err(StoreError::None { .. })));
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), 1).unwrap().write(names(0..10));
    let identity = folder.path().join("identity.json");
    let text = fs::read_to_string(&identity).unwrap();
    fs::write(&identity, r#"{"version": 9, "of": "later times"}"#).unwrap();
    assert!(refusal(folder.path(), 1).contains("newer ringpost"));
    fs::write(&identity, text).unwrap();
    change(&segments(folder.path())[0], 8, 9);
    assert!(refusal(folder.path(), 1).contains("newer ringpost"));
}

#[test]
fn a_changed_byte_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), 1).unwrap().write(names(0..100));
    let oldest = segments(folder.path())[0].clone();
    change(&oldest, HEAD_BYTES + 200, 0xff);
    let refused = refusal(folder.path(), 1);
    assert!(refused.contains("a later batch lies behind it"), "{refused}");
    assert!(refused.contains("ringpost store check"), "{refused}");
}

#[test]
fn a_changed_first_block_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), 1).unwrap().write(names(0..100));
    change(&segments(folder.path())[0], HEAD_BYTES + 1, 0xff);
    let refused = refusal(folder.path(), 1);
    assert!(refused.contains("a later batch lies behind it"), "{refused}");
}

#[test]
fn what_an_earlier_start_has_found_must_be_found_again() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), 2).unwrap().write(names(0..20));
    let last = segments(folder.path());
    // The next start says where those before it have ended, whoever reads it later.
    start(folder.path(), 1).unwrap().write(names(20..21));
    let text = fs::read(&last[0]).unwrap();
    let end = text.iter().rposition(|byte| *byte != 0).unwrap();
    change(&last[0], end as u64, text[end] ^ 1);
    let refused = refusal(folder.path(), 3);
    assert!(refused.contains("at an earlier start"), "{refused}");
}

#[test]
fn a_segment_that_has_gone_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), 1).unwrap().write(names(0..2000));
    let all = segments(folder.path());
    assert!(all.len() > 3);
    fs::remove_file(&all[1]).unwrap();
    let refused = refusal(folder.path(), 1);
    assert!(refused.contains("segment 2: its file has gone"), "{refused}");
}

#[test]
fn a_segment_that_has_gone_is_missed_whatever_another_shard_has_said_since_and_how_many_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = start(folder.path(), 2).unwrap();
    for number in 0..800 {
        store.append(&format!("1 number {number} {}", "x".repeat(100)));
        store.settle();
    }
    let writer = |path: &std::path::PathBuf| Head::decode(&fs::read(path).unwrap()).unwrap().0.shard;
    let of_second: Vec<_> = segments(folder.path()).into_iter().filter(|path| writer(path) == 1).collect();
    assert!(of_second.len() > 3, "{of_second:?}");
    assert!(store.fill(2000, |_| {}) > 0, "the first makes a snapshot that begins behind those of the second");
    drop(store);
    fs::remove_file(&of_second[1]).unwrap();
    for shards in [2, 3, 1] {
        let refused = refusal(folder.path(), shards);
        assert!(refused.contains("its file has gone"), "{shards}: {refused}");
    }
}

#[test]
fn what_a_start_finds_of_the_last_batch_is_written_once_more_since_the_disk_may_not_have_it() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), 2).unwrap().write(names(0..20));
    let paths: Vec<_> = segments(folder.path());
    let before: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    for path in &paths {
        fs::File::options().write(true).open(path).unwrap().set_modified(UNIX_EPOCH).unwrap();
    }
    start(folder.path(), 3).unwrap();
    for (path, before) in paths.iter().zip(before).filter(|(path, _)| path.exists()) {
        assert_eq!(fs::read(path).unwrap(), before);
        let has_begun = before[HEAD_BYTES as usize..].iter().any(|byte| *byte != 0);
        assert_eq!(fs::metadata(path).unwrap().modified().unwrap() > UNIX_EPOCH, has_begun, "{path:?}");
    }
}

#[test]
fn a_write_that_was_torn_is_dropped_and_stays_dropped() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), 1).unwrap().write(names(0..20));
    let path = segments(folder.path())[0].clone();
    let whole = fs::read(&path).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    change(&path, end as u64, whole[end] ^ 1);
    let mut store = start(folder.path(), 1).unwrap();
    assert_eq!(store.found[0], names(0..19).collect::<Vec<_>>());
    store.write(names(20..21));
    drop(store);
    // Should it come to light again, it is not what clients were told since.
    fs::write(&path, whole).unwrap();
    let found = &start(folder.path(), 1).unwrap().found[0];
    assert_eq!(*found, names(0..19).chain(names(20..21)).collect::<Vec<_>>());
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&one, &other] {
        start(folder.path(), 1).unwrap().write(names(0..5));
    }
    let path = segments(one.path())[0].clone();
    fs::copy(&segments(other.path())[0], &path).unwrap();
    assert!(refusal(one.path(), 1).contains("belongs to another store"));
    // Or its number is not the one of its name.
    fs::rename(&path, path.with_file_name("000000000077.segment")).unwrap();
    assert!(refusal(one.path(), 1).contains("belongs to another store"));
}

#[test]
fn files_of_discarded_segments_are_used_again_and_their_old_blocks_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = start(folder.path(), 1).unwrap();
    let mut spares = 0;
    for number in 0..8000 {
        store.append(&format!("0 number {number} {}", "x".repeat(100)));
        store.settle();
        if store.shards[0].journal.snapshot_wants() {
            store.shards[0].journal.snapshot_done().unwrap();
            store.settle();
            spares += 1;
        }
    }
    assert!(spares > 3);
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert!(files < 16, "{files}");
    drop(store);
    let found = &start(folder.path(), 1).unwrap().found[0];
    let numbers: Vec<u32> = found.iter().map(|name| name.split(' ').nth(2).unwrap().parse().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.ends_with(&[7998, 7999]));
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
}

#[test]
fn past_its_size_the_store_makes_segments_for_snapshots_only_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Arc::new(Directory::open(folder.path(), "a node").unwrap());
    let layout = Layout { shards: 1, segment_size: SIZE, max_size: 2 * SIZE };
    let files = Files::new(directory.clone(), layout);
    let bytes = files.bytes();
    let (files, thread) = FilesHandle::start(files).unwrap();
    let prepare = |for_snapshot| {
        let (made, is_made) = flume::bounded(1);
        files.prepare(0, for_snapshot, move |open| made.send(open.map(|open| open.prepared.segment)).unwrap());
        is_made.recv().unwrap()
    };
    let (first, second) = (prepare(false).unwrap(), prepare(false).unwrap());
    assert_eq!(prepare(false), None, "it is full");
    let third = prepare(true).unwrap();
    assert_eq!(bytes.load(Ordering::Relaxed), 3 * SIZE);
    files.discard(first);
    files.discard(second);
    let fourth = prepare(false).unwrap();
    assert!(first < second && second < third && third < fourth);
    drop(files);
    thread.join().unwrap();
    assert_eq!(segments(folder.path()).len(), 2);
    assert_eq!(bytes.load(Ordering::Relaxed), 2 * SIZE);
}

#[test]
fn where_segments_are_needed_soon_one_is_filled_ahead_within_the_size_of_the_store() {
    for (max_size, is_made) in [(2 * SIZE, true), (SIZE, false)] {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::open(folder.path(), "a node").unwrap());
        let mut files = Files::new(directory.clone(), Layout { shards: 1, segment_size: SIZE, max_size });
        let first = files.prepare(0).unwrap().prepared.segment;
        let (files, thread) = FilesHandle::start(files).unwrap();
        files.hurry();
        let spare = directory.spare_path(SegmentId(first.0 + 1));
        let is_whole = || fs::metadata(&spare).is_ok_and(|file| file.len() == SIZE);
        while is_made && !is_whole() {
            std::thread::yield_now();
        }
        let (made, next) = flume::bounded(1);
        files.prepare(0, true, move |open| made.send(open.unwrap().prepared.segment).unwrap());
        assert_eq!(next.recv().unwrap().0, first.0 + if is_made { 2 } else { 1 });
        assert!(!spare.exists(), "it is the segment now");
        drop(files);
        thread.join().unwrap();
    }
}
