//! What a node has beside its shards: the control plane, and the ways to other nodes and to the rest of the company.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context as _, anyhow};
use tokio::sync::watch;

use crate::broker::order::Errand;
use crate::cluster::bridge::Bridge;
use crate::cluster::kafka::mover::{Mover, MoverSetup};
use crate::cluster::kafka::producer::Producer;
use crate::cluster::redis::functions::Incarnation;
use crate::config::Config;
use crate::control::{self, ControlSetup};
use crate::event_log::{EventLog, EventLogGuard, Place};
use crate::hub::Placement;
use crate::node::obituary::Obituary;
use crate::patience::HINT;
use crate::roles::{Roles, RolesSetup};
use crate::shard::bridge::ShardBridge;
use crate::shard::waker::Waker;
use crate::vital;

/// Starts what tells the rest of the company, where it is told.
pub(super) fn start_event_log(
    config: &Config,
    kafka: Option<Arc<Producer>>,
    bridge: Option<&Bridge>,
) -> anyhow::Result<(EventLog, Option<EventLogGuard>)> {
    let functions = bridge.map(|bridge| bridge.view.functions.clone());
    let place = move || {
        let Incarnation { slot, number } = functions.as_ref()?.borrow().as_ref()?.incarnation();
        Some(Place { incarnation: number, slot })
    };
    EventLog::start(&config.cluster.kafka, &config.name, kafka, place)
}

/// The process' one way to write to Kafka, where there is one. No broker is waited for.
pub(super) fn start_kafka(config: &Config) -> anyhow::Result<Option<Arc<Producer>>> {
    let kafka = &config.cluster.kafka;
    let producer = kafka.is_set().then(|| Producer::new(kafka, &config.name));
    Ok(producer.transpose().context("cluster.kafka")?.map(Arc::new))
}

/// Starts what moves records of the way up into the order of their channels, where some go by Kafka.
pub(super) fn start_mover(
    in_force: &watch::Sender<Arc<Config>>,
    kafka: Option<&Arc<Producer>>,
    bridge: Option<&Bridge>,
    ending: &watch::Sender<bool>,
) -> anyhow::Result<Option<Mover>> {
    let (Some(producer), Some(bridge)) = (kafka, bridge) else { return Ok(None) };
    if !in_force.borrow().channel.relays() {
        return Ok(None);
    }
    let setup = MoverSetup {
        config: in_force.subscribe(),
        producer: producer.clone(),
        functions: bridge.view.functions.clone(),
        loopback: bridge.view.loopback.clone(),
        runtime: bridge.view.runtime.clone(),
        ending: ending.subscribe(),
    };
    Mover::start(setup).map(Some)
}

/// Starts the bridge to the other nodes, where there are some, and gives each shard's end of it.
pub(super) fn start_bridge(
    config: &Config,
    placement: &Placement,
    wakers: &[Arc<Waker>],
    kafka: Option<Arc<Producer>>,
    errands: &flume::Sender<Errand>,
) -> anyhow::Result<(Option<Bridge>, Vec<ShardBridge>)> {
    if !config.cluster.redis.is_set() {
        return Ok((None, Vec::new()));
    }
    let obituary = Obituary { last: Some(Errand::BridgeEnded), errands: errands.clone() };
    let (bridge, shards) = Bridge::start(config, placement.clone(), wakers, kafka, obituary)?;
    Ok((Some(bridge), shards))
}

/// Starts what the process does beside the edge, or instead of it.
pub(super) fn start_roles(
    config: &Arc<Config>,
    kafka: Option<&Arc<Producer>>,
    ending: &watch::Sender<bool>,
    errands: &flume::Sender<Errand>,
) -> anyhow::Result<Option<Roles>> {
    // The configuration has no other role than the edge without a Kafka.
    let Some(producer) = kafka.filter(|_| config.roles.has_more_than_edge()).cloned() else { return Ok(None) };
    let setup = RolesSetup { config: config.clone(), producer, ending: ending.subscribe() };
    let obituary = Obituary { last: Some(Errand::RolesEnded), errands: errands.clone() };
    Roles::start(&setup, obituary).map(Some)
}

/// Starts the control plane, and waits until it has what it needs of the host.
pub(super) fn start_control(
    setup: ControlSetup,
    is_ready: &flume::Receiver<()>,
) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let control = vital::spawn_tasks("control", move || control::run(setup));
    let control = control.context("no thread for the control plane")?;
    match is_ready.recv() {
        Ok(()) => Ok(control),
        Err(_) => Err(match control.join() {
            Ok(Err(error)) => error,
            _ => anyhow!("the control plane ended before it began; {HINT}"),
        }),
    }
}
