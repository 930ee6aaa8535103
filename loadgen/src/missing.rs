//! What was overtaken and has not come.

use std::collections::HashSet;
use std::hash::Hash;

use crate::limits::MISSING_REMEMBERED_MAX;

/// Messages that later ones have overtaken: all are counted, and as many are remembered as there is room for, to tell
/// those that come late from those that come twice.
#[derive(Debug)]
pub struct Missing<K> {
    remembered: HashSet<K>,
    count: u64,
}

impl<K> Default for Missing<K> {
    fn default() -> Self {
        Self { remembered: HashSet::new(), count: 0 }
    }
}

impl<K: Eq + Hash> Missing<K> {
    /// So many were overtaken: these.
    pub fn overtake(&mut self, count: u64, which: impl Iterator<Item = K>) {
        self.count += count;
        let room = MISSING_REMEMBERED_MAX.saturating_sub(self.remembered.len());
        self.remembered.extend(which.take(room));
    }

    /// One has come. Whether it was known as missing.
    pub fn came(&mut self, which: &K) -> bool {
        let was_missing = self.remembered.remove(which);
        self.count -= u64::from(was_missing);
        was_missing
    }

    /// How many have not come.
    pub fn count(&self) -> u64 {
        self.count
    }
}
