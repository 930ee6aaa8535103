//! `/metrics`: what the shards count, read when Prometheus asks.
//!
//! The text is OpenMetrics 1.0, which Prometheus has read since 2.5. Names are written out whole here, so that
//! a search for one finds it.

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use super::process::ProcessStats;
use super::refused::{not_found, refused};
use super::state::ControlState;
use crate::broker::metrics::{ShardMetrics, TICK_BUCKETS_US};
use crate::model::refusal::ErrorKind;
use crate::shard::handle::ShardHandle;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Read = fn(&ShardMetrics) -> u64;

/// Name, help and value of what goes up and down.
const GAUGES: [(&str, &str, Read); 12] = [
    ("ringpost_conns", "Open sockets", |shard| shard.conns.get()),
    ("ringpost_strangers", "Open sockets of which nothing is known yet", |shard| shard.strangers.get()),
    ("ringpost_stranger_bytes", "Bytes held for sockets of which nothing is known yet", |shard| {
        shard.stranger_bytes.get()
    }),
    ("ringpost_sessions", "Sessions, connected or about to be", |shard| shard.sessions.get()),
    ("ringpost_subscriptions", "Subscriptions of the sessions on the shard", |shard| shard.subscriptions.get()),
    ("ringpost_channels", "Channels at home on the shard, with subscribers or history", |shard| shard.channels.get()),
    ("ringpost_stream_bytes", "Bytes that streams of channels at home on the shard take, about", |shard| {
        shard.stream_bytes.get()
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
];

/// Name without `_total`, help and value of what only grows.
const COUNTERS: [(&str, &str, Read); 15] = [
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
    ("ringpost_publishes", "Publications put in order on the shard", |shard| shard.publishes.get()),
    ("ringpost_deliveries", "Publications times the subscribers that they went to", |shard| shard.deliveries.get()),
    ("ringpost_stream_evictions", "Streams that went because memory was short", |shard| shard.stream_evictions.get()),
    ("ringpost_letters", "Letters sent to other shards", |shard| shard.letters.get()),
    ("ringpost_holds", "Times that a connection was not read on since other shards were behind", |shard| {
        shard.holds.get()
    }),
    ("ringpost_windows_shut", "Times that asks of a shard waited since its window was shut", |shard| {
        shard.windows_shut.get()
    }),
    ("ringpost_buffer_shortages", "Times that no receive buffer was left", |shard| shard.buffer_shortages.get()),
];

/// Answers a scrape.
pub(super) async fn metrics(State(state): State<Arc<ControlState>>) -> Response {
    if !state.config().prometheus.enabled {
        return not_found("metrics are switched off: `prometheus.enabled`");
    }
    let mut registry = Registry::default();
    registry.register_collector(Box::new(NodeMetrics(state)));
    let mut body = String::new();
    match text::encode(&mut body, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response(),
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
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for shard in shards {
                metric.encode_family(&[("shard", shard.shard.to_string())])?.encode_gauge(&read(&shard.metrics))?;
            }
        }
        for (name, help, read) in COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for shard in shards {
                let labels = [("shard", shard.shard.to_string())];
                count(&mut metric.encode_family(&labels)?, &read(&shard.metrics))?;
            }
        }
        encode_codes(&mut encoder, shards)?;
        encode_ticks(&mut encoder, shards)?;
        self.encode_node(&mut encoder)?;
        encode_process(&mut encoder, &self.0)
    }
}

fn count(metric: &mut prometheus_client::encoding::MetricEncoder<'_>, value: &impl EncodeCounterValue) -> fmt::Result {
    metric.encode_counter(value, None::<&Exemplar<NoLabelSet, f64>>)
}

/// Errors by code, endings by cause and code. What never came is left out.
fn encode_codes(encoder: &mut DescriptorEncoder<'_>, shards: &[ShardHandle]) -> fmt::Result {
    let labels = |shard: &ShardHandle, code: String| [("shard", shard.shard.to_string()), ("code", code)];
    let help = "Refused commands by error code";
    let mut errors = encoder.encode_descriptor("ringpost_errors", help, None, MetricType::Counter)?;
    for shard in shards {
        for (code, number) in shard.metrics.errors().filter(|(_, number)| *number > 0) {
            count(&mut errors.encode_family(&labels(shard, code.to_string()))?, &number)?;
        }
    }
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

fn encode_ticks(encoder: &mut DescriptorEncoder<'_>, shards: &[ShardHandle]) -> fmt::Result {
    let help = "How long the shard's ticks took";
    let mut ticks = encoder.encode_descriptor("ringpost_tick_duration_seconds", help, None, MetricType::Histogram)?;
    for shard in shards {
        let bounds = TICK_BUCKETS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(shard.metrics.ticks.buckets()).collect();
        let number = buckets.iter().map(|(_, ticks)| ticks).sum();
        let sum_s = shard.metrics.ticks.sum_ns() as f64 / 1e9;
        let labels = [("shard", shard.shard.to_string())];
        ticks.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum_s, number, &buckets, None)?;
    }
    Ok(())
}

fn encode_gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: impl EncodeGaugeValue,
) -> fmt::Result {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
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
    let mut cpu = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
    count(&mut cpu, &stats.cpu_s)?;
    encode_gauge(encoder, "process_resident_memory_bytes", "Memory in RAM", stats.resident_bytes)?;
    encode_gauge(encoder, "process_open_fds", "Open descriptors", stats.open_fds)?;
    if let Some(max_fds) = stats.max_fds {
        encode_gauge(encoder, "process_max_fds", "Most descriptors that may be open", max_fds)?;
    }
    let started_s = state.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    encode_gauge(encoder, "process_start_time_seconds", "When the process began, since the Unix epoch", started_s)
}
