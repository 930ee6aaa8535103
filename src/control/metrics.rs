//! `/metrics`: what the shards count, read when Prometheus asks.
//!
//! Names are written out whole here, with their units, so that a search for one finds it. What is counted by namespace
//! or by method is bounded by what is configured and by the API.

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};

use super::exposition::Exposition;
use super::process::ProcessStats;
use super::refused::{not_found, refused};
use super::state::ControlState;
use super::{cluster_metrics, histogram, kafka_metrics, role_metrics};
use crate::broker::histogram::Observed;
use crate::broker::metrics::ShardMetrics;
use crate::broker::namespaces::NamespaceMetrics;
use crate::clock;
use crate::model::refusal::ErrorKind;
use crate::shard::handle::ShardHandle;

type Read<T> = fn(&T) -> u64;

type Observe = fn(&ShardMetrics) -> Observed;

/// Name, help and value of what goes up and down.
const GAUGES: [(&str, &str, Read<ShardMetrics>); 20] = [
    ("ringpost_conns", "Open sockets", |shard| shard.conns.get()),
    ("ringpost_strangers", "Open sockets of which nothing is known yet", |shard| shard.strangers.get()),
    ("ringpost_stranger_bytes", "Bytes held for sockets of which nothing is known yet", |shard| {
        shard.stranger_bytes.get()
    }),
    ("ringpost_sessions", "Sessions, connected or about to be", |shard| shard.sessions.get()),
    ("ringpost_revocations", "Revocations of tokens in force, the same on every shard", |shard| {
        shard.revocations.get()
    }),
    ("ringpost_channels", "Channels at home on the shard, with subscribers or history", |shard| shard.channels.get()),
    ("ringpost_stream_bytes", "Bytes that streams of channels at home on the shard take, about", |shard| {
        shard.stream_bytes.get()
    }),
    ("ringpost_scheduled", "Publications that are to come, in channels at home on the shard", |shard| {
        shard.scheduled.get()
    }),
    ("ringpost_dead_letters_kept", "Dead letters of channels at home on the shard", |shard| {
        shard.dead_letters_kept.get()
    }),
    ("ringpost_commits_waiting", "Publishes and removals that wait for the disk", |shard| shard.commits_waiting.get()),
    ("ringpost_mirrors", "Channels of several nodes that are mirrored here", |shard| shard.mirrors.get()),
    ("ringpost_buckets_waiting", "Publishes, removals and notes of devices that wait for Redis", |shard| {
        shard.buckets_waiting.get()
    }),
    ("ringpost_presences_waiting", "Comings and goings that Redis has yet to hear of", |shard| {
        shard.presences_waiting.get()
    }),
    ("ringpost_outbox_bytes", "Bytes that wait for slow sockets", |shard| shard.outbox_bytes.get()),
    ("ringpost_mailbox_depth", "Letters that wait in the shard's mailboxes", |shard| shard.mailbox_depth.get()),
    ("ringpost_mailbox_waiting", "Letters that found other shards' mailboxes full", |shard| {
        shard.mailbox_waiting.get()
    }),
    ("ringpost_mailbox_waiting_bytes", "Memory of the letters that found other shards' mailboxes full", |shard| {
        shard.mailbox_waiting_bytes.get()
    }),
    ("ringpost_mailbox_bytes", "Most memory of the shard's letters in other shards' mailboxes", |shard| {
        shard.mailbox_bytes.get()
    }),
    ("ringpost_store_waiting_bytes", "Bytes that wait to be written to the store", |shard| {
        shard.store.waiting_bytes.get()
    }),
    ("ringpost_store_bytes", "Bytes of the shard's segments of the store", |shard| shard.store.kept_bytes.get()),
];

/// Name without `_total`, help and value of what only grows.
const COUNTERS: [(&str, &str, Read<ShardMetrics>); 15] = [
    ("ringpost_accepts", "Sockets accepted", |shard| shard.accepts.get()),
    ("ringpost_probes", "Probes of health that shards answered", |shard| shard.probes.get()),
    ("ringpost_accept_pauses", "Times that accepting paused for want of descriptors", |shard| {
        shard.accept_pauses.get()
    }),
    ("ringpost_connects", "Sessions that were welcomed", |shard| shard.connects.get()),
    ("ringpost_messages_in", "Commands from clients", |shard| shard.commands.get()),
    ("ringpost_messages_out", "Replies and pushes to single clients", |shard| shard.messages_out.get()),
    ("ringpost_received_bytes", "Bytes of frames from clients", |shard| shard.bytes_in.get()),
    ("ringpost_sent_bytes", "Bytes that sockets took", |shard| shard.bytes_out.get()),
    ("ringpost_stream_evictions", "Streams that went because memory was short", |shard| shard.stream_evictions.get()),
    ("ringpost_dead_letters_forgotten", "Dead letters that went for newer ones", |shard| {
        shard.dead_letters_forgotten.get()
    }),
    ("ringpost_letters", "Letters sent to other shards", |shard| shard.letters.get()),
    ("ringpost_holds", "Times that a connection was not read on since other shards were behind", |shard| {
        shard.holds.get()
    }),
    ("ringpost_windows_shut", "Times that asks of a shard waited since its window was shut", |shard| {
        shard.windows_shut.get()
    }),
    ("ringpost_buffer_shortages", "Times that no receive buffer was left", |shard| shard.buffer_shortages.get()),
    ("ringpost_store_failures", "Writes to the store that have failed", |shard| shard.store.failures.get()),
];

