//! What goes wrong with Redis, in the log: of each kind of fault a line every few seconds, however many calls fail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::metrics::BridgeMetrics;
use crate::cluster::redis::fault::Fault;

/// Between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Complaints {
    metrics: Arc<BridgeMetrics>,
    /// By kind: when it was told last, and how often it came since.
    told: Mutex<HashMap<&'static str, (Instant, u64)>>,
}

impl Complaints {
    /// None yet; all are counted.
    pub(super) fn new(metrics: Arc<BridgeMetrics>) -> Self {
        Self { metrics, told: Mutex::default() }
    }

    /// A call of this Function has failed.
    pub(super) fn tell(&self, function: &'static str, fault: &Fault) {
        self.metrics.failed(fault.kind());
        if let Some(untold) = self.is_due(fault.kind()) {
            tracing::warn!(function, untold, "{fault}");
        }
    }

    /// How many of this kind were not told since the last one, where it is time for a line.
    fn is_due(&self, kind: &'static str) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn of_each_kind_one_line_is_told_and_the_others_are_counted() {
        let metrics = Arc::<BridgeMetrics>::default();
        let complaints = Complaints::new(metrics.clone());
        assert_eq!(complaints.is_due("late"), Some(0));
        assert_eq!(complaints.is_due("late"), None);
        assert_eq!(complaints.is_due("full"), Some(0));
        (0..3).for_each(|_| complaints.tell("append", &Fault::Late));
        assert_eq!(metrics.failures(), [("late", 3)]);
    }
}
