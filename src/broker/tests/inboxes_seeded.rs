//! Seeded: devices of members that go from one node to the other, over the model of the buckets, while all that is on its way comes
//! in any order that is allowed, is lost, or is told late; buckets lose writes and are away, and nodes die.
//!
//! No floor that was answered goes back within a life of the stream. What a device is not sent it was given before, or it is a dead
//! letter of the device's, or it was told that it has missed something; so it is with what its floor moves past, at once. At the end
//! everybody has received all.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngCore as _};

use super::inboxes::call;
use super::mirrored::Cluster;
use super::*;
use crate::broker::sim::buckets::Fault;
use crate::broker::sim::each_seed;
use crate::limits::{MIRROR_LINGER_MS, MIRROR_RETRY_MS_MAX};

const STEPS: usize = 600;

const CHANNELS: [&str; 3] = ["inbox:1", "inbox:2", "inbox:3"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Away,
    Idle,
    Asked,
    Subscribed,
}

/// A device in one channel, and what is known of it apart from the nodes.
struct Device {
    channel: &'static str,
    user: String,
    id: &'static str,
    node: usize,
    peer: Option<Peer>,
    stage: Stage,
    /// The life of the stream that it was told last; all that follows is of that.
    epoch: String,
    /// Its floor when its subscription began; `None` where it was told that it may have missed something, until it knows where
    /// that ends.
    base: Option<u64>,
    /// What it was given.
    given: BTreeSet<u64>,
    /// The highest that it has said to have received.
    said: u64,
    /// The highest of those that were answered.
    answered: u64,
    /// It was told that it may have missed something up to here; or it began there.
    lost: u64,
    /// What waits for an answer.
    asked: BTreeMap<u32, (String, u64)>,
    /// Where its ledger had its floor when that was looked at last, in the life of the stream that it was told last.
    stood: Option<u64>,
}

struct World {
    cluster: Cluster,
    random: StdRng,
    devices: Vec<Device>,
    published: u32,
    ids: u32,
    seen: Seen,
}

/// How often something has come to pass that the test is about.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// A floor was answered.
    answered: u32,
    /// Devices have come back to another node than they were at, in the same life of the stream.
    moved: u32,
    /// A device was told that it may have missed something.
    lost: u32,
    /// Dead letters of devices, at the end.
    letters: usize,
}

