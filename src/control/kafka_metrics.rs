//! What is counted of Kafka, for `/metrics`.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use crate::cluster::kafka::producer::Producer;
use crate::event_log::EventLog;

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

/// Writes what was counted of events, by topic.
pub(super) fn encode_events(encoder: &mut DescriptorEncoder<'_>, events: &EventLog) -> fmt::Result {
    let help = "Events that wait for Kafka or are on their way, by topic";
    let mut waiting = encoder.encode_descriptor("ringpost_events_waiting", help, None, MetricType::Gauge)?;
    for (topic, counts) in events.counts() {
        waiting.encode_family(&[("topic", topic)])?.encode_gauge(&counts.waiting())?;
    }
    let help = "Events that Kafka has taken, by topic";
    let mut written = encoder.encode_descriptor("ringpost_events", help, None, MetricType::Counter)?;
    for (topic, counts) in events.counts() {
        let labels = [("topic", topic)];
        let mut family = written.encode_family(&labels)?;
        family.encode_counter(&counts.written(), None::<&Exemplar<NoLabelSet, f64>>)?;
    }
    let help = "Events that were dropped, by topic and reason";
    let mut dropped = encoder.encode_descriptor("ringpost_events_dropped", help, None, MetricType::Counter)?;
    for (topic, counts) in events.counts() {
        for (reason, number) in counts.dropped() {
            let labels = [("topic", topic), ("reason", reason)];
            let mut family = dropped.encode_family(&labels)?;
            family.encode_counter(&number, None::<&Exemplar<NoLabelSet, f64>>)?;
        }
    }
    Ok(())
}
