//! The bridge: the node's one thread between its shards and the Redis that nodes share.
//!
//! ```text
//! shards ─asked┬→ relay → Kafka: what it acknowledges, and one of the nodes moves from there into its bucket
//!              └→ lines ─a call a bucket→ Redis ─┐
//!        ←answers─ calls ←────────────────────┘ │
//!        ←deliveries─ outlets ← term ← listener ←┘ ← Kafka: what buckets tell of what came from there
//!        ─attendance→ register: the node's sessions among their users' on all nodes
//!        timetable: what is to come is published when it is due
//! control plane ←told─ what other nodes say of users
//!                     seat, lease: who the node is among the others, and for how long
//! ```
//!
//! It starts before the shards and ends after them, its lease last. No shard waits for it, and it waits for no shard. While
//! Redis is away it refuses what cannot wait; a node that has lost its lease acts dead and comes back as another incarnation.

mod arms;
mod calls;
mod clock;
mod complaints;
mod health;
mod lease;
mod ledgers;
mod lines;
pub mod metrics;
pub mod misses;
mod outlets;
mod presences;
mod register;
mod requests;
mod schedules;
mod seat;
mod term;
mod timetable;
pub mod told;

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use self::complaints::Complaints;
use self::metrics::BridgeMetrics;
use self::misses::Misses;
use self::outlets::Outlets;
use self::register::Register;
use self::seat::Seat;
use self::term::{Ended, Term};
use self::told::Hearer;
use super::kafka::deliver::Reader;
use super::kafka::loopback::Loopback;
use super::kafka::producer::Producer;
use super::kafka::relay::Relay;
use super::redis::copies::Copies;
use super::redis::fault::Fault;
use super::redis::functions::Functions;
use super::redis::keys::Keys;
use super::redis::leases::Leases;
use super::redis::link::Link;
use crate::config::Config;
use crate::hub::Placement;
use crate::limits::REGISTER_INPUTS_MAX;
use crate::shard::asked::{self, Asks};
use crate::shard::bridge::ShardBridge;
use crate::shard::waker::Waker;
use crate::vital;

/// What the control plane sees of the bridge.
#[derive(Clone, Debug)]
pub struct BridgeView {
    /// What it counts.
    pub metrics: Arc<BridgeMetrics>,
    /// All nodes' leases, as they were last seen; a renewal old.
    pub leases: watch::Receiver<Option<Leases>>,
    /// What this node says of itself; others hear it with the next renewal.
    pub about: watch::Sender<Bytes>,
    /// What other nodes say of users.
    pub told: Hearer,
    /// Buckets that may have said of users what was not told.
    pub missed: Arc<Misses>,
    /// The calls of the node's incarnation; none while the node acts dead.
    pub functions: watch::Receiver<Option<Arc<Functions>>>,
    /// By which the node's mover tells the node itself.
    pub loopback: Arc<Loopback>,
    /// Where calls are made, so that none ends half done with whoever has asked.
    pub runtime: Handle,
}

