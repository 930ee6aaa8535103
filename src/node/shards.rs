//! The shards of a node, from their threads to their ends.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use glommio::LocalExecutorBuilder;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::access_log::AccessLog;
use crate::auth::Verifier;
use crate::broker::metrics::ShardMetrics;
use crate::broker::order::Errand;
use crate::config::Config;
use crate::doctor::is_locked_memory_bound;
use crate::event_log::EventLog;
use crate::hub::Placement;
use crate::limits::{EXECUTOR_IO_BYTES, EXECUTOR_RING_ENTRIES, ORDERS_WAITING_MAX};
use crate::node::obituary::Obituary;
use crate::patience::{self, HINT, lacks_memory, patiently};
use crate::shard::admission::Places;
use crate::shard::bridge::ShardBridge;
use crate::shard::doors::Doors;
use crate::shard::handle::ShardHandle;
use crate::shard::kernel::Kernel;
use crate::shard::mailbox::Mailboxes;
use crate::shard::waker::Waker;
use crate::shard::{Shard, ShardSetup, ShardStore};
use crate::vital;

/// What all shards of a node are given.
pub(super) struct Shared {
    pub(super) placement: Placement,
    pub(super) config: Arc<Config>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) places: Arc<Places>,
    pub(super) secret: u64,
    pub(super) errands: flume::Sender<Errand>,
    pub(super) access_log: AccessLog,
    pub(super) event_log: EventLog,
    /// A message for each shard when it may let clients in; none comes where the node does not start.
    pub(super) opened: flume::Receiver<()>,
}

impl Shared {
    /// Starts a shard's thread, which takes what it needs from the host, and reads its part of the store.
    pub(super) fn start_shard(&self, me: u16, core: usize, parts: Parts) -> anyhow::Result<Starting> {
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
        let run = move || serve(setup, store, core, &ready, &opened);
        let thread = patience::spawn(&format!("shard-{me}"), run).context("no thread for a shard")?;
        Ok(Starting { me, handle: ShardHandle::new(me, core, metrics, orders_in, waker), thread, is_ready })
    }
}

/// What one shard of a node is given.
pub(super) struct Parts {
    pub(super) doors: Doors,
    pub(super) mailboxes: Mailboxes,
    pub(super) waker: Arc<Waker>,
    pub(super) bridge: Option<ShardBridge>,
    pub(super) store: Option<ShardStore>,
}

/// A shard whose thread has been started.
pub(super) struct Starting {
    me: u16,
    handle: ShardHandle,
    thread: JoinHandle<anyhow::Result<()>>,
    is_ready: flume::Receiver<()>,
}

impl Starting {
    /// Waits until it can serve.
    pub(super) fn wait(self) -> anyhow::Result<(ShardHandle, JoinHandle<anyhow::Result<()>>)> {
        match self.is_ready.recv() {
            Ok(()) => Ok((self.handle, self.thread)),
            Err(_) => match self.thread.join() {
                Ok(Err(error)) => Err(error),
                _ => Err(anyhow!("shard {} ended before it began; {HINT}", self.me)),
            },
        }
    }
}

/// Has glommio look what the kernel can do, once for the process. glommio 0.9.0 panics, and for good, where the small ring by which
/// it looks gets no memory. So it looks before shards compete for what may be locked, and when half of a shard's ring has shown that
/// there is some; where that is not bound, whenever it likes.
pub(super) fn look_at_the_kernel(ring_entries: u32) {
    if !is_locked_memory_bound() {
        return;
    }
    let room = || io_uring::IoUring::new((ring_entries / 2).max(1));
    // What is wrong beyond that is told by the shards, which try by themselves.
    let _ = patiently(room, |error| lacks_memory(error.raw_os_error()));
    // What that ring has locked counts a while longer, as what a killed node has.
    thread::sleep(Duration::from_millis(100));
    // A panic for want of a thread is the shards' to tell as well.
    let _ = vital::caught(|| {
        LocalExecutorBuilder::new(glommio::Placement::Unbound)
            .ring_depth(EXECUTOR_RING_ENTRIES as usize)
            .io_memory(EXECUTOR_IO_BYTES)
            .make()
    });
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
        let make = || {
            LocalExecutorBuilder::new(glommio::Placement::Fixed(core))
                .name(&format!("shard-{}", setup.me))
                .ring_depth(EXECUTOR_RING_ENTRIES as usize)
                .io_memory(EXECUTOR_IO_BYTES)
                .preempt_timer(NEVER)
                .make()
        };
        // Where the host gives it no thread for what blocks it panics. Whether that may pass is told with why.
        let made = vital::caught(make).map_err(|why| (true, why))?;
        made.map_err(|error| (lacks_memory(error.raw_os_error()), error.to_string()))
    };
    let executor = patiently(make, |(may_pass, _)| *may_pass)
        .map_err(|(_, why)| anyhow!("core {core} cannot run a shard: {why}; {HINT}"))?;
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
