//! What can happen next.

use std::sync::Arc;

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::Value;
use tokio::sync::oneshot;

use super::Trouble;
use super::configuration::{KEPT, configuration};
use super::durability::Unanswered;
use super::whims::{self, Deed, Message};
use super::world::World;
use crate::broker::order::{Order, Responder, Who};
use crate::config::Config;

/// Most publications that a client reads at once, and one more.
const PAGE_MAX: usize = 8;

impl World {
    /// Something happens.
    pub(super) fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..40 => {
                for _ in 0..3 {
                    self.carry();
                }
            }
            40..75 => {
                let client = self.random.random_range(1..self.clients.len());
                self.act(client);
            }
            75..85 if matches!(self.trouble, Trouble::Inboxes { .. }) => self.publish_in_inbox(),
            75..95 => self.backend(),
            95..97 if self.trouble == Trouble::Reloads => self.reload(),
            95..97 if self.trouble.disk().is_some() => self.kill(),
            95 if self.random.random_bool(0.2) => self.night(),
            96 if self.random.random_bool(0.2) => self.lull(),
            _ => {
                let ms = self.random.random_range(0..5000);
                self.wait(ms);
            }
        }
        self.read(0);
    }

    /// The network moves.
    fn carry(&mut self) {
        let shards = self.brokers.len();
        let (from, to) = (self.random.random_range(0..shards), self.random.random_range(0..shards));
        for _ in 0..self.random.random_range(0..4) {
            self.deliver(from, to);
        }
        let shard = self.random.random_range(0..shards);
        self.write(shard);
        self.after(shard);
        let conns: Vec<u32> = self.links[shard].iter().map(|(conn, _)| conn as u32).collect();
        if let Some(conn) = conns.choose(&mut self.random).copied() {
            self.receive(shard, conn);
            if self.links[shard].contains(conn as usize) {
                self.writable(shard, conn);
            }
        }
        self.flush(shard);
        let client = self.random.random_range(0..self.clients.len());
        self.read(client);
    }

    /// A client does something.
    fn act(&mut self, client: usize) {
        if self.places[client].is_none() {
            return self.link(client);
        }
        if !self.clients[client].is_connected {
            return;
        }
        if matches!(self.trouble, Trouble::Inboxes { .. }) && self.random.random_bool(0.8) {
            return self.act_in_inbox(client);
        }
        match self.random.random_range(0..20) {
            0 if self.trouble == Trouble::Devices && self.random.random_bool(0.7) => self.vanish(client),
            0 => self.drop_link(client),
            1 if self.trouble == Trouble::Devices => self.lay_ghosts(),
            1..4 => self.clients[client].is_reading ^= true,
            4 => self.clients[client].is_reading = true,
            _ => {
                let commands = self.random.random_range(1..=3);
                let Self { clients, fresh, random, .. } = self;
                let command = |_| whims::command(&mut clients[client], fresh, PAGE_MAX, random);
                let commands: Vec<Value> = (0..commands).filter_map(command).collect();
                self.send(client, &commands);
            }
        }
    }

    /// A backend does something.
    fn backend(&mut self) {
        let client = self.random.random_range(1..self.clients.len());
        let channel = whims::channel(&mut self.random);
        let home = self.home_of(channel);
        match whims::deed(&mut self.random) {
            Deed::RemoveHistory => {
                let (answer, answered) = oneshot::channel();
                self.brokers[home].order(Order::HistoryRemove { channel: channel.into(), answer }, self.now);
                self.unanswered.push(Unanswered::Removal { channel: channel.into(), answered });
                self.after(home);
            }
            // A backend waits while the channel's home is congested.
            Deed::Publish if self.brokers[home].is_congested() => {}
            Deed::Publish => {
                let Self { clients, fresh, random, .. } = self;
                let message = Message::of(&clients[client], channel, fresh, random);
                (0..message.times()).for_each(|_| self.publish_by_backend(channel, &message));
            }
            deed => self.about(client, |who, answer| whims::order(deed, channel, who, answer)),
        }
    }

    /// Histories go, something may be published, and they come back.
    fn reload(&mut self) {
        let channel = *KEPT[..3].choose(&mut self.random).expect("there are some");
        let mut forgetful = configuration();
        for namespace in &mut forgetful.channel.namespaces {
            namespace.options.history_size = 0;
        }
        let before = self.publishes();
        self.go_by(forgetful);
        let written_down = self.random.random_range(0..3);
        for _ in 0..written_down {
            let data = self.fresh.data("between", &mut self.random);
            // It has no other place than the ears of those who are there.
            self.chronicle.hear(channel, &data);
            self.publish_by_backend(channel, &Message::plain(data));
        }
        self.go_by(configuration());
        // A shard goes on with clients that waited.
        self.chronicle.let_pass((self.publishes() - before) as usize - written_down);
    }

    fn publishes(&self) -> u64 {
        self.brokers
            .iter()
            .map(|broker| broker.edge.metrics.namespaces.sum(|namespace| namespace.publishes.get()))
            .sum()
    }

    fn go_by(&mut self, config: Config) {
        let config = Arc::new(config);
        for shard in 0..self.brokers.len() {
            self.brokers[shard].order(Order::Reload(config.clone()), self.now);
            self.after(shard);
        }
    }

    /// Gives every shard an order about one client's session.
    fn about(&mut self, client: usize, order: impl Fn(Who, Responder<()>) -> Order) {
        if !self.clients[client].is_connected {
            return;
        }
        if matches!(self.trouble, Trouble::Inboxes { .. }) && self.random.random_bool(0.8) {
            return self.act_in_inbox(client);
        }
        let user = self.clients[client].user.clone().unwrap_or_default();
        let id = self.clients[client].id;
        for shard in 0..self.brokers.len() {
            if self.brokers[shard].is_congested() {
                // The driver takes no orders then.
                continue;
            }
            let who = Who { user: user.clone().into(), client: Some(id) };
            let (answer, mut answered) = oneshot::channel();
            self.brokers[shard].order(order(who, answer), self.now);
            self.after(shard);
            // It goes on in ticks, unless letters wait for room: then the backend gives up.
            while !self.brokers[shard].is_congested() && answered.try_recv().is_err() {
                self.after(shard);
            }
        }
    }

    pub(super) fn publish_by_backend(&mut self, channel: &str, message: &Message) {
        if let Some(number) = message.number {
            self.chronicle.tag(&message.data, number);
        }
        let home = self.home_of(channel);
        let (answer, answered) = oneshot::channel();
        self.brokers[home].order(Order::Publish(message.publish(channel), answer), self.now);
        let (channel, message) = (channel.into(), message.clone());
        self.unanswered.push(Unanswered::Publish { channel, message, answered });
        self.after(home);
    }
}
