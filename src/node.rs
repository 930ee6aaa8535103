//! A node: its shards and its control plane, from the first listener to the last goodbye; or a process without shards, whose roles
//! work beside a control plane alone.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, anyhow};
use glommio::LocalExecutorBuilder;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use signal_hook::consts::SIGXFSZ;
use tokio::sync::watch;

use crate::access_log::{AccessLog, AccessLogGuard};
use crate::auth::Verifier;
use crate::broker::metrics::ShardMetrics;
use crate::broker::order::Errand;
use crate::cluster::bridge::Bridge;
use crate::cluster::kafka::mover::{Mover, MoverSetup};
use crate::cluster::kafka::producer::Producer;
use crate::cluster::redis::functions::Incarnation;
use crate::config::{Config, Listener, Purpose, Role};
use crate::control::requests::{Request, Requests};
use crate::control::{self, ControlSetup, Reload};
use crate::cores;
use crate::doctor::{is_locked_memory_bound, why_not_listening};
use crate::event_log::{EventLog, EventLogGuard, Place};
use crate::hub::Placement;
use crate::limits::{EXECUTOR_IO_BYTES, EXECUTOR_RING_ENTRIES, ORDERS_WAITING_MAX, SHARDS_MAX};
use crate::patience::{is_in_use, lacks_memory, patiently};
use crate::roles::{Roles, RolesSetup};
use crate::shard::admission::Places;
use crate::shard::bridge::ShardBridge;
use crate::shard::doors::{self, Doors};
use crate::shard::handle::ShardHandle;
use crate::shard::kernel::Kernel;
use crate::shard::mailbox::Mailboxes;
use crate::shard::waker::Waker;
use crate::shard::{Shard, ShardSetup, ShardStore};
use crate::store::files::{Files, FilesHandle, Layout, Open};
use crate::store::{Directory, StoreError};
use crate::vital;

const HINT: &str = "`ringpost doctor` tells what this host lacks and how to give it";

/// Between two looks at what nothing tells of.
const PAUSE: Duration = Duration::from_millis(50);

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
                thread::sleep(PAUSE);
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

/// What all shards of a node are given.
struct Shared {
    placement: Placement,
    config: Arc<Config>,
    verifier: Arc<Verifier>,
    places: Arc<Places>,
    secret: u64,
    errands: flume::Sender<Errand>,
    access_log: AccessLog,
    event_log: EventLog,
    /// A message for each shard when it may let clients in; none comes where the node does not start.
    opened: flume::Receiver<()>,
}

impl Shared {
    /// Starts a shard's thread, which takes what it needs from the host, and reads its part of the store.
    fn start_shard(&self, me: u16, core: usize, parts: Parts) -> anyhow::Result<Starting> {
        let Parts { doors, mailboxes, waker, bridge, store } = parts;
        let (orders_in, orders) = flume::bounded(ORDERS_WAITING_MAX);
        let metrics = Arc::new(ShardMetrics::default());
        let setup = ShardSetup {
            me,
            placement: self.placement.clone(),
            config: self.config.clone(),
            verifier: self.verifier.clone(),
            metrics: metrics.clone(),
            doors,
            mailboxes,
            bridge,
            waker: waker.clone(),
            orders,
            errands: self.errands.clone(),
            places: self.places.clone(),
            access_log: self.access_log.clone(),
            event_log: self.event_log.clone(),
            secret: self.secret,
            random: StdRng::from_os_rng(),
        };
        let (ready, is_ready) = flume::bounded(1);
        let opened = self.opened.clone();
        let thread = thread::Builder::new().name(format!("shard-{me}"));
        let thread =
            thread.spawn(move || serve(setup, store, core, &ready, &opened)).context("no thread for a shard")?;
        Ok(Starting { me, handle: ShardHandle::new(me, core, metrics, orders_in, waker), thread, is_ready })
    }
}

/// What one shard of a node is given.
struct Parts {
    doors: Doors,
    mailboxes: Mailboxes,
    waker: Arc<Waker>,
    bridge: Option<ShardBridge>,
    store: Option<ShardStore>,
}

/// A shard whose thread has been started.
struct Starting {
    me: u16,
    handle: ShardHandle,
    thread: JoinHandle<anyhow::Result<()>>,
    is_ready: flume::Receiver<()>,
}

