//! Brokers that talk to each other and to peers in bytes, step by step. What no step-by-step test thinks of is
//! looked for by `super::sim`.

mod allowances;
mod attending;
mod budgets;
mod connecting;
mod counting;
mod credit;
mod devices;
mod durable;
mod inboxes;
mod inboxes_behind;
mod inboxes_filtered;
mod inboxes_on_disk;
mod inboxes_requeued;
mod inboxes_seeded;
mod inboxes_shared;
mod inboxes_shared_lost;
mod keeping;
mod mirrored;
mod mirrored_ends;
mod mirrored_later;
mod mirrored_reading;
mod mirrors_seeded;
mod mirrors_unreachable;
mod orders;
mod presence;
mod presences_shared;
mod publishing;
mod relayed;
mod reloading;
mod revoking;
mod scheduling;
mod scheduling_on_disk;
mod strangers;
mod subscribing;
mod tags;
mod walking;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Broker, BrokerSetup, Closing, Input};
use crate::auth::Verifier;
use crate::auth::mint::hs256;
use crate::broker::bridge::{self, Attendance};
use crate::broker::ending::Ending;
use crate::broker::lane::Lane;
use crate::broker::letter::Letter;
use crate::broker::order::{Order, Publish};
use crate::config::{ChannelOptions, Config, Duration, Namespace};
use crate::hub::Placement;
use crate::model::{ClientId, Payload, Position};
use crate::protocol::Format;
use crate::protocol::centrifuge::codes;
use crate::store::sim::disk::Disk;
use crate::time::Now;

const SECRET: &str = "a secret that the tests of the broker share";

/// A connection that reads everything at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Peer {
    shard: usize,
    conn: u32,
    session: u32,
}

/// Two shards or more. Letters wait until they are carried.
struct Node {
    brokers: Vec<Broker>,
    now: Now,
    placement: Placement,
    mail: VecDeque<(usize, usize, Letter)>,
    /// From which shard to which there is no room for deliveries.
    full: Option<(usize, usize)>,
    heard: BTreeMap<(usize, u32), Vec<u8>>,
    goodbyes: Vec<(usize, u32, u16)>,
    conns: u32,
    disk: Disk,
    /// Whether other nodes, where there are some, have nothing against any session.
    agrees: bool,
    /// What other nodes were told, by shard.
    attendance: Vec<(usize, Attendance)>,
}

/// `open:` keeps nothing and allows all, `kept:` keeps and recovers, `wish:` keeps and recovers who asks, `mute:` is as `kept:`
/// without echo, `tags:` is as `kept:` with filters.
fn config() -> Config {
    let open = ChannelOptions {
        presence: true,
        join_leave: true,
        allow_subscribe_for_client: true,
        allow_publish_for_subscriber: true,
        allow_history_for_client: true,
        allow_presence_for_client: true,
        ..ChannelOptions::default()
    };
    let kept = ChannelOptions { history_size: 10, history_ttl: Duration::from_secs(60), ..open.clone() };
    let namespace = |name: &str, options| Namespace { name: name.into(), options };
    let mut config = Config { name: "node".into(), ..Config::default() };
    config.client.token.hmac_secret_key = SECRET.into();
    config.channel.namespaces = vec![
        namespace("open", ChannelOptions { force_push_join_leave: true, ..open }),
        namespace("kept", ChannelOptions { force_recovery: true, ..kept.clone() }),
        namespace("wish", kept.clone()),
        namespace("mute", ChannelOptions { force_recovery: true, echo: false, ..kept.clone() }),
        namespace("tags", ChannelOptions { force_recovery: true, allow_tags_filter: true, join_leave: false, ..kept }),
    ];
    config
}

