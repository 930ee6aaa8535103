//! `ringpost cluster status`: which nodes are there, and how Redis is.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use crate::cli::print::print;
use crate::cli::source::Source;
use crate::cluster::announced::Announced;
use crate::cluster::redis::examine::examine;
use crate::cluster::redis::keys::Keys;
use crate::cluster::redis::leases::{self, Leases};
use crate::cluster::redis::link::Link;
use crate::config::RedisConfig;
use crate::doctor::{Finding, Verdict};

/// List the nodes that share Redis, with what they last said of themselves, and say how Redis is
///
/// Ends with code 1 if Redis is not well, or no node is there.
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
}

impl Status {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.source.load()?;
        let redis = self.source.redis_of(&config)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let seen = runtime.block_on(look(redis))?;
        match self.json {
            true => print(&format!("{:#}\n", seen.json(redis.buckets)))?,
            false => print(&seen.text(redis.buckets))?,
        }
        let is_well = seen.findings.iter().all(|finding| finding.verdict != Verdict::Fail);
        let is_well = is_well && seen.leases.living().next().is_some();
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

async fn look(redis: &RedisConfig) -> anyhow::Result<Seen> {
    let link = Link::new(redis, None)?;
    let findings = examine(&link, redis).await;
    let since = Instant::now();
    let leases = leases::look(&link, &Keys::new(redis)).await?;
    Ok(Seen { leases, took_ms: since.elapsed().as_secs_f64() * 1e3, findings })
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
        for finding in self.findings.iter().filter(|finding| finding.verdict != Verdict::Ok) {
            let _ = writeln!(text, "  - {finding}");
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
        json!({ "nodes": nodes, "redis": { "answers_ms": self.took_ms, "buckets": buckets, "findings": self.findings } })
    }
}
