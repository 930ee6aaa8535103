//! What is counted of discovery. Always there: a node without a catalog is registered nowhere.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::control) struct DiscoveryCounts {
    /// 1 while the catalog has the node, as far as the node knows.
    pub(super) is_registered: Gauge,
    /// Calls of the catalog that have failed.
    pub(super) errors: Counter,
}

impl DiscoveryCounts {
    /// Writes what was counted.
    pub(in crate::control) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Self { is_registered, errors } = self;
        let help = "Whether the node is registered in the catalog of services, as far as it knows";
        let kind = is_registered.metric_type();
        is_registered.encode(encoder.encode_descriptor("ringpost_discovery_registered", help, None, kind)?)?;
        let help = "Calls of the catalog of services that have failed";
        errors.encode(encoder.encode_descriptor("ringpost_discovery_errors", help, None, errors.metric_type())?)
    }
}
