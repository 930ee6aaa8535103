//! When something is due: an open loop, which waits for no answer.

/// So many a second, in bursts of the same size.
///
/// Due times come from the number of what is due, never from the last due time, so that nothing drifts. Time is
/// an argument: nanoseconds since the run began.
#[derive(Debug)]
pub struct Schedule {
    begin_ns: u64,
    burst: u64,
    burst_period_ns: f64,
    taken: u64,
}

impl Schedule {
    /// A schedule whose first burst is due at `begin_ns`.
    ///
    /// # Panics
    /// When the rate or the burst is not positive.
    pub fn new(begin_ns: u64, rate_per_s: f64, burst: u32) -> Self {
        assert!(rate_per_s > 0.0 && burst > 0, "a schedule has something to do");
        Self { begin_ns, burst: burst.into(), burst_period_ns: 1e9 / rate_per_s * f64::from(burst), taken: 0 }
    }

    /// When the next one is due.
    pub fn next_due_ns(&self) -> u64 {
        self.begin_ns + ((self.taken / self.burst) as f64 * self.burst_period_ns) as u64
    }

    /// The number of the next one, from 0.
    pub fn next_number(&self) -> u64 {
        self.taken
    }

    /// Takes the next one if it is due: when it was due.
    pub fn take(&mut self, now_ns: u64) -> Option<u64> {
        let due_ns = self.next_due_ns();
        let is_due = due_ns <= now_ns;
        self.taken += u64::from(is_due);
        is_due.then_some(due_ns)
    }

    /// How many were due before `now_ns` and have not been taken.
    pub fn behind(&self, now_ns: u64) -> u64 {
        let elapsed_ns = now_ns.saturating_sub(self.begin_ns);
        let bursts = (elapsed_ns as f64 / self.burst_period_ns).ceil() as u64;
        (bursts * self.burst).saturating_sub(self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn a_rate_is_kept_over_a_day_without_drift() {
        let mut schedule = Schedule::new(7, 3.0, 1);
        schedule.taken = 3 * 86_400;
        assert_eq!(schedule.next_due_ns(), 7 + 86_400 * SECOND_NS);
    }

    #[test]
    fn nothing_is_due_early_and_everything_late_keeps_its_time() {
        let mut schedule = Schedule::new(100, 1000.0, 1);
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
        let mut schedule = Schedule::new(0, 1000.0, 10);
        let due: Vec<_> = std::iter::from_fn(|| schedule.take(10_000_000)).collect();
        assert_eq!(due, [[0; 10], [10_000_000; 10]].concat());
    }

    #[test]
    fn what_was_due_and_not_taken_is_behind() {
        let mut schedule = Schedule::new(0, 1000.0, 1);
        assert_eq!(schedule.behind(0), 0);
        assert_eq!(schedule.behind(SECOND_NS), 1000);
        while schedule.take(SECOND_NS / 2).is_some() {}
        // The one that is due exactly in the middle was taken.
        assert_eq!(schedule.behind(SECOND_NS), 499);
        assert_eq!(schedule.behind(0), 0);
    }
}
