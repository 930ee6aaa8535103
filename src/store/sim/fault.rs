//! Faults of the node's, or of a disk that lies, that the simulated disk plays, to see that they are found. None is in the
//! node's own code.

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
        let mut blocks = Blocks::new(file, old);
        let mut begins = vec![blocks.at() as usize];
        while blocks.next().is_some() {
            begins.push(blocks.at() as usize);
        }
        begins.pop();
        begins.into_iter().for_each(|at| sign(&mut file[at..], seed));
    }
}

/// Gives a block the seed of a segment, and the checksum that goes with it.
fn sign(block: &mut [u8], seed: u32) {
    let length = u32::from_le_bytes(block[16..20].try_into().expect("four bytes")) as usize;
    block[..4].copy_from_slice(&seed.to_le_bytes());
    let sum = crc32c::crc32c_append(seed, &block[8..BLOCK_HEAD_BYTES + length]);
    block[4..8].copy_from_slice(&sum.to_le_bytes());
}
