//! A node: its shards and its control plane, from the first listener to the last goodbye.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow};
use glommio::LocalExecutorBuilder;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::auth::Verifier;
use crate::broker::metrics::ShardMetrics;
use crate::broker::order::Errand;
use crate::config::{Config, Listener, Purpose};
use crate::control::{self, ControlSetup, Reload};
use crate::cores;
use crate::hub::Placement;
use crate::limits::{ORDERS_WAITING_MAX, SHARDS_MAX};
use crate::shard::doors::{self, Doors};
use crate::shard::handle::ShardHandle;
use crate::shard::kernel::Kernel;
use crate::shard::mailbox::Mailboxes;
use crate::shard::waker::Waker;
use crate::shard::{Shard, ShardSetup};

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    /// Where the HTTP port listens.
    pub http_address: SocketAddr,
    /// Where the TCP port listens, if it does.
    pub tcp_address: Option<SocketAddr>,
    /// Where the internal port listens, if there is one.
    pub internal_address: Option<SocketAddr>,
    /// The core of each shard.
    pub cores: Vec<usize>,
    /// What each shard counts.
    pub metrics: Vec<Arc<ShardMetrics>>,
    stop: flume::Sender<()>,
    shards: Vec<JoinHandle<anyhow::Result<()>>>,
    control: JoinHandle<anyhow::Result<()>>,
}

impl Node {
    /// Binds the ports and starts shards and control plane.
    ///
    /// # Errors
    /// What the host lacks, with how to give it.
    pub fn start(config: Config, reload: Reload) -> anyhow::Result<Self> {
        let started = SystemTime::now();
        let chosen = cores::choose(&config.shards.cores).map_err(|problem| anyhow!("shards.cores: {problem}"))?;
        let cores = chosen.repeat(config.shards.per_core);
        let count = cores.len();
        if count > SHARDS_MAX {
            return Err(anyhow!("{count} shards are more than the {SHARDS_MAX} of one node: set shards.cores"));
        }
        let mut addresses = Vec::new();
        let doors = open_doors(&config, count, &mut addresses)?;
        let address_of = |purpose| addresses.iter().find(|(of, _)| *of == purpose).map(|(_, address)| *address);
        let http_address = address_of(Purpose::Http).expect("every node has an HTTP port");
        let (tcp_address, internal_address) = (address_of(Purpose::Tcp), address_of(Purpose::Internal));
        let wakers = cores.iter().map(|_| Ok(Arc::new(Waker::new()?))).collect::<std::io::Result<Vec<_>>>()?;
        let (errands_in, errands) = flume::unbounded();
        let config = Arc::new(config);
        let placement = Placement::new(count as u16, rand::random());
        let verifier =
            Verifier::new(&config.client.tokens(), None).map_err(|error| anyhow!("client.token: {error}"))?;
        let shared = Shared {
            placement: placement.clone(),
            verifier: Arc::new(verifier),
            clients: Arc::default(),
            secret: rand::random(),
            errands: errands_in,
            config: config.clone(),
        };
        let mailboxes = Mailboxes::mesh(config.shards.mailbox_capacity, &wakers);
        let (mut handles, mut shards) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let parts = cores.iter().zip(doors).zip(mailboxes).zip(wakers).enumerate();
        for (me, (((core, doors), mailboxes), waker)) in parts {
            let (handle, thread) = shared.start_shard(me as u16, *core, doors, mailboxes, waker)?;
            handles.push(handle);
            shards.push(thread);
        }
        let metrics = handles.iter().map(|handle: &ShardHandle| handle.metrics.clone()).collect();
        let (stop, stopped) = flume::bounded(1);
        let (ready, is_ready) = flume::bounded(1);
        let setup = ControlSetup { config, reload, shards: handles, placement, errands, stop: stopped, started, ready };
        let control = thread::Builder::new().name("control".into()).spawn(move || control::run(setup))?;
        // Before it catches signals, SIGTERM and SIGHUP would end the process without a goodbye.
        if is_ready.recv().is_err() {
            return Err(match control.join() {
                Ok(Err(error)) => error,
                _ => anyhow!("the control plane ended before it began"),
            });
        }
        Ok(Self { http_address, tcp_address, internal_address, cores, metrics, stop, shards, control })
    }

    /// Begins the drain, as SIGTERM does.
    pub fn stop(&self) {
        // Told already, or ended already.
        let _ = self.stop.try_send(());
    }

    /// Waits until the node has ended: after SIGTERM or SIGINT, or [`Node::stop`].
    ///
    /// # Errors
    /// When a shard or the control plane failed.
    pub fn wait(self) -> anyhow::Result<()> {
        let control = self.control.join().map_err(|_| anyhow!("the control plane panicked"))?;
        for shard in self.shards {
            // If the control plane gave up on the shards, so does the node: their threads end with the process.
            if control.is_ok() || shard.is_finished() {
                shard.join().map_err(|_| anyhow!("a shard panicked"))??;
            }
        }
        control
    }
}

