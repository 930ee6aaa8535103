//! A set of shards in one word.

/// Shards by number, 0–63.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSet(u64);

impl ShardSet {
    /// The set without a shard.
    pub const EMPTY: Self = Self(0);

    /// One shard.
    pub fn of(shard: u16) -> Self {
        Self(1 << shard)
    }

    /// All shards of a node that has so many, at least one.
    pub fn all(shards: u16) -> Self {
        Self(u64::MAX >> (u64::BITS - u32::from(shards)))
    }

    /// Adds a shard.
    pub fn insert(&mut self, shard: u16) {
        self.0 |= 1 << shard;
    }

    /// Removes a shard.
    pub fn remove(&mut self, shard: u16) {
        self.0 &= !(1 << shard);
    }

    /// Those that are not in `others`.
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether one of `others` is in it.
    pub fn intersects(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether a shard is in it.
    pub fn contains(self, shard: u16) -> bool {
        self.0 & (1 << shard) != 0
    }

    /// Whether no shard is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The shards in ascending order.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let shard = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            (shard < 64).then_some(shard as u16)
        })
    }
}

const _: () = assert!(crate::limits::SHARDS_MAX <= u64::BITS as usize);
