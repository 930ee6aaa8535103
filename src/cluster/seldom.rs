//! What is told in the log again and again: of each kind a line every few seconds, however often it comes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(5);

/// By kind: when it was told last, and how often it came since.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<HashMap<&'static str, (Instant, u64)>>);

impl Seldom {
    /// How many of this kind were not told since the last one, where it is time for a line.
    pub fn is_due(&self, kind: &'static str) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match told.get_mut(kind) {
            Some((since, untold)) if since.elapsed() < PAUSE => {
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
