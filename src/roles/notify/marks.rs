//! Up to where records are done: per partition those that are not yet, and with them the position that may be committed.
//!
//! Records are done in any order, since an endpoint may be slow for some. What is committed is the first that is not done, so that a
//! process that takes over reads from there. A partition that comes back is another *term*: what was done with a record of the term
//! before says nothing of what is read now.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A record, while its partition is this process'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Mark {
    /// Its partition.
    pub(super) partition: i32,
    /// Which time it is that the partition is this process'.
    pub(super) term: u64,
    /// Where it lies there.
    pub(super) offset: i64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Marks {
    partitions: HashMap<i32, Positions>,
    terms: u64,
    open: Load,
}

/// How much is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Parts of records.
    pub(super) parts: usize,
    /// Bytes that are held for them.
    pub(super) bytes: usize,
}

#[derive(Debug, Default)]
struct Positions {
    term: u64,
    /// How much is yet to be done of each record, by offset. Its bytes are held until all is.
    open: BTreeMap<i64, Load>,
    /// The record after the highest that was taken up.
    next: Option<i64>,
    committed: Option<i64>,
}

impl Positions {
    fn done(&self) -> Option<i64> {
        self.open.keys().next().copied().or(self.next)
    }
}

impl Marks {
    /// These partitions are this process' from now on, and no others. Those that it has had until now go on where they are; says
    /// where that is.
    pub(super) fn assign(&mut self, partitions: impl Iterator<Item = i32>) -> Vec<(i32, i64)> {
        let partitions: BTreeSet<_> = partitions.collect();
        let gone: Vec<_> =
            self.partitions.keys().copied().filter(|partition| !partitions.contains(partition)).collect();
        gone.into_iter().for_each(|partition| self.revoke(partition));
        for partition in partitions {
            if !self.partitions.contains_key(&partition) {
                self.begin(partition);
            }
        }
        self.next()
    }

    /// Of each partition the record after the highest that was taken up, where there is one.
    pub(super) fn next(&self) -> Vec<(i32, i64)> {
        self.partitions.iter().filter_map(|(partition, positions)| Some((*partition, positions.next?))).collect()
    }

    /// All may have been others' meanwhile.
    pub(super) fn revoke_all(&mut self) {
        (self.partitions, self.open) = (HashMap::new(), Load::default());
    }

    fn begin(&mut self, partition: i32) {
        self.revoke(partition);
        self.terms += 1;
        self.partitions.insert(partition, Positions { term: self.terms, ..Positions::default() });
    }

    fn revoke(&mut self, partition: i32) {
        if let Some(gone) = self.partitions.remove(&partition) {
            for Load { parts, bytes } in gone.open.into_values() {
                self.open.parts -= parts;
                self.open.bytes -= bytes;
            }
        }
    }

    /// A record is taken up, that has so much to be done. `None` where its partition is not this process' any more.
    pub(super) fn take(&mut self, partition: i32, offset: i64, load: Load) -> Option<Mark> {
        if self.partitions.get(&partition)?.next.is_some_and(|next| offset < next) {
            // The partition has lost its end, or is read again.
            self.begin(partition);
        }
        let positions = self.partitions.get_mut(&partition)?;
        positions.next = Some(offset.saturating_add(1));
        if load.parts > 0 {
            positions.open.insert(offset, load);
            self.open.parts += load.parts;
            self.open.bytes += load.bytes;
        }
        Some(Mark { partition, term: positions.term, offset })
    }

    /// A part of a record is done.
    pub(super) fn settle(&mut self, mark: Mark) {
        let positions = self.partitions.get_mut(&mark.partition).filter(|positions| positions.term == mark.term);
        let Some(positions) = positions else { return };
        let Some(load) = positions.open.get_mut(&mark.offset) else { return };
        load.parts -= 1;
        self.open.parts -= 1;
        if load.parts == 0 {
            self.open.bytes -= load.bytes;
            positions.open.remove(&mark.offset);
        }
    }

    /// Whether the mark is of this term.
    pub(super) fn is_current(&self, mark: Mark) -> bool {
        self.partitions.get(&mark.partition).is_some_and(|positions| positions.term == mark.term)
    }

