//! One core: its sockets, its sessions, its channels.
//!
//! Owns everything that its connections need, and shares nothing: other shards write letters, the control plane
//! gives orders. `tick` is the page on which it all meets; `broker` is what it decides with, free of I/O.

mod accept;
mod address;
pub mod admission;
pub mod asked;
pub mod bridge;
mod close;
pub mod conn;
mod cross;
pub mod disk;
pub mod doors;
mod drain;
mod draining;
mod due;
mod flush;
mod give_way;
mod glance;
mod glancing;
pub mod handle;
mod keep;
mod keeping;
pub mod kernel;
pub mod mailbox;
pub mod origin;
pub mod probe;
pub mod reactor;
mod recv;
mod request;
mod strangers;
pub mod tick;
mod upgrade;
mod visits;
pub mod waker;
pub mod wheel;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use hashbrown::HashMap;
use rand::rngs::StdRng;
use slab::Slab;

use self::admission::{Admission, Places};
use self::bridge::ShardBridge;
use self::conn::Conn;
pub use self::disk::ShardStore;
use self::doors::Doors;
use self::draining::Drain;
use self::glancing::Glances;
use self::keeping::Keeping;
use self::kernel::Kernel;
use self::mailbox::Mailboxes;
use self::reactor::{EventOf, Reactor};
use self::strangers::Strangers;
use self::waker::Waker;
use self::wheel::Wheel;
use crate::access_log::AccessLog;
use crate::auth::Verifier;
use crate::broker::metrics::ShardMetrics;
use crate::broker::order::{Errand, Order};
use crate::broker::{Broker, BrokerSetup};
use crate::config::Config;
use crate::event_log::EventLog;
use crate::hub::Placement;
use crate::limits::{EVENTS_PER_TICK, SESSIONS_RESERVED};
use crate::outbox::Flushed;

/// What a shard is made of.
#[derive(Debug)]
pub struct ShardSetup<S = OwnedFd> {
    /// From 0, without gaps; letters and orders go by it.
    pub me: u16,
    /// Which shard is a channel's home.
    pub placement: Placement,
    /// What it goes by until it is told of another.
    pub config: Arc<Config>,
    /// What tokens are checked with.
    pub verifier: Arc<Verifier>,
    /// Counts for the outside.
    pub metrics: Arc<ShardMetrics>,
    /// Sockets of its own for each port: the kernel spreads connections over the shards.
    pub doors: Doors<S>,
    /// Its ends of the mailboxes.
    pub mailboxes: Mailboxes,
    /// Its end of the way to the other nodes, if there are some.
    pub bridge: Option<ShardBridge>,
    /// Other threads write to it when the shard sleeps.
    pub waker: Arc<Waker>,
    /// What the control plane asks.
    pub orders: flume::Receiver<Order>,
    /// What it asks of the control plane.
    pub errands: flume::Sender<Errand>,
    /// Places of the whole node.
    pub places: Arc<Places>,
    /// Where it is written down who came and went.
    pub access_log: AccessLog,
    /// Where the rest of the company is told.
    pub event_log: EventLog,
    /// Seeds what clients must not guess; the same on all shards.
    pub secret: u64,
    /// Source of session identities and jitter; seeded in simulation.
    pub random: StdRng,
}

