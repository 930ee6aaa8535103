//! The records of one partition that were taken and are not all done: which may be carried out now, and up to where all are done.
//!
//! A lane is a key: its records are carried out one after the other, those of other keys beside them. Records without a key are one
//! lane together. Nothing here knows of Kafka or of calls.

use std::collections::{HashMap, VecDeque};

use crate::limits::{CALLS_WINDOW, CALLS_WINDOW_BYTES};

/// A record's key.
pub(super) type Key = Option<Box<[u8]>>;

/// What lanes know of a record.
pub(super) trait Record {
    /// Its key.
    fn key(&self) -> &Key;
    /// Its offset.
    fn offset(&self) -> i64;
    /// Bytes that it holds.
    fn bytes(&self) -> usize;
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lanes<R> {
    /// From the first that is not done on, by offset: whether each is done.
    window: VecDeque<(i64, bool)>,
    /// Of each key of which one is being carried out: the others, in their order.
    behind: HashMap<Key, VecDeque<R>>,
    /// Of those that are not done.
    bytes: usize,
}

impl<R: Record> Lanes<R> {
    /// None was taken.
    pub(super) fn new() -> Self {
        Self { window: VecDeque::new(), behind: HashMap::new(), bytes: 0 }
    }

    /// Whether this record says that the partition is read from anew: it lies before all that is not done, or is the first of
    /// these. In a topic that was deleted and made again offsets begin anew; where a log was cut off, what is left comes again.
    pub(super) fn is_before(&self, record: &R) -> bool {
        self.window.front().is_some_and(|(first, _)| record.offset() <= *first)
    }

    /// Takes the next record of the partition, and gives it back if it may be carried out now. One that was taken is left alone.
    pub(super) fn take(&mut self, record: R) -> Option<R> {
        if self.window.back().is_some_and(|(last, _)| record.offset() <= *last) {
            return None;
        }
        self.window.push_back((record.offset(), false));
        self.bytes += record.bytes();
        if let Some(behind) = self.behind.get_mut(record.key()) {
            behind.push_back(record);
            return None;
        }
        self.behind.insert(record.key().clone(), VecDeque::new());
        Some(record)
    }

    /// One that was carried out is done. Gives the next of its lane, which may be carried out now.
    pub(super) fn done(&mut self, record: &R) -> Option<R> {
        let at = self.window.binary_search_by_key(&record.offset(), |(offset, _)| *offset);
        self.window[at.expect("it was taken")].1 = true;
        self.bytes -= record.bytes();
        let behind = self.behind.get_mut(record.key()).expect("it has a lane");
        let next = behind.pop_front();
        if next.is_none() {
            self.behind.remove(record.key());
        }
        next
    }

    /// The last offset up to which all are done, where that is further than before.
    pub(super) fn settle(&mut self) -> Option<i64> {
        let mut last = None;
        while let Some((offset, true)) = self.window.front() {
            last = Some(*offset);
            self.window.pop_front();
        }
        last
    }

    /// Whether no more are to be taken for now.
    pub(super) fn is_full(&self) -> bool {
        self.window.len() >= CALLS_WINDOW || self.bytes >= CALLS_WINDOW_BYTES
    }

    /// Whether it is time to take more again.
    pub(super) fn has_room(&self) -> bool {
        self.window.len() <= CALLS_WINDOW / 2 && self.bytes <= CALLS_WINDOW_BYTES / 2
    }

