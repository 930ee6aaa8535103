//! A node: its shards and its control plane, from the first listener to the last goodbye; or a process without shards, whose roles
//! work beside a control plane alone.

mod listen;
mod neighbours;
mod obituary;
mod shards;
mod store;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use anyhow::anyhow;
use tokio::sync::watch;

use crate::access_log::{AccessLog, AccessLogGuard};
use crate::auth::Verifier;
use crate::broker::metrics::ShardMetrics;
use crate::cluster::bridge::Bridge;
use crate::cluster::kafka::mover::Mover;
use crate::config::{Config, Purpose, Role};
use crate::control::requests::{Request, Requests};
use crate::control::{ControlSetup, Reload};
use crate::cores;
use crate::event_log::{EventLog, EventLogGuard};
use crate::hub::Placement;
use crate::limits::SHARDS_MAX;
use crate::node::listen::{listen, listen_for_grpc, open_doors};
use crate::node::neighbours::{start_bridge, start_control, start_event_log, start_kafka, start_mover, start_roles};
use crate::node::shards::{Parts, Shared, look_at_the_kernel};
use crate::node::store::NodeStore;
use crate::roles::Roles;
use crate::shard::handle::ShardHandle;
use crate::shard::mailbox::Mailboxes;
use crate::shard::waker::Waker;
use crate::vital;

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    /// Where the HTTP port listens; of a process without the edge its one port.
    pub http_address: SocketAddr,
    /// Where the TCP port listens, if it does.
    pub tcp_address: Option<SocketAddr>,
    /// Where the internal port listens, if there is one.
    pub internal_address: Option<SocketAddr>,
    /// Where the gRPC API listens, if it does.
    pub grpc_address: Option<SocketAddr>,
    /// The core of each shard.
    pub cores: Vec<usize>,
    /// What each shard counts.
    pub metrics: Vec<Arc<ShardMetrics>>,
    requests: Requests,
    timeout: Duration,
    #[cfg(test)]
    handles: Vec<ShardHandle>,
    shards: Vec<JoinHandle<anyhow::Result<()>>>,
    control: JoinHandle<anyhow::Result<()>>,
    store_thread: Option<JoinHandle<()>>,
    mover: Option<Mover>,
    bridge: Option<Bridge>,
    roles: Option<Roles>,
    _event_log: Option<EventLogGuard>,
    /// Last, so that what shards and control plane have to say is written.
    _access_log: Option<AccessLogGuard>,
}

