//! What is counted of Kafka, for `/metrics`.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

use crate::cluster::bridge::metrics::BridgeMetrics;
use crate::cluster::kafka::mover::metrics::MoverMetrics;
use crate::cluster::kafka::producer::Producer;
use crate::event_log::EventLog;

type Read = fn(&MoverMetrics) -> u64;

const MOVER_GAUGES: [(&str, &str, Option<Unit>, Read); 4] = [
    ("ringpost_mover_partitions", "Partitions of the way up that this node moves", None, |of| of.partitions.get()),
    ("ringpost_mover_waiting", "Records of the way up on their way into buckets", None, |of| of.waiting.get()),
    ("ringpost_mover_waiting", "Records of the way up on their way into buckets", Some(Unit::Bytes), |of| {
        of.waiting_bytes.get()
    }),
    ("ringpost_mover_lag", "Records of this node's partitions of the way up that are yet to be moved", None, |of| {
        of.lag.get()
    }),
];

const MOVER_COUNTERS: [(&str, &str, Read); 9] = [
    ("ringpost_mover_moved", "Records that have come into the order of their channels", |of| of.moved.get()),
    ("ringpost_mover_repeated", "Records that were there already, or whose key or version was", |of| of.repeated.get()),
    ("ringpost_mover_buried", "Records that cannot be published, and went to the topic of the dead", |of| {
        of.buried.get()
    }),
    ("ringpost_mover_passed_over", "Records that cannot be published, nor written to the topic of the dead", |of| {
        of.passed_over.get()
    }),
    ("ringpost_mover_left_out", "Publications that are missing in their topic, which has refused them", |of| {
        of.left_out.get()
    }),
    ("ringpost_deliver_own", "Messages to this node itself, which do not go by Kafka", |of| of.told_here.get()),
    ("ringpost_deliver_told", "Messages to nodes that Kafka has taken", |of| of.told.get()),
    ("ringpost_deliver_lost", "Messages to nodes that Kafka has not taken", |of| of.untold.get()),
    ("ringpost_mover_replays", "Times that records are moved again that may not be in their buckets", |of| {
        of.replays.get()
    }),
];

/// Writes what was counted of the records that this node moves.
pub(super) fn encode_mover(encoder: &mut DescriptorEncoder<'_>, mover: &MoverMetrics) -> fmt::Result {
    for (name, help, unit, read) in &MOVER_GAUGES {
        let mut metric = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        metric.encode_gauge(&read(mover))?;
    }
    let help = "How long the oldest record of the way up that is on its way has lain there";
    let mut age = encoder.encode_descriptor("ringpost_mover_lag", help, Some(&Unit::Seconds), MetricType::Gauge)?;
    age.encode_gauge(&(mover.lag_ms.get() as f64 / 1e3))?;
    for (name, help, read) in MOVER_COUNTERS {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter(&read(mover), None::<&Exemplar<NoLabelSet, f64>>)?;
    }
    let help = "Calls of Redis that failed, so that records are moved later, by kind of fault";
    encode_failures(encoder, "ringpost_mover_errors", help, mover.failures())
}

/// Writes what was counted of what buckets tell this node by Kafka.
pub(super) fn encode_deliveries(encoder: &mut DescriptorEncoder<'_>, bridge: &BridgeMetrics) -> fmt::Result {
    for (name, help, number) in [
        ("ringpost_deliver_heard", "Messages that buckets have told this node by Kafka", bridge.relayed_heard.get()),
        (
            "ringpost_deliver_holes",
            "Times that something of a bucket did not come by Kafka",
            bridge.relayed_holes.get(),
        ),
    ] {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter(&number, None::<&Exemplar<NoLabelSet, f64>>)?;
    }
    Ok(())
}

/// Writes what was counted of what the process writes.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, kafka: &Producer) -> fmt::Result {
    let help = "Records that wait for Kafka or are on their way";
    let mut waiting = encoder.encode_descriptor("ringpost_kafka_waiting", help, None, MetricType::Gauge)?;
    waiting.encode_gauge(&(kafka.waiting() as u64))?;
    let (help, unit) = ("Keys and values that wait for Kafka or are on their way", Some(&Unit::Bytes));
    let mut bytes = encoder.encode_descriptor("ringpost_kafka_waiting", help, unit, MetricType::Gauge)?;
    bytes.encode_gauge(&kafka.metrics().waiting_bytes())?;
    let help = "Records that Kafka has taken";
    let mut written = encoder.encode_descriptor("ringpost_kafka_written", help, None, MetricType::Counter)?;
    written.encode_counter(&kafka.metrics().written(), None::<&Exemplar<NoLabelSet, f64>>)?;
    let help = "Records that Kafka has not taken, by kind of fault";
    encode_failures(encoder, "ringpost_kafka_errors", help, kafka.metrics().failures())
}

fn encode_failures(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    failures: Vec<(&'static str, u64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (kind, number) in failures {
        let labels = [("kind", kind)];
        let mut family = metric.encode_family(&labels)?;
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
