//! A Redis that fails over while what Kafka has acknowledged is moved into it: all of it comes, also what the replica had not got.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::LineClient;
use crate::groups::{behind_a_sentinel, cluster, info, is_primary, move_slots, process_of, replicate, section, signal};
use crate::harness::{Node, subscribe};
use crate::kafka::Kafka;
use crate::load::{CHANNELS, LAST, heard_while, look_at};
use crate::outages::{INSUFFICIENT, epoch_of};
use crate::relays::topics;
use crate::relays_lost::history;
use crate::server::{Server, wait};

/// How long publishes go on before something happens.
const PAUSE: Duration = Duration::from_secs(2);

/// Who listens to a channel through all that ends the subscription, as a client's library does.
struct Follower<'n> {
    node: &'n Node,
    channel: &'static str,
    client: LineClient,
    epoch: String,
    offset: u64,
    heard: BTreeSet<String>,
}

impl<'n> Follower<'n> {
    /// Nobody where there are no positions: what is missing there is not told.
    fn begin(node: &'n Node, channel: &'static str) -> Option<Self> {
        if !channel.starts_with("relayed:") {
            return None;
        }
        let mut client = node.client();
        let begun = subscribe(&mut client, channel, None);
        let offset = begun["offset"].as_u64().unwrap_or_default();
        Some(Self { node, channel, client, epoch: epoch_of(&begun), offset, heard: BTreeSet::new() })
    }

    /// All that was heard until the last has come.
    fn follow(mut self) -> BTreeSet<String> {
        while !self.heard.contains(LAST) {
            let word = self.client.word();
            let push = &word["push"];
            if push["pub"].is_object() {
                self.hear(&push["pub"]);
            } else if push["unsubscribe"].is_object() {
                assert_eq!(push["unsubscribe"]["code"], INSUFFICIENT, "{word}");
                self.come_back();
            }
        }
        self.heard
    }

    /// What is told of one epoch has no hole.
    fn hear(&mut self, publication: &Value) {
        self.offset += 1;
        assert_eq!(publication["offset"], self.offset, "{}: {publication}", self.channel);
        self.take(publication);
    }

    fn take(&mut self, publication: &Value) {
        self.heard.insert(publication["data"].as_str().expect("all is text").to_owned());
    }

    /// Recovers, or reads what there is of another epoch.
    fn come_back(&mut self) {
        let begun = subscribe(&mut self.client, self.channel, Some((self.offset, &self.epoch)));
        if begun["recovered"] == true {
            let missed = begun["publications"].as_array().into_iter().flatten();
            return missed.for_each(|publication| self.hear(publication));
        }
        self.offset = begun["offset"].as_u64().unwrap_or_default();
        self.epoch = epoch_of(&begun);
        let ask = json!({"channel": self.channel, "limit": 10_000});
        let mut page = Value::Null;
        wait("the history can be read", || {
            page = self.node.api("history", &ask)["result"].clone();
            page.is_object()
        });
        // Of one that has ended meanwhile nothing is to be had any more: the subscription ends as well.
        let all = page["publications"].as_array().filter(|_| page["epoch"] == *self.epoch);
        for publication in all.into_iter().flatten() {
            if publication["offset"].as_u64().unwrap_or_default() <= self.offset {
                self.take(publication);
            }
        }
    }
}

/// Whatever happens to the Redis that this section names: all that two nodes acknowledge meanwhile comes to every subscriber, and lies
/// in the histories in the end, once and in its order. The nodes may say then how it went.
fn all_comes_although(section: &str, happens: impl FnOnce([&Node; 2])) {
    let kafka = Kafka::shared();
    let prefix = topics(&kafka);
    let [one, two] = ["one", "two"].map(|name| Node::by_kafka_over(name, section, &kafka.address(), &prefix));
    let both = [&one, &two];
    let (counts, all_heard) = heard_while(&both, &both, || happens(both), Follower::begin, Follower::follow);
    for (channel, heard) in all_heard {
        let place = CHANNELS.iter().position(|of| *of == channel).expect("it is one of them");
        let published = counts.iter().enumerate().flat_map(|(of, count)| {
            (0..*count).filter(|at| at % CHANNELS.len() == place).map(move |at| format!("{of} {at}"))
        });
        let unheard: Vec<_> = published.filter(|data| !heard.contains(data)).collect();
        assert!(unheard.is_empty(), "{channel}: {unheard:?}");
    }
    CHANNELS.iter().for_each(|channel| look_at(channel, &history(&two, channel), &counts));
    assert!(counts.iter().sum::<usize>() > 200, "{counts:?}");
}

