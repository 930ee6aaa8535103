//! What time it is by the clock of Redis, as far as this node knows.
//!
//! What Redis says of its clock was so at some moment between the question and the answer. Each answer narrows that down: one that
//! was late adds nothing to one that came at once.

use std::time::Duration;

use tokio::time::Instant;

/// How much the two clocks may drift apart between two answers, milliseconds: 300 millionths of the time between two renewals.
const DRIFT_MS: i64 = 1;

/// See the module.
#[derive(Debug)]
pub(super) struct Clock {
    since: Instant,
    /// What it was at the earliest, and at the latest, at the moment above, Unix milliseconds; `None` as long as Redis has said
    /// nothing.
    then: Option<(i64, i64)>,
}

impl Clock {
    /// Nothing is known.
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), then: None }
    }

    /// Redis has said what time it is.
    pub(super) fn told(&mut self, unix_ms: u64, [asked, answered]: [Instant; 2]) {
        // It says whole milliseconds, and so do we.
        let said = (unix_ms as i64 - self.ms(answered) - 1, unix_ms as i64 - self.ms(asked) + 1);
        let known = self.then.map(|(earliest, latest)| {
            (said.0.max(earliest.saturating_sub(DRIFT_MS)), said.1.min(latest.saturating_add(DRIFT_MS)))
        });
        // Otherwise it was set.
        self.then = known.filter(|(earliest, latest)| earliest <= latest).or(Some(said));
    }

    /// What it is at that moment at the latest, Unix milliseconds; 0 as long as nothing is known.
    pub(super) fn latest(&self, at: Instant) -> u64 {
        let (_, latest) = self.then.unwrap_or_default();
        self.then.map_or(0, |_| u64::try_from(latest.saturating_add(self.ms(at))).unwrap_or_default())
    }

    /// From our moment to this one.
    fn ms(&self, at: Instant) -> i64 {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        match at.checked_duration_since(self.since) {
            Some(later) => ms(later),
            None => -ms(self.since.duration_since(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_790_000_000_000;

    fn told(clock: &mut Clock, unix_ms: u64, asked_ms: u64, answered_ms: u64) {
        let at = |ms| clock.since + Duration::from_millis(ms);
        clock.told(unix_ms, [at(asked_ms), at(answered_ms)]);
    }

    fn latest(clock: &Clock, ms: u64) -> u64 {
        clock.latest(clock.since + Duration::from_millis(ms))
    }

    #[test]
    fn an_answer_that_was_late_neither_sets_the_clock_back_nor_makes_it_less_exact() {
        let mut clock = Clock::new();
        assert_eq!(latest(&clock, 5), 0, "nothing is known");
        told(&mut clock, NOON + 100, 100, 102);
        assert_eq!(latest(&clock, 200), NOON + 201);
        // Asked at 3,000, answered by Redis at 3,001, heard a second later.
        told(&mut clock, NOON + 3_001, 3_000, 4_000);
        assert_eq!(latest(&clock, 5_000), NOON + 5_002);
        // Asked at 6,000, and it lay on its way for a second.
        told(&mut clock, NOON + 7_000, 6_000, 7_001);
        assert!((NOON + 8_000..=NOON + 8_003).contains(&latest(&clock, 8_000)), "{clock:?}");
    }

    #[test]
    fn a_moment_before_all_that_was_said_is_known_as_well() {
        let mut clock = Clock::new();
        clock.since += Duration::from_secs(60);
        told(&mut clock, NOON, 0, 2);
        assert_eq!(clock.latest(clock.since - Duration::from_secs(10)), NOON - 10_000 + 1);
    }

    #[test]
    fn a_clock_that_was_set_is_taken_as_it_is() {
        let mut clock = Clock::new();
        told(&mut clock, NOON, 0, 2);
        for at in [NOON + 60_000, NOON - 60_000] {
            told(&mut clock, at, 3_000, 3_002);
            assert_eq!(latest(&clock, 3_000), at + 1);
        }
    }
}