impl World {
    fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut cluster = Cluster::new();
        cluster.buckets.fault = fault;
        let device = |at: usize| Device {
            channel: CHANNELS[at % CHANNELS.len()],
            user: format!("user {}", at % 2),
            id: ["phone", "laptop"][at / 6 % 2],
            node: 0,
            peer: None,
            stage: Stage::Away,
            epoch: String::new(),
            base: Some(0),
            given: BTreeSet::new(),
            said: 0,
            answered: 0,
            lost: 0,
            asked: BTreeMap::new(),
            stood: None,
        };
        let random = StdRng::seed_from_u64(seed);
        let devices = (0..12).map(device).collect();
        Self { cluster, random, devices, published: 0, ids: 10, seen: Seen::default() }
    }

    fn channel(&mut self) -> &'static str {
        CHANNELS.choose(&mut self.random).expect("there are some")
    }

    fn step(&mut self) {
        let (node, shard) = (self.random.random_range(0..2), self.random.random_range(0..2));
        match self.random.random_range(0..100) {
            0..28 => self.give(node, shard, false),
            28..54 => self.give(node, shard, true),
            54..64 => self.publish(node),
            64..86 => self.act(node),
            86..92 => self.pass(node),
            92..95 => {
                let bucket = self.random.random_range(0..4);
                let is_told = self.random.random();
                self.cluster.buckets.drop_deliveries(node, bucket, is_told);
            }
            95 if self.random.random_ratio(1, 3) => self.cluster.buckets.lose_writes(self.random.random_range(0..4)),
            96 => self.cluster.buckets.is_away ^= true,
            97 => {
                let channel = self.channel();
                match self.random.random_range(0..4) {
                    0 => self.cluster.buckets.trim(channel, 2),
                    1 => self.cluster.buckets.forget(channel),
                    _ => self.cluster.buckets.page = self.random.random_range(1..6),
                }
            }
            98 => self.kill(node),
            _ => {}
        }
        self.look_at_floors();
        self.hear();
    }

    /// A floor moves past nothing but what its device has said to have received, has missed and is told so, or has as a dead letter.
    fn look_at_floors(&mut self) {
        for at in 0..self.devices.len() {
            let Device { channel, user, id, epoch, said, stood, .. } = &self.devices[at];
            let stands = self.cluster.buckets.stand(channel, epoch, user, id);
            let mut passed: BTreeSet<u64> = match (*stood, stands) {
                (Some(before), Some((floor, false))) => (before.max(*said) + 1..=floor).collect(),
                _ => BTreeSet::new(),
            };
            if !passed.is_empty() {
                let letters = self.letters(at);
                passed.retain(|offset| !letters.contains(offset));
            }
            assert!(passed.is_empty(), "{passed:?} were passed, and are no letters");
            self.devices[at].stood = stands.map(|(floor, _)| floor);
        }
    }

    /// A shard is given the next answer, or the next that it is told.
    fn give(&mut self, node: usize, shard: u16, is_told: bool) {
        self.cluster.ask();
        for _ in 0..self.random.random_range(1..5) {
            if !self.cluster.give(node, shard, is_told) {
                return;
            }
        }
    }

    fn publish(&mut self, node: usize) {
        self.published += 1;
        let (channel, data) = (self.channel(), self.published.to_string());
        let publish = Box::new(message(channel, &data));
        drop(self.cluster.order(node, channel, |answer| Order::Publish(publish, answer)));
    }

    /// A device does something.
    fn act(&mut self, node: usize) {
        let at = self.random.random_range(0..self.devices.len());
        let device = &mut self.devices[at];
        if device.peer.is_some_and(|peer| self.cluster.nodes[device.node].is_busy(peer)) {
            return;
        }
        match device.stage {
            Stage::Away => self.connect(at, node),
            Stage::Idle => self.subscribe(at),
            Stage::Asked | Stage::Subscribed if self.random.random_ratio(1, 8) => self.drop(at),
            // Some say something now and then only, so that they are given up on.
            Stage::Subscribed if self.random.random_ratio(2, if at % 4 == 0 { 30 } else { 3 }) => self.receive(at),
            Stage::Asked | Stage::Subscribed => {}
        }
    }

    /// A device loses its connection, if it has one.
    fn drop(&mut self, at: usize) {
        let device = &mut self.devices[at];
        if let Some(peer) = device.peer.take() {
            (device.stage, device.asked) = (Stage::Away, BTreeMap::new());
            self.cluster.nodes[device.node].drop(peer);
        }
    }

    fn connect(&mut self, at: usize, node: usize) {
        let device = &mut self.devices[at];
        self.seen.moved += u32::from(device.node != node && device.answered > 0);
        (device.node, device.stage) = (node, Stage::Idle);
        let claims = json!({"sub": device.user, "meta": {"device": device.id}});
        device.peer = Some(self.cluster.nodes[node].connect(at % 2, claims));
    }

    fn subscribe(&mut self, at: usize) {
        self.ids += 1;
        let device = &mut self.devices[at];
        device.stage = Stage::Asked;
        let peer = device.peer.expect("it is there");
        self.cluster.nodes[device.node].tell(peer, &subscribe(self.ids, device.channel));
    }

    /// A device says that it has received what it was given without a hole.
    fn receive(&mut self, at: usize) {
        self.ids += 1;
        let upto = self.reached(at);
        let device = &mut self.devices[at];
        if upto == 0 {
            return;
        }
        device.said = device.said.max(upto);
        device.asked.insert(self.ids, (device.epoch.clone(), upto));
        let place = json!({"channel": device.channel, "epoch": device.epoch, "offset": upto});
        let peer = device.peer.expect("it is there");
        self.cluster.nodes[device.node].tell(peer, &call(self.ids, "received", place));
    }

    /// The last offset up to which a device has been given all from its floor on, but for dead letters.
    fn reached(&mut self, at: usize) -> u64 {
        let letters = self.letters(at);
        let device = &self.devices[at];
        let Some(base) = device.base else { return 0 };
        let has = |offset: &u64| device.given.contains(offset) || letters.contains(offset);
        (base + 1..).take_while(has).last().unwrap_or(base)
    }

    /// The dead letters of a device in the life of the stream that it was told last.
    fn letters(&mut self, at: usize) -> BTreeSet<u64> {
        let Device { channel, user, id, epoch, .. } = &self.devices[at];
        self.cluster.buckets.letters(channel, epoch, user, id)
    }

    fn pass(&mut self, node: usize) {
        let most_ms = if self.random.random_ratio(1, 3) { 30_000 } else { 2_000 };
        let ms = self.random.random_range(0..most_ms);
        self.cluster.pass(node, ms);
    }

    /// A node dies with all that it knows; another begins in its place.
    fn kill(&mut self, node: usize) {
        let seed = self.random.next_u64();
        self.cluster.kill(node, seed);
        for device in self.devices.iter_mut().filter(|device| device.node == node) {
            (device.stage, device.peer, device.asked) = (Stage::Away, None, BTreeMap::new());
        }
    }

    /// What devices are told is looked at.
    fn hear(&mut self) {
        self.cluster.nodes.iter_mut().for_each(Node::carry);
        for at in 0..self.devices.len() {
            let Some(peer) = self.devices[at].peer else { continue };
            let node = self.devices[at].node;
            let words = self.cluster.nodes[node].hear(peer);
            words.iter().for_each(|word| self.word(at, word));
            if self.cluster.nodes[node].goodbye(peer).is_some() {
                (self.devices[at].stage, self.devices[at].peer) = (Stage::Away, None);
            }
        }
    }

    fn word(&mut self, at: usize, word: &Value) {
        if let Some(reply) = word.get("subscribe") {
            return self.subscribed(at, reply);
        }
        let device = &mut self.devices[at];
        let asked = word["id"].as_u64().and_then(|id| device.asked.remove(&(id as u32)));
        match asked {
            Some((epoch, upto)) if word.get("rpc").is_some() && epoch == device.epoch => {
                device.answered = device.answered.max(upto);
                self.seen.answered += 1;
            }
            None if word.get("error").is_some() && device.stage == Stage::Asked => device.stage = Stage::Idle,
            _ => {}
        }
        let push = &word["push"];
        if push.get("unsubscribe").is_some() {
            device.stage = Stage::Idle;
        }
        if let Some(publication) = push.get("pub") {
            self.told(at, publication["offset"].as_u64().expect("it is kept"));
        }
    }

    fn subscribed(&mut self, at: usize, reply: &Value) {
        let epoch = reply["epoch"].as_str().expect("it has a stream").to_owned();
        // What it may have missed ends where it is sent on from.
        let floor = reply["offset"].as_u64().unwrap_or(0);
        let is_whole = reply["was_recovering"] != true || reply["recovered"] == true;
        let device = &mut self.devices[at];
        device.stage = Stage::Subscribed;
        if device.epoch != epoch {
            assert!(device.epoch.is_empty() || !is_whole, "{} is not told of a life that is over", device.channel);
            (device.given, device.said, device.answered) = (BTreeSet::new(), 0, 0);
            (device.lost, device.epoch, device.stood) = (floor, epoch, None);
        }
        device.base = is_whole.then_some(floor);
        if !is_whole {
            self.seen.lost += 1;
            return;
        }
        assert!(floor >= device.answered, "the floor {} goes back to {floor}", device.answered);
        let passed = device.said.max(device.lost) + 1..=floor;
        let letters = self.letters(at);
        let skipped: Vec<_> = passed.filter(|offset| !letters.contains(offset)).collect();
        assert!(skipped.is_empty(), "{skipped:?} were passed, and neither received nor given up nor told");
    }

    fn told(&mut self, at: usize, offset: u64) {
        let letters = self.letters(at);
        let device = &mut self.devices[at];
        device.given.insert(offset);
        let is_known = |before: &u64| device.given.contains(before) || letters.contains(before);
        let base = *device.base.get_or_insert_with(|| {
            assert!(offset > device.answered, "the floor {} goes back to {offset}", device.answered);
            device.lost = device.lost.max(offset - 1);
            offset - 1
        });
        let skipped: Vec<_> = (base + 1..offset).filter(|before| !is_known(before)).collect();
        assert!(skipped.is_empty(), "{skipped:?} come after {offset} in {}", device.channel);
    }

    /// All is well again: everybody comes back, and receives all.
    fn settle(&mut self) {
        self.cluster.buckets.is_away = false;
        self.cluster.buckets.page = 100;
        for node in 0..2 {
            (0..4).for_each(|bucket| self.cluster.buckets.drop_deliveries(node, bucket, true));
        }
        for _ in 0..3 {
            self.cluster.flow();
            self.cluster.wait(MIRROR_RETRY_MS_MAX);
            self.hear();
        }
        // Who has said nothing for long is seen to have been passed by nothing but letters, before saying anything.
        (0..self.devices.len()).for_each(|at| self.drop(at));
        self.cluster.flow();
        for at in 0..self.devices.len() {
            for _ in 0..40 {
                match self.devices[at].stage {
                    Stage::Away => self.connect(at, 0),
                    Stage::Idle => self.subscribe(at),
                    Stage::Asked => {}
                    Stage::Subscribed => self.receive(at),
                }
                self.cluster.flow();
                self.hear();
            }
            self.cluster.wait(MIRROR_RETRY_MS_MAX);
            self.hear();
            let Device { channel, user, id, .. } = &self.devices[at];
            let top = self.cluster.buckets.kept(channel).last().map_or(0, |(offset, _)| *offset);
            let floor = self.cluster.buckets.floor(channel, user, id).expect("it has subscribed");
            assert!(floor >= top, "{user} has received {floor} of {top} in {channel}");
            self.seen.letters += self.letters(at).len();
        }
    }

    /// Nobody is there any more, and nothing stays.
    fn part(&mut self) {
        for device in &mut self.devices {
            let peer = device.peer.take().expect("everybody has come back");
            self.cluster.nodes[device.node].drop(peer);
        }
        self.cluster.flow();
        for _ in 0..4 {
            self.cluster.wait(2 * MIRROR_LINGER_MS);
        }
        for broker in self.cluster.nodes.iter().flat_map(|node| &node.brokers) {
            assert!(broker.home.hub.is_empty() && !broker.awaits_bridge());
            assert_eq!((broker.home.notes_waiting(), broker.home.delivery.inboxes_here()), (0, 0));
        }
    }
}

