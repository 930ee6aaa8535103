//! Who is in a channel on all nodes, and who was told that they came and left, whatever happens to nodes and to Redis.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringpost::model::bucket_of;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::LineClient;
use crate::harness::Node;
use crate::server::{Kind, Server, wait};

pub(crate) const HALL: &str = "hall:room";

/// Longer than a lease.
const BEYOND_A_LEASE: Duration = Duration::from_secs(12);

/// A client that is in the hall, and remembers what it was told of others.
pub(crate) struct Guest {
    client: LineClient,
    pub(crate) id: String,
    /// Who came (true) and left, in order.
    told: Vec<(String, bool)>,
}

impl Guest {
    pub(crate) fn enter(node: &Node) -> Self {
        let mut client = LineClient::silent(node.tcp());
        let welcome = client.ask(json!({"connect": {}}));
        let id = welcome["connect"]["client"].as_str().expect("it is welcomed").to_owned();
        let mut guest = Self { client, id, told: Vec::new() };
        wait("it is subscribed", || guest.ask(json!({"subscribe": {"channel": HALL}}))["subscribe"].is_object());
        guest
    }

    /// Asks something, and takes what it is told meanwhile.
    fn ask(&mut self, command: Value) -> Value {
        let id = self.client.tell(command);
        loop {
            let word = self.client.word();
            if word["id"] == id {
                return word;
            }
            for (name, came) in [("join", true), ("leave", false)] {
                let client = word["push"][name]["info"]["client"].as_str();
                self.told.extend(client.filter(|client| *client != self.id).map(|client| (client.into(), came)));
            }
        }
    }

    /// What it was told of somebody, so far. Nobody is told twice that one came, or that one left.
    pub(crate) fn told_of(&mut self, other: &str) -> Vec<bool> {
        self.ask(json!({"ping": {}}));
        let told: Vec<_> = self.told.iter().filter(|(id, _)| id == other).map(|(_, came)| *came).collect();
        assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{other}: {told:?}");
        told
    }

    fn is_told(&mut self, other: &str, expected: &[bool]) {
        wait("it is told", || self.told_of(other).len() >= expected.len());
        assert_eq!(self.told_of(other), expected);
    }

    fn asks_who(&mut self) -> Value {
        self.ask(json!({"presence": {"channel": HALL}}))
    }
}

/// Who is in the hall as a backend is told, by id; none where it is told that this cannot be said.
fn listed(node: &Node) -> Option<BTreeSet<String>> {
    let answer = node.api("presence", &json!({"channel": HALL}));
    if answer["error"]["code"] == 100 {
        return None;
    }
    let clients = answer["result"]["presence"].as_object().unwrap_or_else(|| panic!("{answer}"));
    Some(clients.keys().cloned().collect())
}

pub(crate) fn ids<'a>(guests: impl IntoIterator<Item = &'a Guest>) -> BTreeSet<String> {
    guests.into_iter().map(|guest| guest.id.clone()).collect()
}

/// Waits until a node lists these, and counts as many.
pub(crate) fn lists(node: &Node, expected: &BTreeSet<String>) {
    wait("they are listed and counted", || {
        let stats = node.api("presence_stats", &json!({"channel": HALL}));
        listed(node).as_ref() == Some(expected) && stats["result"]["num_clients"] == expected.len()
    });
}

/// How many entries a Redis has of the hall.
fn entries(redis: &Server) -> String {
    let key = format!("ringpost:1:{{b{}}}:p:{HALL}", bucket_of(HALL, 32));
    redis.cli(&["HLEN", &key]).trim().to_owned()
}

#[test]
fn every_node_lists_who_is_on_any_and_all_are_told_once() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let redis = Server::start(kind, &[]);
        let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
        let mut ann = Guest::enter(&nodes[0]);
        let mut bob = Guest::enter(&nodes[1]);
        let eve = Guest::enter(&nodes[1]);
        // Whoever has just come finds itself at once.
        assert!(bob.asks_who()["presence"]["presence"].get(&bob.id).is_some());
        for node in &nodes {
            lists(node, &ids([&ann, &bob, &eve]));
        }
        let stats = bob.ask(json!({"presence_stats": {"channel": HALL}}));
        assert_eq!(stats["presence_stats"], json!({"num_clients": 3, "num_users": 1}), "{stats}");
        let gone = eve.id.clone();
        drop(eve);
        for guest in [&mut ann, &mut bob] {
            guest.is_told(&gone, &[true, false]);
        }
        ann.is_told(&bob.id, &[true]);
        // That Ann has come may be on its way still when Bob comes; that she has left is never said.
        assert!(!bob.told_of(&ann.id).contains(&false));
        for node in &nodes {
            lists(node, &ids([&ann, &bob]));
        }
    }
}

#[test]
fn a_node_that_ends_takes_its_clients_off_the_list() {
    let redis = Server::start(Kind::Redis, &[]);
    let mut nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut ann = Guest::enter(&nodes[0]);
    let others: Vec<_> = (0..20).map(|_| Guest::enter(&nodes[1])).collect();
    lists(&nodes[0], &ids(others.iter().chain([&ann])));
    assert!(nodes[1].end().success());
    assert_eq!(entries(&redis), "1");
    assert_eq!(listed(&nodes[0]), Some(ids([&ann])));
    for other in &others {
        ann.is_told(&other.id, &[true, false]);
    }
}

