//! This node among the others: what it says of itself, and what they have said.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::process::ProcessStats;
use super::state::ControlState;
use crate::broker::namespaces::NamespaceMetrics;
use crate::broker::order::Order;
use crate::clock;
use crate::cluster::announced::{Announced, Inboxes, NodeInfo, Process};
use crate::cluster::bridge::BridgeView;
use crate::limits::LEASE_RENEW_MS;
use crate::model::refusal::Error;
use crate::shard::handle::ShardHandle;

/// What this node says of itself.
///
/// # Errors
/// 100 while it is ending.
pub(super) async fn this_node(state: &ControlState) -> Result<NodeInfo, Error> {
    let shards = state.shards.ask_all(|answer| Order::Info { answer }).await?;
    let process = ProcessStats::read();
    let uptime = state.uptime_s();
    Ok(NodeInfo {
        uid: state.node_id.to_string(),
        name: state.config().name.clone(),
        version: crate::VERSION.into(),
        num_clients: shards.iter().map(|shard| shard.num_clients).sum(),
        num_users: shards.iter().map(|shard| shard.num_users).sum(),
        num_subs: shards.iter().map(|shard| shard.num_subs).sum(),
        num_channels: shards.iter().map(|shard| shard.num_channels).sum(),
        inboxes: inboxes(state.shards.handles()),
        uptime,
        process: Process { cpu: 100.0 * process.cpu_s / uptime.max(1) as f64, rss: process.resident_bytes },
    })
}

fn inboxes(shards: &[ShardHandle]) -> Inboxes {
    let sum = |read: fn(&NamespaceMetrics) -> u64| shards.iter().map(|one| one.metrics.namespaces.sum(read)).sum();
    let namespaces = shards.iter().flat_map(|shard| shard.metrics.namespaces.all());
    let ages_s = namespaces.map(|(_, of)| clock::age_s(of.oldest_unreceived_unix_ms.get()));
    Inboxes {
        unreceived: sum(|of| of.unreceived.get()),
        devices_behind: sum(|of| of.devices_behind.get()),
        oldest_unreceived_age: ages_s.max().unwrap_or_default(),
        dead_letters: shards.iter().map(|shard| shard.metrics.dead_letters_kept.get()).sum(),
    }
}

/// What the other nodes that live have said of themselves.
pub(super) fn others(state: &ControlState) -> Vec<NodeInfo> {
    let Some(bridge) = &state.bridge else { return Vec::new() };
    let (leases, own) = (bridge.leases.borrow(), &state.config().name);
    let others = leases.iter().flat_map(|leases| leases.living()).filter(|lease| lease.name != *own);
    others.map(|lease| Announced::of(lease).node).collect()
}

/// Tells the others how this node is, as often as its lease is renewed, until the node ends.
pub(super) async fn announce(state: Arc<ControlState>, bridge: BridgeView) {
    let mut timer = interval(Duration::from_millis(LEASE_RENEW_MS));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        let Ok(node) = this_node(&state).await else { return };
        let http = &state.config().http_server;
        let announced = Announced { node, address: format!("{}:{}", http.address, http.port) };
        bridge.about.send_replace(announced.pack().into());
    }
}
