//! Which shard is a channel's home.

use std::hash::BuildHasher;

/// The keyed map from names to shards. The key is secret, since clients choose the names: without it they
/// could put all their channels on one shard.
#[derive(Clone, Debug)]
pub struct Placement {
    shards: u16,
    hash: foldhash::quality::SeedableRandomState,
}

impl Placement {
    /// A map over `shards` shards.
    ///
    /// # Panics
    /// When `shards` is 0 or above [`crate::limits::SHARDS_MAX`].
    pub fn new(shards: u16, secret: u64) -> Self {
        assert!(shards > 0 && usize::from(shards) <= crate::limits::SHARDS_MAX);
        // All of the hash follows from the secret, so that one secret always makes the same map. The table lives
        // as long as the node, which has one map.
        let shared = Box::leak(Box::new(foldhash::SharedSeed::from_u64(secret)));
        let hash = foldhash::quality::SeedableRandomState::with_seed(secret, shared);
        Self { shards, hash }
    }

    /// The home of a channel (or of a user, by name).
    pub fn of(&self, name: &str) -> u16 {
        // Multiply-shift instead of a remainder: the high bits decide.
        ((u128::from(self.hash.hash_one(name)) * u128::from(self.shards)) >> 64) as u16
    }

    /// How many shards there are.
    pub fn shards(&self) -> u16 {
        self.shards
    }
}