fn run(seed: u64, fault: Option<Fault>) -> Seen {
    let life = AssertUnwindSafe(|| {
        let mut world = World::new(seed, fault);
        (0..STEPS).for_each(|_| world.step());
        world.settle();
        world.part();
        world.seen
    });
    catch_unwind(life).unwrap_or_else(|panic| {
        eprintln!("the simulation failed; again: SEED={seed} cargo test --lib inboxes_seeded");
        resume_unwind(panic)
    })
}

#[test]
fn no_device_skips_anything_and_no_answered_floor_goes_back_whatever_happens_to_nodes_and_buckets() {
    each_seed(60, |seed| _ = run(seed, None));
}

#[test]
fn faults_of_ledgers_that_break_a_promise_are_found() {
    for fault in [Fault::ForgottenNotes, Fault::LostLetters] {
        let finds = |seed: u64| catch_unwind(|| run(seed, Some(fault))).is_err();
        assert!((0..60).any(finds), "{fault:?}");
    }
}

#[test]
fn the_simulation_sees_what_it_is_about() {
    let seen: Vec<_> = (0..10).map(|seed| run(seed, None)).collect();
    for (what, is_there) in [
        ("answered", seen.iter().any(|seen| seen.answered > 0)),
        ("moved", seen.iter().any(|seen| seen.moved > 0)),
        ("lost", seen.iter().any(|seen| seen.lost > 0)),
        ("letters", seen.iter().any(|seen| seen.letters > 0)),
    ] {
        assert!(is_there, "{what}: {seen:?}");
    }
}
