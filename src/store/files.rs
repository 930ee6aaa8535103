//! Making segments and taking them away: on a thread of its own, since both take a disk's time.
//!
//! A new segment is written full of zeros and synced before it gets its name: later writes then change no metadata, and
//! find their room. A disk that syncs syncs what everybody has given it, so that the zeros go in small steps with a sync and
//! a rest each: no batch of a shard waits behind more than one step. Files of segments that were discarded are used again,
//! which spares the zeros. Where segments go fast, one is filled with zeros before it is asked for.

use std::fs::{self, File};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::io::{ReadWriteFlags, pwritev2};

use super::directory::Directory;
use super::discards::Discards;
use super::error::StoreError;
use super::segment::{Head, Prepared, SegmentId};
use crate::limits::{STORE_DISCARD_RETRY_MS, STORE_SPARES_PER_SHARD, STORE_ZEROS_BYTES};
use crate::vital;

/// How a node's store is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// How many shards there are.
    pub shards: u16,
    /// How long a segment is, bytes.
    pub segment_size: u64,
    /// What all segments may take before publications are refused, bytes.
    pub max_size: u64,
}

/// A segment that is prepared, and its file.
#[derive(Debug)]
pub struct Open {
    /// The segment.
    pub prepared: Prepared,
    /// To write to.
    pub file: File,
}

/// The files of a store. One party changes them.
#[derive(Debug)]
pub struct Files {
    directory: Arc<Directory>,
    layout: Layout,
    /// The number of the next segment.
    next: u64,
    spares: Vec<SegmentId>,
    /// A segment is needed soon: it is to be a spare by then.
    wants_spare: bool,
    /// Bytes of segments, without spares.
    bytes: Arc<AtomicU64>,
    discards: Discards,
    /// The file system does not take a segment away: when that is tried again.
    next_try: Option<Instant>,
    /// The log was told that no segment can be made.
    has_warned: bool,
}

impl Files {
    /// The files of a directory that was opened by a node.
    pub fn new(directory: Arc<Directory>, layout: Layout) -> Self {
        let entries = || directory.catalog().entries();
        let highest = directory.spares().iter().copied().max().max(Some(directory.catalog().highest().0));
        Self {
            next: highest.unwrap_or_default().0 + 1,
            spares: directory.spares().to_vec(),
            wants_spare: false,
            bytes: Arc::new(AtomicU64::new(entries().map(|entry| entry.head.size).sum())),
            discards: Discards::new(directory.catalog(), layout.shards),
            next_try: None,
            has_warned: false,
            directory,
            layout,
        }
    }

    /// Bytes that all segments take, for the metrics.
    pub fn bytes(&self) -> Arc<AtomicU64> {
        self.bytes.clone()
    }