impl Starting {
    /// Waits until it can serve.
    fn wait(self) -> anyhow::Result<(ShardHandle, JoinHandle<anyhow::Result<()>>)> {
        match self.is_ready.recv() {
            Ok(()) => Ok((self.handle, self.thread)),
            Err(_) => match self.thread.join() {
                Ok(Err(error)) => Err(error),
                _ => Err(anyhow!("shard {} ended before it began; {HINT}", self.me)),
            },
        }
    }
}

/// The store of a node, before its shards have it.
struct NodeStore {
    directory: Arc<Directory>,
    files: Files,
    firsts: Vec<Open>,
}

impl NodeStore {
    /// Opens the directory and makes a segment for each shard; `None` where the node has no store.
    fn open(config: &Config, shards: usize) -> anyhow::Result<Option<Self>> {
        if !config.store.is_set() {
            return Ok(None);
        }
        // A limit of a file's size is as a full disk, not the end of the process.
        signal_hook::flag::register(SIGXFSZ, Arc::default()).context("signals cannot be caught")?;
        let open = || {
            let directory = Arc::new(Directory::open(Path::new(&config.store.path), &config.name)?);
            let layout = Layout {
                shards: shards as u16,
                segment_size: config.store.segment_size,
                max_size: config.store.max_size,
            };
            let mut files = Files::new(directory.clone(), layout);
            let firsts = (0..layout.shards).map(|shard| files.prepare(shard)).collect::<Result<_, StoreError>>()?;
            Ok::<_, StoreError>(Self { directory, files, firsts })
        };
        open().map(Some).context("store.path")
    }

    /// Each shard's part, and the thread of the files.
    fn share(self, placement: &Placement) -> anyhow::Result<(Vec<ShardStore>, Option<JoinHandle<()>>)> {
        let (files, thread) = FilesHandle::start(self.files).context("no thread for the store")?;
        let part = |first| ShardStore {
            directory: self.directory.clone(),
            files: files.clone(),
            first,
            placement: placement.clone(),
        };
        Ok((self.firsts.into_iter().map(part).collect(), Some(thread)))
    }
}

