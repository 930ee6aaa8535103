//! What the bridge to the other nodes counts, for `/metrics`.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

use super::histogram;
use crate::cluster::bridge::metrics::BridgeMetrics;

type Read = fn(&BridgeMetrics) -> u64;

const GAUGES: [(&str, &str, Option<Unit>, Read); 4] = [
    ("ringpost_cluster_nodes", "Nodes whose leases live, this one among them", None, |of| of.nodes.get()),
    ("ringpost_redis_unfit", "What would keep a node from starting with Redis as it was last seen", None, |of| {
        of.unfit.get()
    }),
    ("ringpost_redis_waiting", "Requests that wait for Redis or are on their way", None, |of| of.waiting.get()),
    ("ringpost_redis_waiting", "Messages that wait for Redis or are on their way", Some(Unit::Bytes), |of| {
        of.waiting_bytes.get()
    }),
];

const COUNTERS: [(&str, &str, Read); 7] = [
    ("ringpost_redis_heard", "Messages that buckets have told this node", |of| of.heard.get()),
    ("ringpost_redis_dropped", "Messages of buckets that shards had no room for", |of| of.dropped.get()),
    ("ringpost_cluster_told_dropped", "What other nodes said of users that found no room, and is looked up", |of| {
        of.told_dropped.get()
    }),
    ("ringpost_redis_holes", "Times that something of a bucket was not heard", |of| of.holes.get()),
    ("ringpost_redis_generations", "Times that a bucket has begun anew, since writes were lost", |of| {
        of.generations.get()
    }),
    ("ringpost_leases_lost", "Leases that this node has lost", |of| of.leases_lost.get()),
    ("ringpost_redis_cleared", "Entries of dead nodes that this node has cleared away", |of| of.cleared.get()),
];

/// Writes what was counted.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, bridge: &BridgeMetrics) -> fmt::Result {
    for (name, help, unit, read) in &GAUGES {
        let mut metric = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        metric.encode_gauge(&read(bridge))?;
    }
    let help = "Time since the lease was last renewed";
    let mut age = encoder.encode_descriptor("ringpost_lease_age", help, Some(&Unit::Seconds), MetricType::Gauge)?;
    age.encode_gauge(&bridge.lease_age_s())?;
    for (name, help, read) in COUNTERS {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter(&read(bridge), None::<&Exemplar<NoLabelSet, f64>>)?;
    }
    let help = "Calls of Redis that failed, by kind of fault";
    let mut failures = encoder.encode_descriptor("ringpost_redis_errors", help, None, MetricType::Counter)?;
    for (kind, number) in bridge.failures() {
        let labels = [("kind", kind)];
        let mut family = failures.encode_family(&labels)?;
        family.encode_counter(&number, None::<&Exemplar<NoLabelSet, f64>>)?;
    }
    let help = "How long what shards asked waited before it left for Redis";
    let mut waits =
        encoder.encode_descriptor("ringpost_redis_wait", help, Some(&Unit::Seconds), MetricType::Histogram)?;
    histogram::encode(&mut waits, &bridge.waits.observed())?;
    let (name, help) = ("ringpost_redis_call_duration", "How long calls of Redis took, by Function");
    let mut durations = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for (function, histogram) in bridge.durations() {
        let labels = [("function", function)];
        histogram::encode(&mut durations.encode_family(&labels)?, &histogram.observed())?;
    }
    Ok(())
}
