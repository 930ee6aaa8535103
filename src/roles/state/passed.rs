//! What is passed over, since something that is not Ringpost's lies in its place: each is counted, and each key named once.

use std::sync::Arc;

use super::metrics::StateMetrics;
use crate::cluster::complaints::Complaints;
use crate::cluster::redis::fault::Fault;

/// See the module.
pub(super) struct PassedOver {
    metrics: Arc<StateMetrics>,
    complaints: Complaints,
}

impl PassedOver {
    pub(super) fn new(metrics: Arc<StateMetrics>) -> Self {
        Self { metrics, complaints: Complaints::default() }
    }

    /// A call has found that it is so at these keys.
    pub(super) fn tell(&self, call: &'static str, keys: Vec<String>) {
        for key in keys {
            self.metrics.failed("foreign");
            self.complaints.tell(call, &Fault::Foreign(key));
        }
    }
}
