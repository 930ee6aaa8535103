//! Which bucket is compared with the nodes' register next: one after the other, all of them in an hour.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::STATE_CHECK_MS;

/// See the module.
#[derive(Debug)]
pub(super) struct Walk {
    next: u16,
    due: Instant,
}

impl Walk {
    /// The first bucket is due.
    pub(super) fn begin(now: Instant) -> Self {
        Self { next: 0, due: now }
    }

    /// The bucket whose time has come, of so many. It is not given again in this walk.
    pub(super) fn step(&mut self, buckets: u16, now: Instant) -> Option<u16> {
        if now < self.due {
            return None;
        }
        let bucket = self.next;
        self.next = (bucket + 1) % buckets;
        // Who was held up does not hurry.
        self.due = now + Duration::from_millis(STATE_CHECK_MS / u64::from(buckets));
        Some(bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_buckets_have_their_turn_in_an_hour_and_none_is_made_up_for() {
        let began = Instant::now();
        let (mut walk, mut seen) = (Walk::begin(began), Vec::new());
        for second in 0..3_600 {
            seen.extend(walk.step(8, began + Duration::from_secs(second)));
        }
        assert!(seen.iter().copied().eq(0..8), "{seen:?}");
        let late = began + Duration::from_secs(10 * 3_600);
        assert_eq!((walk.step(8, late), walk.step(8, late)), (Some(0), None));
    }
}
