//! The control plane's life: it serves until it is asked to leave, drains, and ends after the last shard.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::aside::Aside;
use super::following;
use super::grpc::GrpcServer;
use super::hand_back::HandedBack;
use super::hearing;
use super::http::HttpServer;
use super::keys::{KeyKeeper, KeyRequests};
use super::neighbours;
use super::notice;
use super::own_door::OwnDoor;
use super::pushes;
use super::reload::{forbidden, keep_fixed};
use super::requests::{Request, Requests};
use super::shards::Shards;
use super::state::ControlState;
use super::{consumer, discovery};
use crate::access_log::AccessLog;
use crate::broker::order::{Errand, Order};
use crate::cluster::bridge::BridgeView;
use crate::cluster::kafka::mover::metrics::MoverMetrics;
use crate::cluster::kafka::producer::Producer;
use crate::config::{Config, Purpose};
use crate::control::reload::Reload;
use crate::event_log::EventLog;
use crate::hub::{Placement, ShardSet};
use crate::limits::{CALLS_LEAVE_MS, DISCOVERY_LEAVE_MS};
use crate::roles::RolesView;
use crate::shard::handle::ShardHandle;
use crate::vital::{self, Death};

/// What the control plane is made of.
pub struct ControlSetup {
    /// What the node was started with, and what is in force later.
    pub config: watch::Sender<Arc<Config>>,
    /// Reads it again.
    pub reload: Reload,
    /// The shards, by number; none in a process without the edge.
    pub shards: Vec<ShardHandle>,
    /// Which shard is a channel's home.
    pub placement: Placement,
    /// What shards ask.
    pub errands: flume::Receiver<Errand>,
    /// What of the node has panicked, beside shards.
    pub deaths: flume::Receiver<Death>,
    /// What signals and the node's owner ask.
    pub requests: Requests,
    /// When the node began.
    pub started: SystemTime,
    /// Where it is written down which calls were refused.
    pub access_log: AccessLog,
    /// What is counted of what the rest of the company is told.
    pub event_log: EventLog,
    /// The way to the other nodes, if there are some.
    pub bridge: Option<BridgeView>,
    /// Where records are written, if there is a Kafka.
    pub kafka: Option<Arc<Producer>>,
    /// Told when the node is about to leave: what reads from Kafka stops.
    pub ending: watch::Sender<bool>,
    /// Where the node listens.
    pub doors: Vec<(Purpose, SocketAddr)>,
    /// What the process does beside the edge, or instead of it.
    pub roles: Option<RolesView>,
    /// Where a process without the edge is asked.
    pub listener: Option<TcpListener>,
    /// Where gRPC listens, if it does.
    pub grpc: Option<TcpListener>,
    /// What is counted of the records that this node moves, if it does.
    pub mover: Option<Arc<MoverMetrics>>,
    /// Told once it has all that it takes from the host.
    pub ready: flume::Sender<()>,
}

/// Runs the control plane on this thread. Returns when it was asked to leave and every shard has ended.
///
/// # Errors
/// When shards have not ended: after `shutdown.timeout`, or when it is asked to leave twice; their threads run
/// still. When a shard or the keeper of keys has ended unasked: the others were drained. What the host does not give:
/// descriptors, threads. What gRPC needs and has not: its certificates.
pub fn run(setup: ControlSetup) -> anyhow::Result<()> {
    // One thread to look names up is enough, since there is one fetch of keys at a time.
    let runtime = vital::runtime(1).thread_name("resolver").build();
    let runtime = runtime.context("the control plane's runtime cannot be built")?;
    let result = runtime.block_on(async {
        vital::start_pool().await.context("the control plane")?;
        Plane::new(setup).await?.run().await
    });
    // A name that is still being looked up must not hold the node.
    runtime.shutdown_background();
    result
}

struct Plane {
    state: Arc<ControlState>,
    reload: Reload,
    errands: flume::Receiver<Errand>,
    deaths: flume::Receiver<Death>,
    requests: Requests,
    http: HttpServer,
    grpc: Option<GrpcServer>,
    handed_back: flume::Receiver<HandedBack>,
    keys: KeyRequests,
    keeper: JoinHandle<()>,
    ending: watch::Sender<bool>,
    /// What carries out calls from Kafka, and what keeps the node in a catalog, where they are.
    calls: Option<Aside>,
    discovery: Option<Aside>,
    ended: ShardSet,
    own_door: OwnDoor,
    /// Whether the roles have ended; true where there are none.
    have_roles_ended: bool,
}