/// What goes up and down for each namespace of channels.
const NAMESPACE_GAUGES: [(&str, &str, Read<NamespaceMetrics>); 4] = [
    ("ringpost_subscriptions", "Subscriptions of the sessions on the shard, by namespace", |of| of.subscriptions.get()),
    ("ringpost_unreceived", "Publications that devices of members have yet to receive, by namespace", |of| {
        of.unreceived.get()
    }),
    ("ringpost_devices_behind", "Devices of members that have something to receive, by namespace", |of| {
        of.devices_behind.get()
    }),
    ("ringpost_oldest_unreceived_age_seconds", "How long the oldest waits that a device has yet to receive", |of| {
        clock::age_s(of.oldest_unreceived_unix_ms.get())
    }),
];

/// What only grows for each namespace of channels.
const NAMESPACE_COUNTERS: [(&str, &str, Read<NamespaceMetrics>); 12] = [
    ("ringpost_publishes", "Publications put in order on the shard, by namespace", |of| of.publishes.get()),
    ("ringpost_deliveries", "Publications times the subscribers that they went to, by namespace", |of| {
        of.deliveries.get()
    }),
    ("ringpost_filtered", "Publications times the subscribers whose tags filter kept them out, by namespace", |of| {
        of.filtered.get()
    }),
    ("ringpost_subscribes", "Subscriptions that began, by namespace", |of| of.subscribes.get()),
    ("ringpost_joins", "Joins that were announced, by namespace", |of| of.joins.get()),
    ("ringpost_leaves", "Leaves that were announced, by namespace", |of| of.leaves.get()),
    ("ringpost_redeliveries", "Publications that were sent to a device again, by namespace", |of| {
        of.redeliveries.get()
    }),
    ("ringpost_dead_letters", "Publications that were given up for a device, by namespace", |of| of.dead_letters.get()),
    ("ringpost_lost", "Times that a device had not received what is no longer kept, by namespace", |of| of.lost.get()),
    ("ringpost_pushes", "Publications times the members who are to be told by a push, by namespace", |of| {
        of.pushed.get()
    }),
    ("ringpost_kept_bytes", "Bytes of publications and removals that the disk has taken, by namespace", |of| {
        of.kept_bytes.get()
    }),
    ("ringpost_disk_refusals", "Publishes and removals that the disk would not keep, by namespace", |of| {
        of.disk_refusals.get()
    }),
];

/// Answers a scrape.
pub(super) async fn metrics(State(state): State<Arc<ControlState>>, headers: HeaderMap) -> Response {
    if !state.config().prometheus.enabled {
        return not_found("metrics are switched off: `prometheus.enabled`");
    }
    let mut registry = Registry::default();
    registry.register_collector(Box::new(NodeMetrics(state)));
    let mut body = String::new();
    match text::encode(&mut body, &registry) {
        Ok(()) => {
            let exposition = Exposition::of(&headers);
            ([(header::CONTENT_TYPE, exposition.content_type())], exposition.write(body)).into_response()
        }
        Err(fmt::Error) => {
            refused(StatusCode::INTERNAL_SERVER_ERROR, ErrorKind::Internal.because("the metrics cannot be written"))
        }
    }
}

#[derive(Debug)]
struct NodeMetrics(Arc<ControlState>);

