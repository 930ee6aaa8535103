//! What can happen next.

use std::sync::Arc;

use rand::Rng;
use serde_json::Value;
use tokio::sync::oneshot;

use super::world::World;
use crate::broker::order::{Errand, Order, Responder, Who};
use crate::broker::sim::configuration::DURABLE;
use crate::broker::sim::whims::{self, Deed, Message};
use crate::config::{Config, Duration, Log};
use crate::model::Position;
use crate::model::refusal::{Error, ErrorKind};

/// Most publications that a client reads at once, and one more.
const PAGE_MAX: usize = 12;

type Answered<T> = oneshot::Receiver<Result<T, Error>>;

/// An order that was given, and is not yet answered.
pub(super) enum Pending {
    Publish { shard: usize, answered: Answered<Position>, channel: String, message: Message },
    Remove { shard: usize, answered: Answered<()>, channel: String },
    Other { shard: usize, answered: Answered<()> },
}

impl Pending {
    fn shard(&self) -> usize {
        match self {
            Self::Publish { shard, .. } | Self::Remove { shard, .. } | Self::Other { shard, .. } => *shard,
        }
    }
}

impl World {
    /// Something happens.
    pub(super) fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..50 => {
                for _ in 0..3 {
                    self.carry();
                }
            }
            50..75 => {
                let peer = self.random.random_range(1..self.peers.len());
                self.act(peer);
            }
            75..88 => self.backend(),
            88 | 89 => self.intrude(),
            93 if self.is_durable && self.random.random_bool(0.7) => self.lose_power_while_writing(),
            93 if self.may_change() && self.random.random_bool(0.3) => self.change(),
            94 if self.is_durable && self.random.random_bool(0.2) => self.disk.borrow_mut().is_full ^= true,
            90 if self.random.random_bool(0.1) => self.night(),
            91 if self.random.random_bool(0.1) => self.lull(),
            // As after a SIGSTOP.
            92 if self.random.random_bool(0.3) => self.wait(12_000),
            _ => {
                let ms = self.random.random_range(0..1000);
                self.wait(ms);
            }
        }
        self.read(0);
    }

    /// The world moves a little.
    fn carry(&mut self) {
        for _ in 0..self.random.random_range(1..4) {
            let shard = self.random.random_range(0..self.nodes.len());
            self.turn(shard);
        }
        let peer = self.random.random_range(0..self.peers.len());
        self.read(peer);
        self.strangers_act();
    }

    fn strangers_act(&mut self) {
        if self.strangers.is_empty() {
            return;
        }
        let at = self.random.random_range(0..self.strangers.len());
        if !self.strangers[at].act(&mut self.network.borrow_mut()) {
            self.strangers.swap_remove(at);
        }
    }

    /// A client does something.
    fn act(&mut self, peer: usize) {
        if self.peers[peer].wire.is_none() {
            return self.link(peer);
        }
        if !self.peers[peer].client.is_connected {
            return;
        }
        match self.random.random_range(0..30) {
            0 if self.has_devices && self.random.random_bool(0.5) => self.vanish(peer),
            0 => self.unlink(peer),
            1 => self.peers[peer].half_close(),
            2..5 => self.peers[peer].client.is_reading ^= true,
            5 => self.peers[peer].client.is_reading = true,
            _ => {
                let commands = self.random.random_range(1..=3);
                let is_done = self.peers[peer].wire.as_ref().is_some_and(|wire| wire.is_half_closed);
                if is_done {
                    return;
                }
                let Self { peers, fresh, random, .. } = self;
                let command = |_| whims::command(&mut peers[peer].client, fresh, PAGE_MAX, random);
                let commands: Vec<Value> = (0..commands).filter_map(command).collect();
                self.say(peer, &commands);
            }
        }
    }

    // ------------------------------------------------------------ the control plane

    /// The power goes, often while something is being written.
    fn lose_power_while_writing(&mut self) {
        for _ in 0..self.random.random_range(0..4) {
            let channel = DURABLE[self.random.random_range(0..DURABLE.len())];
            let data = self.fresh.data("last", &mut self.random);
            self.publish_by_backend(channel, &Message::plain(data));
            self.turn(self.home_of(channel));
        }
        self.lose_power();
    }

    /// Whether the configuration is read again. Where channels are kept on disk it mostly is not, so that what was kept can
    /// be judged.
    fn may_change(&self) -> bool {
        !self.is_durable || self.seed.is_multiple_of(3)
    }

    /// The configuration is read again, with other options of the channels that keep something.
    fn change(&mut self) {
        let mut config = self.config.clone();
        for namespace in &mut config.channel.namespaces {
            let options = &mut namespace.options;
            if options.history_size == 0 || options.log == Log::Disk {
                continue;
            }
            match self.random.random_range(0..8) {
                0 => options.history_size = 0,
                1 => options.history_ttl = Duration::from_secs(0),
                2 => options.history_size = self.random.random_range(3..60),
                3 => {
                    options.force_recovery = false;
                    options.allow_recovery = false;
                }
                4 => options.force_positioning = true,
                5 => options.allow_positioning = false,
                _ => {}
            }
        }
        config.client.ping_interval = Duration::from_secs(self.random.random_range(0..3) * 10);
        config.client.queue_max_size = self.random.random_range(3000..30_000);
        self.reload(config);
    }

    /// Every shard gets another configuration, each in its own time: some may have the next one before others have this.
    pub(super) fn reload(&mut self, config: Config) {
        self.chronicle.has_changed = true;
        self.peers.iter_mut().for_each(|peer| peer.client.sees_changes());
        let config = Arc::new(config);
        self.reloads.iter_mut().for_each(|waiting| waiting.push_back(config.clone()));
    }

    // ------------------------------------------------------------ backends

    /// A backend does something.
    fn backend(&mut self) {
        let peer = self.random.random_range(1..self.peers.len());
        let channel = whims::channel(&mut self.random);
        match whims::deed(&mut self.random) {
            Deed::RemoveHistory => {
                let (answer, answered) = oneshot::channel();
                let shard = self.home_of(channel);
                if self.order(shard, Order::HistoryRemove { channel: channel.into(), answer }) {
                    self.pending.push(Pending::Remove { shard, answered, channel: channel.into() });
                }
            }
            Deed::Publish => {
                let Self { peers, fresh, random, .. } = self;
                let message = Message::of(&peers[peer].client, channel, fresh, random);
                for _ in 0..message.times() {
                    self.publish_by_backend(channel, &message);
                }
            }
            deed => self.about(peer, |who, answer| whims::order(deed, channel, who, answer)),
        }
    }

    /// Gives every shard an order about one client's session.
    fn about(&mut self, peer: usize, order: impl Fn(Who, Responder<()>) -> Order) {
        let client = &self.peers[peer].client;
        if !client.is_connected {
            return;
        }
        let (user, id) = (client.user.clone().unwrap_or_default(), client.id);
        for shard in 0..self.nodes.len() {
            let who = Who { user: user.clone().into(), client: Some(id) };
            let (answer, answered) = oneshot::channel();
            if self.order(shard, order(who, answer)) {
                self.pending.push(Pending::Other { shard, answered });
            }
        }
    }

    /// Returns whether the order was given.
    pub(super) fn publish_by_backend(&mut self, channel: &str, message: &Message) -> bool {
        if let Some(number) = message.number {
            self.chronicle.tag(&message.data, number);
        }
        let shard = self.home_of(channel);
        let (answer, answered) = oneshot::channel();
        let is_given = self.order(shard, Order::Publish(message.publish(channel), answer));
        if is_given {
            let channel = channel.into();
            self.pending.push(Pending::Publish { shard, answered, channel, message: message.clone() });
        }
        is_given
    }

    /// Takes the answers that a shard has given.
    pub(super) fn collect(&mut self, shard: usize) {
        let (mine, others) = std::mem::take(&mut self.pending).into_iter().partition(|order| order.shard() == shard);
        self.pending = others;
        for mut order in Vec::from_iter::<Vec<Pending>>(mine) {
            if !self.is_answered(&mut order) {
                self.pending.push(order);
            }
        }
        for errand in self.nodes[shard].errands.try_iter() {
            assert!(matches!(errand, Errand::Ended { .. }), "nobody else asks anything: {errand:?}");
        }
    }

    fn is_answered(&mut self, order: &mut Pending) -> bool {
        match order {
            Pending::Publish { answered, channel, message, .. } => {
                let Ok(answer) = answered.try_recv() else { return false };
                let position = match answer {
                    Ok(position) => position,
                    Err(error) => {
                        let may_fail = self.is_durable && DURABLE.contains(&channel.as_str());
                        assert!(may_fail && error.kind == ErrorKind::Internal, "{channel}: {error:?}");
                        return true;
                    }
                };
                if let Some(client) = message.exclude {
                    self.chronicle.exclude(channel, position.offset, &message.data, client);
                }
                self.chronicle.acknowledge(channel, &message.data);
            }
            Pending::Remove { shard, answered, channel } => {
                let Ok(answer) = answered.try_recv() else { return false };
                match answer {
                    Ok(()) => self.nodes[*shard].shard.broker.observe_removal(&mut self.chronicle, channel),
                    // A write that failed may be there.
                    Err(error) if self.is_durable && error.kind == ErrorKind::Internal => {
                        self.chronicle.may_be_removed(channel);
                    }
                    Err(error) => assert_eq!(error, ErrorKind::NotAvailable.into(), "{channel} is a known channel"),
                }
            }
            Pending::Other { answered, .. } => return answered.try_recv().is_ok(),
        }
        true
    }
}