/// One shard: over the kernel, or over the simulator. Lives and dies on its thread.
#[derive(Debug)]
pub struct Shard<R: Reactor = Kernel> {
    me: u16,
    metrics: Arc<ShardMetrics>,
    broker: Broker,
    reactor: R,
    conns: Slab<Conn<R::Socket>>,
    doors: Doors<R::Socket>,
    admission: Admission,
    /// Conns of which nothing is known yet.
    strangers: Strangers,
    /// Likewise, of those that came through the internal port.
    callers: Strangers,
    /// By conn: whose it is, as a proxy has told it, until that is known to the conn's session.
    told: HashMap<u32, IpAddr>,
    mailboxes: Mailboxes,
    bridge: Option<ShardBridge>,
    orders: flume::Receiver<Order>,
    errands: flume::Sender<Errand>,
    access_log: AccessLog,
    event_log: EventLog,
    waker: Arc<Waker>,
    wheel: Wheel,
    drain: Option<Drain>,
    /// Whether the wheel has turned since the executor had its turn.
    has_turned: bool,
    /// The wheel is to turn once this tick's input has been read.
    is_turn_due: bool,
    /// When the shard last looked whether somebody has come.
    looked_ns: u64,
    /// When the last tick began, monotonic milliseconds.
    looked_ms: u64,
    /// Doors that rest until the next turn of the wheel, for want of descriptors.
    paused_doors: Vec<u32>,
    /// Strangers that wait until another shard's give their places back.
    waiting: Vec<u32>,
    /// Conns that wait until the mailboxes have room, oldest first.
    held: VecDeque<u32>,
    /// By shard: asks that had come when its answers were looked at. Kept for its memory.
    asked: Vec<usize>,
    keeping: Keeping,
    /// Closing conns whose last bytes are in the outbox.
    parting: Vec<u32>,
    /// What a glance has left for the tick.
    events: Vec<EventOf<R>>,
    glances: Glances<R>,
    // Kept for their memory; empty between two ticks.
    unsent: Vec<(u32, Flushed)>,
    due: Vec<wheel::Entry>,
}

impl<R: Reactor> Shard<R> {
    /// Sets a shard up on the thread of its reactor.
    ///
    /// # Errors
    /// A `channel_regex` that does not compile.
    pub fn new(setup: ShardSetup<R::Socket>, reactor: R) -> Result<Self, regex::Error> {
        let ShardSetup { me, placement, config, verifier, metrics, doors, mailboxes, waker, .. } = setup;
        let now = reactor.now();
        let shards = placement.shards();
        let broker = Broker::new(BrokerSetup {
            me,
            placement,
            config: config.clone(),
            verifier,
            metrics: metrics.clone(),
            secret: setup.secret,
            random: setup.random,
        })?;
        Ok(Self {
            me,
            broker,
            reactor,
            conns: Slab::with_capacity(SESSIONS_RESERVED),
            doors,
            admission: Admission::new(setup.places, &config.client, shards, now),
            strangers: Strangers::default(),
            callers: Strangers::default(),
            told: HashMap::new(),
            mailboxes,
            bridge: setup.bridge,
            orders: setup.orders,
            errands: setup.errands,
            access_log: setup.access_log,
            event_log: setup.event_log,
            waker,
            wheel: Wheel::new(now.mono_ms),
            drain: None,
            has_turned: false,
            is_turn_due: false,
            looked_ns: 0,
            looked_ms: now.mono_ms,
            paused_doors: Vec::new(),
            waiting: Vec::new(),
            held: VecDeque::new(),
            asked: vec![0; usize::from(shards)],
            keeping: Keeping::default(),
            parting: Vec::new(),
            events: Vec::with_capacity(EVENTS_PER_TICK),
            glances: Glances::new(),
            unsent: Vec::new(),
            due: Vec::new(),
            metrics,
        })
    }

    /// Asks the reactor for what it reports until the end.
    fn begin(&mut self) {
        self.reactor.watch(&self.waker);
        self.open_doors();
        self.wind();
    }

    /// Whether letters wait for room, or conns for letters, or sessions were resumed by what left last: nobody else wakes
    /// the shard.
    fn waits_for_room(&self) -> bool {
        self.broker.has_letters() || !self.held.is_empty() || self.broker.has_resumed()
    }
}

impl Shard {
    /// Serves until the node has drained. Must run in the executor of the shard's thread.
    ///
    /// # Errors
    /// The ring has failed.
    pub async fn run(mut self) -> io::Result<()> {
        self.begin();
        while !self.has_ended() {
            self.wait()?;
            if !self.tick() && self.waits_for_room() {
                // The reader of the full mailbox may have this core, too.
                std::thread::yield_now();
            }
            if std::mem::take(&mut self.has_turned) {
                // The executor has no say in when the shard sleeps; its other tasks have their turn here.
                glommio::executor().yield_task_queue_now().await;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
