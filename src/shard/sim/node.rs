//! The shards of a node over simulated reactors, and the other ends of what they hold: from a start to the loss of power.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::deadlines::Looked;
use super::reactor::{Simulated, SimulatedSocket};
use super::steps::Pending;
use super::world::World;
use crate::access_log::AccessLog;
use crate::auth::Verifier;
use crate::broker::order::{Errand, Order};
use crate::broker::sim::configuration::{DURABLE, FLEETING};
use crate::config::Purpose;
use crate::event_log::EventLog;
use crate::hub::Placement;
use crate::shard::doors::Doors;
use crate::shard::mailbox::Mailboxes;
use crate::shard::waker::Waker;
use crate::shard::{Shard, ShardSetup};
use crate::store::Journal;
use crate::store::sim::disk::Disk;

/// Orders that may wait for a shard.
const ORDERS_WAITING: usize = 4;

/// The disk of all shards.
pub(super) type SharedDisk = Rc<RefCell<Disk>>;

/// A shard, and the other ends of what it holds.
pub(super) struct Node {
    pub(super) shard: Shard<Simulated>,
    /// `None` once the control plane has let go of it.
    pub(super) orders: Option<flume::Sender<Order>>,
    pub(super) errands: flume::Receiver<Errand>,
    pub(super) waker: Arc<Waker>,
    pub(super) is_asleep: bool,
    pub(super) looked: Looked,
    /// The listeners: for HTTP, for TCP.
    pub(super) doors: [usize; 2],
}

impl World {
    /// A node starts, with so many shards, on what the disk has, and the one who always listens comes.
    pub(super) fn start(&mut self, shards: u16) {
        self.placement = Placement::new(shards, self.seed);
        self.places = Arc::default();
        self.reloads = (0..shards).map(|_| Default::default()).collect();
        if self.is_durable {
            self.disk.borrow_mut().begin(shards).unwrap_or_else(|damage| panic!("the start is refused: {damage}"));
        }
        let wakers: Vec<_> = (0..shards).map(|_| Arc::new(Waker::new().expect("a descriptor is left"))).collect();
        let mesh = Mailboxes::mesh(self.random.random_range(1..=8), &wakers);
        self.nodes = (0..).zip(mesh.into_iter().zip(wakers)).map(|(me, part)| self.start_shard(me, part)).collect();
        self.link(0);
        for channel in FLEETING {
            self.settle();
            let command = self.peers[0].client.subscribe(channel, (false, false), false);
            self.say(0, &[command]);
        }
        self.settle();
    }

    fn start_shard(&mut self, me: u16, (mailboxes, waker): (Mailboxes, Arc<Waker>)) -> Node {
        let (http, tcp) = (SimulatedSocket::listener(&self.network), SimulatedSocket::listener(&self.network));
        let doors = [http.number(), tcp.number()];
        let mut listeners = Doors::default();
        listeners.add(Purpose::Http, http);
        listeners.add(Purpose::Tcp, tcp);
        let (orders, taken) = flume::bounded(ORDERS_WAITING);
        let (errands_left, errands) = flume::unbounded();
        // Epochs of one start are no other's.
        let secret = self.seed ^ u64::from(self.disk.borrow().starts()) << 40;
        let setup = ShardSetup {
            access_log: AccessLog::default(),
            event_log: EventLog::default(),
            me,
            placement: self.placement.clone(),
            config: Arc::new(self.config.clone()),
            verifier: Arc::new(Verifier::new(&self.config.client.tokens(), None).expect("the key is a key")),
            metrics: Arc::default(),
            doors: listeners,
            mailboxes,
            bridge: None,
            waker: waker.clone(),
            orders: taken,
            errands: errands_left,
            places: self.places.clone(),
            secret,
            random: StdRng::seed_from_u64(secret ^ u64::from(me) << 32),
        };
        let buffers = (self.random.random_range(2..16), self.random.random_range(16..1024));
        let reactor = Simulated::new(self.network.clone(), buffers, self.disk.clone(), me);
        let mut shard = Shard::new(setup, reactor).expect("no expressions, no error");
        let now = self.now();
        if self.is_durable {
            let is_mine = |channel: &str| self.placement.of(channel) == me;
            let found = self.disk.borrow_mut().recover(me, is_mine, |record| shard.broker.recover(record, now));
            let setup = found.unwrap_or_else(|damage| panic!("the start is refused: {damage}"));
            shard.broker.recovered(Journal::new(setup), now);
        }
        shard.begin();
        Node { shard, orders: Some(orders), errands, waker, is_asleep: false, looked: Looked::new(now), doors }
    }

    /// The power goes, and the node starts again, perhaps with another number of shards: what was told is there.
    pub(super) fn lose_power(&mut self) {
        let stands = |world: &Self, channel| world.nodes[world.home_of(channel)].shard.broker.stands(channel);
        let stood = DURABLE.map(|channel| stands(self, channel));
        for peer in 0..self.peers.len() {
            self.cut_off(peer);
        }
        self.strangers.clear();
        self.lay_ghosts();
        self.chronicle.forget_what_is_fleeting();
        let pending = std::mem::take(&mut self.pending);
        for order in &pending {
            if let Pending::Remove { channel, .. } = order {
                self.chronicle.may_be_removed(channel);
            }
        }
        self.power_cuts += 1;
        let shards = self.nodes.len() as u16;
        self.cuts_in_flight += u32::from((0..shards).any(|shard| self.disk.borrow().is_writing(shard)));
        self.nodes.clear();
        self.disk.borrow_mut().cut();
        // Mostly as many as before: then the old segments are somebody's, and go with a snapshot.
        let others = self.random.random_bool(0.3).then(|| self.random.random_range(1..=4));
        self.start(others.unwrap_or(shards));
        for (channel, stood) in DURABLE.into_iter().zip(stood) {
            let Some((epoch, top)) = stood.filter(|(_, top)| *top > 0) else { continue };
            let found = stands(self, channel);
            let is_there = found.as_ref().is_some_and(|(life, at)| *life == epoch && *at >= top);
            assert!(is_there, "{channel} stood at {top} in {epoch}, and after the start at {found:?}");
        }
        // Who has no answer asks again, with the same key: it is published once.
        for order in pending {
            if let Pending::Publish { channel, message, .. } = order
                && message.idempotency_key.is_some()
            {
                self.publish_by_backend(&channel, &message);
            }
        }
    }

    /// A client's connection is gone with the node. What was on its way to the client may arrive.
    fn cut_off(&mut self, peer: usize) {
        let Some(wire) = &self.peers[peer].wire else { return };
        let pipe = wire.pipe;
        self.peers[peer].excuse();
        self.peers[peer].client.is_reading = true;
        let network = &mut self.network.borrow_mut();
        if network.random.random_bool(0.5) {
            self.peers[peer].read(usize::MAX, network, &mut self.chronicle);
        }
        network.reset(pipe);
        self.peers[peer].unlink(&mut self.chronicle);
    }

    /// The power goes for the last time, the disk is well again, and everybody comes back to where they were.
    pub(super) fn return_from_the_last_loss(&mut self) {
        self.disk.borrow_mut().is_full = false;
        self.lose_power();
        for peer in 1..self.peers.len() {
            self.link(peer);
        }
        self.settle();
        for channel in DURABLE {
            for peer in 1..self.peers.len() {
                if self.peers[peer].client.is_connected && self.peers[peer].client.is_idle_in(channel) {
                    let command = self.peers[peer].client.subscribe(channel, (true, true), true);
                    self.say(peer, &[command]);
                }
            }
            self.settle();
        }
    }
}
