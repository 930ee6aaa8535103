//! Which segments there are, and what they say of each other: what is known before any of them is read whole.
//!
//! Knows bytes, not files.

use std::collections::BTreeMap;

use super::block::{BLOCK_HEAD_BYTES, Block};
use super::record::{END_BYTES, End, Record};
use super::segment::{HEAD_BYTES, Head, HeadError, SegmentId, ShardOf};
use crate::limits::STORE_ENDS_MAX;

/// How much of a segment's beginning the catalog wants: its head, and a first block that names the end of each segment that
/// was found at a start.
pub const PREFIX_BYTES: usize = HEAD_BYTES as usize + BLOCK_HEAD_BYTES + 8 + END_BYTES * STORE_ENDS_MAX;

/// What was lost or changed in a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A segment's head.
    #[error("segment {}: {error}", segment.0)]
    Head {
        /// Which one.
        segment: SegmentId,
        /// What is wrong.
        error: HeadError,
    },
    /// A segment that says that it is another, or of another store.
    #[error("segment {}: it belongs to another store", segment.0)]
    Foreign {
        /// Which one.
        segment: SegmentId,
    },
    /// Something whole lies behind what is not.
    #[error("segment {}: what lies at byte {at} was changed: a later batch lies behind it", segment.0)]
    Hole {
        /// Which one.
        segment: SegmentId,
        /// Where what is whole ends.
        at: u64,
    },
    /// Less is whole than was there at an earlier start.
    #[error("segment {}: it ends at byte {found}, but {at} bytes of it were read at an earlier start", segment.0)]
    Short {
        /// Which one.
        segment: SegmentId,
        /// Where what is whole ends.
        found: u64,
        /// Where it has ended.
        at: u64,
    },
    /// A segment has gone that others count on.
    #[error("segment {}: its file has gone, and no snapshot came after it", segment.0)]
    Missing {
        /// Which one.
        segment: SegmentId,
    },
    /// A batch that is whole and says what nobody understands.
    #[error("segment {}, byte {at}: {error}", segment.0)]
    Unreadable {
        /// Which one.
        segment: SegmentId,
        /// Where the batch begins.
        at: u64,
        /// Why.
        error: super::record::Unreadable,
    },
}

impl Damage {
    /// The segment that it is about.
    pub fn segment(&self) -> SegmentId {
        match self {
            Self::Head { segment, .. }
            | Self::Foreign { segment }
            | Self::Hole { segment, .. }
            | Self::Short { segment, .. }
            | Self::Missing { segment }
            | Self::Unreadable { segment, .. } => *segment,
        }
    }
}

/// What is known of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it says of itself.
    pub head: Head,
    /// The seed of its blocks.
    pub seed: u32,
    /// Whether its first block is there; without it nothing was written.
    pub has_begun: bool,
    /// The ends that its first block names.
    ends: Vec<End>,
}

impl Entry {
    /// Reads the beginning of the file that bears the number `segment`, at least [`PREFIX_BYTES`] of it.
    ///
    /// # Errors
    /// [`Damage`] of the head.
    pub fn read(segment: SegmentId, store: u128, prefix: &[u8]) -> Result<Self, Damage> {
        let (head, seed) = Head::decode(prefix).map_err(|error| Damage::Head { segment, error })?;
        if head.store != store || head.segment != segment {
            return Err(Damage::Foreign { segment });
        }
        let first = prefix.get(HEAD_BYTES as usize..).and_then(|bytes| Block::read(bytes, seed));
        let begin = first.and_then(|block| block.records().next());
        let ends = match begin.map(Record::decode) {
            Some(Ok(Record::Begin(begin))) => begin.ends().collect(),
            _ => Vec::new(),
        };
        Ok(Self { head, seed, has_begun: first.is_some(), ends })
    }
}

/// The segments of a store, by number.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    entries: BTreeMap<SegmentId, Entry>,
    ends: BTreeMap<SegmentId, End>,
}

impl Catalog {
    /// Adds a segment.
    pub fn add(&mut self, entry: Entry) {
        self.ends.extend(entry.ends.iter().map(|end| (end.segment, *end)));
        self.entries.insert(entry.head.segment, entry);
    }

    /// Those that a shard reads, oldest first.
    pub fn of_shard(&self, reader: ShardOf) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(move |entry| entry.has_begun && reader.reads(entry.head.writer()))
    }

    /// All of them, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Whether a segment is there.
    pub fn has(&self, segment: SegmentId) -> bool {
        self.entries.contains_key(&segment)
    }

    /// How long a segment is, bytes, if it is there.
    pub fn size_of(&self, segment: SegmentId) -> Option<u64> {
        self.entries.get(&segment).map(|entry| entry.head.size)
    }

    /// Where a segment has ended, if another says so.
    pub fn end_of(&self, segment: SegmentId) -> Option<u64> {
        self.ends.get(&segment).map(|end| end.at)
    }

    /// The segments that a shard would read and that some of those that it reads name, with their ends.
    pub fn named_for(&self, reader: ShardOf) -> impl Iterator<Item = End> {
        let ends = self.of_shard(reader).flat_map(|entry| &entry.ends).copied();
        ends.filter(move |end| reader.reads(end.writer))
    }

    /// The segments that are named by others, with their ends.
    pub fn named(&self) -> impl Iterator<Item = End> {
        self.ends.values().copied()
    }

    /// The highest number, and the highest start, that a segment has.
    pub fn highest(&self) -> (SegmentId, u32) {
        let segment = self.entries.last_key_value().map_or(SegmentId(0), |(segment, _)| *segment);
        (segment, self.entries.values().map(|entry| entry.head.start).max().unwrap_or_default())
    }
}
