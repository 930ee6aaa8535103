//! Whether a role consumes, and how far it is behind: written by the thread of the roles, read by the control plane.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::ROLE_STALLED_MS;

/// A partition of a topic.
pub type Partition = (String, i32);

/// The pulse of one role.
#[derive(Debug)]
pub struct Pulse {
    began: Instant,
    /// When it last consumed or could have, milliseconds since it began.
    beat_ms: AtomicU64,
    is_failing: AtomicBool,
    is_refused: AtomicBool,
    lag: Mutex<BTreeMap<Partition, u64>>,
}

impl Pulse {
    /// Of a role that begins: it has as long as any other to reach Kafka.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            beat_ms: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            is_refused: AtomicBool::new(false),
            lag: Mutex::default(),
        }
    }

    /// What was consumed last could not be done, or could. Only a role that does its work has a pulse.
    pub fn failing(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::Relaxed);
    }

    /// Kafka refuses what the role is to read, or gives it. However well the group is, a role that is refused has no pulse.
    pub(super) fn refused(&self, is_refused: bool) {
        self.is_refused.store(is_refused, Ordering::Relaxed);
    }

    /// Kafka is there, and the role has its place in the group.
    pub(super) fn beat(&self) {
        if !self.is_failing.load(Ordering::Relaxed) && !self.is_refused.load(Ordering::Relaxed) {
            self.beat_ms.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
        }
    }

    /// How far behind the end of its partitions it is.
    pub(super) fn set_lag(&self, lag: BTreeMap<Partition, u64>) {
        *self.lag.lock().unwrap_or_else(PoisonError::into_inner) = lag;
    }

    /// Records that are yet to be consumed, by partition, of the partitions that are this process'. Some seconds old.
    pub fn lag(&self) -> BTreeMap<Partition, u64> {
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For how long it has not consumed.
    pub fn silence(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.beat_ms.load(Ordering::Relaxed)))
    }

    /// Whether it consumes, or did a moment ago.
    pub fn is_well(&self) -> bool {
        self.silence() < Duration::from_millis(ROLE_STALLED_MS)
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_fails_at_its_work_or_is_refused_has_no_pulse_however_well_kafka_is() {
        let pulse = Pulse { began: Instant::now() - Duration::from_millis(ROLE_STALLED_MS + 1), ..Pulse::new() };
        assert!(!pulse.is_well());
        pulse.failing(true);
        pulse.beat();
        assert!(!pulse.is_well());
        pulse.failing(false);
        assert!(!pulse.is_well(), "that it does not fail is no work yet");
        pulse.refused(true);
        pulse.beat();
        assert!(!pulse.is_well());
        pulse.refused(false);
        pulse.beat();
        assert!(pulse.is_well());
    }
}
