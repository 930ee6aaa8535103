//! Which segments may go, of those that shards need no more.
//!
//! A start with another number of shards finds segments with channels of all of them: such a *shared* one goes when none of
//! the shards needs it. Until then nothing goes that is younger. What a shard's snapshot has left behind says what became of
//! a stream in the shared one, that it is over for example: without it the next start would take an old life of the stream,
//! or the beginning of one, for all that there is. For the same reason nothing goes before an older one that the file system does
//! not take away.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::Catalog;
use super::segment::SegmentId;

/// See the module.
#[derive(Debug, Default)]
pub struct Discards {
    /// How many shards still need each shared segment.
    shared: BTreeMap<SegmentId, u16>,
    /// Needed by nobody, and still there: an older one is shared and needed, or is not taken away.
    waiting: BTreeSet<SegmentId>,
}

impl Discards {
    /// Those of a start with so many shards, which found this.
    pub fn new(catalog: &Catalog, shards: u16) -> Self {
        let of_others = catalog.entries().filter(|entry| entry.head.shards != shards);
        let shared = of_others.map(|entry| (entry.head.segment, shards)).collect();
        Self { shared, waiting: BTreeSet::new() }
    }

    /// A shard needs a segment no more.
    pub fn discard(&mut self, segment: SegmentId) {
        if let Some(left) = self.shared.get_mut(&segment) {
            *left -= 1;
            if *left > 0 {
                return;
            }
            self.shared.remove(&segment);
        }
        self.waiting.insert(segment);
    }

    /// The oldest of those that may go now. It stays the next one until it has [`gone`](Self::gone): a file system may refuse to
    /// take it away.
    pub fn next_to_go(&self) -> Option<SegmentId> {
        let first = *self.waiting.first()?;
        let may_go = self.shared.keys().next().is_none_or(|needed| first < *needed);
        may_go.then_some(first)
    }

    /// What was the next one has gone, and does not come back when the power goes.
    pub fn gone(&mut self, segment: SegmentId) {
        self.waiting.remove(&segment);
    }

    /// Whether a shared segment is needed.
    #[cfg(test)]
    pub(super) fn is_shared(&self) -> bool {
        !self.shared.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(discards: &mut Discards) -> Vec<u64> {
        let next = || {
            let segment = discards.next_to_go()?;
            discards.gone(segment);
            Some(segment.0)
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_shared_one_goes_when_no_shard_needs_it_and_nothing_that_is_younger_goes_before() {
        let shared = [(SegmentId(3), 2), (SegmentId(4), 2)].into();
        let mut discards = Discards { shared, waiting: BTreeSet::new() };
        for (segment, expected) in [
            (5, vec![]),
            (1, vec![1]),
            (4, vec![]),
            (3, vec![]),
            (4, vec![]),
            (6, vec![]),
            (3, vec![3, 4, 5, 6]),
            (7, vec![7]),
        ] {
            discards.discard(SegmentId(segment));
            assert_eq!(gone(&mut discards), expected, "after {segment}");
        }
    }

    #[test]
    fn what_does_not_go_stays_the_next_one_unless_an_older_one_is_discarded() {
        let mut discards = Discards::default();
        [2, 3, 1].into_iter().for_each(|segment| {
            discards.discard(SegmentId(segment));
            assert_eq!(discards.next_to_go(), Some(SegmentId(segment.min(2))));
        });
        assert_eq!(gone(&mut discards), [1, 2, 3]);
    }
}