    /// How many were taken, from the first that is not done on.
    pub(super) fn len(&self) -> usize {
        self.window.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Plain {
        key: Key,
        offset: i64,
    }

    impl Record for Plain {
        fn key(&self) -> &Key {
            &self.key
        }

        fn offset(&self) -> i64 {
            self.offset
        }

        fn bytes(&self) -> usize {
            10
        }
    }

    fn record(offset: i64, key: u8) -> Plain {
        Plain { offset, key: (key > 0).then(|| [key].into()) }
    }

    proptest! {
        #[test]
        fn a_key_keeps_its_order_and_what_is_settled_is_done(
            keys in proptest::collection::vec((0u8..4, 1i64..3), 1..60),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 1..200),
        ) {
            let mut lanes = Lanes::new();
            let (mut at_work, mut begun, mut done) = (Vec::new(), Vec::new(), BTreeSet::new());
            let (mut all, mut settled) = (Vec::new(), -1);
            let mut offset = 0;
            let mut order = order.into_iter().cycle();
            for (key, gap) in keys {
                // Offsets have gaps where a transaction or a compaction has left some.
                offset += gap;
                let one = record(offset, key);
                all.push(one.clone());
                if let Some(first) = lanes.take(one) {
                    begun.push(first.clone());
                    at_work.push(first);
                }
                let index = order.next().unwrap();
                if index.index(3) > 0 {
                    finish(&mut lanes, index.index(at_work.len().max(1)), &mut at_work, &mut begun, &mut done);
                }
                settled = lanes.settle().unwrap_or(settled);
                prop_assert!(all.iter().all(|one| one.offset > settled || done.contains(&one.offset)));
            }
            while !at_work.is_empty() {
                let index = order.next().unwrap().index(at_work.len());
                finish(&mut lanes, index, &mut at_work, &mut begun, &mut done);
                settled = lanes.settle().unwrap_or(settled);
                let first_open = all.iter().find(|one| !done.contains(&one.offset));
                prop_assert!(first_open.is_none_or(|one| one.offset > settled));
            }
            prop_assert_eq!(settled, offset, "all are done");
            prop_assert_eq!((lanes.len(), lanes.bytes, lanes.behind.len()), (0, 0, 0));
            for key in 0..4 {
                let of_key = |list: &[Plain]| -> Vec<_> {
                    list.iter().filter(|one| one.key == record(0, key).key).cloned().collect()
                };
                prop_assert_eq!(of_key(&begun), of_key(&all));
            }
        }
    }

    fn finish(
        lanes: &mut Lanes<Plain>,
        index: usize,
        at_work: &mut Vec<Plain>,
        begun: &mut Vec<Plain>,
        done: &mut BTreeSet<i64>,
    ) {
        if index >= at_work.len() {
            return;
        }
        let finished = at_work.swap_remove(index);
        done.insert(finished.offset);
        if let Some(next) = lanes.done(&finished) {
            begun.push(next.clone());
            at_work.push(next);
        }
    }

    #[test]
    fn a_record_that_comes_again_is_left_alone() {
        let mut lanes = Lanes::new();
        let first = lanes.take(record(7, 1)).expect("it may be carried out");
        assert!(lanes.take(record(9, 2)).is_some());
        assert!(!lanes.is_before(&record(8, 2)) && !lanes.is_before(&record(9, 2)));
        assert_eq!(lanes.take(record(9, 2)), None);
        lanes.done(&record(9, 2));
        assert_eq!((lanes.done(&first), lanes.settle(), lanes.len()), (None, Some(9), 0));
    }

    #[test]
    fn a_record_before_all_that_is_not_done_says_that_the_partition_begins_anew() {
        let mut lanes = Lanes::new();
        assert!(!lanes.is_before(&record(0, 1)), "the first of all is no news");
        lanes.take(record(3, 1));
        lanes.take(record(4, 2));
        assert!(lanes.is_before(&record(0, 1)) && lanes.is_before(&record(3, 1)) && !lanes.is_before(&record(5, 1)));
    }

    #[test]
    fn a_window_is_full_until_half_of_it_is_settled() {
        let mut lanes = Lanes::new();
        let count = CALLS_WINDOW as i64;
        let at_work: Vec<_> = (0..count).map(|offset| lanes.take(record(offset, 1 + (offset % 200) as u8))).collect();
        assert!(lanes.is_full() && !lanes.has_room());
        let first: Vec<_> = at_work.into_iter().flatten().collect();
        first[1..].iter().for_each(|one| drop(lanes.done(one)));
        assert_eq!(lanes.settle(), None, "the first is not done");
        assert!(lanes.is_full() && lanes.bytes < 10 * CALLS_WINDOW);
        lanes.done(&first[0]);
        assert!(lanes.settle().is_some() && lanes.has_room());
    }
}
