//! A shard's journal, its ring and its segments under a load of records.

use std::collections::VecDeque;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringpost::model::{Payload, Publication};
use ringpost::ring::{Event, Ring, RingSize};
use ringpost::store::files::{Files, FilesHandle, Layout, Open};
use ringpost::store::record::PublicationRecord;
use ringpost::store::segment::ShardOf;
use ringpost::store::{Batch, Directory, Journal, JournalSetup, Record, Request};

use crate::times::Times;

/// What came of a load.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) took: Duration,
    /// Records that were committed.
    pub(super) records: u64,
    /// Bytes of each write.
    pub(super) batches: Vec<usize>,
    pub(super) commits: Times,
    pub(super) syncs: Times,
}

impl Run {
    /// About how many records each batch had: they are equally long.
    pub(super) fn records_by_batch(&self) -> Vec<u64> {
        let bytes: usize = self.batches.iter().sum();
        let each = bytes as f64 / self.records as f64;
        self.batches.iter().map(|batch| (*batch as f64 / each).round().max(1.0) as u64).collect()
    }
}

/// See the module.
pub(super) struct Load {
    journal: Journal,
    ring: Ring,
    files: FilesHandle,
    /// Ends when nobody asks for files any more; the directory is its own until then.
    maker: JoinHandle<()>,
    open: Vec<Open>,
    made: flume::Receiver<Option<Open>>,
    makes: flume::Sender<Option<Open>>,
    rate: Option<u64>,
    publication: Publication,
    /// When the records of each batch were due, and how many are there.
    due: VecDeque<(Batch, Instant)>,
    asked: Instant,
    is_writing: bool,
    run: Run,
}

impl Load {
    pub(super) fn new(path: &Path, rate: Option<u64>) -> anyhow::Result<Self> {
        let directory = Arc::new(Directory::open(path, "bench")?);
        let layout = Layout { shards: 1, segment_size: 64 << 20, max_size: 64 << 30 };
        let mut files = Files::new(directory.clone(), layout);
        let first = files.prepare(0)?;
        let journal = Journal::new(JournalSetup {
            start: directory.identity().starts,
            writer: ShardOf { shard: 0, shards: 1 },
            first: first.prepared,
            ends: Vec::new(),
            found: Vec::new(),
            sync_interval_ns: 0,
        });
        let (makes, made) = flume::bounded(1);
        let (files, maker) = FilesHandle::start(files)?;
        Ok(Self {
            journal,
            ring: Ring::new(RingSize { entries: 64, buffers: 2, buffer_bytes: 512 })?,
            files,
            maker,
            open: vec![first],
            made,
            makes,
            rate,
            publication: Publication {
                offset: 1,
                data: Payload::binary(vec![7; 200]),
                info: None,
                tags: None,
                time_unix_ms: 0,
            },
            due: VecDeque::new(),
            asked: Instant::now(),
            is_writing: false,
            run: Run::default(),
        })
    }

    pub(super) fn run(mut self, time: Duration) -> anyhow::Result<Run> {
        let began = Instant::now();
        let mut events = Vec::new();
        let mut offered = 0;
        while began.elapsed() < time || !self.due.is_empty() {
            if began.elapsed() < time {
                self.append(began, &mut offered);
            }
            self.serve();
            // As a shard does, which takes what has come meanwhile when it wakes.
            if self.is_writing {
                self.ring.enter_and_wait(None)?
            } else {
                self.ring.enter()?
            }
            self.ring.events(&mut events);
            for event in events.drain(..) {
                let Event::Written { result, bytes } = event else { continue };
                result?;
                self.written(bytes);
            }
        }
        self.run.took = began.elapsed();
        let Self { run, files, maker, made, .. } = self;
        drop((files, made));
        maker.join().expect("the thread of the files does not panic");
        Ok(run)
    }

    /// Appends what is due, as far as there is room.
    fn append(&mut self, began: Instant, offered: &mut u64) {
        let now = Instant::now();
        let until = self.rate.map_or(u64::MAX, |rate| (now - began).as_nanos() as u64 * rate / 1_000_000_000);
        while *offered < until && self.journal.has_room() {
            *offered += 1;
            self.publication.offset = *offered;
            let due = self.rate.map_or(now, |rate| began + Duration::from_nanos(*offered * 1_000_000_000 / rate));
            let record = Record::Publication(PublicationRecord::of("channel", "epoch", &self.publication, 1));
            let batch = self.journal.append(&record).expect("no write has failed");
            self.due.push_back((batch, due));
        }
    }

    fn serve(&mut self) {
        if let Ok(open) = self.made.try_recv() {
            self.journal.prepared(open.as_ref().map(|open| open.prepared));
            self.open.extend(open);
        }
        // Nothing lives: a snapshot is done at once.
        if self.journal.snapshot_wants() {
            self.journal.snapshot_done().expect("no write has failed");
        }
        while let Some(request) = self.journal.next_request(0) {
            match request {
                Request::Prepare { for_snapshot } => {
                    let makes = self.makes.clone();
                    self.files.prepare(0, for_snapshot, move |open| drop(makes.send(open)));
                }
                Request::Hurry => self.files.hurry(),
                Request::Discard { segment } => self.files.discard(segment),
                Request::Write { segment, at, bytes } => {
                    self.open.retain(|open| open.prepared.segment >= segment);
                    self.run.batches.push(bytes.len());
                    (self.asked, self.is_writing) = (Instant::now(), true);
                    self.ring.write(self.open[0].file.as_fd(), at, bytes);
                }
            }
        }
    }

    fn written(&mut self, memory: Vec<u8>) {
        let now = Instant::now();
        self.run.syncs.add(now - self.asked);
        self.is_writing = false;
        self.journal.written(true, memory);
        while self.due.front().is_some_and(|(batch, _)| *batch <= self.journal.committed()) {
            let (_, due) = self.due.pop_front().expect("it is there");
            self.run.commits.add(now.saturating_duration_since(due));
            self.run.records += 1;
        }
    }
}
