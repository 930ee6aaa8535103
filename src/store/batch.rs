//! The number of what is written, and synced, as one.

/// A batch of one shard. Numbers grow over the life of the store, over restarts too: of two records of one channel that of
/// the higher batch is the later one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Batch(pub u64);

impl Batch {
    /// What waits for no write. Always committed.
    pub const NONE: Self = Self(0);

    /// Batches that one start of the node has numbers for, as a power of two: two years of a sync each 50 µs.
    const BITS_OF_START: u32 = 40;

    /// The last number before those of a start of the node; starts count from 1.
    pub fn before_start(start: u32) -> Self {
        Self(u64::from(start) << Self::BITS_OF_START)
    }

    /// The start of the node that it is of.
    pub fn start(self) -> u32 {
        (self.0 >> Self::BITS_OF_START) as u32
    }

    /// The one after it.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
