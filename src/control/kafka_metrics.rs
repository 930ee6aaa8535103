//! What is counted of Kafka, for `/metrics`.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use crate::cluster::kafka::producer::Producer;

/// Writes what was counted of what the process writes.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, kafka: &Producer) -> fmt::Result {
    let help = "Records that wait for Kafka or are on their way";
    let mut waiting = encoder.encode_descriptor("ringpost_kafka_waiting", help, None, MetricType::Gauge)?;
    waiting.encode_gauge(&(kafka.waiting() as u64))?;
    let help = "Records that Kafka has taken";
    let mut written = encoder.encode_descriptor("ringpost_kafka_written", help, None, MetricType::Counter)?;
    written.encode_counter(&kafka.metrics().written(), None::<&Exemplar<NoLabelSet, f64>>)?;
    let help = "Records that Kafka has not taken, by kind of fault";
    let mut failures = encoder.encode_descriptor("ringpost_kafka_errors", help, None, MetricType::Counter)?;
    for (kind, number) in kafka.metrics().failures() {
        let labels = [("kind", kind)];
        let mut family = failures.encode_family(&labels)?;
        family.encode_counter(&number, None::<&Exemplar<NoLabelSet, f64>>)?;
    }
    Ok(())
}
