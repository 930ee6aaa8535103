//! A histogram of the node, in a text of metrics.

use std::fmt;

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

use crate::broker::histogram::Observed;

/// Tells what it has counted.
pub(super) fn encode(metric: &mut MetricEncoder<'_>, observed: &Observed) -> fmt::Result {
    metric.encode_histogram::<NoLabelSet>(observed.sum, observed.number(), &observed.buckets, None)
}