impl Node {
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: Config) -> Self {
        Self::of(2, config)
    }

    fn of(shards: u16, config: Config) -> Self {
        Self::seeded(1, shards, config)
    }

    fn seeded(secret: u64, shards: u16, config: Config) -> Self {
        let placement = Placement::new(shards, 1);
        let verifier = Arc::new(Verifier::new(&config.client.tokens(), None).expect("the key is a key"));
        let config = Arc::new(config);
        let broker = |me: u16| {
            let (placement, config, verifier) = (placement.clone(), config.clone(), verifier.clone());
            // No two nodes have clients of one name.
            let random = StdRng::seed_from_u64(secret.rotate_left(8) ^ u64::from(me));
            let setup = BrokerSetup { me, placement, config, verifier, metrics: Arc::default(), secret, random };
            Broker::new(setup).expect("no expressions, no error")
        };
        Self {
            brokers: (0..shards).map(broker).collect(),
            now: Now { mono_ms: 1_000_000, unix_ms: 1_700_000_000_000 },
            placement,
            mail: VecDeque::new(),
            full: None,
            heard: BTreeMap::new(),
            goodbyes: Vec::new(),
            conns: 0,
            disk: Disk::default(),
            agrees: true,
            attendance: Vec::new(),
        }
    }

    /// A name that is at home on this shard.
    fn at(&self, shard: usize, namespace: &str) -> String {
        let names = (0..).map(|number| format!("{namespace}:{number}"));
        names.into_iter().find(|name| usize::from(self.placement.of(name)) == shard).expect("every shard has some")
    }

    fn open(&mut self, shard: usize) -> Peer {
        self.conns += 1;
        let conn = self.conns;
        self.brokers[shard].edge.outbox.open(conn);
        let session = self.brokers[shard].open(conn, Format::TcpJson, core::net::Ipv4Addr::LOCALHOST.into(), self.now);
        Peer { shard, conn, session }
    }

    /// A peer that is connected with these claims, and has read the reply.
    fn connect(&mut self, shard: usize, claims: Value) -> Peer {
        let peer = self.open(shard);
        let words = self.say(peer, &connect(&claims));
        assert!(words[0].get("connect").is_some(), "{words:?}");
        peer
    }

    /// Sends a frame; nothing else moves.
    fn tell(&mut self, peer: Peer, frame: &str) -> Input {
        self.brokers[peer.shard].begin_tick(self.now);
        let input = self.brokers[peer.shard].input(peer.session, frame.as_bytes(), self.now);
        self.after(peer.shard);
        input
    }

    /// Sends a frame, carries everything, and reads what there is to read.
    fn say(&mut self, peer: Peer, frame: &str) -> Vec<Value> {
        self.tell(peer, frame);
        self.carry();
        self.hear(peer)
    }

    fn after(&mut self, shard: usize) {
        loop {
            let broker = &mut self.brokers[shard];
            for attendance in broker.take_attendance() {
                if let (true, Attendance::Comes(entrance)) = (self.agrees, &attendance) {
                    broker.bridge_answered(bridge::Answer::Enrolled(entrance.ticket, Ok(())), self.now);
                }
                self.attendance.push((shard, attendance));
            }
            broker.post(self.now, |to, lane, _, letter| {
                let to = usize::from(to);
                if lane == Lane::Deliveries && self.full == Some((shard, to)) {
                    return Err(letter);
                }
                self.mail.push_back((shard, to, letter));
                Ok(())
            });
            self.goodbyes.extend(broker.edge.closings.drain(..).map(|Closing { conn, disconnect }| {
                broker.edge.outbox.close(conn);
                (shard, conn, codes::of_disconnect(disconnect.kind).0)
            }));
            let Some(session) = broker.next_resumed() else { break };
            broker.resume(session, self.now);
        }
    }

    /// Delivers the oldest letter that is taken now.
    fn carry_one(&mut self) -> bool {
        let is_taken = |(from, to, letter): &(usize, usize, Letter)| {
            letter.lane() != Lane::Asks || self.brokers[*to].takes_asks(*from as u16)
        };
        let Some(at) = self.mail.iter().position(is_taken) else { return false };
        let (from, to, letter) = self.mail.remove(at).expect("it is there");
        self.brokers[to].letter_arrived(from as u16, letter, self.now);
        self.after(to);
        true
    }

    fn carry(&mut self) {
        while self.carry_one() {}
    }

    /// What a peer has been sent since it last listened.
    fn hear(&mut self, peer: Peer) -> Vec<Value> {
        for (shard, broker) in self.brokers.iter_mut().enumerate() {
            let heard = &mut self.heard;
            while broker.edge.outbox.is_dirty() {
                broker.edge.outbox.flush(
                    |conn, bytes| {
                        heard.entry((shard, conn)).or_default().extend_from_slice(bytes);
                        Ok(bytes.len())
                    },
                    |_, flushed| panic!("{flushed:?}"),
                );
            }
        }
        let bytes = self.heard.remove(&(peer.shard, peer.conn)).unwrap_or_default();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("the node speaks JSON")).collect()
    }

    /// With which code the node has ended a peer's session, if it has.
    fn goodbye(&self, peer: Peer) -> Option<u16> {
        let mut all = self.goodbyes.iter();
        all.find(|(shard, conn, _)| (*shard, *conn) == (peer.shard, peer.conn)).map(|(_, _, code)| *code)
    }

    /// Whether the peer's session would hold back what it is told.
    fn is_busy(&self, peer: Peer) -> bool {
        let session = &self.brokers[peer.shard].edge.sessions[peer.session as usize];
        session.is_paused() || session.deferred.is_some()
    }

    /// The peer has gone without a word.
    fn drop(&mut self, peer: Peer) {
        self.brokers[peer.shard].end(peer.session, Ending::PeerEnded, self.now);
        self.brokers[peer.shard].edge.outbox.close(peer.conn);
        self.after(peer.shard);
    }

    fn wait(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.unix_ms += ms as i64;
    }

    /// What is due for a peer's session is done; when it next wants to be looked at.
    fn timer(&mut self, peer: Peer) -> Option<u64> {
        let next_ms = self.brokers[peer.shard].timer(peer.session, self.now);
        self.after(peer.shard);
        next_ms
    }

    fn order<T>(&mut self, shard: usize, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> T {
        let (answer, mut answered) = oneshot::channel();
        self.brokers[shard].begin_tick(self.now);
        self.brokers[shard].order(order(answer), self.now);
        self.after(shard);
        answered.try_recv().expect("orders are answered at once")
    }

    fn publish(&mut self, channel: &str, data: &str, exclude_client: Option<ClientId>) -> Position {
        self.order_publish(Publish { exclude_client, ..message(channel, data) })
    }

    fn order_publish(&mut self, publish: Publish) -> Position {
        let home = usize::from(self.placement.of(&publish.channel));
        self.order(home, |answer| Order::Publish(Box::new(publish), answer)).expect("a known channel")
    }

    fn client(&self, peer: Peer) -> ClientId {
        self.brokers[peer.shard].edge.sessions[peer.session as usize].info.client
    }
}

