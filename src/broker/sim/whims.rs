//! What clients and backends take it into their heads to do, drawn from the seed: the same in both simulations.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::Value;

use super::client::Client;
use super::configuration::{FILTERED, FLEETING, KEPT};
use crate::auth::grant::Grant;
use crate::broker::order::{Order, Publish, Responder, Subscribe, Who};
use crate::model::refusal::{DisconnectKind, Unsubscribe};
use crate::model::{ClientId, Payload};

/// How long data is at the most, bytes.
pub(crate) const DATA_BYTES_MAX: usize = 192;

/// Data that was never published before.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    published: u64,
}

impl Fresh {
    pub(crate) fn data(&mut self, by: &str, random: &mut StdRng) -> String {
        self.published += 1;
        let padding = "x".repeat(random.random_range(0..150));
        let data = format!("\"{by}-{}-{padding}\"", self.published);
        assert!(data.len() <= DATA_BYTES_MAX, "{data}");
        data
    }
}

/// A channel of those that every client knows.
pub(crate) fn channel(random: &mut StdRng) -> &'static str {
    let at = random.random_range(0..KEPT.len() + FLEETING.len());
    KEPT.into_iter().chain(FLEETING).nth(at).expect("below their number")
}

/// A command that a client may give now. It reads pages of less than `page_max` publications.
pub(crate) fn command(client: &mut Client, fresh: &mut Fresh, page_max: usize, random: &mut StdRng) -> Option<Value> {
    let channel = channel(random);
    if random.random_bool(0.2) {
        return Some(question(client, channel, page_max, random));
    }
    if random.random_bool(0.5) {
        if FLEETING.contains(&channel) && client.is_idle_in(channel) {
            return None;
        }
        let data = fresh.data("client", random);
        return Some(client.publish(channel, &data));
    }
    if client.is_idle_in(channel) {
        let flags = (random.random_bool(0.5), random.random_bool(0.5));
        let recover = random.random_bool(0.8);
        if channel == FILTERED && random.random_bool(0.7) {
            return Some(client.subscribe_from(random.random_range(1..NUMBERS), flags, recover));
        }
        return Some(client.subscribe(channel, flags, recover));
    }
    let leaves = client.may_leave(channel) && random.random_bool(0.3);
    leaves.then(|| client.unsubscribe(channel))
}

fn question(client: &mut Client, channel: &str, page_max: usize, random: &mut StdRng) -> Value {
    if FLEETING.contains(&channel) || random.random_bool(0.3) {
        return client.presence(channel);
    }
    let limit = random.random_range(0..page_max);
    let (resumes, reverse) = (random.random_bool(0.5), random.random_bool(0.3));
    client.history(channel, limit, resumes, reverse)
}

/// Tags of publications are below this.
const NUMBERS: u32 = 8;

/// What a backend does next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Unsubscribe,
    Disconnect,
    RemoveHistory,
    Subscribe,
    Publish,
}

/// A deed of a backend; most are publishes.
pub(crate) fn deed(random: &mut StdRng) -> Deed {
    match random.random_range(0..12) {
        0 => Deed::Unsubscribe,
        1 => Deed::Disconnect,
        2 => Deed::RemoveHistory,
        3 => Deed::Subscribe,
        _ => Deed::Publish,
    }
}

/// The order of a deed that is about somebody's sessions.
pub(crate) fn order(deed: Deed, channel: &str, who: Who, answer: Responder<()>) -> Order {
    let channel = channel.into();
    match deed {
        Deed::Unsubscribe => Order::Unsubscribe { who: who.into(), channel, reason: Unsubscribe::Server, answer },
        Deed::Disconnect => {
            let (whitelist, reason) = (Arc::default(), DisconnectKind::ForceReconnect.into());
            Order::Disconnect { who: who.into(), whitelist, reason, answer }
        }
        Deed::Subscribe => {
            let subscribe = Subscribe { who, channel, grant: Grant::default(), recover: None };
            Order::Subscribe(subscribe.into(), answer)
        }
        Deed::RemoveHistory | Deed::Publish => unreachable!("{deed:?} is about a channel"),
    }
}

/// A message of a backend.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) data: String,
    /// It is published twice, and taken once.
    pub(crate) idempotency_key: Option<String>,
    /// A client that does not get it.
    pub(crate) exclude: Option<ClientId>,
    /// Its tag, where filters ask for one.
    pub(crate) number: Option<u32>,
}

impl Message {
    /// One that nobody has seen, and perhaps not for `client`.
    pub(crate) fn of(client: &Client, channel: &str, fresh: &mut Fresh, random: &mut StdRng) -> Self {
        let data = fresh.data("backend", random);
        let exclude = client.is_connected.then_some(client.id);
        let exclude = exclude.filter(|_| KEPT.contains(&channel) && random.random_bool(0.3));
        let idempotency_key = random.random_bool(0.2).then(|| data.clone());
        let number = (channel == FILTERED).then(|| random.random_range(0..NUMBERS));
        Self { data, idempotency_key, exclude, number }
    }

    /// One for everybody.
    pub(crate) fn plain(data: String) -> Self {
        Self { data, idempotency_key: None, exclude: None, number: None }
    }

    /// How often it is published.
    pub(crate) fn times(&self) -> u32 {
        if self.idempotency_key.is_some() { 2 } else { 1 }
    }

    pub(crate) fn publish(&self, channel: &str) -> Box<Publish> {
        Box::new(Publish {
            channel: channel.into(),
            data: Payload::json(self.data.clone()),
            tags: self.number.map(|number| [("n".into(), number.to_string().into())].into()),
            skip_history: false,
            idempotency_key: self.idempotency_key.as_deref().map(Box::from),
            version: None,
            ttl_ms: None,
            exclude_client: self.exclude,
        })
    }
}