impl Node {
    /// Binds the ports, starts shards and control plane, and opens the doors once all have what they need of the host.
    /// What `requests` holds already is done then.
    ///
    /// # Errors
    /// What the host lacks, with how to give it.
    pub fn start(config: Config, reload: Reload, requests: Requests) -> anyhow::Result<Self> {
        if !config.roles.has(Role::Edge) {
            return Self::start_without_edge(config, reload, requests);
        }
        let started = SystemTime::now();
        let chosen = cores::choose(&config.shards.cores).map_err(|problem| anyhow!("shards.cores: {problem}"))?;
        let cores = chosen.repeat(config.shards.per_core);
        let count = cores.len();
        if count > SHARDS_MAX {
            return Err(anyhow!("{count} shards are more than the {SHARDS_MAX} of one node: set shards.cores"));
        }
        let mut addresses = Vec::new();
        let doors = open_doors(&config, count, &mut addresses)?;
        look_at_the_kernel(config.shards.ring_entries);
        let address_of = |purpose| addresses.iter().find(|(of, _)| *of == purpose).map(|(_, address)| *address);
        let http_address = address_of(Purpose::Http).expect("every node has an HTTP port");
        let (tcp_address, internal_address) = (address_of(Purpose::Tcp), address_of(Purpose::Internal));
        let grpc = listen_for_grpc(&config)?;
        let grpc_address = grpc.as_ref().map(TcpListener::local_addr).transpose()?;
        let wakers = cores.iter().map(|_| Ok(Arc::new(Waker::new()?))).collect::<std::io::Result<Vec<_>>>()?;
        let (errands_in, errands) = flume::unbounded();
        let (_watching, deaths) = vital::watch();
        let config = Arc::new(config);
        let store = NodeStore::open(&config, count)?;
        let placement_secret = store.as_ref().map(|store| store.directory.identity().placement_secret);
        let placement = Placement::new(count as u16, placement_secret.unwrap_or_else(rand::random));
        let verifier =
            Verifier::new(&config.client.tokens(), None).map_err(|error| anyhow!("client.token: {error}"))?;
        let kafka = start_kafka(&config)?;
        let (bridge, bridges) = start_bridge(&config, &placement, &wakers, kafka.clone(), &errands_in)?;
        let (in_force, ending) = (watch::Sender::new(config.clone()), watch::Sender::new(false));
        let roles = start_roles(&config, kafka.as_ref(), &ending, &errands_in)?;
        let mover = start_mover(&in_force, kafka.as_ref(), bridge.as_ref(), &ending)?;
        let (open, opened) = flume::bounded(count);
        let (access_log, access_log_guard) = AccessLog::start(&config.access_log)?;
        let (event_log, event_log_guard) = start_event_log(&config, kafka.clone(), bridge.as_ref())?;
        let shared = Shared {
            placement: placement.clone(),
            verifier: Arc::new(verifier),
            places: Arc::default(),
            secret: rand::random(),
            errands: errands_in,
            config: config.clone(),
            access_log: access_log.clone(),
            event_log: event_log.clone(),
            opened,
        };
        let mailboxes = Mailboxes::mesh(config.shards.mailbox_letters(count), &wakers);
        let mut starting = Vec::with_capacity(count);
        let parts = cores.iter().zip(doors).zip(mailboxes).zip(wakers).enumerate();
        let (parts_of_store, store_thread) = match store {
            Some(store) => store.share(&placement)?,
            None => (Vec::new(), None),
        };
        let (mut parts_of_store, mut bridges) = (parts_of_store.into_iter(), bridges.into_iter());
        for (me, (((core, doors), mailboxes), waker)) in parts {
            let parts = Parts { doors, mailboxes, waker, bridge: bridges.next(), store: parts_of_store.next() };
            starting.push(shared.start_shard(me as u16, *core, parts)?);
        }
        let (mut handles, mut shards) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for shard in starting {
            let (handle, thread) = shard.wait()?;
            handles.push(handle);
            shards.push(thread);
        }
        let metrics = handles.iter().map(|handle: &ShardHandle| handle.metrics.clone()).collect();
        let timeout = config.shutdown.timeout.into();
        #[cfg(test)]
        let kept = handles.clone();
        let (ready, is_ready) = flume::bounded(1);
        let setup = ControlSetup {
            config: in_force,
            reload,
            shards: handles,
            placement,
            errands,
            deaths,
            requests: requests.clone(),
            started,
            access_log,
            event_log,
            bridge: bridge.as_ref().map(|bridge| bridge.view.clone()),
            kafka,
            mover: mover.as_ref().map(|mover| mover.metrics.clone()),
            ending,
            doors: addresses,
            roles: roles.as_ref().map(|roles| roles.view.clone()),
            listener: None,
            grpc,
            ready,
        };
        let control = start_control(setup, &is_ready)?;
        for _ in &shards {
            // A shard that has ended is told of by its obituary.
            let _ = open.send(());
        }
        Ok(Self {
            http_address,
            tcp_address,
            internal_address,
            grpc_address,
            cores,
            metrics,
            requests,
            timeout,
            #[cfg(test)]
            handles: kept,
            shards,
            control,
            store_thread,
            mover,
            bridge,
            roles,
            _event_log: event_log_guard,
            _access_log: access_log_guard,
        })
    }

