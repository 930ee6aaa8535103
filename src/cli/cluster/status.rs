//! `ringpost cluster status`: which nodes are there, and how Redis is.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use crate::cli::print::print;
use crate::cli::source::Source;
use crate::cluster::announced::Announced;
use crate::cluster::kafka;
use crate::cluster::redis::examine::examine;
use crate::cluster::redis::keys::Keys;
use crate::cluster::redis::leases::{self, Leases};
use crate::cluster::redis::link::Link;
use crate::config::RedisConfig;
use crate::doctor::{Finding, Verdict};

/// List the nodes that share Redis, with what they last said of themselves, and say how Redis and Kafka are
///
/// Ends with code 1 if one of them is not well, or no node is there.
#[derive(Debug, Args)]
pub(in crate::cli) struct Status {
    #[command(flatten)]
    source: Source,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was seen.
struct Seen {
    leases: Leases,
    /// How long Redis took to say so, milliseconds.
    took_ms: f64,
    findings: Vec<Finding>,
    /// How Kafka is, where there is one.
    kafka: Option<Vec<Finding>>,
}

impl Status {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.source.load()?;
        let redis = self.source.redis_of(&config)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut seen = runtime.block_on(look(redis))?;
        if config.cluster.kafka.is_set() {
            seen.kafka = Some(runtime.block_on(kafka::examine::examine_for(&config)));
        }
        match self.json {
            true => print(&format!("{:#}\n", seen.json(redis.buckets)))?,
            false => print(&seen.text(redis.buckets))?,
        }
        let mut findings = seen.findings.iter().chain(seen.kafka.iter().flatten());
        let is_well = findings.all(|finding| finding.verdict != Verdict::Fail);
        let is_well = is_well && seen.leases.living().next().is_some();
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

async fn look(redis: &RedisConfig) -> anyhow::Result<Seen> {
    let link = Link::new(redis, None)?;
    let findings = examine(&link, redis).await;
    let since = Instant::now();
    let leases = leases::look(&link, &Keys::new(redis)).await?;
    Ok(Seen { leases, took_ms: since.elapsed().as_secs_f64() * 1e3, findings, kafka: None })
}

/// What is not as it should be.
fn tell_findings(text: &mut String, findings: &[Finding]) {
    for finding in findings.iter().filter(|finding| finding.verdict != Verdict::Ok) {
        let _ = writeln!(text, "  - {finding}");
    }
}

impl Seen {
    fn text(&self, buckets: u16) -> String {
        let mut text = String::new();
        let mut row = |cells: [&str; 9]| {
            let [name, incarnation, lease, version, address, uptime, clients, subscriptions, channels] = cells;
            let _ = writeln!(
                text,
                "{name:<20} {incarnation:>18} {lease:>8} {version:>9} {address:<21} {uptime:>9} {clients:>9} \
                 {subscriptions:>13} {channels:>9}"
            );
        };
        row(["node", "incarnation", "lease", "version", "address", "uptime", "clients", "subscriptions", "channels"]);
        for lease in &self.leases.all {
            let Announced { node, address } = Announced::of(lease);
            let left = match lease.ends_ms.saturating_sub(self.leases.now_ms) {
                0 => "dead".to_owned(),
                left_ms => format!("{:.1} s", left_ms as f64 / 1e3),
            };
            let incarnation = format!("{}/{}", lease.of.slot, lease.of.number);
            let [uptime, clients] = [format!("{} s", node.uptime), node.num_clients.to_string()];
            let [subscriptions, channels] = [node.num_subs, node.num_channels].map(|number| number.to_string());
            row([
                &lease.name,
                &incarnation,
                &left,
                &node.version,
                &address,
                &uptime,
                &clients,
                &subscriptions,
                &channels,
            ]);
        }
        let _ = writeln!(text, "\nRedis answers in {:.1} ms; {buckets} buckets", self.took_ms);
        tell_findings(&mut text, &self.findings);
        if let Some(kafka) = &self.kafka {
            let state = if kafka.len() > 1 { "answers" } else { "does not answer" };
            let _ = writeln!(text, "\nKafka {state}");
            tell_findings(&mut text, kafka);
        }
        text
    }

    fn json(&self, buckets: u16) -> serde_json::Value {
        let nodes = self.leases.all.iter().map(|lease| {
            let left_ms = lease.ends_ms.saturating_sub(self.leases.now_ms);
            json!({
                "name": lease.name,
                "slot": lease.of.slot,
                "incarnation": lease.of.number,
                "lease_ms": left_ms,
                "announced": Announced::of(lease),
            })
        });
        let nodes: Vec<_> = nodes.collect();
        let redis = json!({ "answers_ms": self.took_ms, "buckets": buckets, "findings": self.findings });
        match &self.kafka {
            Some(findings) => json!({ "nodes": nodes, "redis": redis, "kafka": { "findings": findings } }),
            None => json!({ "nodes": nodes, "redis": redis }),
        }
    }
}