impl Plane {
    async fn new(setup: ControlSetup) -> anyhow::Result<Self> {
        let ControlSetup { config, reload, shards, placement, errands, deaths, requests, started, .. } = setup;
        let logs = (setup.access_log, setup.event_log);
        let (bridge, ending, doors, ready) = (setup.bridge, setup.ending, setup.doors, setup.ready);
        let kafka = (setup.kafka, setup.mover);
        let own_door = OwnDoor::new(setup.listener).context("the control plane cannot listen")?;
        let have_roles_ended = setup.roles.is_none();
        let roles = setup.roles.unwrap_or_default();
        let shards = Shards::new(shards, placement);
        let state = Arc::new(ControlState::new(shards, config, started, logs, bridge.clone(), kafka, roles));
        let grpc = match setup.grpc {
            Some(listener) => Some(GrpcServer::start(listener, state.clone()).await?),
            None => None,
        };
        if let Some(bridge) = bridge {
            tokio::spawn(vital::task(pushes::watch(state.clone(), bridge.clone())));
            tokio::spawn(vital::task(neighbours::announce(state.clone(), bridge)));
            tokio::spawn(vital::task(hearing::hear(state.clone())));
            tokio::spawn(vital::task(hearing::make_up(state.clone())));
            tokio::spawn(vital::task(hearing::watch_revocations(state.clone())));
        }
        if state.has_edge() {
            tokio::spawn(vital::task(following::follow(state.clone())));
        }
        let (http, handed_back) = HttpServer::new(state.clone());
        let (keeper, keys) = KeyKeeper::new(state.clone());
        let keeper = tokio::spawn(keeper.run());
        // Calls are carried out by shards, and it is edges that clients look for.
        let (calls, discovery) = match state.has_edge() {
            true => (consumer::start(&state)?, discovery::start(&state, &doors)?),
            false => (None, None),
        };
        // The node waits for this.
        let _ = ready.send(());
        let ended = ShardSet::EMPTY;
        Ok(Self {
            state,
            reload,
            errands,
            deaths,
            requests,
            http,
            grpc,
            handed_back,
            keys,
            keeper,
            ending,
            calls,
            discovery,
            ended,
            own_door,
            have_roles_ended,
        })
    }

    async fn run(mut self) -> anyhow::Result<()> {
        let served = self.serve().await;
        if let Err(error) = &served {
            // Whatever has failed, the clients of the others are told to go elsewhere.
            tracing::error!("the node leaves: {error:#}");
        }
        let drained = self.drain().await;
        if !Aside::leave(&mut self.calls, Duration::from_millis(2 * CALLS_LEAVE_MS)).await {
            tracing::warn!("Kafka does not know that the node leaves: others take its calls over when it has noticed");
        }
        Aside::leave(&mut self.discovery, Duration::from_millis(2 * DISCOVERY_LEAVE_MS)).await;
        let Self { http, grpc, .. } = self;
        let ended = async {
            if let Some(grpc) = grpc {
                grpc.shutdown().await;
            }
        };
        tokio::join!(http.shutdown(), ended);
        served.and(drained)
    }