impl Collector for NodeMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let shards = self.0.shards.handles();
        for (name, help, read) in GAUGES {
            let mut metric = describe(&mut encoder, name, help, MetricType::Gauge)?;
            for shard in shards {
                metric.encode_family(&[("shard", shard.shard.to_string())])?.encode_gauge(&read(&shard.metrics))?;
            }
        }
        for (name, help, read) in COUNTERS {
            let mut metric = describe(&mut encoder, name, help, MetricType::Counter)?;
            for shard in shards {
                let labels = [("shard", shard.shard.to_string())];
                count(&mut metric.encode_family(&labels)?, &read(&shard.metrics))?;
            }
        }
        encode_namespaces(&mut encoder, shards)?;
        encode_closes(&mut encoder, shards)?;
        encode_histograms(&mut encoder, shards)?;
        self.encode_node(&mut encoder)?;
        self.0.calls.encode(&mut encoder)?;
        self.0.discovery.encode(&mut encoder)?;
        if let Some(bridge) = &self.0.bridge {
            cluster_metrics::encode(&mut encoder, &bridge.metrics)?;
        }
        if let Some(kafka) = &self.0.kafka {
            kafka_metrics::encode(&mut encoder, kafka)?;
            self.0.call_counts.encode(&mut encoder)?;
            kafka_metrics::encode_events(&mut encoder, &self.0.event_log)?;
        }
        role_metrics::encode(&mut encoder, &self.0.roles)?;
        if let Some(mover) = &self.0.mover {
            kafka_metrics::encode_mover(&mut encoder, mover)?;
            if let Some(bridge) = &self.0.bridge {
                kafka_metrics::encode_deliveries(&mut encoder, &bridge.metrics)?;
            }
        }
        encode_process(&mut encoder, &self.0)
    }
}

/// Begins a family whose name ends with its unit, if it has one.
fn describe<'s>(
    encoder: &'s mut DescriptorEncoder<'_>,
    name: &'s str,
    help: &str,
    kind: MetricType,
) -> Result<MetricEncoder<'s>, fmt::Error> {
    let of_unit = |unit: &'static Unit| Some((name.strip_suffix(unit.as_str())?.strip_suffix('_')?, Some(unit)));
    let (name, unit) = of_unit(&Unit::Bytes).or_else(|| of_unit(&Unit::Seconds)).unwrap_or((name, None));
    encoder.encode_descriptor(name, help, unit, kind)
}

fn count(metric: &mut MetricEncoder<'_>, value: &impl EncodeCounterValue) -> fmt::Result {
    metric.encode_counter(value, None::<&Exemplar<NoLabelSet, f64>>)
}