    /// Up to where all is done, where that has grown since it was said last: what is to be read next.
    pub(super) fn take_due(&mut self) -> Vec<(i32, i64)> {
        let mut grown = Vec::new();
        for (partition, positions) in &mut self.partitions {
            let done = positions.done();
            if done > positions.committed
                && let Some(done) = done
            {
                positions.committed = Some(done);
                grown.push((*partition, done));
            }
        }
        grown
    }

    /// What was said may not have been heard: all positions are said again.
    pub(super) fn say_again(&mut self) {
        self.partitions.values_mut().for_each(|positions| positions.committed = None);
    }

    /// How much is to be done, of all records that were taken up.
    pub(super) fn open(&self) -> Load {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: i32 = 3;
    const OTHER: i32 = 4;

    fn marks() -> Marks {
        let mut marks = Marks::default();
        assert_eq!(marks.assign([MINE].into_iter()), []);
        marks
    }

    /// Ten bytes a part.
    fn load(parts: usize) -> Load {
        Load { parts, bytes: 10 * parts }
    }

    #[test]
    fn the_position_is_the_first_record_that_is_not_wholly_done() {
        let mut marks = marks();
        assert_eq!(marks.take_due(), []);
        let [first, second] = [7, 8].map(|offset| marks.take(MINE, offset, load(2)).unwrap());
        marks.take(MINE, 12, load(0)).unwrap();
        assert_eq!((marks.take_due(), marks.open()), (vec![(MINE, 7)], load(4)));
        marks.settle(second);
        assert_eq!(marks.open(), Load { parts: 3, bytes: 40 }, "a record is held until all of it is done");
        marks.settle(second);
        assert_eq!(marks.open(), load(2));
        assert_eq!(marks.take_due(), [], "the first is not");
        marks.settle(first);
        assert_eq!(marks.take_due(), []);
        marks.settle(first);
        assert_eq!((marks.take_due(), marks.open()), (vec![(MINE, 13)], load(0)));
        assert_eq!(marks.take_due(), [], "said once");
        marks.say_again();
        assert_eq!(marks.take_due(), [(MINE, 13)]);
    }

    #[test]
    fn what_was_done_in_an_earlier_term_says_nothing_of_this_one() {
        let mut marks = marks();
        let before = marks.take(MINE, 7, load(1)).unwrap();
        marks.assign([OTHER].into_iter());
        assert_eq!((marks.open(), marks.take(MINE, 8, load(1))), (load(0), None));
        marks.assign([MINE].into_iter());
        let now = marks.take(MINE, 7, load(1)).unwrap();
        assert!(marks.is_current(now) && !marks.is_current(before));
        marks.settle(before);
        assert_eq!((marks.take_due(), marks.open()), (vec![(MINE, 7)], load(1)));
        marks.settle(now);
        assert_eq!(marks.take_due(), [(MINE, 8)]);
        marks.revoke_all();
        marks.settle(now);
        assert_eq!((marks.take_due(), marks.open()), (vec![], load(0)));
    }

    #[test]
    fn a_partition_that_stays_goes_on_where_it_is() {
        let mut marks = marks();
        let open = marks.take(MINE, 7, load(1)).unwrap();
        assert_eq!(marks.assign([MINE, OTHER].into_iter()), [(MINE, 8)]);
        assert!(marks.is_current(open));
        marks.settle(open);
        assert_eq!(marks.take_due(), [(MINE, 8)]);
    }

    #[test]
    fn a_partition_that_goes_back_begins_another_term() {
        let mut marks = marks();
        let before = marks.take(MINE, 7, load(1)).unwrap();
        let again = marks.take(MINE, 5, load(1)).unwrap();
        assert!(marks.is_current(again) && !marks.is_current(before));
        assert_eq!((marks.open(), marks.take_due()), (load(1), vec![(MINE, 5)]));
    }

    #[test]
    fn partitions_have_positions_of_their_own() {
        let mut marks = Marks::default();
        marks.assign([MINE, OTHER].into_iter());
        marks.take(MINE, 7, load(1));
        let done = marks.take(OTHER, 1, load(1)).unwrap();
        marks.settle(done);
        let mut positions = marks.take_due();
        positions.sort();
        assert_eq!(positions, [(MINE, 7), (OTHER, 2)]);
    }
}