impl BridgeView {
    /// Makes a call as the node's incarnation, with all leases as they were last seen.
    ///
    /// # Errors
    /// What went wrong; [`Fault::Dead`] where the node acts dead.
    pub async fn call<T, F>(&self, call: impl FnOnce(Arc<Functions>, Leases) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
        T: Send + 'static,
    {
        let functions = self.functions.borrow().clone().ok_or(Fault::Dead)?;
        let leases = self.leases.borrow().clone().ok_or(Fault::Dead)?;
        self.runtime.spawn(call(functions, leases)).await.unwrap_or(Err(Fault::Dead))
    }

    /// The node's slot among all, unless it acts dead.
    pub fn slot(&self) -> Option<u8> {
        self.functions.borrow().as_ref().map(|functions| functions.incarnation().slot)
    }
}

/// A bridge that runs.
#[derive(Debug)]
pub struct Bridge {
    /// For the control plane.
    pub view: BridgeView,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Bridge {
    /// Looks at Redis, takes a lease, and starts the bridge between it and shards that these wakers wake. What goes by way of Kafka
    /// is written there. `on_failure` goes where the thread ends before the shards do.
    ///
    /// # Errors
    /// Why the node cannot be one of several: what is to be changed in Redis or in the configuration.
    pub fn start<T: Send + 'static>(
        config: &Config,
        placement: Placement,
        wakers: &[Arc<Waker>],
        kafka: Option<Arc<Producer>>,
        on_failure: T,
    ) -> anyhow::Result<(Self, Vec<ShardBridge>)> {
        let (asker, mut asks) = asked::way();
        let ways = (0..).zip(wakers).map(|(shard, waker)| ShardBridge::new(shard, waker.clone(), asker.clone()));
        let (shards, ends): (Vec<_>, Vec<_>) = ways.unzip();
        let (about_in, about) = watch::channel(Bytes::new());
        let (seen, leases) = watch::channel(None);
        let (functions_in, functions) = watch::channel(None);
        let (told_in, told) = told::queue();
        let (register, attended) = mpsc::channel(REGISTER_INPUTS_MAX);
        let misses = <[Arc<Misses>; 2]>::default();
        let [missed_by_register, missed] = misses.clone();
        let metrics = Arc::<BridgeMetrics>::default();
        let redis = config.cluster.redis.clone();
        let section = config.channel.relays().then(|| config.cluster.kafka.clone());
        let loopback = Arc::<Loopback>::default();
        let read = |section| Reader::start(section, &config.name, loopback.clone(), metrics.relayed_heard.clone());
        let reader = section.as_ref().map(read).transpose()?;
        let ends: Arc<[_]> = ends.into();
        let seat = Seat {
            name: config.name.clone(),
            link: Arc::new(Link::new(&redis, None)?),
            copies: Copies::new(&redis)?.map(Arc::new),
            keys: Keys::new(&redis),
            config: redis,
            relay: kafka.map(|producer| Relay::new(&config.cluster.kafka, producer, ends.clone())),
            ends,
            about,
            seen,
            functions: functions_in,
            told: told_in.clone(),
            kafka: section,
            reader,
            register,
            misses,
            complaints: Arc::new(Complaints::new(metrics.clone())),
            metrics: metrics.clone(),
        };
        let (keys, ends, complaints) = (seat.keys.clone(), seat.ends.clone(), seat.complaints.clone());
        let attendance = Register::new(keys, ends, leases.clone(), told_in, missed_by_register, complaints);
        let (ready, is_ready) = flume::bounded(1);
        let thread = vital::spawn("bridge", move || {
            let _on_failure = on_failure;
            run(&seat, placement, &mut asks, attendance.run(attended), &ready)
        });
        let thread = thread.context("no thread for the bridge")?;
        let Ok(runtime) = is_ready.recv() else {
            return Err(match thread.join() {
                Ok(Err(error)) => error,
                _ => anyhow!("the bridge ended before it began"),
            });
        };
        let view = BridgeView { metrics, leases, about: about_in, told, missed, functions, loopback, runtime };
        Ok((Self { view, thread }, shards))
    }

    /// Waits until the bridge has ended, after all shards.
    ///
    /// # Errors
    /// It has failed.
    pub fn wait(self) -> anyhow::Result<()> {
        self.thread.join().map_err(|_| anyhow!("the bridge panicked"))?
    }
}

fn run(
    seat: &Seat,
    placement: Placement,
    asks: &mut Asks,
    register: impl Future<Output = ()> + Send + 'static,
    ready: &flume::Sender<Handle>,
) -> anyhow::Result<()> {
    let runtime = vital::runtime(1).thread_name("bridge-resolver").build();
    let runtime = runtime.context("the bridge's runtime cannot be built")?;
    let result = runtime.block_on(async {
        vital::start_pool().await.context("the bridge")?;
        let mut outlets = Outlets::new(&seat.ends, placement);
        let mut taken = seat.begin().await.context("cluster.redis")?;
        let _ = ready.send(Handle::current());
        tokio::spawn(health::watch(seat.link.clone(), seat.config.clone(), seat.metrics.clone()));
        let serve = async {
            loop {
                let functions = taken.functions.clone();
                if Term::serve(seat, taken, asks, &mut outlets).await == Ended::NobodyAsks {
                    seat.leave(functions.incarnation()).await;
                    return Ok(());
                }
                match seat.come_back(&functions, asks, &mut outlets).await {
                    Some(back) => taken = back,
                    None => return Ok(()),
                }
            }
        };
        tokio::select! {
            served = serve => served,
            // It serves as long as the seat asks: without it no user could connect.
            register = tokio::spawn(register) => register.context("the register of sessions has failed"),
        }
    });
    runtime.shutdown_background();
    result
}