/// The shard and the namespace.
type Labels = [(&'static str, String); 2];

/// What is counted by namespace. Codes that never came are left out.
fn encode_namespaces(encoder: &mut DescriptorEncoder<'_>, shards: &[ShardHandle]) -> fmt::Result {
    let of_shard = |shard: &ShardHandle| {
        let number = shard.shard.to_string();
        shard
            .metrics
            .namespaces
            .all()
            .into_iter()
            .map(move |(name, of)| ([("shard", number.clone()), ("namespace", name.into())], of))
    };
    let namespaces: Vec<(Labels, Arc<NamespaceMetrics>)> = shards.iter().flat_map(of_shard).collect();
    for (name, help, read) in NAMESPACE_GAUGES {
        let mut metric = describe(encoder, name, help, MetricType::Gauge)?;
        for (labels, of) in &namespaces {
            metric.encode_family(labels)?.encode_gauge(&read(of))?;
        }
    }
    for (name, help, read) in NAMESPACE_COUNTERS {
        let mut metric = describe(encoder, name, help, MetricType::Counter)?;
        for (labels, of) in &namespaces {
            count(&mut metric.encode_family(labels)?, &read(of))?;
        }
    }
    // Those that keep nothing on disk are left out: a histogram is many lines.
    let keeping: Vec<_> = namespaces.iter().map(|(labels, of)| (labels, of.keeps.observed())).collect();
    let help = "How long publications and removals waited for the disk, by namespace";
    let mut keeps = describe(encoder, "ringpost_keep_duration_seconds", help, MetricType::Histogram)?;
    for (labels, observed) in keeping.iter().filter(|(_, observed)| observed.number() > 0) {
        histogram::encode(&mut keeps.encode_family(*labels)?, observed)?;
    }
    let help = "Refused commands by namespace and error code";
    let mut errors = encoder.encode_descriptor("ringpost_errors", help, None, MetricType::Counter)?;
    for (labels, of) in &namespaces {
        for (code, number) in of.errors.iter().filter(|(_, number)| *number > 0) {
            count(&mut errors.encode_family(&(labels.as_slice(), [("code", code.to_string())]))?, &number)?;
        }
    }
    Ok(())
}

/// Endings by cause and code. What never came is left out.
fn encode_closes(encoder: &mut DescriptorEncoder<'_>, shards: &[ShardHandle]) -> fmt::Result {
    let help =
        "Connections that ended, by cause: disconnect, violation and refusal have a code, other is a backend's own";
    let mut closes = encoder.encode_descriptor("ringpost_closes", help, None, MetricType::Counter)?;
    for shard in shards {
        for (cause, code, number) in shard.metrics.endings.iter().filter(|(_, _, number)| *number > 0) {
            let labels = [("shard", shard.shard.to_string()), ("cause", cause.to_string()), ("code", code)];
            count(&mut closes.encode_family(&labels)?, &number)?;
        }
    }
    Ok(())
}

/// Name, help and value of what is counted in buckets.
const HISTOGRAMS: [(&str, &str, Observe); 5] = [
    ("ringpost_tick_duration_seconds", "How long the shard's ticks took", |shard| shard.ticks.observed()),
    ("ringpost_redis_told_wait_seconds", "How long what buckets told waited for the shard", |shard| {
        shard.told_waits.observed()
    }),
    ("ringpost_store_commit_duration_seconds", "From the first record of a batch to the batch on disk", |shard| {
        shard.store.commits.observed()
    }),
    ("ringpost_store_sync_duration_seconds", "How long the disk took to write and sync a batch", |shard| {
        shard.store.syncs.observed()
    }),
    ("ringpost_store_batch_bytes", "What was given to the store's disk at once", |shard| {
        shard.store.batch_bytes.observed()
    }),
];

fn encode_histograms(encoder: &mut DescriptorEncoder<'_>, shards: &[ShardHandle]) -> fmt::Result {
    for (name, help, observe) in HISTOGRAMS {
        let mut family = describe(encoder, name, help, MetricType::Histogram)?;
        for shard in shards {
            let labels = [("shard", shard.shard.to_string())];
            histogram::encode(&mut family.encode_family(&labels)?, &observe(&shard.metrics))?;
        }
    }
    Ok(())
}

fn encode_gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: impl EncodeGaugeValue,
) -> fmt::Result {
    describe(encoder, name, help, MetricType::Gauge)?.encode_gauge(&value)
}

impl NodeMetrics {
    fn encode_node(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let state = &self.0;
        let build = [("version", crate::VERSION.to_string()), ("node", state.config().name.clone())];
        encoder.encode_descriptor("ringpost_build", "What runs", None, MetricType::Info)?.encode_info(&build)?;
        encode_gauge(encoder, "ringpost_uptime_seconds", "Time since the node began", state.uptime_s())?;
        let draining = u64::from(state.is_draining());
        encode_gauge(encoder, "ringpost_draining", "1 while the node is about to leave", draining)?;
        let help = "Log lines that standard error did not take in time";
        let mut dropped = encoder.encode_descriptor("ringpost_log_lines_dropped", help, None, MetricType::Counter)?;
        count(&mut dropped, &(crate::log::dropped_lines() as u64))?;
        let help = "Lines of the access log that its file did not take in time";
        let mut dropped =
            encoder.encode_descriptor("ringpost_access_log_lines_dropped", help, None, MetricType::Counter)?;
        count(&mut dropped, &state.access_log.dropped_lines())?;
        self.encode_seats(encoder)
    }

    fn encode_seats(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let seats = self.0.seats.counts();
        let help = "HTTP conns that the control plane serves; a backend came with the key or through the internal port";
        let mut conns = encoder.encode_descriptor("ringpost_http_conns", help, None, MetricType::Gauge)?;
        for (class, number) in [("backend", seats.backends), ("stranger", seats.strangers), ("leaving", seats.leaving)]
        {
            conns.encode_family(&[("class", class)])?.encode_gauge(&number)?;
        }
        let help = "HTTP conns that did not stay: by giving way to another, or for want of one that idled";
        let mut lost = encoder.encode_descriptor("ringpost_http_conns_lost", help, None, MetricType::Counter)?;
        for (cause, number) in [("gave_way", seats.gave_way), ("refused", seats.refused)] {
            count(&mut lost.encode_family(&[("cause", cause)])?, &number)?;
        }
        Ok(())
    }
}

/// The names that Prometheus's own client libraries use for a process.
fn encode_process(encoder: &mut DescriptorEncoder<'_>, state: &ControlState) -> fmt::Result {
    let stats = ProcessStats::read();
    let help = "Processor time, user and system";
    let mut cpu = describe(encoder, "process_cpu_seconds", help, MetricType::Counter)?;
    count(&mut cpu, &stats.cpu_s)?;
    encode_gauge(encoder, "process_resident_memory_bytes", "Memory in RAM", stats.resident_bytes)?;
    encode_gauge(encoder, "process_open_fds", "Open descriptors", stats.open_fds)?;
    if let Some(max_fds) = stats.max_fds {
        encode_gauge(encoder, "process_max_fds", "Most descriptors that may be open", max_fds)?;
    }
    let started_s = state.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    encode_gauge(encoder, "process_start_time_seconds", "When the process began, since the Unix epoch", started_s)
}
