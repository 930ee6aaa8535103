//! Shards, everybody who connects to them, backends, and the clock.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::check;
use super::deadlines::Deadlines;
use super::devices::check_goodbye;
use super::fault::{Fault, Planted};
use super::network::{Network, Shared};
use super::node::{Node, SharedDisk};
use super::peer::{Peer, Reading};
use super::reactor::PROXY;
use super::steps::Pending;
use super::stranger::Stranger;
use crate::auth::mint::hs256;
use crate::broker::lane::Lane;
use crate::broker::order::Order;
use crate::broker::sim::chronicle::Chronicle;
use crate::broker::sim::client::Client;
use crate::broker::sim::configuration::{KEPT, SECRET, configuration, configuration_on_disk};
use crate::broker::sim::devices;
use crate::broker::sim::dialect::FORMATS;
use crate::broker::sim::whims::Fresh;
use crate::config::{Config, Duration};
use crate::hub::Placement;
use crate::protocol::Format;
use crate::shard::admission::Places;
use crate::shard::reactor::Reactor as _;
use crate::store::sim::disk::Disk;
use crate::time::Now;

const PEERS: usize = 7;

/// What a proxy says of [`CLIENT`].
const PROXY_HEADER: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x1f\x40";

/// Where all simulated clients are, where there is a proxy.
pub(super) const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Every connection is a proxy's.
fn expect_proxies(config: &mut Config) {
    config.proxies.trusted = vec![PROXY.to_string().parse().expect("it is an address")];
    (config.http_server.proxy_protocol, config.tcp_server.proxy_protocol) = (true, true);
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) random: StdRng,
    pub(super) network: Shared,
    pub(super) nodes: Vec<Node>,
    pub(super) peers: Vec<Peer>,
    pub(super) strangers: Vec<Stranger>,
    /// Whether all are devices of one user, of limited kinds.
    pub(super) has_devices: bool,
    /// Connections that their clients have lost, and the node still has.
    pub(super) ghosts: Vec<usize>,
    pub(super) chronicle: Chronicle,
    pub(super) pending: Vec<Pending>,
    /// The configuration that the world began with.
    pub(super) config: Config,
    /// Whether some channels are kept on disk.
    pub(super) is_durable: bool,
    pub(super) disk: SharedDisk,
    /// How often the power has gone, and while the disk wrote.
    pub(super) power_cuts: u32,
    pub(super) cuts_in_flight: u32,
    /// By shard: the configurations that it is to take, each as soon as it has room for the order.
    pub(super) reloads: Vec<VecDeque<Arc<Config>>>,
    /// Clients of all shards.
    pub(super) places: Arc<Places>,
    pub(super) placement: Placement,
    pub(super) fresh: Fresh,
}

