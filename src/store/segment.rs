//! One file of a shard's log: a head, blocks one behind the other, and what the file held before.
//!
//! The head is on disk before the segment has its name, so a segment whose head cannot be read was damaged. A segment of
//! an earlier start is never appended to.

use serde::Serialize;

use super::batch::Batch;
use super::block::{BLOCK_ALIGNMENT, Block};

/// Where the first block lies. A page, so that what is written later does not touch the head.
pub const HEAD_BYTES: u64 = 4096;

/// The version of the format, of heads, blocks and records together. A store of a higher one is refused.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"ringpost";

/// What the head takes of its page.
const HEAD_LENGTH: usize = 56;

/// The number of a segment, one per store: a higher one was prepared later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SegmentId(pub u64);

/// A shard among as many as there are, or were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ShardOf {
    /// Its number, from 0.
    pub shard: u16,
    /// How many there are.
    pub shards: u16,
}

impl ShardOf {
    /// Whether it reads what `writer` wrote: its own, and all of times with more or fewer shards, where its channels lie
    /// among others.
    pub fn reads(self, writer: Self) -> bool {
        self.shards != writer.shards || self.shard == writer.shard
    }
}

/// A segment that a start has found, with something in it for the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which one.
    pub segment: SegmentId,
    /// How long its file is, bytes.
    pub bytes: u64,
    /// It is of another number of shards: all shards read it.
    pub is_shared: bool,
}

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The store that it belongs to.
    pub store: u128,
    /// Its number.
    pub segment: SegmentId,
    /// The start of the node that made it, from 1.
    pub start: u32,
    /// The shard that writes it.
    pub shard: u16,
    /// How many shards there were.
    pub shards: u16,
    /// How long the file is, bytes.
    pub size: u64,
}

/// Why a head is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// No segment, or one whose head was overwritten.
    #[error("its head is damaged")]
    Damaged,
    /// A later format.
    #[error("it is of format {0}, of a newer ringpost; this one reads format {VERSION}")]
    Newer(u32),
}

impl Head {
    /// The shard that writes the segment.
    pub fn writer(&self) -> ShardOf {
        ShardOf { shard: self.shard, shards: self.shards }
    }

    /// The head in bytes, and the seed of the segment's blocks.
    pub fn encode(&self) -> ([u8; HEAD_LENGTH], u32) {
        let mut bytes = [0; HEAD_LENGTH];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&MAGIC);
        put(&VERSION.to_le_bytes());
        put(&self.start.to_le_bytes());
        put(&self.store.to_le_bytes());
        put(&self.segment.0.to_le_bytes());
        put(&self.size.to_le_bytes());
        put(&self.shard.to_le_bytes());
        put(&self.shards.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[..HEAD_LENGTH - 4]);
        bytes[HEAD_LENGTH - 4..].copy_from_slice(&sum.to_le_bytes());
        (bytes, sum)
    }

    /// Reads the head of a segment, and the seed of its blocks.
    ///
    /// # Errors
    /// [`HeadError`].
    pub fn decode(bytes: &[u8]) -> Result<(Self, u32), HeadError> {
        fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
            bytes[at..at + N].try_into().expect("fields lie within the head")
        }
        let head = bytes.get(..HEAD_LENGTH).ok_or(HeadError::Damaged)?;
        let version = u32::from_le_bytes(field(head, 8));
        if head[..8] != MAGIC {
            return Err(HeadError::Damaged);
        }
        let sum = u32::from_le_bytes(field(head, HEAD_LENGTH - 4));
        if version > VERSION {
            return Err(HeadError::Newer(version));
        }
        if version != VERSION || crc32c::crc32c(&head[..HEAD_LENGTH - 4]) != sum {
            return Err(HeadError::Damaged);
        }
        let head = Self {
            start: u32::from_le_bytes(field(head, 12)),
            store: u128::from_le_bytes(field(head, 16)),
            segment: SegmentId(u64::from_le_bytes(field(head, 32))),
            size: u64::from_le_bytes(field(head, 40)),
            shard: u16::from_le_bytes(field(head, 48)),
            shards: u16::from_le_bytes(field(head, 50)),
        };
        Ok((head, sum))
    }
}

/// A segment that is prepared: its head is on disk, and it has no block yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Its number.
    pub segment: SegmentId,
    /// The seed of its blocks.
    pub seed: u32,
    /// How long the file is, bytes.
    pub size: u64,
}

/// The whole blocks of a segment, from the first up to what is no block.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    bytes: &'a [u8],
    seed: u32,
    at: usize,
    last: Batch,
}

impl<'a> Blocks<'a> {
    /// Those of a segment whose file has these bytes.
    pub fn new(bytes: &'a [u8], seed: u32) -> Self {
        Self { bytes, seed, at: HEAD_BYTES as usize, last: Batch::NONE }
    }

    /// Where the next block would begin: when there is none left, where the segment ends.
    pub fn at(&self) -> u64 {
        self.at as u64
    }

    /// The batch of the last block.
    pub fn last(&self) -> Batch {
        self.last
    }

    /// Where something of a later batch lies behind what is no block: then that was not torn by the last write, which
    /// nothing follows, but is a hole. Call it when there is none left.
    ///
    /// The head of a block tells as much as a whole one: of the batch behind a hole only the beginning may have reached the
    /// disk.
    pub fn hole(&self) -> Option<u64> {
        let is_later = |at: &usize| {
            let bytes = self.bytes.get(*at..).unwrap_or_default();
            let later = Block::batch_at(bytes, self.seed).filter(|batch| *batch > self.last);
            // A message may have the seed in it, but hardly in front of a number of this start.
            later.is_some_and(|batch| batch.start() == self.last.start() || Block::read(bytes, self.seed).is_some())
        };
        let mut behind = (self.at..self.bytes.len()).step_by(BLOCK_ALIGNMENT).skip(1);
        behind.find(is_later).map(|at| at as u64)
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let block = Block::read(self.bytes.get(self.at..)?, self.seed)?;
        // Batches grow: one that does not is no block that follows this one.
        if block.batch < self.last {
            return None;
        }
        self.at += block.bytes;
        self.last = block.batch;
        Some(block)
    }
}

#[cfg(test)]
mod tests;
