//! When what failed is tried again.

use std::time::Duration;

use crate::config::NotifyConfig;
use crate::limits::WEBHOOK_RETRY_AFTER_MS_MAX;

/// How often and how fast something is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    attempts: u32,
    least: Duration,
    most: Duration,
}

impl Retry {
    /// As configured.
    pub(super) fn new(config: &NotifyConfig) -> Self {
        Self {
            attempts: config.retry_attempts,
            least: config.retry_backoff_min.into(),
            most: config.retry_backoff_max.into(),
        }
    }

    /// How long to wait after so many attempts; `None` when there were as many as may be. It doubles from the least to the most;
    /// `random`, from 0 to 1, takes up to half of it away, so that what failed together does not come back together. An endpoint that
    /// asks for more time has it, within a bound.
    pub(super) fn pause(&self, attempts: u32, asked_for: Option<Duration>, random: f64) -> Option<Duration> {
        if attempts >= self.attempts {
            return None;
        }
        let doubled = 2u32.checked_pow(attempts.saturating_sub(1)).and_then(|times| self.least.checked_mul(times));
        let pause = doubled.unwrap_or(self.most).min(self.most).mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0);
        let asked_for = asked_for.unwrap_or_default().min(Duration::from_millis(WEBHOOK_RETRY_AFTER_MS_MAX));
        Some(pause.max(asked_for))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(20);

    fn retry(attempts: u32) -> Retry {
        Retry { attempts, least: Duration::from_secs(1), most: MOST }
    }

    #[test]
    fn pauses_double_up_to_the_most_and_end_with_the_attempts() {
        let pauses: Vec<_> = (1..=8).map(|attempts| retry(8).pause(attempts, None, 0.0)).collect();
        let seconds = [1, 2, 4, 8, 16, 20, 20].map(|seconds| Some(Duration::from_secs(seconds)));
        assert_eq!(pauses[..7], seconds);
        assert_eq!(pauses[7], None);
        assert_eq!(retry(u32::MAX).pause(1_000_000, None, 0.0), Some(MOST), "nothing overflows");
    }

    #[test]
    fn chance_takes_up_to_half_of_a_pause_away() {
        let pause = |random| retry(8).pause(2, None, random).unwrap();
        assert_eq!([pause(0.5), pause(1.0)], [Duration::from_millis(1500), Duration::from_secs(1)]);
    }

    #[test]
    fn an_endpoint_gets_the_time_that_it_asks_for_within_a_bound() {
        let pause = |seconds| retry(8).pause(1, Some(Duration::from_secs(seconds)), 0.0).unwrap();
        assert_eq!([pause(0), pause(90)], [Duration::from_secs(1), Duration::from_secs(90)]);
        assert_eq!(pause(u64::MAX / 1000), Duration::from_millis(WEBHOOK_RETRY_AFTER_MS_MAX));
    }
}