    /// Serves until it is asked to leave.
    async fn serve(&mut self) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                errand = self.errands.recv_async() => match errand {
                    Ok(Errand::Ended { shard }) => {
                        self.ended.insert(shard);
                        bail!("shard {shard} has failed");
                    }
                    Ok(Errand::BridgeEnded) => bail!("the bridge to the other nodes has failed"),
                    Ok(Errand::RolesEnded) => {
                        self.have_roles_ended = true;
                        bail!("the roles have failed");
                    }
                    Ok(errand) => self.errand(errand).await,
                    Err(flume::RecvError::Disconnected) => bail!("all shards have gone"),
                },
                Ok(conn) = self.handed_back.recv_async() => self.hand_back(conn),
                (socket, arrival) = self.own_door.next() => self.http.serve(socket, Bytes::new(), arrival),
                request = self.requests.next() => match request {
                    Request::Reload => {
                        notice::reloading();
                        self.reload().await;
                        notice::ready();
                    }
                    Request::Leave => return Ok(()),
                    Request::Unheard => bail!("no signal is heard any more: the thread `signals` has failed"),
                },
                // Where nobody is watched nothing comes.
                Ok(Death { thread }) = self.deaths.recv_async() => bail!("the thread `{thread}`, or a task on it, has panicked"),
                _ = &mut self.keeper => bail!("the keeper of keys has failed"),
                () = Aside::ended(&mut self.calls) => bail!("the consumer of calls has failed"),
            }
        }
    }

    async fn errand(&mut self, errand: Errand) {
        match errand {
            Errand::Http { socket, read, arrival } => self.http.serve(socket, read, arrival),
            Errand::FetchKeys { shard, ticket } => {
                if !self.keys.fetch(shard, ticket) {
                    self.state.shards.tell(shard, Order::KeysFetched { ticket, fetched: false }).await;
                }
            }
            Errand::Ended { shard } => self.ended.insert(shard),
            Errand::RolesEnded => self.have_roles_ended = true,
            Errand::BridgeEnded => {}
        }
    }

    /// Gives a conn to the shard that has the fewest. A shard that takes no orders holds nobody else up; the conn keeps its
    /// seat meanwhile.
    fn hand_back(&self, conn: HandedBack) {
        let HandedBack { socket, read, arrival, seat } = conn;
        let state = self.state.clone();
        tokio::spawn(async move {
            let shards = state.shards.handles().iter();
            let shard = shards.min_by_key(|shard| shard.metrics.conns.get()).expect("a node has shards");
            shard.order(Order::Adopt { socket, read, arrival }).await;
            drop(seat);
        });
    }

    async fn reload(&mut self) {
        self.state.access_log.reopen();
        let mut config = match (self.reload)() {
            Ok(config) => config,
            Err(error) => {
                tell(&error.problems);
                return;
            }
        };
        let kept = keep_fixed(&self.state.config(), &mut config);
        if !kept.is_empty() {
            tracing::warn!("only a restart changes {}: kept as before", kept.join(", "));
        }
        // What stays and what comes must agree, too.
        let mut problems = config.check();
        problems.extend(forbidden(&self.state.config(), &config));
        if !problems.is_empty() {
            tell(&problems);
            return;
        }
        let config = Arc::new(config);
        self.state.set_config(config.clone());
        if let Some(grpc) = &self.grpc {
            grpc.reload();
        }
        self.state.shards.tell_all(|| Order::Reload(config.clone())).await;
        self.keys.changed().await;
        tracing::info!("the configuration was read again");
    }

    /// Waits until every shard has ended, for a while.
    async fn drain(&mut self) -> anyhow::Result<()> {
        notice::stopping();
        self.state.drain();
        self.ending.send_replace(true);
        [&self.calls, &self.discovery].into_iter().flatten().for_each(Aside::end);
        if let Some(grpc) = &self.grpc {
            grpc.drain().await;
        }
        let shutdown = self.state.config().shutdown.clone();
        let deadline = Instant::now() + shutdown.timeout.into();
        match self.state.has_edge() {
            true => tracing::info!(over = %shutdown.drain_time, "leaving: clients are told to reconnect"),
            false => tracing::info!("leaving: the roles end"),
        }
        drop(self.state.shards.leave_with_all(|| Order::Drain(shutdown.drain_time.into())));
        while !self.all_ended() {
            tokio::select! {
                (socket, arrival) = self.own_door.next() => self.http.serve(socket, Bytes::new(), arrival),
                errand = self.errands.recv_async() => match errand {
                    Ok(errand) => self.errand(errand).await,
                    Err(flume::RecvError::Disconnected) => break,
                },
                Ok(conn) = self.handed_back.recv_async() => self.hand_back(conn),
                request = self.requests.next() => if request == Request::Leave {
                    bail!("asked to leave twice: left before every shard and role had ended");
                },
                () = sleep_until(deadline) => {
                    bail!("not every shard and role had ended {} after the node was asked to leave", shutdown.timeout);
                }
            }
        }
        match self.deaths.try_recv() {
            Ok(Death { thread }) => {
                bail!("the thread `{thread}`, or a task on it, has panicked while the node was leaving")
            }
            Err(_) => Ok(()),
        }
    }

    fn all_ended(&self) -> bool {
        self.have_roles_ended && self.state.shards.handles().iter().all(|handle| self.ended.contains(handle.shard))
    }
}

fn tell(problems: &[String]) {
    for problem in problems {
        tracing::error!("the configuration stays as it was: {problem}");
    }
}