    /// A process that holds no connections of clients: no shards, one port, and its roles.
    fn start_without_edge(config: Config, reload: Reload, requests: Requests) -> anyhow::Result<Self> {
        let started = SystemTime::now();
        let wanted = *config.listeners().first().expect("every process has a port");
        let purpose = wanted.purpose;
        let (address, listeners) = listen(wanted, config.http_server.backlog, 1)?;
        let listener = listeners.into_iter().next().map(TcpListener::from);
        let grpc = listen_for_grpc(&config)?;
        let grpc_address = grpc.as_ref().map(TcpListener::local_addr).transpose()?;
        let config = Arc::new(config);
        let (errands_in, errands) = flume::unbounded();
        let (_watching, deaths) = vital::watch();
        let (access_log, access_log_guard) = AccessLog::start(&config.access_log)?;
        let kafka = start_kafka(&config)?;
        let ending = watch::Sender::new(false);
        let roles = start_roles(&config, kafka.as_ref(), &ending, &errands_in)?;
        let timeout = config.shutdown.timeout.into();
        let (ready, is_ready) = flume::bounded(1);
        let setup = ControlSetup {
            config: watch::Sender::new(config),
            reload,
            shards: Vec::new(),
            // Nobody is at home here.
            placement: Placement::new(1, rand::random()),
            errands,
            deaths,
            requests: requests.clone(),
            started,
            access_log,
            event_log: EventLog::default(),
            bridge: None,
            kafka,
            mover: None,
            ending,
            doors: vec![(purpose, address)],
            roles: roles.as_ref().map(|roles| roles.view.clone()),
            listener,
            grpc,
            ready,
        };
        let control = start_control(setup, &is_ready)?;
        Ok(Self {
            http_address: address,
            tcp_address: None,
            internal_address: None,
            grpc_address,
            cores: Vec::new(),
            metrics: Vec::new(),
            requests,
            timeout,
            #[cfg(test)]
            handles: Vec::new(),
            shards: Vec::new(),
            control,
            store_thread: None,
            mover: None,
            bridge: None,
            roles,
            _event_log: None,
            _access_log: access_log_guard,
        })
    }

    /// Begins the drain, as SIGTERM does.
    pub fn stop(&self) {
        self.requests.ask(Request::Leave);
    }

    /// Waits until the node has ended: after SIGTERM or SIGINT, or [`Node::stop`].
    ///
    /// # Errors
    /// When a shard or the control plane failed: the others have drained, as far as they could in time.
    pub fn wait(self) -> anyhow::Result<()> {
        let control = self.control.join().unwrap_or_else(|_| {
            // Shards without a control plane drain by themselves.
            let until = Instant::now() + self.timeout;
            while Instant::now() < until && !self.shards.iter().all(JoinHandle::is_finished) {
                thread::sleep(Duration::from_millis(50));
            }
            Err(anyhow!("the control plane panicked"))
        });
        let have_ended = control.is_ok() || self.shards.iter().all(JoinHandle::is_finished);
        for shard in self.shards {
            // If the control plane gave up on the shards, so does the node: their threads end with the process.
            if control.is_ok() || shard.is_finished() {
                shard.join().map_err(|_| anyhow!("a shard panicked"))??;
            }
        }
        // It ends when no shard has anything more for it.
        if let Some(store) = self.store_thread.filter(|_| have_ended) {
            store.join().map_err(|_| anyhow!("the thread of the store panicked"))?;
        }
        // It has left its group since the drain began.
        if let Some(mover) = self.mover.filter(|_| have_ended) {
            mover.wait()?;
        }
        if let Some(bridge) = self.bridge.filter(|_| have_ended) {
            bridge.wait()?;
        }
        if let Some(roles) = self.roles.filter(|roles| control.is_ok() || roles.have_ended()) {
            roles.wait()?;
        }
        control
    }
}

// One shard's panic is everybody's end where panics abort.
const _: () = assert!(cfg!(panic = "unwind"));
