//! Faults of the node's, or of a disk that lies, that the simulated disk plays, to see that they are found. None is in the
//! node's own code.

use std::ops::Range;

use super::disk::Write;
use crate::store::block::BLOCK_HEAD_BYTES;
use crate::store::segment::{Blocks, Head};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A sync that failed is taken for one that did not.
    IgnoresFailedSync,
    /// Blocks of all segments have the same seed.
    SeedsAllAlike,
    /// Bytes of a torn write are taken for whole.
    TakesTailForWhole,
    /// Some writes are told to be on disk, and are not.
    TellsTooEarly,
    /// Some writes are never told of.
    NeverTells,
    /// Some writes are told of twice.
    TellsTwice,
    /// What was synced last is gone when the power has gone.
    ForgetsLast,
    /// A start does not find what devices have received.
    ForgetsFloors,
    /// What a start has read is taken to be on disk.
    TrustsTheKernel,
    /// Blocks with a wrong checksum are taken.
    TakesWrongSums,
}

impl Fault {
    /// As a reader would see a torn write that does not look at checksums.
    pub(super) fn make_whole(write: &Write, file: &mut [u8]) {
        let file = &mut file[write.at..][..write.bytes.len()];
        file[..BLOCK_HEAD_BYTES].copy_from_slice(&write.bytes[..BLOCK_HEAD_BYTES]);
        let seed = u32::from_le_bytes(file[..4].try_into().expect("four bytes"));
        sign(file, seed);
    }

    /// What a file was used for before has the seed of what it is used for now.
    pub(super) fn seed_anew(file: &mut [u8], seed: u32) {
        let Ok((_, old)) = Head::decode(file) else { return };
        blocks_of(file, old).into_iter().for_each(|block| sign(&mut file[block.start..], seed));
    }

    /// Turns a bit as a reader would see it that does not look at checksums.
    pub(super) fn flip_unseen(file: &mut [u8], bit: usize) {
        let (_, seed) = Head::decode(file).expect("nothing has befallen it yet");
        let block = blocks_of(file, seed).into_iter().find(|block| block.contains(&(bit / 8)));
        flip(file, bit);
        // A reader goes by the head of a block all the same.
        if let Some(block) = block.filter(|block| bit / 8 >= block.start + BLOCK_HEAD_BYTES) {
            sign(&mut file[block.start..], seed);
        }
    }
}

/// Turns a bit.
pub(super) fn flip(file: &mut [u8], bit: usize) {
    file[bit / 8] ^= 1 << (bit % 8);
}

/// Where the blocks of a file lie.
fn blocks_of(file: &[u8], seed: u32) -> Vec<Range<usize>> {
    let mut blocks = Blocks::new(file, seed);
    let mut found = Vec::new();
    loop {
        let begin = blocks.at() as usize;
        if blocks.next().is_none() {
            return found;
        }
        found.push(begin..blocks.at() as usize);
    }
}

/// Gives a block the seed of a segment, and the checksum that goes with it.
fn sign(block: &mut [u8], seed: u32) {
    let length = u32::from_le_bytes(block[16..20].try_into().expect("four bytes")) as usize;
    block[..4].copy_from_slice(&seed.to_le_bytes());
    let sum = crc32c::crc32c_append(seed, &block[8..BLOCK_HEAD_BYTES + length]);
    block[4..8].copy_from_slice(&sum.to_le_bytes());
}
