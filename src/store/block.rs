//! A batch as it lies in a segment: one block, which is there whole or not at all.
//!
//! ```text
//! seed u32 | CRC32C u32 | batch u64 | length u32 | records u32 | records: (length u32, bytes)* | zeros to 8 bytes
//! ```
//! The seed is the checksum of the segment's head, which no other segment has: it begins the block's checksum, so that a
//! block that an earlier use of the file has left is none of this segment.

use super::batch::Batch;

/// Bytes before the records.
pub const BLOCK_HEAD_BYTES: usize = 24;

/// Blocks begin at multiples of this.
pub const BLOCK_ALIGNMENT: usize = 8;

/// A block that is being made.
#[derive(Debug)]
pub struct BlockBuilder {
    bytes: Vec<u8>,
    records: u32,
}

impl BlockBuilder {
    /// A block without records, in the memory of another.
    pub fn new(mut memory: Vec<u8>) -> Self {
        memory.clear();
        memory.resize(BLOCK_HEAD_BYTES, 0);
        Self { bytes: memory, records: 0 }
    }

    /// Adds a record that `encode` appends.
    pub fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        encode(&mut self.bytes);
        let length = (self.bytes.len() - start - 4) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.records += 1;
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// What it takes in a segment, bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len().next_multiple_of(BLOCK_ALIGNMENT)
    }

    /// The block of a batch, for the segment of this seed.
    pub fn seal(mut self, batch: Batch, seed: u32) -> Vec<u8> {
        let length = (self.bytes.len() - BLOCK_HEAD_BYTES) as u32;
        let bytes = &mut self.bytes;
        bytes[..4].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&batch.0.to_le_bytes());
        bytes[16..20].copy_from_slice(&length.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.records.to_le_bytes());
        let sum = crc32c::crc32c_append(seed, &bytes[8..]);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(BLOCK_ALIGNMENT), 0);
        self.bytes
    }
}

/// A block that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Its batch.
    pub batch: Batch,
    /// What it takes in the segment, bytes.
    pub bytes: usize,
    records: u32,
    body: &'a [u8],
}

impl<'a> Block<'a> {
    /// The whole block at the beginning of `bytes`, if there is one of the segment of this seed.
    pub fn read(bytes: &'a [u8], seed: u32) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(BLOCK_HEAD_BYTES)?;
        let u32_at = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
        if u32_at(0) != seed {
            return None;
        }
        let body = rest.get(..u32_at(16) as usize)?;
        let covered = &bytes[8..BLOCK_HEAD_BYTES + body.len()];
        if crc32c::crc32c_append(seed, covered) != u32_at(4) {
            return None;
        }
        let batch = Batch(u64::from_le_bytes(head[8..16].try_into().expect("eight bytes")));
        let bytes = (BLOCK_HEAD_BYTES + body.len()).next_multiple_of(BLOCK_ALIGNMENT);
        Some(Self { batch, bytes, records: u32_at(20), body })
    }

    /// The batch that the head of a block at the beginning of `bytes` names, whole or not, if it is one of the segment of this
    /// seed.
    pub fn batch_at(bytes: &[u8], seed: u32) -> Option<Batch> {
        let (own, rest) = bytes.split_first_chunk()?;
        let batch = rest.get(4..)?.first_chunk()?;
        (u32::from_le_bytes(*own) == seed).then(|| Batch(u64::from_le_bytes(*batch)))
    }

    /// The bytes of its records, in the order in which they were appended. Fewer than [`Block::count`] where their lengths
    /// contradict the block's: a whole block of ours has none such.
    pub fn records(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.body;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (record, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = after;
            Some(record)
        })
    }

    /// How many records it says that it has.
    pub fn count(&self) -> u32 {
        self.records
    }
}
