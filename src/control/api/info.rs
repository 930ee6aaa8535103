//! `info`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use crate::broker::order::Order;
use crate::control::process::ProcessStats;
use crate::control::state::ControlState;
use crate::model::refusal::Error;

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
    /// Seconds since it began.
    uptime: u64,
    /// What the kernel says.
    process: Process,
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
                uptime,
                process: Process { cpu: 100.0 * process.cpu_s / uptime.max(1) as f64, rss: process.resident_bytes },
            }],
        })
    }
}
