//! `info`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use crate::broker::namespaces::NamespaceMetrics;
use crate::broker::order::Order;
use crate::control::clock;
use crate::control::process::ProcessStats;
use crate::control::state::ControlState;
use crate::model::refusal::Error;
use crate::shard::handle::ShardHandle;

/// How is the node?
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "InfoRequest")]
pub(super) struct Info {}

/// What the node says of itself, in the form of a list of nodes.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct InfoResult {
    /// This node.
    nodes: [NodeInfo; 1],
}

/// One node.
#[derive(Debug, Serialize, JsonSchema)]
struct NodeInfo {
    /// Tells this run of the node from every other.
    uid: String,
    /// Its name.
    name: String,
    /// Its version.
    version: &'static str,
    /// Clients that are connected.
    num_clients: u32,
    /// Distinct users; one whose sessions lie on several shards counts on each.
    num_users: u32,
    /// Subscriptions of all sessions together.
    num_subs: u32,
    /// Channels with subscribers.
    num_channels: u32,
    /// What members of channels of at least once have yet to receive.
    inboxes: Inboxes,
    /// Seconds since it began.
    uptime: u64,
    /// What the kernel says.
    process: Process,
}

/// What members of all channels of at least once have yet to receive.
#[derive(Debug, Serialize, JsonSchema)]
struct Inboxes {
    /// Publications times the devices that have yet to say that they have received them.
    unreceived: u64,
    /// Devices that have something to receive, connected or not: as the last round through all members has found, which takes a
    /// second for ten thousand of a shard.
    devices_behind: u64,
    /// Seconds since the oldest that one of them has yet to receive was published; found by the same round.
    oldest_unreceived_age: u64,
    /// Dead letters that are kept.
    dead_letters: u64,
}

impl Inboxes {
    fn of(shards: &[ShardHandle]) -> Self {
        let sum = |read: fn(&NamespaceMetrics) -> u64| shards.iter().map(|one| one.metrics.namespaces.sum(read)).sum();
        let namespaces = shards.iter().flat_map(|shard| shard.metrics.namespaces.all());
        let ages_s = namespaces.map(|(_, of)| clock::age_s(of.oldest_unreceived_unix_ms.get()));
        Self {
            unreceived: sum(|of| of.unreceived.get()),
            devices_behind: sum(|of| of.devices_behind.get()),
            oldest_unreceived_age: ages_s.max().unwrap_or_default(),
            dead_letters: shards.iter().map(|shard| shard.metrics.dead_letters_kept.get()).sum(),
        }
    }
}

/// What the kernel says about a node's process.
#[derive(Debug, Serialize, JsonSchema)]
struct Process {
    /// Processor time since the node began, percent of one core.
    cpu: f64,
    /// Memory in RAM, bytes.
    rss: u64,
}

impl Method for Info {
    const NAME: &'static str = "info";
    type Result = InfoResult;

    async fn run(self, state: &ControlState) -> Result<InfoResult, Error> {
        let shards = state.shards.ask_all(|answer| Order::Info { answer }).await?;
        let process = ProcessStats::read();
        let uptime = state.uptime_s();
        Ok(InfoResult {
            nodes: [NodeInfo {
                uid: state.node_id.to_string(),
                name: state.config().name.clone(),
                version: crate::VERSION,
                num_clients: shards.iter().map(|shard| shard.num_clients).sum(),
                num_users: shards.iter().map(|shard| shard.num_users).sum(),
                num_subs: shards.iter().map(|shard| shard.num_subs).sum(),
                num_channels: shards.iter().map(|shard| shard.num_channels).sum(),
                inboxes: Inboxes::of(state.shards.handles()),
                uptime,
                process: Process { cpu: 100.0 * process.cpu_s / uptime.max(1) as f64, rss: process.resident_bytes },
            }],
        })
    }
}