/// What all shards of a node are given.
struct Shared {
    placement: Placement,
    config: Arc<Config>,
    verifier: Arc<Verifier>,
    clients: Arc<AtomicUsize>,
    secret: u64,
    errands: flume::Sender<Errand>,
}

impl Shared {
    /// Starts a shard's thread and waits until it serves.
    fn start_shard(
        &self,
        me: u16,
        core: usize,
        doors: Doors,
        mailboxes: Mailboxes,
        waker: Arc<Waker>,
    ) -> anyhow::Result<(ShardHandle, JoinHandle<anyhow::Result<()>>)> {
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
            waker: waker.clone(),
            orders,
            errands: self.errands.clone(),
            clients: self.clients.clone(),
            secret: self.secret,
            random: StdRng::from_os_rng(),
        };
        let (ready, is_ready) = flume::bounded(1);
        let thread = thread::Builder::new().name(format!("shard-{me}")).spawn(move || serve(setup, core, &ready))?;
        match is_ready.recv() {
            Ok(()) => Ok((ShardHandle::new(me, core, metrics, orders_in, waker), thread)),
            Err(_) => match thread.join() {
                Ok(Err(error)) => Err(error),
                _ => Err(anyhow!("shard {me} ended before it began")),
            },
        }
    }
}

/// Tells the control plane that a shard's thread has ended, also when it did by an error or a panic: the channels
/// at home there have gone, and the other shards would wait for it for ever.
struct Obituary {
    shard: u16,
    errands: flume::Sender<Errand>,
}

impl Drop for Obituary {
    fn drop(&mut self) {
        // After a drain nobody asks any more.
        let _ = self.errands.send(Errand::Ended { shard: self.shard });
    }
}

/// A shard's thread, from pinning to the end.
fn serve(setup: ShardSetup, core: usize, ready: &flume::Sender<()>) -> anyhow::Result<()> {
    const NEVER: Duration = Duration::from_secs(u32::MAX as u64);
    const HINT: &str = "`ringpost doctor` tells what this host lacks and how to give it";
    // Depth and memory: what 8 MiB of locked memory allows for many executors. The preempt timer must never run
    // out: when it does before a ready task had its turn, as happens on a host without a core to spare,
    // glommio 0.9.0 goes to sleep over the task and never wakes again. It would let timers and files of the
    // executor interrupt a busy shard; the shard has its own.
    let executor = LocalExecutorBuilder::new(glommio::Placement::Fixed(core))
        .name(&format!("shard-{}", setup.me))
        .ring_depth(128)
        .io_memory(64 << 10)
        .preempt_timer(NEVER)
        .make()
        .map_err(|error| anyhow!("core {core} cannot run a shard: {error}; {HINT}"))?;
    let (shard, errands) = (setup.me, setup.errands.clone());
    let _obituary = Obituary { shard, errands };
    executor.run(async move {
        let kernel =
            Kernel::new(&setup.config.shards).with_context(|| format!("core {core} cannot run a shard; {HINT}"))?;
        let shard = Shard::new(setup, kernel)?;
        // The node waits for this.
        let _ = ready.send(());
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
    let address: IpAddr = address.parse().with_context(|| format!("{section}.address is no IP address"))?;
    let wanted = SocketAddr::new(address, port);
    let hint = || format!("{section}: cannot listen on {wanted}; is another node running? Choose another port");
    // Shards share the port, and another process of the same user could share it as silently: look first.
    if port != 0 {
        look_for_free(wanted).with_context(hint)?;
    }
    let (first, bound) = doors::bind(wanted, backlog).with_context(hint)?;
    let mut listeners = vec![first];
    for _ in 1..shards {
        listeners.push(doors::bind(bound, backlog).with_context(hint)?.0);
    }
    Ok((bound, listeners))
}

/// Whether nobody listens there. Looks again for a moment: a node that was killed gives its ports back only when the
/// kernel has taken its rings down.
fn look_for_free(address: SocketAddr) -> std::io::Result<()> {
    const PAUSE: Duration = Duration::from_millis(50);
    let mut looks = 10;
    loop {
        match std::net::TcpListener::bind(address) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && looks > 1 => thread::sleep(PAUSE),
            looked => return looked.map(drop),
        }
        looks -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_panics_does_not_end_unheard() {
        let (errands, taken) = flume::unbounded();
        let shard = thread::spawn(move || {
            let _obituary = Obituary { shard: 3, errands };
            panic!("as a broken invariant does");
        });
        assert!(shard.join().is_err());
        assert!(matches!(taken.recv(), Ok(Errand::Ended { shard: 3 })));
    }
}
