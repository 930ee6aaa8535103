//! What is told in the log again and again: of each kind a line every few seconds, or every minute, however often it comes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(5);

/// Likewise, of what lasts and is no news.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub struct Seldom {
    pause: Duration,
    /// By kind: when it was told last, and how often it came since.
    told: Mutex<HashMap<&'static str, (Instant, u64)>>,
}

impl Default for Seldom {
    /// A line every few seconds.
    fn default() -> Self {
        Self { pause: PAUSE, told: Mutex::default() }
    }
}

impl Seldom {
    /// A line a minute.
    pub fn a_minute() -> Self {
        Self { pause: LONG_PAUSE, ..Self::default() }
    }

    /// How many of this kind were not told since the last one, where it is time for a line.
    pub fn is_due(&self, kind: &'static str) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match told.get_mut(kind) {
            Some((since, untold)) if since.elapsed() < self.pause => {
                *untold += 1;
                None
            }
            _ => Some(told.insert(kind, (Instant::now(), 0)).map_or(0, |(_, untold)| untold)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_kind_one_line_is_told_and_the_others_are_not() {
        let seldom = Seldom::default();
        assert_eq!(seldom.is_due("late"), Some(0));
        assert_eq!(seldom.is_due("late"), None);
        assert_eq!(seldom.is_due("full"), Some(0));
    }
}
