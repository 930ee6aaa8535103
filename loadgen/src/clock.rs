//! The clock that all load processes of a run read.

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Counts nanoseconds since a run began, by the monotonic clock of the host, which is the same for all its processes:
/// when a message is due in one process and heard in another, the difference is its latency.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Clock {
    origin_ns: u64,
}

impl Clock {
    /// Counts from now on.
    pub fn start() -> Self {
        Self { origin_ns: monotonic_ns() }
    }

    /// Nanoseconds since the run began.
    #[inline]
    pub fn now_ns(self) -> u64 {
        monotonic_ns() - self.origin_ns
    }
}

fn monotonic_ns() -> u64 {
    read_ns(ClockId::Monotonic)
}

/// Processor time of the calling thread, nanoseconds. It takes a call of the kernel.
pub fn thread_cpu_ns() -> u64 {
    read_ns(ClockId::ThreadCPUTime)
}

fn read_ns(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_handed_on_shows_the_same_time() {
        let clock = Clock::start();
        let handed_on: Clock = serde_json::from_str(&serde_json::to_string(&clock).unwrap()).unwrap();
        let (before, between, after) = (clock.now_ns(), handed_on.now_ns(), clock.now_ns());
        assert!(before <= between && between <= after, "{before} {between} {after}");
    }

    #[test]
    fn a_thread_that_works_uses_processor_time() {
        let (clock, before_ns) = (Clock::start(), thread_cpu_ns());
        while thread_cpu_ns() < before_ns + 1_000_000 {}
        assert!(clock.now_ns() >= 1_000_000, "never more than there was");
    }
}
