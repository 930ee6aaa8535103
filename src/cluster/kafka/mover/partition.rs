//! A partition that this node moves: up to where it was read, and up to where all was moved.

use std::collections::VecDeque;

use crate::limits::MOVER_UNSETTLED_MAX;

/// A record that was read.
#[derive(Clone, Copy, Debug)]
struct Read {
    offset: i64,
    /// When it was written, Unix milliseconds, by what the topic says; where it says so.
    written_unix_ms: Option<i64>,
    /// Whether it was moved since.
    is_done: bool,
}

/// See the module. A partition that is read again from before begins anew, as another reading.
#[derive(Debug)]
pub(super) struct Partition {
    /// Which reading it is: what comes of records of one before it counts no more.
    pub(super) reading: u64,
    /// The offset that is read next at the earliest.
    next: i64,
    /// What was read and is not moved yet, and what was since the first of these: ascending.
    in_flight: VecDeque<Read>,
    /// What is unusable before this was found to be before.
    judged: i64,
    /// Up to where records were moved, by bucket; -1 where that is not known.
    moved: Box<[i64]>,
    /// Where the group was last told that it stands, unless that is to be told again.
    committed: Option<i64>,
}

impl Partition {
    /// One that is read from there; what is unusable before `judged` was found to be before. `moved` is up to where records were
    /// moved, by bucket.
    pub(super) fn begins(reading: u64, start: i64, judged: i64, moved: Box<[i64]>) -> Self {
        Self { reading, next: start, in_flight: VecDeque::new(), judged, moved, committed: None }
    }

    /// A record was read. It is to be moved, or buried, unless it comes once more.
    pub(super) fn reads(&mut self, offset: i64) -> bool {
        if offset < self.next {
            return false;
        }
        self.next = offset + 1;
        true
    }

    /// Whether its bucket is known to have the record.
    pub(super) fn has_moved(&self, bucket: u16, offset: i64) -> bool {
        self.moved[usize::from(bucket)] >= offset
    }

    /// Whether an unusable record was found to be so before.
    pub(super) fn has_judged(&self, offset: i64) -> bool {
        offset < self.judged
    }

    /// The record that was read last is on its way.
    pub(super) fn sends(&mut self, offset: i64, written_unix_ms: Option<i64>) {
        assert!(self.in_flight.back().is_none_or(|last| last.offset < offset), "offsets grow");
        self.in_flight.push_back(Read { offset, written_unix_ms, is_done: false });
    }

    /// Whether no more is to be read before the first that was sent has come.
    pub(super) fn is_full(&self) -> bool {
        self.in_flight.len() >= MOVER_UNSETTLED_MAX
    }

    /// A record has come to its bucket, if it has one, or to the dead.
    pub(super) fn done(&mut self, offset: i64, bucket: Option<u16>) {
        if let Some(at) = self.find(offset) {
            self.in_flight[at].is_done = true;
        }
        while self.in_flight.pop_front_if(|read| read.is_done).is_some() {}
        if let Some(bucket) = bucket {
            let moved = &mut self.moved[usize::from(bucket)];
            *moved = offset.max(*moved);
        }
    }

    /// Which of those in flight it is. Mostly there is no hole before it.
    fn find(&self, offset: i64) -> Option<usize> {
        let behind = offset.checked_sub(self.in_flight.front()?.offset)?;
        let at = usize::try_from(behind).ok()?;
        match self.in_flight.get(at) {
            Some(read) if read.offset == offset => Some(at),
            _ => self.in_flight.binary_search_by_key(&offset, |read| read.offset).ok(),
        }
    }

    /// All before it was moved.
    pub(super) fn stands(&self) -> i64 {
        self.in_flight.front().map_or(self.next, |read| read.offset)
    }

    /// Where the group is to be told that it stands, where that is to be told; from now on it counts as told.
    pub(super) fn next_commit(&mut self) -> Option<i64> {
        let stands = self.stands();
        (self.committed.replace(stands) != Some(stands)).then_some(stands)
    }

    /// The group may not have heard what it was told.
    pub(super) fn commits_again(&mut self) {
        self.committed = None;
    }

    /// This is the last that the group has taken of what it was told. It may have yet to answer; to be told twice does it no harm.
    pub(super) fn was_taken(&mut self, offset: i64) {
        self.committed = self.committed.filter(|committed| *committed == offset);
    }

