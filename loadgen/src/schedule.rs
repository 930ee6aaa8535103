//! When something is due: an open loop, which waits for no answer.

use crate::turns::Turns;

/// So many a second, in bursts of the same size, done by those who have turns.
///
/// Due times come from the number of what is due, never from the last due time, so that nothing drifts, and so that
/// several load processes, each with turns of its own, do together what one would do. Time is an argument:
/// nanoseconds since the run began.
#[derive(Debug)]
pub struct Schedule {
    begin_ns: u64,
    burst: u64,
    burst_period_ns: f64,
    turns: Turns,
}

impl Schedule {
    /// A schedule whose first burst is due at `begin_ns`; so many a second of all turns together.
    ///
    /// # Panics
    /// When the rate or the burst is not positive.
    pub fn new(begin_ns: u64, rate_per_s: f64, burst: u32, turns: Turns) -> Self {
        assert!(rate_per_s > 0.0 && burst > 0, "a schedule has something to do");
        Self { begin_ns, burst: burst.into(), burst_period_ns: 1e9 / rate_per_s * f64::from(burst), turns }
    }

    /// When the next one is due; `None` where nobody here has a turn.
    pub fn next_due_ns(&self) -> Option<u64> {
        Some(self.begin_ns + ((self.turns.number()? / self.burst) as f64 * self.burst_period_ns) as u64)
    }

    /// Whose turn the next one is.
    pub fn next_turn(&self) -> Option<u32> {
        self.turns.next()
    }

    /// The number of the next one, from 0, among those of all turns.
    pub fn next_number(&self) -> Option<u64> {
        self.turns.number()
    }

    /// Takes the next one if it is due: when it was due.
    pub fn take(&mut self, now_ns: u64) -> Option<u64> {
        let due_ns = self.next_due_ns().filter(|due_ns| *due_ns <= now_ns)?;
        self.turns.advance();
        Some(due_ns)
    }

    /// How many were due here before `now_ns` and have not been taken.
    pub fn behind(&self, now_ns: u64) -> u64 {
        let elapsed_ns = now_ns.saturating_sub(self.begin_ns);
        let bursts = (elapsed_ns as f64 / self.burst_period_ns).ceil() as u64;
        self.turns.left_before(bursts * self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn a_rate_is_kept_over_a_day_without_drift() {
        let mut schedule = Schedule::new(7, 3.0, 1, Turns::all(1));
        for second in 0..86_400 {
            assert!(schedule.take(u64::MAX).unwrap().abs_diff(7 + second * SECOND_NS) <= 1, "second {second}");
            schedule.take(u64::MAX);
            schedule.take(u64::MAX);
        }
    }

    #[test]
    fn nothing_is_due_early_and_everything_late_keeps_its_time() {
        let mut schedule = Schedule::new(100, 1000.0, 1, Turns::all(1));
        assert_eq!(schedule.take(99), None);
        assert_eq!(schedule.take(100), Some(100));
        assert_eq!(schedule.take(100), None);
        // Two periods late: both are due when they were due, not now.
        assert_eq!(schedule.take(2_000_100), Some(1_000_100));
        assert_eq!(schedule.take(2_000_100), Some(2_000_100));
        assert_eq!(schedule.take(2_000_100), None);
    }

    #[test]
    fn a_burst_is_due_at_once_and_the_rate_stays() {
        let mut schedule = Schedule::new(0, 1000.0, 10, Turns::all(1));
        let due: Vec<_> = std::iter::from_fn(|| schedule.take(10_000_000)).collect();
        assert_eq!(due, [[0; 10], [10_000_000; 10]].concat());
    }

    #[test]
    fn what_was_due_and_not_taken_is_behind() {
        let mut schedule = Schedule::new(0, 1000.0, 1, Turns::all(1));
        assert_eq!(schedule.behind(0), 0);
        assert_eq!(schedule.behind(SECOND_NS), 1000);
        while schedule.take(SECOND_NS / 2).is_some() {}
        // The one that is due exactly in the middle was taken.
        assert_eq!(schedule.behind(SECOND_NS), 499);
        assert_eq!(schedule.behind(0), 0);
    }

    #[test]
    fn several_schedules_do_together_what_one_does() {
        let due = |own: Vec<u32>| {
            let mut schedule = Schedule::new(0, 1000.0, 3, Turns::new(own, 5));
            let mut due = Vec::new();
            while let (Some(turn), Some(number)) = (schedule.next_turn(), schedule.next_number()) {
                let Some(due_ns) = schedule.take(SECOND_NS) else { break };
                due.push((number, turn, due_ns));
            }
            assert_eq!(schedule.behind(SECOND_NS), 0);
            due
        };
        let mut together = [due(vec![0, 3]), due(vec![]), due(vec![1, 2, 4])].concat();
        together.sort_unstable();
        assert_eq!(together, due((0..5).collect()));
    }
}
