//! Which channels are crowded: one message to all nodes has reached who listens there a moment ago.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{CROWDED_MAX, CROWDED_MS};

/// Channels to which all nodes listen, or most of many.
#[derive(Debug, Default)]
pub(super) struct Crowded {
    /// Until when that is taken to be so.
    until: HashMap<Box<str>, Instant>,
}

impl Crowded {
    /// Whether one is.
    pub(super) fn has(&self, channel: &str, now: Instant) -> bool {
        self.until.get(channel).is_some_and(|until| now < *until)
    }

    /// One is, from now on for [`CROWDED_MS`]. Full, it forgets the others: each is looked up once more.
    pub(super) fn put(&mut self, channel: &str, now: Instant) {
        if self.until.len() >= CROWDED_MAX {
            self.until.clear();
        }
        self.until.insert(channel.into(), now + Duration::from_millis(CROWDED_MS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_taken_for_crowded_for_a_while_and_no_more_of_them_than_may_be() {
        let (mut crowded, now) = (Crowded::default(), Instant::now());
        crowded.put("room", now);
        assert!(crowded.has("room", now) && !crowded.has("other", now));
        assert!(!crowded.has("room", now + Duration::from_millis(CROWDED_MS)), "it is looked up again");
        for at in 0..=CROWDED_MAX {
            crowded.put(&at.to_string(), now);
            assert!(crowded.until.len() <= CROWDED_MAX);
        }
        assert!(crowded.has(&CROWDED_MAX.to_string(), now), "the last is remembered");
    }
}
