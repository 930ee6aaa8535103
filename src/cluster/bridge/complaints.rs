//! What goes wrong with Redis: all of it is counted, and some of it told in the log.

use std::sync::Arc;

use super::metrics::BridgeMetrics;
use crate::cluster::complaints;
use crate::cluster::redis::fault::Fault;

/// See the module.
#[derive(Debug)]
pub(super) struct Complaints {
    metrics: Arc<BridgeMetrics>,
    log: complaints::Complaints,
}

impl Complaints {
    /// None yet; all are counted.
    pub(super) fn new(metrics: Arc<BridgeMetrics>) -> Self {
        Self { metrics, log: complaints::Complaints::default() }
    }

    /// A call of this Function has failed.
    pub(super) fn tell(&self, function: &'static str, fault: &Fault) {
        self.metrics.failed(fault.kind());
        self.log.tell(function, fault);
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