fn follows(server: &Server) -> bool {
    info(server, "replication", "master_link_status").as_deref() == Some("up")
}

/// What a server of a Cluster says of another: its flags, and whether it has slots.
fn said_of(server: &Server, other: &Server) -> (String, bool) {
    let nodes = server.cli(&["CLUSTER", "NODES"]);
    let address = format!(" {}@", other.address());
    let said: Vec<_> = nodes.lines().find(|line| line.contains(&address)).expect("it is known").split(' ').collect();
    (said[2].to_owned(), said.len() > 8)
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn all_comes_although_a_primary_dies_and_its_replica_takes_over() {
    let (mut primary, replica, sentinel) = behind_a_sentinel(500);
    all_comes_although(&sentinel.section(), |_| {
        sleep(PAUSE);
        replicate(&primary, &replica);
        primary.kill();
        wait("the replica takes over", || is_primary(&replica));
        sleep(PAUSE);
    });
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn all_comes_although_the_replica_that_takes_over_lags() {
    let (mut primary, replica, sentinel) = behind_a_sentinel(500);
    all_comes_although(&sentinel.section(), |nodes| {
        sleep(PAUSE);
        replicate(&primary, &replica);
        let replays = || nodes.map(|node| node.sample("ringpost_mover_replays_total"));
        let before = replays();
        let process = process_of(&replica);
        signal(process, Signal::STOP);
        // What lies in its socket it reads when it wakes.
        primary.cli(&["CLIENT", "KILL", "TYPE", "replica"]);
        sleep(PAUSE);
        primary.kill();
        signal(process, Signal::CONT);
        wait("the replica takes over", || is_primary(&replica));
        wait("what it had not got is moved again", || replays() != before);
        sleep(PAUSE);
    });
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn all_comes_although_a_primary_that_stood_still_wakes_beside_the_one_that_was_chosen_meanwhile() {
    let (primary, replica, sentinel) = behind_a_sentinel(500);
    all_comes_although(&sentinel.section(), |_| {
        sleep(PAUSE);
        replicate(&primary, &replica);
        let process = process_of(&primary);
        signal(process, Signal::STOP);
        wait("the replica takes over", || is_primary(&replica));
        sleep(PAUSE);
        signal(process, Signal::CONT);
        wait("it follows the one that was chosen", || !is_primary(&primary));
        sleep(PAUSE);
    });
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn all_comes_although_the_primaries_of_a_cluster_die_one_after_the_other() {
    let mut servers = cluster(3, 1, &["--cluster-node-timeout", "2000"]);
    let section = section(&servers);
    let (primaries, replicas) = servers.split_at_mut(3);
    // Their first copy takes five seconds to begin.
    replicas.iter().for_each(|replica| wait("it has what its primary has", || follows(replica)));
    all_comes_although(&section, |_| {
        for (primary, other) in primaries.iter_mut().zip(&replicas[..]) {
            sleep(PAUSE);
            primary.kill();
            wait("another has its slots", || !said_of(other, primary).1);
            // As a replica, so that there is no primary without one.
            primary.restart();
            wait("it is one of them again", || {
                !said_of(other, primary).0.contains("fail") && (follows(primary) || is_primary(primary))
            });
        }
        sleep(PAUSE);
    });
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn all_comes_although_slots_of_a_cluster_move() {
    let servers = cluster(3, 0, &[]);
    all_comes_although(&section(&servers), |_| {
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            sleep(PAUSE);
            move_slots(&servers[from], &servers[to], 2_000);
        }
        sleep(PAUSE);
    });
}
