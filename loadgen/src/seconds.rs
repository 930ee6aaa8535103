//! The same second as several load processes have measured it, until all have told of it.

use std::collections::VecDeque;

use crate::measure::Interval;

/// Seconds that some load processes have told of and others not. Each tells of its own in order, so that only as many
/// wait here as one process is ahead of another.
#[derive(Debug)]
pub struct Seconds {
    processes: usize,
    /// In order: what was added up, and how many have told.
    pending: VecDeque<(Box<Interval>, usize)>,
}

impl Seconds {
    /// Of so many load processes.
    pub fn new(processes: usize) -> Self {
        Self { processes, pending: VecDeque::new() }
    }

    /// One of them tells of a second: what all have measured in it, once all have told.
    pub fn add(&mut self, interval: Box<Interval>) -> Option<Box<Interval>> {
        let is_same = |(pending, _): &&mut (Box<Interval>, usize)| {
            (pending.stage, pending.begin_ns) == (interval.stage, interval.begin_ns)
        };
        match self.pending.iter_mut().find(is_same) {
            Some((pending, told)) => {
                pending.add(&interval);
                *told += 1;
            }
            None => self.pending.push_back((interval, 1)),
        }
        self.pending.pop_front_if(|(_, told)| *told == self.processes).map(|(whole, _)| whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Measure, Stage};

    fn second(begin_ns: u64, ns: u64) -> Box<Interval> {
        let mut interval = Box::<Interval>::default();
        (interval.stage, interval.begin_ns, interval.end_ns) = (Stage::Measured, begin_ns, begin_ns + 1);
        interval.record(Measure::Reply, ns);
        interval
    }

    #[test]
    fn a_second_is_whole_when_all_have_told_of_it_however_far_one_is_ahead() {
        let mut seconds = Seconds::new(2);
        assert!(seconds.add(second(0, 10)).is_none());
        assert!(seconds.add(second(1, 20)).is_none());
        for (begin_ns, expected) in [(0, 2), (1, 2)] {
            let whole = seconds.add(second(begin_ns, 30)).unwrap();
            assert_eq!((whole.begin_ns, whole.histogram(Measure::Reply).len()), (begin_ns, expected));
        }
    }

    #[test]
    fn the_seconds_of_one_process_are_whole_at_once() {
        assert!(Seconds::new(1).add(second(0, 10)).is_some());
    }
}
