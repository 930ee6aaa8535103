//! What is told in the log once, however often it comes: it lasts until a person mends it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::limits::TOLD_ONCE_MAX;

/// See the module. Past a bound nothing new is told.
#[derive(Debug, Default)]
pub struct Once(Mutex<BTreeSet<Box<str>>>);

impl Once {
    /// Whether this is to be told now.
    pub fn is_new(&self, what: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !told.contains(what) && told.len() < TOLD_ONCE_MAX && told.insert(what.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_no_more_than_the_bound() {
        let once = Once::default();
        assert!(once.is_new("a") && !once.is_new("a") && once.is_new("b"));
        let told = (0..2 * TOLD_ONCE_MAX).filter(|number| once.is_new(&number.to_string())).count();
        assert_eq!(told, TOLD_ONCE_MAX - 2);
        assert!(!once.is_new("c"));
    }
}