impl World {
    pub(super) fn new(seed: u64, planted: Planted) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let now = Now { mono_ms: 1_000_000, unix_ms: 1_700_000_000_000 };
        let mut network = Network::new(StdRng::seed_from_u64(seed ^ 1 << 40), now, planted);
        let disk_fault = if let Some(Fault::Disk(fault)) = planted.0 { Some(fault) } else { None };
        let is_durable = seed % 4 == 1 || disk_fault.is_some();
        let mut config = Self::configuration(&mut random, is_durable);
        let has_devices = seed % 5 == 2;
        if has_devices {
            devices::limit(&mut config);
        }
        if seed.is_multiple_of(3) {
            expect_proxies(&mut config);
            network.proxy_header = PROXY_HEADER;
        }
        let network = Rc::new(RefCell::new(network));
        let shards = random.random_range(1..=4);
        let user_of = |at| match has_devices {
            true => (at > 1).then(|| "user".to_owned()),
            false => (at % 2 == 1).then(|| format!("user{}", at % 3)),
        };
        let client = |at| Client::new(user_of(at), at == 0, false);
        let mut world = Self {
            seed,
            random,
            network,
            nodes: Vec::new(),
            peers: (0..PEERS).map(|at| Peer::new(client(at))).collect(),
            strangers: Vec::new(),
            has_devices,
            ghosts: Vec::new(),
            chronicle: Chronicle::seen_from_afar(),
            pending: Vec::new(),
            reloads: Vec::new(),
            config,
            is_durable,
            disk: Rc::new(RefCell::new(Disk::new(seed ^ 1 << 41, disk_fault))),
            power_cuts: 0,
            cuts_in_flight: 0,
            places: Arc::default(),
            placement: Placement::new(shards, seed),
            fresh: Fresh::default(),
        };
        world.peers.iter_mut().for_each(|peer| peer.client.expects_failures = is_durable);
        world.start(shards);
        world
    }

    /// Bounds that are met in a simulation.
    fn configuration(random: &mut StdRng, is_durable: bool) -> Config {
        let mut config = if is_durable { configuration_on_disk() } else { configuration() };
        let noise = config.channel.namespaces.last().expect("there is one").options.clone();
        config.channel.namespaces.push(crate::config::Namespace { name: "noise".into(), options: noise });
        for namespace in &mut config.channel.namespaces {
            if namespace.options.history_size > 0 && namespace.name != "cache" {
                namespace.options.history_size = random.random_range(12..40);
            }
        }
        config.client.connection_limit = 1000;
        config.client.message_size_limit = 20_000;
        config.client.queue_max_size = random.random_range(3000..30_000);
        // Deadlines that are met in a simulation.
        config.client.ping_interval = Duration::from_secs(random.random_range(3..20));
        config.client.pong_timeout = Duration::from_millis(random.random_range(200..3000));
        config.client.pong_misses = random.random_range(1..=3);
        config.client.stale_close_delay = Duration::from_secs(20);
        config.client.expired_close_delay = Duration::from_millis(random.random_range(0..5000));
        config
    }

    pub(super) fn now(&self) -> Now {
        self.network.borrow().now
    }

    pub(super) fn home_of(&self, channel: &str) -> usize {
        usize::from(self.placement.of(channel))
    }

    // ------------------------------------------------------------ clients

    /// Connects a client, users with a token that subscribes them to some channels.
    pub(super) fn link(&mut self, peer: usize) {
        let shard = self.random.random_range(0..self.nodes.len());
        let format = *FORMATS.choose(&mut self.random).expect("there are some");
        let Some(pipe) = self.connect(shard, format, peer == 0) else { return };
        let now = self.now();
        let user = self.peers[peer].client.user.is_some();
        let expires = user && self.random.random_bool(0.3);
        let expire_at_unix_s = expires.then(|| now.unix_s() + self.random.random_range(20..60));
        let deadlines = Deadlines::new(shard, &self.config.client, expire_at_unix_s, now);
        self.peers[peer].link(pipe, format, deadlines, &mut self.random);
        let client = &mut self.peers[peer].client;
        let command = match client.user.clone() {
            None => client.connect("", &[]),
            Some(user) => {
                let mut channels = vec!["kept:a", "live:b", "cache:a"];
                channels.retain(|_| self.random.random_bool(0.5));
                let mut claims = json!({"sub": user, "channels": channels});
                if self.has_devices {
                    let (device, kind) = devices::device_of(peer);
                    claims["device"] = device.into();
                    claims["device_kind"] = kind.into();
                }
                if let Some(expire_at_unix_s) = expire_at_unix_s {
                    claims["exp"] = expire_at_unix_s.into();
                }
                client.connect(&hs256(SECRET, &claims), &channels)
            }
        };
        self.say(peer, &[command]);
    }

    fn connect(&mut self, shard: usize, format: Format, is_boundless: bool) -> Option<usize> {
        let door = self.nodes[shard].doors[usize::from(!format.is_websocket())];
        self.network.borrow_mut().connect(door, is_boundless)
    }

    /// A stranger connects.
    pub(super) fn intrude(&mut self) {
        let shard = self.random.random_range(0..self.nodes.len());
        let script = super::stranger::script(&mut self.random);
        let door = self.nodes[shard].doors[usize::from(!script.is_http)];
        let Some(pipe) = self.network.borrow_mut().connect(door, false) else { return };
        self.strangers.push(Stranger::new(pipe, shard, script, &mut self.random));
    }

    pub(super) fn say(&mut self, peer: usize, commands: &[serde_json::Value]) {
        self.peers[peer].say(commands, &mut self.random);
        self.peers[peer].send(&mut self.network.borrow_mut());
    }

    /// The client is gone: its socket closed, or its connection broken.
    pub(super) fn unlink(&mut self, peer: usize) {
        let Some(wire) = &self.peers[peer].wire else { return };
        let pipe = wire.pipe;
        match self.random.random_bool(0.7) {
            true => self.network.borrow_mut().abandon(pipe),
            false => self.network.borrow_mut().reset(pipe),
        }
        self.peers[peer].unlink(&mut self.chronicle);
    }

    /// A client reads some of what has come. Returns whether anything had.
    pub(super) fn read(&mut self, peer: usize) -> bool {
        let most = if peer == 0 { usize::MAX } else { self.random.random_range(1..=1500) };
        let network = &mut self.network.borrow_mut();
        let reading = self.peers[peer].read(most, network, &mut self.chronicle);
        check_goodbye(&self.peers[peer].client);
        if reading == Reading::Over {
            let pipe = self.peers[peer].wire.as_ref().expect("it was just read").pipe;
            network.abandon(pipe);
            self.peers[peer].unlink(&mut self.chronicle);
        }
        let sent = self.peers[peer].send(network);
        sent || reading != Reading::Nothing
    }

    // ------------------------------------------------------------ shards

    /// A shard has its turn, unless it sleeps. Returns whether it did something.
    pub(super) fn turn(&mut self, shard: usize) -> bool {
        if let Some(config) = self.reloads[shard].front().cloned()
            && self.order(shard, Order::Reload(config))
        {
            self.reloads[shard].pop_front();
        }
        let now = self.now();
        let node = &mut self.nodes[shard];
        if node.shard.has_ended() {
            return false;
        }
        // Others had their turns since its last one.
        node.is_asleep = node.is_asleep || node.shard.falls_asleep();
        if node.is_asleep {
            if !node.waker.is_sleeping() {
                if self.network.borrow_mut().strikes(Fault::LosesWake) {
                    node.waker.sleeps();
                    return false;
                }
                node.shard.reactor.woken();
            } else if !node.shard.reactor.is_ready() {
                return false;
            }
            node.waker.awake();
            node.is_asleep = false;
        }
        node.shard.reactor.enter().expect("it never fails");
        self.lose_letters(shard);
        let is_busy = self.nodes[shard].shard.tick();
        self.collect(shard);
        self.observe(shard);
        check::check(&self.nodes[shard].shard);
        self.check_sleepers();
        self.check_deadlines(shard, now);
        is_busy
    }

    fn check_deadlines(&mut self, shard: usize, now: Now) {
        let look = self.nodes[shard].looked.look(now);
        let network = &self.network.borrow();
        self.peers.iter_mut().for_each(|peer| peer.check_deadlines(shard, look, network));
        let stale_ms = self.config.client.stale_close_delay.as_millis();
        self.strangers.iter_mut().for_each(|stranger| stranger.check_deadline(shard, look, stale_ms, network));
    }

    /// Who sleeps has nothing to do, or is about to be woken.
    fn check_sleepers(&self) {
        for node in &self.nodes {
            if node.is_asleep && node.waker.is_sleeping() {
                check::check_sleeper(&node.shard);
            }
        }
    }

    fn lose_letters(&mut self, shard: usize) {
        let mut network = self.network.borrow_mut();
        if network.strikes(Fault::DropsLetter) {
            let from = network.random.random_range(0..self.nodes.len());
            let lane = [Lane::Asks, Lane::Deliveries, Lane::Answers][network.random.random_range(0..Lane::COUNT)];
            self.nodes[shard].shard.mailboxes.receive(from as u16, lane);
        }
    }

    fn observe(&mut self, shard: usize) {
        let now = self.now();
        for channel in KEPT {
            if self.home_of(channel) == shard {
                self.nodes[shard].shard.broker.observe(&mut self.chronicle, channel, now);
            }
        }
    }

    /// Gives a shard an order. False when it has too many.
    pub(super) fn order(&mut self, shard: usize, order: Order) -> bool {
        let node = &mut self.nodes[shard];
        let taken = node.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok());
        node.waker.wake();
        taken
    }

    // ------------------------------------------------------------ time

    /// Time passes.
    pub(super) fn wait(&mut self, ms: u64) {
        self.network.borrow_mut().wait(ms);
        let network = &self.network.borrow();
        self.peers.iter_mut().for_each(|peer| peer.waited(ms, network));
        if ms >= 1000 {
            // What is promised for some seconds may be over.
            for peer in &mut self.peers {
                if peer.wire.as_ref().is_some_and(|wire| wire.is_half_closed) {
                    peer.excuse();
                }
            }
        }
    }

    /// Carries everything everywhere until nothing moves, and a little longer: doors that rest open again.
    pub(super) fn settle(&mut self) {
        for _ in 0..3 {
            self.come_to_rest();
            self.wait(100);
        }
        self.come_to_rest();
    }

    fn come_to_rest(&mut self) {
        for peer in &mut self.peers {
            peer.client.is_reading = true;
        }
        for _ in 0..20_000 {
            let mut moves = false;
            for shard in 0..self.nodes.len() {
                moves |= self.turn(shard);
                moves |= !self.nodes[shard].is_asleep && !self.nodes[shard].shard.has_ended();
            }
            for peer in 0..self.peers.len() {
                moves |= self.read(peer);
            }
            for stranger in &mut self.strangers {
                moves |= stranger.settle(&mut self.network.borrow_mut());
            }
            if !moves {
                return;
            }
        }
        panic!("the world never comes to rest");
    }
}