    /// When the first was written that was read and is not moved, Unix milliseconds, where there is one that says so.
    pub(super) fn oldest_unix_ms(&self) -> Option<i64> {
        self.in_flight.front()?.written_unix_ms
    }

    /// Up to where unusable records were found to be so, and are with the dead.
    pub(super) fn judged(&self) -> i64 {
        self.judged.max(self.stands())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        Partition::begins(1, 10, 10, vec![-1; 2].into())
    }

    #[test]
    fn it_stands_before_the_first_that_was_not_moved() {
        let mut partition = partition();
        assert_eq!(partition.stands(), 10);
        // Offsets may have holes.
        for offset in [10, 11, 15] {
            assert!(partition.reads(offset));
            partition.sends(offset, Some(1_000 + offset));
        }
        assert_eq!(partition.oldest_unix_ms(), Some(1_010));
        partition.done(11, Some(0));
        assert_eq!(partition.stands(), 10);
        partition.done(10, Some(1));
        assert_eq!((partition.stands(), partition.oldest_unix_ms()), (15, Some(1_015)));
        partition.done(15, None);
        assert_eq!((partition.stands(), partition.oldest_unix_ms()), (16, None));
        assert!(partition.reads(16));
        assert_eq!(partition.stands(), 17, "one that is passed over is not waited for");
    }

    #[test]
    fn a_record_behind_a_hole_is_found() {
        let mut partition = partition();
        for offset in [10, 12, 13, 17] {
            assert!(partition.reads(offset));
            partition.sends(offset, None);
        }
        // Counted from the first it would be the third, or none.
        partition.done(12, Some(0));
        partition.done(17, Some(0));
        partition.done(11, Some(0));
        partition.done(10, Some(0));
        assert_eq!(partition.stands(), 13);
        partition.done(13, Some(0));
        assert_eq!(partition.stands(), 18);
    }

    #[test]
    fn where_it_stands_is_told_once_and_again_where_the_group_has_not_taken_it() {
        let mut partition = partition();
        assert_eq!([partition.next_commit(), partition.next_commit()], [Some(10), None]);
        partition.was_taken(10);
        assert_eq!(partition.next_commit(), None);
        assert!(partition.reads(10));
        assert_eq!([partition.next_commit(), partition.next_commit()], [Some(11), None]);
        // A commit was refused, and nothing new comes.
        partition.was_taken(10);
        assert_eq!([partition.next_commit(), partition.next_commit()], [Some(11), None]);
        partition.was_taken(11);
        assert_eq!(partition.next_commit(), None);
        partition.commits_again();
        assert_eq!([partition.next_commit(), partition.next_commit()], [Some(11), None]);
    }

    #[test]
    fn what_a_bucket_has_is_known_and_a_record_is_taken_once() {
        let mut partition = partition();
        assert!(partition.reads(12) && !partition.reads(12) && !partition.reads(11));
        partition.sends(12, None);
        partition.done(12, Some(1));
        assert!(partition.has_moved(1, 12) && partition.has_moved(1, 3));
        assert!(!partition.has_moved(1, 13) && !partition.has_moved(0, 3));
    }

    #[test]
    fn what_has_come_behind_one_that_has_not_is_not_kept_without_end() {
        let mut partition = partition();
        for offset in 0..MOVER_UNSETTLED_MAX as i64 {
            assert!(!partition.is_full());
            partition.sends(offset, None);
            if offset > 0 {
                partition.done(offset, Some(0));
            }
        }
        assert!(partition.is_full());
        partition.done(0, Some(1));
        assert!(!partition.is_full());
    }

    #[test]
    fn what_was_unusable_before_is_not_buried_again() {
        let mut partition = Partition::begins(2, 10, 14, vec![-1].into());
        assert!(partition.has_judged(13) && !partition.has_judged(14));
        assert_eq!(partition.judged(), 14);
        assert!(partition.reads(20));
        assert_eq!(partition.judged(), 21);
        partition.sends(20, None);
        assert_eq!(partition.judged(), 20, "it is not with the dead yet");
        partition.done(20, None);
        assert_eq!(partition.judged(), 21);
    }
}
