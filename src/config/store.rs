//! The section of the store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What channels keep beyond the process, where their namespace says `log = "disk"`. Only a restart changes this section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StoreConfig {
    /// The directory, of this node alone, on a local disk; it is made where it is missing. Empty: there is no store.
    pub path: String,
    /// Bytes of a file of the store. A shard has two at least, and writes all that lives anew when it has filled four, or
    /// twice what that took the last time.
    pub segment_size: u64,
    /// What the store may take, bytes. Past it publishes to channels on disk are refused, until what is not needed any more
    /// is gone; what lives, while it is written anew, may take more.
    pub max_size: u64,
    /// Writes with a sync that the node's shards make in a second, together; 0: as many as the disk takes. For disks whose
    /// operations are counted. What is published meanwhile waits, as one batch.
    pub syncs_per_second: u32,
}

impl StoreConfig {
    /// Whether there is a store.
    pub fn is_set(&self) -> bool {
        !self.path.is_empty()
    }

    /// Least time from one write of a shard to its next, nanoseconds, where the node has so many shards.
    pub fn sync_interval_ns(&self, shards: u16) -> u64 {
        (u64::from(shards) * 1_000_000_000).checked_div(self.syncs_per_second.into()).unwrap_or(0)
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { path: String::new(), segment_size: 64 << 20, max_size: 64 << 30, syncs_per_second: 0 }
    }
}