/// Starts what tells the rest of the company, where it is told.
fn start_event_log(
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
fn start_kafka(config: &Config) -> anyhow::Result<Option<Arc<Producer>>> {
    let kafka = &config.cluster.kafka;
    let producer = kafka.is_set().then(|| Producer::new(kafka, &config.name));
    Ok(producer.transpose().context("cluster.kafka")?.map(Arc::new))
}

/// Starts what moves records of the way up into the order of their channels, where some go by Kafka.
fn start_mover(
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
fn start_bridge(
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
fn start_roles(
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
fn start_control(
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

/// Tells the control plane that a thread has ended, also when it did by an error or a panic. A shard's: the channels at home
/// there have gone, and the other shards would wait for it for ever. The bridge's: nobody would be answered.
struct Obituary {
    last: Option<Errand>,
    errands: flume::Sender<Errand>,
}

impl Drop for Obituary {
    fn drop(&mut self) {
        if let Some(errand) = self.last.take() {
            // After a drain nobody asks any more.
            let _ = self.errands.send(errand);
        }
    }
}

/// Has glommio look what the kernel can do, once for the process. glommio 0.9.0 panics, and for good, where the small ring by which
/// it looks gets no memory. So it looks before shards compete for what may be locked, and when half of a shard's ring has shown that
/// there is some; where that is not bound, whenever it likes.
fn look_at_the_kernel(ring_entries: u32) {
    if !is_locked_memory_bound() {
        return;
    }
    let room = || io_uring::IoUring::new((ring_entries / 2).max(1));
    // What is wrong beyond that is told by the shards, which try by themselves.
    let _ = patiently(room, |error| lacks_memory(error.raw_os_error()));
    // What that ring has locked counts a while longer, as what a killed node has.
    thread::sleep(2 * PAUSE);
    let _ = LocalExecutorBuilder::new(glommio::Placement::Unbound)
        .ring_depth(EXECUTOR_RING_ENTRIES as usize)
        .io_memory(EXECUTOR_IO_BYTES)
        .make();
}

/// A shard's thread, from pinning to the end.
fn serve(
    setup: ShardSetup,
    store: Option<ShardStore>,
    core: usize,
    ready: &flume::Sender<()>,
    opened: &flume::Receiver<()>,
) -> anyhow::Result<()> {
    const NEVER: Duration = Duration::from_secs(u32::MAX as u64);
    // Depth and memory are little, so that the usual 8 MiB of locked memory carry many. The preempt timer must never run
    // out: when it does before a ready task had its turn, as happens on a host without a core to spare,
    // glommio 0.9.0 goes to sleep over the task and never wakes again. It would let timers and files of the
    // executor interrupt a busy shard; the shard has its own.
    let make = || {
        LocalExecutorBuilder::new(glommio::Placement::Fixed(core))
            .name(&format!("shard-{}", setup.me))
            .ring_depth(EXECUTOR_RING_ENTRIES as usize)
            .io_memory(EXECUTOR_IO_BYTES)
            .preempt_timer(NEVER)
            .make()
    };
    let executor = patiently(make, |error| lacks_memory(error.raw_os_error()))
        .map_err(|error| anyhow!("core {core} cannot run a shard: {error}; {HINT}"))?;
    let (last, errands) = (Some(Errand::Ended { shard: setup.me }), setup.errands.clone());
    let _obituary = Obituary { last, errands };
    executor.run(async move {
        let make = || Kernel::new(&setup.config.shards);
        let kernel = patiently(make, |error| lacks_memory(error.raw_os_error()))
            .with_context(|| format!("core {core} cannot run a shard; {HINT}"))?;
        let mut shard = Shard::new(setup, kernel)?;
        if let Some(store) = store {
            shard.recover(store).context("store.path")?;
        }
        // The node waits for this.
        let _ = ready.send(());
        if opened.recv().is_err() {
            return Ok(());
        }
        shard.run().await.with_context(|| format!("the ring of core {core} failed"))
    })
}

/// Binds all ports for every shard. Returns each shard's doors; `addresses` gets what is where.
fn open_doors(
    config: &Config,
    shards: usize,
    addresses: &mut Vec<(Purpose, SocketAddr)>,
) -> anyhow::Result<Vec<Doors>> {
    let mut doors: Vec<Doors> = (0..shards).map(|_| Doors::default()).collect();
    for wanted in config.listeners() {
        let (address, listeners) = listen(wanted, config.http_server.backlog, shards)?;
        addresses.push((wanted.purpose, address));
        for (doors, listener) in doors.iter_mut().zip(listeners) {
            doors.add(wanted.purpose, listener);
        }
    }
    Ok(doors)
}

/// Binds one port for every shard.
fn listen(wanted: Listener<'_>, backlog: u32, shards: usize) -> anyhow::Result<(SocketAddr, Vec<OwnedFd>)> {
    let Listener { section, address, port, .. } = wanted;
    let wanted = socket_address(section, address, port)?;
    let refused = |error| refused_to_listen(section, wanted, error);
    // Shards share the port, and another process of the same user could share it as silently: look first.
    if port != 0 {
        look_for_free(wanted).map_err(refused)?;
    }
    let (first, bound) = doors::bind(wanted, backlog).map_err(refused)?;
    let mut listeners = vec![first];
    for _ in 1..shards {
        listeners.push(doors::bind(bound, backlog).map_err(refused)?.0);
    }
    Ok((bound, listeners))
}

/// Binds the port of gRPC, which is the control plane's alone.
fn listen_for_grpc(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let grpc = &config.grpc_api;
    if !grpc.enabled {
        return Ok(None);
    }
    let wanted = socket_address("grpc_api", &grpc.address, grpc.port)?;
    let listener = patiently(|| TcpListener::bind(wanted), is_in_use);
    listener.map(Some).map_err(|error| refused_to_listen("grpc_api", wanted, error))
}

fn socket_address(section: &str, address: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let address: IpAddr = address.parse().with_context(|| format!("{section}.address is no IP address"))?;
    Ok(SocketAddr::new(address, port))
}

fn refused_to_listen(section: &str, wanted: SocketAddr, error: std::io::Error) -> anyhow::Error {
    let (meaning, fix) = why_not_listening(&error);
    anyhow::Error::new(error).context(format!("{section}: cannot listen on {wanted}: {meaning}; {fix}"))
}

/// Whether nobody listens there.
fn look_for_free(address: SocketAddr) -> std::io::Result<()> {
    patiently(|| TcpListener::bind(address), is_in_use).map(drop)
}

// One shard's panic is everybody's end where panics abort.
const _: () = assert!(cfg!(panic = "unwind"));

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpStream;

    use super::*;
    use crate::broker::order::Order;

    /// A node with two shards on one core, and clients that the kernel has spread over both.
    fn node(reload: Reload) -> (Node, Vec<BufReader<TcpStream>>) {
        let mut config = Config::dev();
        (config.http_server.port, config.tcp_server.port) = (0, 0);
        (config.shards.cores, config.shards.per_core) = (cores::allowed().unwrap()[0].to_string(), 2);
        let node = Node::start(config, reload, Requests::new()).unwrap();
        let address = node.tcp_address.unwrap();
        let clients = (0..40).map(|_| {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.write_all(b"{\"id\":1,\"connect\":{}}\n").unwrap();
            let mut reader = BufReader::new(socket);
            assert!(reader.read_line(&mut String::new()).unwrap() > 0);
            reader
        });
        let clients = clients.collect();
        (node, clients)
    }

    /// How many of the clients were told to come again before they lost their connection; all lose it.
    fn told_to_come_again(clients: Vec<BufReader<TcpStream>>) -> usize {
        let lines = |client: BufReader<TcpStream>| client.lines().map_while(Result::ok);
        clients.into_iter().filter_map(|client| lines(client).find(|line| line.contains("\"code\":3001"))).count()
    }

    #[test]
    fn when_a_shard_panics_the_clients_of_the_others_are_told_and_the_node_ends_with_an_error() {
        let (mut node, clients) = node(Box::new(|| unreachable!("nobody asks")));
        let handle = node.handles.swap_remove(1);
        node.handles.clear();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(handle.order(Order::Panic)));
        drop(handle);
        let told = told_to_come_again(clients);
        assert!((1..40).contains(&told), "{told} of 40");
        let ended = node.wait().unwrap_err().to_string();
        assert!(ended.contains("panicked"), "{ended}");
    }

    #[test]
    fn when_the_control_plane_panics_all_clients_are_told_and_the_node_ends_with_an_error() {
        let (mut node, clients) = node(Box::new(|| panic!("as a broken invariant does")));
        node.handles.clear();
        node.requests.ask(Request::Reload);
        assert_eq!(told_to_come_again(clients), 40);
        let ended = node.wait().unwrap_err().to_string();
        assert!(ended.contains("panicked"), "{ended}");
    }

    /// What the control plane does in the middle of its work, and how the node ends then.
    fn ended_by(broken: fn()) -> String {
        let reload = move || {
            broken();
            Ok(Config::dev())
        };
        let (mut node, clients) = node(Box::new(reload));
        node.handles.clear();
        node.requests.ask(Request::Reload);
        assert_eq!(told_to_come_again(clients), 40);
        node.wait().unwrap_err().to_string()
    }

    #[test]
    fn when_a_thread_panics_that_must_live_all_clients_are_told_and_the_node_ends_with_an_error() {
        let ended = ended_by(|| drop(vital::spawn("a worker", || panic!("as a broken invariant does"))));
        assert!(ended.contains("the thread `a worker`") && ended.contains("has panicked"), "{ended}");
    }

    #[test]
    fn when_a_task_panics_on_a_thread_that_must_live_the_node_ends_though_the_runtime_catches_it() {
        let ended = ended_by(|| {
            let work = || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async { drop(tokio::spawn(async { panic!("as a broken invariant does") }).await) });
            };
            drop(vital::spawn("a runtime", work));
        });
        assert!(ended.contains("the thread `a runtime`"), "{ended}");
    }

    #[test]
    fn when_a_task_of_the_control_plane_panics_that_must_live_the_node_ends_with_an_error() {
        let ended = ended_by(|| drop(tokio::spawn(vital::task(async { panic!("as a broken invariant does") }))));
        assert!(ended.contains("the thread `control`"), "{ended}");
    }

    #[test]
    fn a_shard_that_panics_does_not_end_unheard() {
        let (errands, taken) = flume::unbounded();
        let shard = thread::spawn(move || {
            let _obituary = Obituary { last: Some(Errand::Ended { shard: 3 }), errands };
            panic!("as a broken invariant does");
        });
        assert!(shard.join().is_err());
        assert!(matches!(taken.recv(), Ok(Errand::Ended { shard: 3 })));
    }
}
