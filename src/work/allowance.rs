//! How much work a peer may cause: a bucket that fills as time passes.
//!
//! Kept as one instant, until which the work that was done is paid for by time (the generic cell rate algorithm, ATM
//! Forum TM 4.0, 4.4.3): nothing has to be filled, and an idle session costs eight bytes.

/// How fast a bucket fills, and how full it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Time that pays for a unit of work, as 16ths.
    time_per_work: u64,
    /// Time by which the instant may lie ahead, nanoseconds.
    burst_ns: u64,
}

impl Limit {
    /// `work_ms` of work a second, and `burst_ms` of it at once. `None` where `work_ms` is 0: no limit.
    pub fn new(work_ms: u64, burst_ms: u64) -> Option<Self> {
        let time_per_work = 16_000_u64.checked_div(work_ms)?.max(1);
        Some(Self { time_per_work, burst_ns: burst_ms.saturating_mul(1_000_000).saturating_mul(time_per_work) / 16 })
    }

    /// Whether an excess is as large as a burst.
    pub fn is_doubled(self, excess_ns: u64) -> bool {
        excess_ns >= self.burst_ns
    }
}

/// What a peer may still do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Until when the work that was done is paid for, nanoseconds of the monotonic clock.
    paid_ns: u64,
}

impl Allowance {
    /// Work was done. It is charged even where it goes beyond the limit: what it costs is often known only afterwards.
    #[inline]
    pub fn charge(&mut self, work_ns: u64, limit: Limit, now_ms: u64) {
        let time_ns = work_ns.saturating_mul(limit.time_per_work) / 16;
        self.paid_ns = self.paid_ns.max(now_ms * 1_000_000).saturating_add(time_ns);
    }

    /// By how much time the limit is exceeded, nanoseconds; 0 where more may be done.
    #[inline]
    pub fn excess_ns(self, limit: Limit, now_ms: u64) -> u64 {
        self.paid_ns.saturating_sub(now_ms * 1_000_000 + limit.burst_ns)
    }

    /// Takes over what another allowance of the same peer is exceeded by.
    pub fn exceed(&mut self, excess_ns: u64, limit: Limit, now_ms: u64) {
        self.paid_ns = self.paid_ns.max(now_ms * 1_000_000 + limit.burst_ns + excess_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_burst_is_there_at_once_and_then_as_much_as_time_brings() {
        let limit = Limit::new(250, 2_000).unwrap();
        let mut allowance = Allowance::default();
        let done = |allowance: &mut Allowance, now_ms| {
            let mut done_ms = 0;
            while allowance.excess_ns(limit, now_ms) == 0 {
                allowance.charge(MS, limit, now_ms);
                done_ms += 1;
            }
            done_ms
        };
        assert_eq!(done(&mut allowance, 1_000), 2_001);
        assert_eq!(done(&mut allowance, 2_000), 250);
        assert_eq!(done(&mut allowance, 1_000_000), 2_001, "never more than a burst");
    }

    #[test]
    fn what_was_overdrawn_is_paid_before_more_is_done() {
        let limit = Limit::new(500, 100).unwrap();
        let mut allowance = Allowance::default();
        allowance.charge(1_100 * MS, limit, 1_000);
        assert!(allowance.excess_ns(limit, 2_900) > 0);
        assert_eq!(allowance.excess_ns(limit, 3_000), 0);
    }

    #[test]
    fn no_limit_is_none_and_no_work_overflows() {
        assert_eq!(Limit::new(0, 5), None);
        let limit = Limit::new(1, u64::MAX).unwrap();
        let mut allowance = Allowance::default();
        allowance.charge(u64::MAX, limit, 1);
        allowance.charge(u64::MAX, limit, 1);
        assert!(limit.burst_ns > 0);
    }

    #[test]
    fn a_peer_whose_other_sessions_have_exceeded_their_part_waits_as_long() {
        let limit = Limit::new(1_000, 100).unwrap();
        let mut allowance = Allowance::default();
        allowance.exceed(5 * MS, limit, 1_000);
        assert_eq!(allowance.excess_ns(limit, 1_000), 5 * MS);
        assert_eq!(allowance.excess_ns(limit, 1_005), 0);
    }
}
