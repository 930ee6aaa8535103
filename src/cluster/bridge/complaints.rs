//! What goes wrong with Redis: all of it is counted, and of each kind of fault a line is in the log every few seconds; of what is foreign
//! there a line a key.

use std::sync::Arc;

use super::metrics::BridgeMetrics;
use crate::cluster::once::Once;
use crate::cluster::redis::fault::Fault;
use crate::cluster::seldom::Seldom;

/// See the module.
#[derive(Debug)]
pub(super) struct Complaints {
    metrics: Arc<BridgeMetrics>,
    told: Seldom,
    foreign: Once,
}

impl Complaints {
    /// None yet; all are counted.
    pub(super) fn new(metrics: Arc<BridgeMetrics>) -> Self {
        Self { metrics, told: Seldom::default(), foreign: Once::default() }
    }

    /// A call of this Function has failed.
    pub(super) fn tell(&self, function: &'static str, fault: &Fault) {
        self.metrics.failed(fault.kind());
        if let Fault::Foreign(what) = fault {
            if self.foreign.is_new(what) {
                tracing::error!(function, "{fault}");
            }
            return;
        }
        if let Some(untold) = self.told.is_due(fault.kind()) {
            tracing::warn!(function, untold, "{fault}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_counted_by_their_kind() {
        let metrics = Arc::<BridgeMetrics>::default();
        let complaints = Complaints::new(metrics.clone());
        (0..3).for_each(|_| complaints.tell("append", &Fault::Late));
        assert_eq!(metrics.failures(), [("late", 3)]);
    }
}
