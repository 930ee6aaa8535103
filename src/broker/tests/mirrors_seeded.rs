//! Seeded: two nodes over the model of their buckets, with clients that go from one to the other, while all that is on its way
//! comes in any order that is allowed, is lost, or is told late; buckets lose writes and are away, and nodes die, or are taken for
//! dead. Some channels go by way of Kafka, whose partitions go from node to node.
//!
//! Whatever anybody is told of a place in a channel must agree: there is one order, and no offset has two publications within an
//! epoch. A client that counts on seeing all is told of each that follows, or that it has missed something. Nobody is listed whose
//! node has died; who listens without a loss is told of nobody twice that it came, or that it left. What Kafka has acknowledged is in
//! its channel in the end, once, whatever the buckets have lost.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngCore as _};

use super::mirrored::{ALL, Cluster};
use super::*;
use crate::broker::sim::buckets::Fault;
use crate::broker::sim::each_seed;
use crate::limits::{MIRROR_LINGER_MS, MIRROR_RETRY_MS_MAX};
use crate::model::refusal::Error;
use crate::model::{ClientInfo, HistoryPage};

const STEPS: usize = 500;

const CHANNELS: [&str; 8] = ["room:1", "room:2", "room:3", "loose:1", "talk:1", "sent:1", "sent:2", HALL];

/// It lists who is there.
const HALL: &str = "hall:1";

type Answered<T> = oneshot::Receiver<Result<T, Error>>;

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Away,
    Idle,
    Asked,
    Subscribed,
}

/// A client of one channel.
struct Client {
    channel: &'static str,
    node: usize,
    peer: Option<Peer>,
    stage: Stage,
    /// The last that it has seen.
    at: Option<Position>,
    /// Whether it is kept, and what it is.
    heard: BTreeSet<(bool, u64)>,
    /// Of whom it was told last that they came, or left, unless something of that may be lost.
    comings: Option<BTreeMap<ClientId, bool>>,
}

impl Client {
    fn counts(&self) -> bool {
        self.channel.starts_with("room") || self.is_relayed()
    }

    /// Whether what is published there goes by way of Kafka: after a loss it comes again, in another epoch.
    fn is_relayed(&self) -> bool {
        self.channel.starts_with("sent")
    }
}

/// The node that was asked who is in the hall, who had gone with a node by then, and where the answer comes.
type Listing = (usize, BTreeSet<ClientId>, Answered<Arc<[Arc<ClientInfo>]>>);

