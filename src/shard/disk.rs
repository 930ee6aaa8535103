//! A shard's segments of the store: the files that it writes to, and those that are made for it on the thread of the
//! store.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;

use super::waker::Waker;
use crate::hub::Placement;
use crate::store::files::{FilesHandle, Open};
use crate::store::{Directory, Prepared, SegmentId};

/// A shard's part of the node's store.
#[derive(Debug)]
pub struct ShardStore {
    /// What was there at the start.
    pub directory: Arc<Directory>,
    /// To make segments, and to take them away.
    pub files: FilesHandle,
    /// The segment to begin with.
    pub first: Open,
    /// Which shard is a channel's home.
    pub placement: Placement,
}

/// See the module.
#[derive(Debug)]
pub struct Disk {
    shard: u16,
    files: FilesHandle,
    waker: Arc<Waker>,
    /// The segment that is written to, and the one that comes next.
    open: Vec<Open>,
    made: flume::Receiver<Option<Open>>,
    makes: flume::Sender<Option<Open>>,
}

impl Disk {
    /// The segments of a shard, which has this one to begin with.
    pub fn new(shard: u16, files: FilesHandle, first: Open, waker: Arc<Waker>) -> Self {
        let (makes, made) = flume::bounded(1);
        Self { shard, files, waker, open: vec![first], made, makes }
    }

    /// Has a segment made.
    pub(super) fn prepare(&self, for_snapshot: bool) {
        let (makes, waker) = (self.makes.clone(), self.waker.clone());
        self.files.prepare(self.shard, for_snapshot, move |open| {
            // A shard that has ended needs none.
            let _ = makes.send(open);
            waker.ring();
        });
    }

    /// The next segments are needed soon.
    pub(super) fn hurry(&self) {
        self.files.hurry();
    }

    /// Whether what came of it is known.
    pub(super) fn has_prepared(&self) -> bool {
        !self.made.is_empty()
    }

    /// What came of it.
    pub(super) fn next_prepared(&mut self) -> Option<Option<Prepared>> {
        let open = self.made.try_recv().ok()?;
        Some(open.map(|open| {
            let prepared = open.prepared;
            self.open.push(open);
            prepared
        }))
    }

    /// The file to write to. Those of segments before it are closed: nothing is in flight for them.
    pub(super) fn file(&mut self, segment: SegmentId) -> BorrowedFd<'_> {
        self.open.retain(|open| open.prepared.segment >= segment);
        let open = self.open.iter().find(|open| open.prepared.segment == segment);
        open.expect("a journal writes to what was prepared").file.as_fd()
    }

    /// A segment is needed no more.
    pub(super) fn discard(&self, segment: SegmentId) {
        self.files.discard(segment);
    }
}