    /// Makes a segment for a shard, as fast as it goes: nobody writes yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn prepare(&mut self, shard: u16) -> Result<Open, StoreError> {
        self.make(shard, |_| true)
    }

    /// Makes a segment for a shard. `rest` is called after each step that the disk has worked on, with how long that took; false
    /// gives it up.
    fn make(&mut self, shard: u16, rest: impl Fn(Duration) -> bool) -> Result<Open, StoreError> {
        let segment = SegmentId(self.next);
        let spare = self.take_spare();
        let identity = self.directory.identity();
        let (head, seed) = Head {
            store: identity.store.as_u128(),
            segment,
            start: identity.starts,
            shard,
            shards: self.layout.shards,
            size: self.layout.segment_size,
        }
        .encode();
        // The name of a spare: what is not done is one when the node starts again.
        let new = self.directory.spare_path(segment);
        let path = self.directory.segment_path(segment);
        let make = || {
            if let Some(spare) = spare {
                fs::rename(self.directory.spare_path(spare), &new)?;
            }
            let file = open(&new)?;
            if spare.is_none() {
                fill(&file, self.layout.segment_size, &rest)?;
            }
            file.write_all_at(&head, 0)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            self.directory.sync()?;
            Ok(file)
        };
        let file = make().map_err(|error| {
            // Gives back what it has taken; where even that fails, the next one is made of it: it has the same number.
            let _ = fs::remove_file(&new).or_else(|_| fs::remove_file(&path));
            StoreError::io(&path, "the segment cannot be made")(error)
        })?;
        self.next += 1;
        self.bytes.fetch_add(self.layout.segment_size, Ordering::Relaxed);
        Ok(Open { prepared: Prepared { segment, seed, size: self.layout.segment_size }, file })
    }

    /// As [`Files::make`], unless the store takes as much as it may; a snapshot may go past that, which makes room.
    fn make_within(&mut self, shard: u16, for_snapshot: bool, rest: impl Fn(Duration) -> bool) -> Option<Open> {
        if self.is_full() && !for_snapshot {
            let max_size = self.layout.max_size;
            self.warn(format_args!("`store.max_size` is reached: {max_size} bytes"));
            return None;
        }
        match self.make(shard, rest) {
            Ok(open) => {
                self.has_warned = false;
                Some(open)
            }
            Err(error) => {
                self.warn(format_args!("{error}"));
                None
            }
        }
    }

    /// Once, until there is room again: a shard asks ten times a second.
    fn warn(&mut self, problem: std::fmt::Arguments<'_>) {
        if !std::mem::replace(&mut self.has_warned, true) {
            tracing::error!("the store has no room, and publishes to channels on disk are refused: {problem}");
        }
    }

    /// Whether one more segment would take the store past its size.
    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) + self.layout.segment_size > self.layout.max_size
    }

    /// Makes a spare where one is needed soon and there is none: there is time now. `rest` is as of [`Files::make`].
    fn make_spare(&mut self, rest: impl Fn(Duration) -> bool) {
        if !std::mem::take(&mut self.wants_spare) || !self.spares.is_empty() || self.is_full() {
            return;
        }
        let spare = SegmentId(self.next);
        self.next += 1;
        let path = self.directory.spare_path(spare);
        // Where it cannot be made, whoever needs the segment is told so.
        match open(&path).and_then(|file| fill(&file, self.layout.segment_size, &rest)) {
            Ok(()) => self.spares.push(spare),
            Err(_) => drop(fs::remove_file(&path)),
        }
    }

    /// A spare of the right length; others are removed.
    fn take_spare(&mut self) -> Option<SegmentId> {
        while let Some(spare) = self.spares.pop() {
            let path = self.directory.spare_path(spare);
            if fs::metadata(&path).is_ok_and(|file| file.len() == self.layout.segment_size) {
                return Some(spare);
            }
            let _ = fs::remove_file(&path);
        }
        None
    }

    /// A shard needs a segment no more. Those go that may go now ([`Discards`]), unless the file system has just refused to take
    /// one away: then all wait until that is tried again.
    pub fn discard(&mut self, segment: SegmentId) {
        self.discards.discard(segment);
        if self.next_try.is_none_or(|next| next <= Instant::now()) {
            self.take_away();
        }
    }

    /// When to try again to take segments away; nothing where none is held up.
    pub fn next_try(&self) -> Option<Instant> {
        self.next_try
    }

    /// Takes away what may go. Where that fails it is tried again after a while, from the same segment on.
    pub fn take_away(&mut self) {
        let was_refused = self.next_try.take().is_some();
        while let Some(segment) = self.discards.next_to_go() {
            if let Err(error) = self.take_one_away(segment) {
                self.next_try = Some(Instant::now() + Duration::from_millis(STORE_DISCARD_RETRY_MS));
                if !was_refused {
                    tracing::error!("the store grows until this is mended, and is tried again every second: {error}");
                }
                return;
            }
            self.discards.gone(segment);
        }
        if was_refused {
            tracing::info!("segments that are needed no more go again");
        }
    }

    fn take_one_away(&mut self, segment: SegmentId) -> Result<(), StoreError> {
        let (path, spare) = (self.directory.segment_path(segment), self.directory.spare_path(segment));
        let taken = match self.has_use_for_spare() {
            true => fs::rename(&path, &spare),
            false => fs::remove_file(&path),
        };
        let taken = match taken {
            // It went at an earlier try, which was told that it had failed, or whose sync failed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            taken => taken,
        };
        // Names go in the order in which segments were made, so that what is left after a loss of power follows on nothing
        // that has gone.
        let gone = taken.and_then(|()| self.directory.sync());
        gone.map_err(StoreError::io(&path, "the segment cannot be taken away"))?;
        self.bytes.fetch_sub(self.size_of(segment), Ordering::Relaxed);
        if fs::exists(spare).is_ok_and(|is_spare| is_spare) {
            self.spares.push(segment);
        }
        Ok(())
    }

    /// What a segment takes, whatever the directory says.
    fn size_of(&self, segment: SegmentId) -> u64 {
        self.directory.catalog().size_of(segment).unwrap_or(self.layout.segment_size)
    }

    /// Whether one more spare is of use: as many as there are segments will be needed until the next snapshots, which begin
    /// when there are twice as many.
    fn has_use_for_spare(&self) -> bool {
        let (bytes, spares) = (self.bytes.load(Ordering::Relaxed), self.spares.len() as u64);
        let segments = bytes / self.layout.segment_size;
        bytes + spares * self.layout.segment_size <= self.layout.max_size
            && spares < segments.max(STORE_SPARES_PER_SHARD * u64::from(self.layout.shards))
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Writes a file full of zeros that are synced, with a rest after each step, unless that gives it up.
fn fill(file: &File, size: u64, rest: &impl Fn(Duration) -> bool) -> io::Result<()> {
    let zeros = vec![0; STORE_ZEROS_BYTES];
    let mut at = 0;
    while at < size {
        let began = Instant::now();
        let bytes = zeros.len().min((size - at) as usize);
        match pwritev2(file, &[IoSlice::new(&zeros[..bytes])], at, ReadWriteFlags::DSYNC)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => at += written as u64,
        }
        if !rest(began.elapsed()) {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
    file.set_len(size)
}

/// What a shard asks of the files.
enum Task {
    Prepare {
        shard: u16,
        for_snapshot: bool,
        done: Box<dyn FnOnce(Option<Open>) + Send>,
    },
    /// Segments are needed soon. Who waits for the thread has it rest no more.
    Hurry,
    Discard(SegmentId),
}

/// Asks the thread of the files. The thread ends when the last of these has gone.
#[derive(Clone, Debug)]
pub struct FilesHandle {
    tasks: flume::Sender<Task>,
}

impl FilesHandle {
    /// Starts the thread.
    ///
    /// # Errors
    /// The host has no thread left.
    pub fn start(mut files: Files) -> io::Result<(Self, JoinHandle<()>)> {
        let (tasks, asked) = flume::unbounded();
        let thread = vital::spawn("store", move || {
            // The disk is the batches' for as long again, unless somebody waits for this thread, or nobody writes any more.
            let rest = |worked| {
                if asked.is_empty() && !asked.is_disconnected() {
                    thread::sleep(worked);
                }
                true
            };
            loop {
                if asked.is_empty() {
                    files.make_spare(|worked| rest(worked) && !asked.is_disconnected());
                }
                let task = match files.next_try() {
                    None => asked.recv().ok(),
                    Some(next) => match asked.recv_deadline(next) {
                        Ok(task) => Some(task),
                        Err(flume::RecvTimeoutError::Timeout) => {
                            files.take_away();
                            continue;
                        }
                        Err(flume::RecvTimeoutError::Disconnected) => None,
                    },
                };
                let Some(task) = task else { break };
                match task {
                    Task::Prepare { shard, for_snapshot, done } => done(files.make_within(shard, for_snapshot, rest)),
                    Task::Hurry => files.wants_spare = true,
                    Task::Discard(segment) => files.discard(segment),
                }
            }
        })?;
        Ok((Self { tasks }, thread))
    }

    /// Has a segment made for a shard. `done` is called on the thread of the files, with nothing where there is no room.
    pub fn prepare(&self, shard: u16, for_snapshot: bool, done: impl FnOnce(Option<Open>) + Send + 'static) {
        self.ask(Task::Prepare { shard, for_snapshot, done: Box::new(done) });
    }

    /// A shard needs the segment soon that is made for it, or the one after it: no rest from now on, and a spare when there is time.
    pub fn hurry(&self) {
        self.ask(Task::Hurry);
    }

    /// A shard needs a segment no more.
    pub fn discard(&self, segment: SegmentId) {
        self.ask(Task::Discard(segment));
    }

    fn ask(&self, task: Task) {
        // A shard has one request at a time that it urges once, and a discard per segment: the queue is bounded by what there is.
        // The thread lives as long as its handles, unless it has panicked: then the node is leaving.
        let _ = self.tasks.send(task);
    }
}
