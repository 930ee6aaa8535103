//! What can happen next.

use std::sync::Arc;

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::Value;
use tokio::sync::oneshot;

use super::Trouble;
use super::configuration::{FLEETING, KEPT, configuration};
use super::world::World;
use crate::auth::grant::Grant;
use crate::broker::order::{Order, Publish, Subscribe, Who};
use crate::config::Config;
use crate::model::refusal::{DisconnectKind, ErrorKind, Unsubscribe};
use crate::model::{ClientId, Payload};

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
            75..95 => self.backend(),
            95..97 if self.trouble == Trouble::Reloads => self.reload(),
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
        match self.random.random_range(0..20) {
            0 => self.drop_link(client),
            1..4 => self.clients[client].is_reading ^= true,
            4 => self.clients[client].is_reading = true,
            _ => {
                let commands = self.random.random_range(1..=3);
                let commands: Vec<Value> = (0..commands).filter_map(|_| self.command(client)).collect();
                self.send(client, &commands);
            }
        }
    }

    fn any_channel(&mut self) -> &'static str {
        let at = self.random.random_range(0..KEPT.len() + FLEETING.len());
        KEPT.into_iter().chain(FLEETING).nth(at).expect("below their number")
    }

    fn command(&mut self, client: usize) -> Option<Value> {
        let channel = self.any_channel();
        if self.random.random_bool(0.2) {
            return Some(self.question(client, channel));
        }
        if self.random.random_bool(0.5) {
            if FLEETING.contains(&channel) && self.clients[client].is_idle_in(channel) {
                return None;
            }
            let data = self.fresh_data("client");
            return Some(self.clients[client].publish(channel, &data));
        }
        if self.clients[client].is_idle_in(channel) {
            let flags = (self.random.random_bool(0.5), self.random.random_bool(0.5));
            let recover = self.random.random_bool(0.8);
            return Some(self.clients[client].subscribe(channel, flags, recover));
        }
        let leaves = self.clients[client].may_leave(channel) && self.random.random_bool(0.3);
        leaves.then(|| self.clients[client].unsubscribe(channel))
    }

    fn question(&mut self, client: usize, channel: &str) -> Value {
        if FLEETING.contains(&channel) || self.random.random_bool(0.3) {
            return self.clients[client].presence(channel);
        }
        let limit = self.random.random_range(0..8);
        let (resumes, reverse) = (self.random.random_bool(0.5), self.random.random_bool(0.3));
        self.clients[client].history(channel, limit, resumes, reverse)
    }

    /// A backend does something.
    fn backend(&mut self) {
        let client = self.random.random_range(1..self.clients.len());
        let channel = self.any_channel();
        match self.random.random_range(0..12) {
            0 => self.about(client, |who, answer| {
                let (channel, reason) = (channel.into(), Unsubscribe::Server);
                Order::Unsubscribe { who: who.into(), channel, reason, answer }
            }),
            1 => self.about(client, |who, answer| {
                let (whitelist, reason) = (Arc::default(), DisconnectKind::ForceReconnect.into());
                Order::Disconnect { who: who.into(), whitelist, reason, answer }
            }),
            2 => {
                let home = self.home_of(channel);
                let (answer, mut answered) = oneshot::channel();
                self.brokers[home].order(Order::HistoryRemove { channel: channel.into(), answer }, self.now);
                match answered.try_recv().expect("answered at once") {
                    Ok(()) => self.brokers[home].observe_removal(&mut self.chronicle, channel),
                    Err(error) => assert_eq!(error, ErrorKind::NotAvailable.into(), "{channel} is a known channel"),
                }
                self.after(home);
            }
            3 => self.about(client, |who, answer| {
                let subscribe = Subscribe { who, channel: channel.into(), grant: Grant::default(), recover: None };
                Order::Subscribe(subscribe.into(), answer)
            }),
            // A backend waits while the channel's home is congested.
            _ if self.brokers[self.home_of(channel)].is_congested() => {}
            _ => {
                let data = self.fresh_data("backend");
                let exclude = self.clients[client].is_connected.then_some(self.clients[client].id);
                let exclude = exclude.filter(|_| KEPT.contains(&channel) && self.random.random_bool(0.3));
                let key = self.random.random_bool(0.2).then(|| data.clone());
                for _ in 0..if key.is_some() { 2 } else { 1 } {
                    self.publish_by_backend(channel, data.clone(), key.as_deref(), exclude);
                }
            }
        }
    }

    /// Histories go, something may be published, and they come back.
    fn reload(&mut self) {
        let channel = *KEPT[..3].choose(&mut self.random).expect("there are some");
        let mut forgetful = configuration();
        for namespace in &mut forgetful.channel.namespaces {
            namespace.options.history_size = 0;
        }
        self.go_by(forgetful);
        for _ in 0..self.random.random_range(0..3) {
            let data = self.fresh_data("between");
            // It has no other place than the ears of those who are there.
            self.chronicle.hear(channel, &data);
            self.publish_by_backend(channel, data, None, None);
        }
        self.go_by(configuration());
    }

    fn go_by(&mut self, config: Config) {
        let config = Arc::new(config);
        for shard in 0..self.brokers.len() {
            self.brokers[shard].order(Order::Reload(config.clone()), self.now);
            self.after(shard);
        }
    }

    /// Gives every shard an order about one client's session.
    fn about<T>(&mut self, client: usize, order: impl Fn(Who, oneshot::Sender<T>) -> Order) {
        if !self.clients[client].is_connected {
            return;
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

    pub(super) fn publish_by_backend(
        &mut self,
        channel: &str,
        data: String,
        idempotency_key: Option<&str>,
        exclude_client: Option<ClientId>,
    ) {
        let home = self.home_of(channel);
        let publish = Publish {
            channel: channel.into(),
            data: Payload::json(data.clone()),
            tags: None,
            skip_history: false,
            idempotency_key: idempotency_key.map(Box::from),
            exclude_client,
        };
        let (answer, mut answered) = oneshot::channel();
        self.brokers[home].order(Order::Publish(publish.into(), answer), self.now);
        let position = answered.try_recv().expect("answered at once").expect("a known channel");
        if let Some(client) = exclude_client {
            self.chronicle.exclude(channel, position.offset, &data, client);
        }
        self.chronicle.acknowledge(channel, &data);
        self.after(home);
    }
}
