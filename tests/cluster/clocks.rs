//! Clocks that are wrong by a minute: a node's, and that of Redis.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use ringpost::auth::mint::hs256;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::LineClient;
use crate::harness::{Node, SECRET, over, publish_in_the_end, subscribe, unsubscribed};
use crate::outages::{BEYOND_A_LEASE, INSUFFICIENT, epoch_of};
use crate::server::{Kind, Place, Server};

/// A clock that can be set. That which only ever goes on is not touched, as on a host whose time somebody sets.
struct Clock {
    folder: TempDir,
}

impl Clock {
    fn new(offset: &str) -> Self {
        let this = Self { folder: TempDir::new().expect("a folder can be made") };
        this.set(offset);
        this
    }

    fn set(&self, offset: &str) {
        let (new, file) = (self.folder.path().join("new"), self.folder.path().join("offset"));
        fs::write(&new, offset).expect("the file is written");
        fs::rename(new, file).expect("it is put in place");
    }

    /// Loopback, by this clock.
    fn place(&self) -> Place {
        let library = Command::new("faketime").args(["-f", "+0s", "printenv", "LD_PRELOAD"]).output();
        let library = String::from_utf8(library.expect("tests/packages installs it").stdout).expect("it is a path");
        let file = self.folder.path().join("offset");
        let settings = [
            format!("LD_PRELOAD={}", library.trim()),
            format!("FAKETIME_TIMESTAMP_FILE={}", file.display()),
            "FAKETIME_NO_CACHE=1".into(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".into(),
        ];
        Place { through: ["env".into()].into_iter().chain(settings).collect(), ..Place::here() }
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs()
}

/// What a node answers who connects with a token of these claims.
fn connect(node: &Node, claims: &Value) -> Value {
    let mut client = LineClient::silent(node.tcp());
    client.tell(json!({"connect": {"token": hs256(SECRET, claims)}}));
    client.word()
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn nodes_whose_clocks_are_wrong_by_a_minute_keep_their_leases_and_the_order_and_drop_nothing_early() {
    let redis = Server::start(Kind::Redis, &[]);
    let clocks = ["+60", "-60"].map(Clock::new);
    let nodes = [
        Node::start("right", &redis),
        Node::at(&clocks[0].place(), "ahead", &over(&redis)),
        Node::at(&clocks[1].place(), "behind", &over(&redis)),
    ];
    let mut listeners = nodes.each_ref().map(Node::client);
    let epochs = listeners.each_mut().map(|listener| epoch_of(&subscribe(listener, "shared:room", None)));
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]));
    let publish = |first: usize, last: usize| {
        for at in first..=last {
            assert_eq!(nodes[at % 3].publish("shared:room", at)["result"]["offset"], at);
        }
    };
    publish(1, 15);
    clocks[0].set("-60");
    clocks[1].set("+60");
    thread::sleep(BEYOND_A_LEASE);
    publish(16, 30);
    for listener in &mut listeners {
        (1..=30).for_each(|at| assert_eq!(listener.publication().1, at));
    }
    for node in &nodes {
        assert!(node.metrics().contains("\nringpost_leases_lost_total 0\n"));
        let recovered = subscribe(&mut node.client(), "shared:room", Some((0, &epochs[0])));
        assert_eq!(recovered["publications"].as_array().map(Vec::len), Some(30), "{recovered}");
    }
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_node_whose_clock_is_a_minute_ahead_takes_no_token_that_ends_within_it() {
    let redis = Server::start(Kind::Redis, &[]);
    let clock = Clock::new("+60");
    let wrong = Node::at_with(&clock.place(), "wrong", &redis, "token.leeway = \"5s\"");
    let right = Node::start_with("right", &redis, "token.leeway = \"5s\"");
    let (soon, later) = (json!({"sub": "ann", "exp": now_s() + 30}), json!({"sub": "ann", "exp": now_s() + 600}));
    assert!(connect(&right, &soon)["connect"].is_object());
    assert_eq!(connect(&wrong, &soon)["error"]["code"], 109, "expired");
    assert!(connect(&wrong, &later)["connect"].is_object());
    clock.set("-60");
    let early = json!({"sub": "ann", "nbf": now_s() - 10});
    assert!(connect(&right, &early)["connect"].is_object());
    assert!(connect(&wrong, &early)["connect"].is_null(), "it is not valid yet");
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn a_redis_whose_clock_is_set_forward_ends_all_leases_and_one_set_back_none() {
    let clock = Clock::new("+0");
    // What fakes the clock does not get on with the allocator of Debian's Redis.
    let redis = Server::start_at(Kind::Valkey, &clock.place(), &[]);
    let node = Node::start("one", &redis);
    let mut client = node.client();
    let epoch = epoch_of(&subscribe(&mut client, "shared:room", None));
    assert_eq!(node.publish("shared:room", 1)["result"]["offset"], 1);
    assert_eq!(client.publication().1, 1);
    clock.set("-60");
    assert_eq!(node.publish("shared:room", 2)["result"]["offset"], 2);
    assert_eq!(client.publication().1, 2);
    thread::sleep(BEYOND_A_LEASE);
    assert!(node.metrics().contains("\nringpost_leases_lost_total 0\n"));
    clock.set("+60");
    assert_eq!(unsubscribed(&mut client, "shared:room"), INSUFFICIENT);
    let taken = publish_in_the_end(&node, "shared:room", "3");
    assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(3), &json!(epoch)), "history lives on");
    let recovered = subscribe(&mut client, "shared:room", Some((2, &epoch)));
    assert_eq!(recovered["publications"].as_array().map(Vec::len), Some(1), "{recovered}");
}