#[test]
fn while_the_memory_is_full_nobody_new_is_listed_and_who_leaves_is_not_any_more() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut ann = Guest::enter(&nodes[0]);
    let bob = Guest::enter(&nodes[1]);
    lists(&nodes[0], &ids([&ann, &bob]));
    redis.set("maxmemory", "1mb");
    let eve = Guest::enter(&nodes[1]);
    let gone = bob.id.clone();
    drop(bob);
    lists(&nodes[0], &ids([&ann]));
    ann.is_told(&gone, &[true, false]);
    redis.set("maxmemory", "0");
    lists(&nodes[0], &ids([&ann, &eve]));
    ann.is_told(&eve.id, &[true]);
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn who_was_on_a_node_that_was_killed_is_listed_no_longer_than_its_lease_and_leaves_once() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let redis = Server::start(kind, &[]);
        let mut nodes = [Node::start("one", &redis), Node::start("two", &redis), Node::start("three", &redis)];
        let (mut ann, mut bob) = (Guest::enter(&nodes[0]), Guest::enter(&nodes[2]));
        let others: Vec<_> = (0..300).map(|_| Guest::enter(&nodes[1])).collect();
        lists(&nodes[0], &ids(others.iter().chain([&ann, &bob])));
        nodes[1].kill();
        let back = Guest::enter(&nodes[2]);
        lists(&nodes[0], &ids([&ann, &bob, &back]));
        for guest in [&mut ann, &mut bob] {
            for other in &others {
                wait("it has left", || guest.told_of(&other.id).last() == Some(&false));
            }
            guest.is_told(&back.id, &[true]);
        }
        wait("nothing is left of them", || entries(&redis) == "3");
    }
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn a_node_that_stood_still_for_longer_than_a_lease_lists_its_clients_again_and_they_notice_nothing() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut ann = Guest::enter(&nodes[0]);
    let (mut bob, eve) = (Guest::enter(&nodes[1]), Guest::enter(&nodes[1]));
    lists(&nodes[0], &ids([&ann, &bob, &eve]));
    bob.is_told(&eve.id, &[true]);
    nodes[1].signal(Signal::STOP);
    lists(&nodes[0], &ids([&ann]));
    ann.is_told(&bob.id, &[true, false]);
    let gone = eve.id.clone();
    drop(eve);
    nodes[1].signal(Signal::CONT);
    for node in &nodes {
        lists(node, &ids([&ann, &bob]));
    }
    ann.is_told(&bob.id, &[true, false, true]);
    assert!(!bob.told_of(&ann.id).contains(&false));
    wait("it is told who has really gone", || ann.told_of(&gone).last() == Some(&false));
}

#[test]
#[ignore = "some 20 seconds: make test-cluster"]
fn while_redis_is_away_nobody_is_told_a_part_and_afterwards_all_are_listed_again() {
    let mut redis = Server::start(Kind::Redis, &["--appendonly", "yes"]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let (mut ann, mut bob) = (Guest::enter(&nodes[0]), Guest::enter(&nodes[1]));
    let eve = Guest::enter(&nodes[1]);
    lists(&nodes[0], &ids([&ann, &bob, &eve]));
    redis.kill();
    for _ in 0..2 {
        let refused = ann.asks_who();
        assert_eq!(refused["error"]["code"], 100, "{refused}");
        assert_eq!(listed(&nodes[1]), None);
        std::thread::sleep(BEYOND_A_LEASE);
    }
    drop(eve);
    redis.restart();
    for node in &nodes {
        lists(node, &ids([&ann, &bob]));
    }
    // What is told of it may be lost, but nothing is told twice.
    ann.told_of(&bob.id);
    bob.told_of(&ann.id);
    wait("nothing is left of who has gone", || entries(&redis) == "2");
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn what_a_redis_has_lost_is_listed_again_and_who_has_left_does_not_come_back() {
    let mut redis = Server::start(Kind::Redis, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut ann = Guest::enter(&nodes[0]);
    let bob = Guest::enter(&nodes[1]);
    lists(&nodes[0], &ids([&ann, &bob]));
    redis.cli(&["SAVE"]);
    let eve = Guest::enter(&nodes[1]);
    let gone = bob.id.clone();
    drop(bob);
    ann.is_told(&gone, &[true, false]);
    ann.is_told(&eve.id, &[true]);
    redis.kill();
    redis.restart();
    for node in &nodes {
        lists(node, &ids([&ann, &eve]));
    }
    assert_eq!((ann.told_of(&gone), ann.told_of(&eve.id)), (vec![true, false], vec![true]));
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_redis_that_was_emptied_lists_all_again() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut guests: BTreeMap<_, _> = (0..40).map(|at| (at, Guest::enter(&nodes[at % 2]))).collect();
    lists(&nodes[0], &ids(guests.values()));
    redis.cli(&["FLUSHALL"]);
    for node in &nodes {
        lists(node, &ids(guests.values()));
    }
    let last = guests.pop_last().expect("there are some").1;
    let (gone, first) = (last.id.clone(), guests.get_mut(&0).expect("it is there"));
    drop(last);
    first.is_told(&gone, &[true, false]);
    lists(&nodes[0], &ids(guests.values()));
}
