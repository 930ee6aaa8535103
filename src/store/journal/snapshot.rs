//! When all that lives is written anew, and which segments are needed no more then.
//!
//! A snapshot begins with a segment: what was appended before it is committed and lies in older ones. When its last
//! batch is committed too, the older ones go, oldest first: whatever a crash leaves of them was said again later. Where shards
//! share some, [`Discards`](crate::store::discards::Discards) sees to that order.

use std::collections::VecDeque;

use crate::limits::STORE_SNAPSHOT_SEGMENTS;
use crate::store::batch::Batch;
use crate::store::segment::{Found, Prepared, SegmentId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// What lives is being appended.
    Active {
        since: SegmentId,
    },
    /// All was appended; this batch is the last.
    Ending {
        since: SegmentId,
        last: Batch,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Segments with something in them, oldest first, and their bytes.
    kept: VecDeque<(SegmentId, u64)>,
    kept_bytes: u64,
    /// What the segments took when the last snapshot was whole.
    last_bytes: u64,
    state: State,
    discards: VecDeque<SegmentId>,
    /// Segments are held up that all shards read: until each has said again what it needs of them, nothing goes.
    has_shared: bool,
    /// A segment was refused for want of room.
    pub(super) is_pressed: bool,
    /// A batch was written since what lives was last appended a part of.
    pub(super) has_share: bool,
}

impl Snapshot {
    pub(super) fn new(found: &[Found]) -> Self {
        Self {
            kept: found.iter().map(|found| (found.segment, found.bytes)).collect(),
            kept_bytes: found.iter().map(|found| found.bytes).sum(),
            has_shared: found.iter().any(|found| found.is_shared),
            last_bytes: 0,
            state: State::Idle,
            discards: VecDeque::new(),
            is_pressed: false,
            has_share: false,
        }
    }

    /// The journal goes on in this segment.
    pub(super) fn begun(&mut self, segment: Prepared) {
        self.kept.push_back((segment.segment, segment.size));
        self.kept_bytes += segment.size;
    }

    pub(super) fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// Whether a snapshot would free much beside what it writes, or others wait for it.
    fn is_worthwhile(&self, segment_size: u64) -> bool {
        if self.has_shared {
            return self.state == State::Idle;
        }
        let bound = if self.is_pressed {
            self.last_bytes + segment_size
        } else {
            (2 * self.last_bytes).max(STORE_SNAPSHOT_SEGMENTS * segment_size)
        };
        self.state == State::Idle && self.kept_bytes > bound
    }

    /// Whether a snapshot should begin before the segment at hand is full: it makes room.
    pub(super) fn is_urgent(&self) -> bool {
        let size = self.kept.back().map_or(0, |(_, bytes)| *bytes);
        self.is_pressed && self.is_worthwhile(size)
    }

    /// Begins a snapshot with the newest segment, if it is time for one.
    pub(super) fn consider(&mut self) {
        let (newest, size) = *self.kept.back().expect("a segment has begun");
        if self.is_worthwhile(size) {
            self.state = State::Active { since: newest };
        }
    }

    /// Whether a snapshot is on, or waits for a segment to begin with.
    pub(super) fn is_active(&self) -> bool {
        self.state != State::Idle || self.is_urgent()
    }

    /// Whether more of what lives is to be appended.
    pub(super) fn wants(&self) -> bool {
        matches!(self.state, State::Active { .. })
    }

    /// The first segment of the snapshot that is on.
    pub(super) fn since(&self) -> Option<SegmentId> {
        if let State::Active { since } = self.state { Some(since) } else { None }
    }

    /// All that lives was appended, this batch being the last.
    pub(super) fn ends_with(&mut self, last: Batch) {
        let since = self.since().expect("a snapshot has begun");
        self.state = State::Ending { since, last };
    }

    /// All batches up to this one are on disk.
    pub(super) fn committed(&mut self, batch: Batch) {
        self.has_share = true;
        let State::Ending { since, last } = self.state else { return };
        if batch < last {
            return;
        }
        while let Some((segment, bytes)) = self.kept.pop_front_if(|(segment, _)| *segment < since) {
            self.kept_bytes -= bytes;
            self.discards.push_back(segment);
        }
        (self.last_bytes, self.state) = (self.kept_bytes, State::Idle);
        (self.is_pressed, self.has_shared) = (false, false);
    }

    /// The next segment that is needed no more.
    pub(super) fn next_discard(&mut self) -> Option<SegmentId> {
        self.discards.pop_front()
    }
}