/// What a backend publishes, without more.
fn message(channel: &str, data: &str) -> Publish {
    Publish {
        channel: channel.into(),
        data: Payload::json(data.to_string()),
        tags: None,
        skip_history: false,
        idempotency_key: None,
        version: None,
        ttl_ms: None,
        exclude_client: None,
    }
}

fn connect(claims: &Value) -> String {
    json!({"id": 1, "connect": {"token": hs256(SECRET, claims)}}).to_string()
}

fn subscribe(id: u32, channel: &str) -> String {
    json!({"id": id, "subscribe": {"channel": channel}}).to_string()
}

fn unsubscribe(id: u32, channel: &str) -> String {
    json!({"id": id, "unsubscribe": {"channel": channel}}).to_string()
}

fn publication(id: u32, channel: &str, data: u32) -> String {
    json!({"id": id, "publish": {"channel": channel, "data": data}}).to_string()
}

/// What kind of words these are, in order: `1:connect`, `2:error 103`, `join`, `pub 7`, `unsubscribe 2500`.
fn kinds(words: &[Value]) -> Vec<String> {
    words.iter().map(kind).collect()
}

fn kind(word: &Value) -> String {
    if let Some(code) = word["error"]["code"].as_u64() {
        return format!("{}:error {code}", word["id"]);
    }
    if word.get("id").is_some() {
        let (name, _) = word.as_object().and_then(|word| word.iter().find(|(key, _)| *key != "id")).expect("a reply");
        return format!("{}:{name}", word["id"]);
    }
    let Some(push) = word["push"].as_object() else { return "ping".into() };
    let (name, body) = push.iter().find(|(key, _)| *key != "channel").expect("a push");
    match name.as_str() {
        "pub" => format!("pub {}", body["data"]),
        "unsubscribe" => format!("unsubscribe {}", body["code"]),
        _ => name.clone(),
    }
}

#[test]
fn a_letter_is_small() {
    let bytes = std::mem::size_of::<Letter>();
    assert!(bytes <= 64, "{bytes} bytes, and thousands of places in every mailbox");
}
