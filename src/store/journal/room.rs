//! The segments that a journal writes to: the one at hand, and the one that is prepared ahead.

use crate::limits::STORE_BATCH_BYTES_MAX;
use crate::store::record::End;
use crate::store::segment::{HEAD_BYTES, Prepared, ShardOf};

/// Whether a segment is prepared ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ahead {
    /// It has to be asked for.
    Wanted,
    /// It was asked for.
    Asked,
    /// There was no room for it.
    Refused,
    /// It is there.
    Ready(Prepared),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Room {
    segment: Prepared,
    /// Where the next block goes.
    at: u64,
    ahead: Ahead,
    /// It was said that the next segments are needed soon.
    is_urged: bool,
}

impl Room {
    pub(super) fn new(first: Prepared) -> Self {
        Self { segment: first, at: HEAD_BYTES, ahead: Ahead::Wanted, is_urged: false }
    }

    /// Whether the segment at hand has its first block, at least on its way.
    pub(super) fn has_begun(&self) -> bool {
        self.at > HEAD_BYTES
    }

    /// Whether a block fits behind the others.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        self.at + bytes as u64 <= self.segment.size
    }

    /// Whether a block fits into an empty segment.
    pub(super) fn takes_whole(&self, bytes: usize) -> bool {
        // Besides the head, a page for the first block.
        2 * HEAD_BYTES + bytes as u64 <= self.segment.size
    }

    /// Takes so many bytes; tells where they lie.
    pub(super) fn take(&mut self, bytes: usize) -> (Prepared, u64) {
        let at = self.at;
        self.at += bytes as u64;
        assert!(self.at <= self.segment.size, "a block lies within its segment");
        (self.segment, at)
    }

    pub(super) fn end(&self, writer: ShardOf) -> End {
        End { segment: self.segment.segment, at: self.at, writer }
    }

    /// Goes on with the next segment, if it is there.
    pub(super) fn go_on(&mut self) -> Option<Prepared> {
        let Ahead::Ready(next) = self.ahead else { return None };
        *self = Self::new(next);
        Some(next)
    }

    /// Whether a segment is to be asked for; it counts as asked for then.
    pub(super) fn wants_segment(&mut self) -> bool {
        let wants = self.ahead == Ahead::Wanted;
        if wants {
            self.ahead = Ahead::Asked;
        }
        wants
    }

    /// Whether it is to be said that segments are needed soon, once for each: when an eighth of the one at hand is full, a quarter
    /// of what publications may take of it before the next one must be there.
    pub(super) fn wants_haste(&mut self) -> bool {
        let wants = !self.is_urged && self.at - HEAD_BYTES >= self.segment.size / 8;
        self.is_urged |= wants;
        wants
    }

    pub(super) fn prepared(&mut self, prepared: Option<Prepared>) {
        assert_eq!(self.ahead, Ahead::Asked, "one segment is asked for at a time");
        self.ahead = prepared.map_or(Ahead::Refused, Ahead::Ready);
    }

    pub(super) fn retry(&mut self) {
        if self.ahead == Ahead::Refused {
            self.ahead = Ahead::Wanted;
        }
    }

    /// Bytes in the segments that are there.
    fn left(&self) -> u64 {
        let ahead = if let Ahead::Ready(next) = self.ahead { next.size - 2 * HEAD_BYTES } else { 0 };
        self.segment.size - self.at + ahead
    }

    /// Whether these bytes and a batch more fit, and half a segment is left: for a snapshot, and for what a block leaves
    /// at the end of a segment since it does not fit.
    pub(super) fn has_for(&self, waiting: usize) -> bool {
        (waiting + STORE_BATCH_BYTES_MAX) as u64 + self.segment.size / 2 <= self.left()
    }

    /// The same with a quarter, for the snapshot itself.
    pub(super) fn has_for_snapshot(&self, waiting: usize) -> bool {
        (waiting + STORE_BATCH_BYTES_MAX) as u64 + self.segment.size / 4 <= self.left()
    }
}