struct World {
    cluster: Cluster,
    random: StdRng,
    clients: Vec<Client>,
    /// What lies where, as far as anybody was told.
    places: BTreeMap<(&'static str, String, u64), u64>,
    published: u64,
    publishes: Vec<(&'static str, u64, usize, Answered<Position>)>,
    pages: Vec<(&'static str, usize, Answered<HistoryPage>)>,
    lists: Vec<Listing>,
    /// Who was in the hall on a node that died.
    gone: BTreeSet<ClientId>,
    ids: u32,
}

impl World {
    fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut cluster = Cluster::new();
        cluster.buckets.fault = fault;
        let client = |at: usize| Client {
            channel: CHANNELS[at % CHANNELS.len()],
            node: 0,
            peer: None,
            stage: Stage::Away,
            at: None,
            heard: BTreeSet::new(),
            comings: None,
        };
        Self {
            cluster,
            random: StdRng::seed_from_u64(seed),
            clients: (0..16).map(client).collect(),
            places: BTreeMap::new(),
            published: 0,
            publishes: Vec::new(),
            pages: Vec::new(),
            lists: Vec::new(),
            gone: BTreeSet::new(),
            ids: 10,
        }
    }

    fn channel(&mut self) -> &'static str {
        CHANNELS.choose(&mut self.random).expect("there are some")
    }

    /// Somebody was told that this lies there.
    fn note(&mut self, channel: &'static str, epoch: &str, offset: u64, data: u64) {
        let known = *self.places.entry((channel, epoch.into(), offset)).or_insert(data);
        assert_eq!(known, data, "{channel} has two publications at {offset} of {epoch}");
    }

    fn step(&mut self) {
        let (node, shard) = (self.random.random_range(0..2), self.random.random_range(0..2));
        self.relay();
        match self.random.random_range(0..100) {
            0..25 => self.give(node, shard, false),
            25..50 => self.give(node, shard, true),
            50..66 => self.publish(node),
            66..82 => self.act(node),
            82..85 => self.read(node),
            85 => self.ask_who(node),
            86..91 => self.pass(node),
            91..94 => {
                let bucket = self.random.random_range(0..4);
                let is_told = self.random.random();
                self.cluster.buckets.drop_deliveries(node, bucket, is_told);
                self.may_miss(bucket, |of| of == node);
            }
            94 => self.cluster.buckets.reap(),
            95 if self.random.random() => self.take_for_dead(node),
            95 => {
                let bucket = self.random.random_range(0..4);
                self.cluster.buckets.lose_writes(bucket);
                self.may_miss(bucket, |_| true);
            }
            96 => self.cluster.buckets.is_away ^= true,
            97 => {
                let channel = self.channel();
                match self.random.random_range(0..3) {
                    0 => self.cluster.buckets.trim(channel, 2),
                    1 => self.cluster.buckets.forget(channel),
                    _ => self.cluster.buckets.page = self.random.random_range(1..6),
                }
            }
            98 => {
                let channel = ["room:1", "room:2", "loose:1"].choose(&mut self.random).expect("there are some");
                let named = Arc::from(*channel);
                self.cluster.order(node, channel, |answer| Order::HistoryRemove { channel: named, answer });
            }
            _ => self.kill(node),
        }
        self.hear();
    }

    /// What lies in Kafka goes on, or does not.
    fn relay(&mut self) {
        let (node, partition) = (self.random.random_range(0..2), self.random.random_range(0..2));
        let buckets = &mut self.cluster.buckets;
        match self.random.random_range(0..40) {
            0..12 => _ = buckets.move_next(node, partition),
            12..23 => _ = buckets.tell_next(node, true),
            23 => _ = buckets.tell_next(node, false),
            24 => buckets.rebalance(partition, node),
            25 => buckets.kill_mover(node),
            26 => buckets.look_at_generations(node),
            27 => buckets.tell_holes(),
            _ => {}
        }
    }

    /// A shard is given the next answer, or the next that it is told.
    fn give(&mut self, node: usize, shard: u16, is_told: bool) {
        self.cluster.ask();
        for _ in 0..self.random.random_range(1..4) {
            if !self.cluster.give(node, shard, is_told) {
                return;
            }
        }
    }

    fn publish(&mut self, node: usize) {
        self.published += 1;
        let (channel, data) = (self.channel(), self.published);
        let skip_history = self.random.random_ratio(1, 8);
        let publish = Box::new(Publish { skip_history, ..message(channel, &data.to_string()) });
        let answered = self.cluster.order(node, channel, |answer| Order::Publish(publish, answer));
        self.publishes.push((channel, data, node, answered));
    }

    fn read(&mut self, node: usize) {
        let channel = ["room:1", "room:2", "loose:1"].choose(&mut self.random).expect("there are some");
        let filter = crate::model::HistoryFilter { reverse: self.random.random(), limit: 3, ..ALL };
        let named = Arc::from(*channel);
        let answered = self.cluster.order(node, channel, |answer| Order::History { channel: named, filter, answer });
        self.pages.push((channel, node, answered));
    }

    fn ask_who(&mut self, node: usize) {
        let channel = HALL.into();
        let answered = self.cluster.order(node, HALL, |answer| Order::Presence { channel, answer });
        self.lists.push((node, self.gone.clone(), answered));
    }

    /// What is told of who is in the hall may be lost on these nodes.
    fn may_miss(&mut self, bucket: u16, node: impl Fn(usize) -> bool) {
        if self.cluster.buckets.bucket_of(HALL) == bucket {
            let clients = self.clients.iter_mut().filter(|client| node(client.node));
            clients.for_each(|client| client.comings = None);
        }
    }

    /// A node stands still for too long, and goes on.
    fn take_for_dead(&mut self, node: usize) {
        self.cluster.ask();
        self.cluster.buckets.take_for_dead(node);
        self.may_miss(self.cluster.buckets.bucket_of(HALL), |of| of == node);
    }

    /// A client does something.
    fn act(&mut self, node: usize) {
        let at = self.random.random_range(0..self.clients.len());
        let leaves = self.random.random_ratio(1, 6);
        self.ids += 1;
        let (id, client) = (self.ids, &mut self.clients[at]);
        if client.peer.is_some_and(|peer| self.cluster.nodes[client.node].is_busy(peer)) {
            return;
        }
        match client.stage {
            Stage::Away => {
                client.node = node;
                client.stage = Stage::Idle;
                let peer = self.cluster.nodes[node].connect(at % 2, json!({"sub": at.to_string()}));
                self.clients[at].peer = Some(peer);
            }
            Stage::Idle => self.subscribe(at),
            Stage::Asked | Stage::Subscribed if leaves => {
                let peer = client.peer.take().expect("it is there");
                client.stage = Stage::Away;
                self.cluster.nodes[client.node].drop(peer);
            }
            Stage::Subscribed if client.counts() || client.channel.starts_with("talk") => {
                self.published += 1;
                let (channel, data) = (client.channel, self.published as u32);
                let (node, peer) = (client.node, client.peer.expect("it is there"));
                self.cluster.nodes[node].tell(peer, &publication(id, channel, data));
            }
            Stage::Asked | Stage::Subscribed => {}
        }
    }

    fn subscribe(&mut self, at: usize) {
        self.ids += 1;
        let client = &mut self.clients[at];
        client.stage = Stage::Asked;
        client.comings = Some(BTreeMap::new());
        // What is not kept may still be on its way to the node that it has come to, and so may all for who does not recover.
        let counts = client.counts();
        client.heard.retain(|(is_kept, _)| counts && *is_kept);
        let peer = client.peer.expect("it is there");
        let frame = match client.at.as_ref().filter(|_| client.counts()) {
            Some(position) => super::mirrored::recover(self.ids, client.channel, position),
            None => subscribe(self.ids, client.channel),
        };
        self.cluster.nodes[client.node].tell(peer, &frame);
    }

    fn pass(&mut self, node: usize) {
        let ms = self.random.random_range(0..2_000);
        self.cluster.pass(node, ms);
    }

    /// A node dies with all that it knows; another begins in its place.
    fn kill(&mut self, node: usize) {
        let seed = self.random.next_u64();
        let here = self.clients.iter().filter(|client| client.node == node && client.channel == HALL);
        self.gone.extend(here.filter_map(|client| client.peer).map(|peer| self.cluster.nodes[node].client(peer)));
        self.cluster.kill(node, seed);
        self.cluster.buckets.kill_mover(node);
        for client in self.clients.iter_mut().filter(|client| client.node == node) {
            (client.stage, client.peer) = (Stage::Away, None);
        }
        self.lists.retain(|(at, ..)| *at != node);
        self.publishes.retain(|(_, _, at, _)| *at != node);
        self.pages.retain(|(_, at, _)| *at != node);
    }

    /// What clients and backends are told is looked at.
    fn hear(&mut self) {
        self.cluster.nodes.iter_mut().for_each(Node::carry);
        for at in 0..self.clients.len() {
            let Some(peer) = self.clients[at].peer else { continue };
            let node = self.clients[at].node;
            let words = self.cluster.nodes[node].hear(peer);
            words.iter().for_each(|word| self.word(at, word));
            if self.cluster.nodes[node].goodbye(peer).is_some() {
                (self.clients[at].stage, self.clients[at].peer) = (Stage::Away, None);
            }
        }
        for (channel, data, node, mut answered) in std::mem::take(&mut self.publishes) {
            match answered.try_recv() {
                Ok(Ok(position)) if position.offset > 0 => {
                    self.note(channel, &position.epoch, position.offset, data);
                }
                Ok(_) => {}
                Err(_) => self.publishes.push((channel, data, node, answered)),
            }
        }
        for (node, gone, mut answered) in std::mem::take(&mut self.lists) {
            match answered.try_recv() {
                Ok(Ok(clients)) => {
                    let ghosts: Vec<_> = clients.iter().filter(|info| gone.contains(&info.client)).collect();
                    assert!(ghosts.is_empty(), "{ghosts:?} were on a node that had died");
                }
                Ok(Err(_)) => {}
                Err(_) => self.lists.push((node, gone, answered)),
            }
        }
        for (channel, node, mut answered) in std::mem::take(&mut self.pages) {
            match answered.try_recv() {
                Ok(Ok(page)) => {
                    for publication in &page.publications {
                        let data = serde_json::from_slice(&publication.data.bytes).expect("a number");
                        self.note(channel, &page.position.epoch, publication.offset, data);
                    }
                }
                Ok(Err(_)) => {}
                Err(_) => self.pages.push((channel, node, answered)),
            }
        }
    }

    fn word(&mut self, at: usize, word: &Value) {
        if let Some(reply) = word.get("subscribe") {
            return self.subscribed(at, reply);
        }
        if word.get("error").is_some() && self.clients[at].stage == Stage::Asked {
            self.clients[at].stage = Stage::Idle;
        }
        let push = &word["push"];
        if push.get("unsubscribe").is_some() {
            self.clients[at].stage = Stage::Idle;
        }
        if let Some(publication) = push.get("pub") {
            self.told(at, publication);
        }
        for (name, came) in [("join", true), ("leave", false)] {
            if let Some(client) = push[name]["info"]["client"].as_str()
                && self.clients[at].channel == HALL
            {
                self.told_of(at, client.parse().expect("an id"), came);
            }
        }
    }

    /// A client is told that another has come to the hall, or has left.
    fn told_of(&mut self, at: usize, other: ClientId, came: bool) {
        let Some(comings) = &mut self.clients[at].comings else { return };
        let before = comings.insert(other, came);
        assert_ne!(before, Some(came), "it was told of {other} before: {came}");
    }

    fn subscribed(&mut self, at: usize, reply: &Value) {
        self.clients[at].stage = Stage::Subscribed;
        if !self.clients[at].counts() {
            return;
        }
        let epoch: Arc<str> = reply["epoch"].as_str().expect("it recovers").into();
        let since = self.clients[at].at.clone();
        let recovers = reply["recovered"] == true;
        let offset = reply["offset"].as_u64().unwrap_or(0);
        if recovers {
            let since = since.expect("it has asked");
            assert_eq!(since.epoch, epoch, "what was missed in another life cannot be there");
            self.clients[at].at = Some(since);
        } else {
            let client = &mut self.clients[at];
            let is_another = client.at.as_ref().is_some_and(|at| at.epoch != epoch);
            if client.is_relayed() && is_another {
                client.heard.clear();
            }
            client.at = Some(Position { offset, epoch });
        }
        for publication in reply["publications"].as_array().into_iter().flatten() {
            self.told(at, publication);
        }
    }

    fn told(&mut self, at: usize, publication: &Value) {
        let data = publication["data"].as_u64().expect("a number");
        let client = &mut self.clients[at];
        let offset = publication["offset"].as_u64().unwrap_or(0);
        assert!(client.heard.insert((offset > 0, data)), "{} is told {data} twice", client.channel);
        if offset == 0 || !client.counts() {
            return;
        }
        let place = client.at.as_mut().expect("it is subscribed");
        assert_eq!(offset, place.offset + 1, "{} is not told what lies between", client.channel);
        place.offset = offset;
        let (channel, epoch) = (client.channel, place.epoch.clone());
        self.note(channel, &epoch, offset, data);
    }

    /// All is well again: everybody comes back, and stands where the channel stands.
    fn settle(&mut self) {
        self.cluster.buckets.is_away = false;
        self.cluster.buckets.page = 100;
        for node in 0..2 {
            (0..4).for_each(|bucket| self.cluster.buckets.drop_deliveries(node, bucket, true));
        }
        self.may_miss(self.cluster.buckets.bucket_of(HALL), |_| true);
        for _ in 0..3 {
            self.cluster.flow();
            self.cluster.buckets.move_all();
            self.cluster.wait(MIRROR_RETRY_MS_MAX);
            self.hear();
        }
        self.cluster.buckets.check_moved();
        for at in 0..self.clients.len() {
            for _ in 0..50 {
                if self.clients[at].stage == Stage::Subscribed {
                    break;
                }
                match self.clients[at].stage {
                    Stage::Idle => self.subscribe(at),
                    _ => {
                        let peer = self.cluster.nodes[0].connect(at % 2, json!({"sub": at.to_string()}));
                        let client = &mut self.clients[at];
                        (client.stage, client.node, client.peer) = (Stage::Idle, 0, Some(peer));
                    }
                }
                self.cluster.flow();
                self.hear();
            }
        }
        self.cluster.buckets.reap();
        self.cluster.flow();
        self.hear();
        self.check_hall();
        for channel in CHANNELS.into_iter().filter(|channel| channel.starts_with("room") || channel.starts_with("sent"))
        {
            let stands = [0, 1].map(|node| self.cluster.history(node, channel, ALL).expect("all is well").position);
            assert_eq!(stands[0], stands[1], "{channel}");
            self.hear();
            for client in self.clients.iter().filter(|client| client.channel == channel) {
                assert_eq!(client.at.as_ref(), Some(&stands[0]), "{channel}");
            }
        }
    }

    /// All nodes list who is in the hall, and nobody else; who has missed nothing knows nobody else either.
    fn check_hall(&mut self) {
        let guests = self.clients.iter().filter(|client| client.channel == HALL);
        let here: BTreeSet<_> = guests
            .map(|guest| self.cluster.nodes[guest.node].client(guest.peer.expect("everybody has come back")))
            .collect();
        for node in 0..2 {
            let listed = self.cluster.listed_by(node).expect("all is well");
            assert_eq!(listed.iter().map(|info| info.client).collect::<BTreeSet<_>>(), here, "node {node}");
        }
        for comings in self.clients.iter().filter_map(|client| client.comings.as_ref()) {
            let known = comings.iter().filter(|(_, came)| **came).map(|(client, _)| *client);
            let ghosts: Vec<_> = known.filter(|client| !here.contains(client)).collect();
            assert!(ghosts.is_empty(), "nobody was told that {ghosts:?} left");
        }
    }

    /// Nobody is there any more, and nothing stays.
    fn part(&mut self) {
        for client in &mut self.clients {
            let peer = client.peer.take().expect("everybody has come back");
            self.cluster.nodes[client.node].drop(peer);
        }
        self.cluster.flow();
        self.cluster.wait(2 * MIRROR_LINGER_MS);
        self.cluster.wait(2 * MIRROR_LINGER_MS);
        for node in 0..2 {
            assert_eq!((self.cluster.mirrors(node), self.cluster.held_bytes(node)), (0, 0));
            let brokers = &self.cluster.nodes[node].brokers;
            assert!(brokers.iter().all(|broker| broker.home.hub.is_empty() && !broker.awaits_bridge()));
            assert!(brokers.iter().all(|broker| broker.home.presences.is_empty()));
        }
        assert!(self.cluster.buckets.listed(&HALL.into()).is_empty());
    }
}

fn run(seed: u64, fault: Option<Fault>) {
    let life = AssertUnwindSafe(|| {
        let mut world = World::new(seed, fault);
        (0..STEPS).for_each(|_| world.step());
        world.settle();
        world.part();
    });
    catch_unwind(life).unwrap_or_else(|panic| {
        eprintln!("the simulation failed; again: SEED={seed} cargo test --lib mirrors_seeded");
        resume_unwind(panic)
    });
}

#[test]
fn nodes_tell_one_order_without_silent_gaps_whatever_happens_between_them_and_their_buckets() {
    each_seed(60, |seed| run(seed, None));
}

#[test]
fn faults_of_buckets_that_break_a_promise_are_found() {
    let of_buckets = [Fault::AnotherOrder, Fault::SilentLoss, Fault::SameEpoch, Fault::Ghosts, Fault::ToldAgain];
    let of_movers = [Fault::MovedTwice, Fault::IntoAnyGeneration, Fault::EarlyCommit];
    for fault in of_buckets.into_iter().chain(of_movers) {
        let finds = |seed: u64| catch_unwind(|| run(seed, Some(fault))).is_err();
        assert!((0..60).any(finds), "{fault:?}");
    }
}
