//! What clients see while Redis or a node is away, and after it.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Node, publish_in_the_end, subscribe, unsubscribed};
use crate::server::{Kind, Server, wait};

/// Longer than a lease.
pub(crate) const BEYOND_A_LEASE: Duration = Duration::from_secs(12);

/// A subscription that the node ends for what it has missed.
pub(crate) const INSUFFICIENT: u64 = 2500;

pub(crate) fn epoch_of(begun: &Value) -> String {
    begun["epoch"].as_str().expect("a stream has an epoch").to_owned()
}

#[test]
fn full_memory_refuses_publishes_and_disturbs_nobody_else() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut listener = nodes[1].client();
    let epoch = epoch_of(&subscribe(&mut listener, "shared:room", None));
    assert_eq!(nodes[0].publish("shared:room", "a")["result"]["offset"], 1);
    redis.set("maxmemory", "1mb");
    let refused = nodes[0].publish("shared:room", "b");
    assert_eq!(refused["error"]["code"], 100, "{refused}");
    assert_eq!(nodes[0].publish("local:room", "b")["result"]["offset"], 1);
    let from = json!({"channel": "shared:room", "recover": true, "offset": 0, "epoch": epoch});
    let recovered = nodes[0].client().ask(json!({ "subscribe": from }));
    assert_eq!(recovered["subscribe"]["publications"].as_array().map(Vec::len), Some(1), "{recovered}");
    let begun = nodes[0].client().ask(json!({"subscribe": {"channel": "shared:other"}}));
    assert!(begun["subscribe"]["epoch"].is_string(), "{begun}");
    redis.set("maxmemory", "0");
    assert_eq!(publish_in_the_end(&nodes[0], "shared:room", "c")["result"]["offset"], 2);
    assert_eq!([listener.publication().1, listener.publication().1], [1, 2]);
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_redis_that_comes_back_with_its_data_goes_on_in_the_same_epoch() {
    let mut redis = Server::start(Kind::Redis, &["--appendonly", "yes", "--appendfsync", "always"]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut listener = nodes[1].client();
    let epoch = epoch_of(&subscribe(&mut listener, "shared:room", None));
    nodes[0].publish("shared:room", "a");
    assert_eq!(listener.publication().1, 1);
    redis.kill();
    // What is in memory goes on, whatever Redis does.
    assert_eq!(nodes[0].publish("local:room", "a")["result"]["offset"], 1);
    let refused = nodes[0].publish("shared:room", "b");
    assert_eq!(refused["error"]["code"], 100, "{refused}");
    redis.restart();
    let taken = publish_in_the_end(&nodes[0], "shared:room", "c");
    assert_eq!((&taken["result"]["epoch"], &taken["result"]["offset"]), (&json!(epoch), &json!(2)));
    let (_, offset, data) = listener.publication();
    assert_eq!((offset, data), (2, json!("c")), "nobody was told of an end");
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_redis_that_has_lost_its_data_begins_a_new_epoch_and_says_so() {
    let mut redis = Server::start(Kind::Redis, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut listener = nodes[1].client();
    let epoch = epoch_of(&subscribe(&mut listener, "shared:room", None));
    (0..3).for_each(|at| drop(nodes[0].publish("shared:room", at)));
    (1..=3).for_each(|at| assert_eq!(listener.publication().1, at));
    redis.restart();
    let taken = publish_in_the_end(&nodes[0], "shared:room", "new");
    assert_ne!(taken["result"]["epoch"], json!(epoch));
    assert_eq!(unsubscribed(&mut listener, "shared:room"), INSUFFICIENT);
    let begun = subscribe(&mut listener, "shared:room", Some((3, &epoch)));
    assert!(!begun["recovered"].as_bool().unwrap_or_default(), "{begun}");
    assert_eq!(begun["epoch"], taken["result"]["epoch"]);
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn a_node_that_is_killed_is_cleared_away_and_its_name_is_free_after_its_lease() {
    let redis = Server::start(Kind::Redis, &[]);
    let mut nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut client = nodes[1].client();
    let epoch = epoch_of(&subscribe(&mut client, "shared:room", None));
    nodes[0].publish("shared:room", "a");
    assert_eq!(client.publication().1, 1);
    nodes[1].kill();
    assert_eq!(nodes[0].publish("shared:room", "b")["result"]["offset"], 2);
    let mut client = nodes[0].client();
    let recovered = subscribe(&mut client, "shared:room", Some((1, &epoch)));
    assert_eq!((&recovered["recovered"], &recovered["publications"][0]["offset"]), (&json!(true), &json!(2)));
    // It waits for the lease of the one before it.
    let again = Node::start("two", &redis);
    wait("the first node has cleared away what was left", || {
        let leases = redis.cli(&["HLEN", "ringpost:1:{nodes}:n"]);
        leases.trim() == "2"
    });
    let recovered = subscribe(&mut again.client(), "shared:room", Some((0, &epoch)));
    assert_eq!(recovered["publications"].as_array().map(Vec::len), Some(2), "{recovered}");
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn a_node_that_slept_through_its_lease_ends_what_counts_on_it_and_comes_back() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut client = nodes[1].client();
    let epoch = epoch_of(&subscribe(&mut client, "shared:room", None));
    nodes[0].publish("shared:room", 1);
    assert_eq!(client.publication().1, 1);
    nodes[1].signal(Signal::STOP);
    (2..=5).for_each(|at| drop(nodes[0].publish("shared:room", at)));
    std::thread::sleep(BEYOND_A_LEASE);
    nodes[1].signal(Signal::CONT);
    let mut heard = vec![1];
    let ended = loop {
        let word = client.word();
        let push = &word["push"];
        match push["unsubscribe"]["code"].as_u64() {
            Some(code) => break code,
            None => heard.extend(push["pub"]["offset"].as_u64()),
        }
    };
    assert_eq!(ended, INSUFFICIENT);
    assert!(heard.iter().copied().eq(1..=heard.len() as u64), "nothing was left out until then: {heard:?}");
    let recovered = subscribe(&mut client, "shared:room", Some((heard.len() as u64, &epoch)));
    assert_eq!(recovered["recovered"], true, "{recovered}");
    let missed = recovered["publications"].as_array().map_or(0, Vec::len);
    assert_eq!(heard.len() + missed, 5, "{heard:?} and {recovered}");
    let taken = publish_in_the_end(&nodes[1], "shared:room", "6");
    assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(6), &json!(epoch)));
    assert_eq!(client.publication().1, 6);
}

/// Publishes so many at one node, and sees each of them taken.
pub(crate) fn publish_all(node: &Node, channel: &str, count: usize) {
    let mut client = node.client();
    for at in 0..count {
        client.tell(json!({"publish": {"channel": channel, "data": at}}));
    }
    for _ in 0..count {
        let reply = client.word();
        assert_eq!(reply["publish"], json!({}), "{reply}");
    }
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn connections_to_redis_that_are_cut_while_all_publish_leave_no_hole_that_anybody_sees() {
    const EACH: usize = 400;
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut listeners = nodes.each_ref().map(Node::client);
    listeners.iter_mut().for_each(|listener| drop(subscribe(listener, "shared:room", None)));
    std::thread::scope(|scope| {
        let publishers: Vec<_> = nodes
            .iter()
            .map(|node| scope.spawn(|| (0..4).for_each(|_| publish_all(node, "shared:room", EACH / 4))))
            .collect();
        for kind in ["pubsub", "normal"].into_iter().cycle() {
            redis.cli(&["CLIENT", "KILL", "TYPE", kind]);
            std::thread::sleep(Duration::from_millis(50));
            if publishers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
    });
    for listener in &mut listeners {
        for expected in 1..=2 * EACH as u64 {
            assert_eq!(listener.publication().1, expected);
        }
    }
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_redis_that_stands_still_for_some_seconds_delays_and_loses_nothing() {
    let redis = Server::start(Kind::Valkey, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut listener = nodes[1].client();
    let epoch = epoch_of(&subscribe(&mut listener, "shared:room", None));
    redis.cli(&["CLIENT", "PAUSE", "3000", "ALL"]);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| nodes[0].publish("shared:room", "a"));
        assert_eq!(nodes[0].publish("local:room", "a")["result"]["offset"], 1);
        let taken = waiting.join().expect("it is answered");
        assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(1), &json!(epoch)), "{taken}");
    });
    assert_eq!(listener.publication().1, 1);
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn a_redis_that_stands_still_for_longer_than_a_lease_has_nodes_act_dead_and_come_back() {
    let redis = Server::start(Kind::Redis, &[]);
    let node = Node::start("one", &redis);
    let mut client = node.client();
    let epoch = epoch_of(&subscribe(&mut client, "shared:room", None));
    assert_eq!(node.publish("shared:room", "a")["result"]["offset"], 1);
    assert_eq!(client.publication().1, 1);
    redis.cli(&["CLIENT", "PAUSE", "14000", "ALL"]);
    assert_eq!(unsubscribed(&mut client, "shared:room"), INSUFFICIENT);
    let refused = node.publish("shared:room", "b");
    assert_eq!(refused["error"]["code"], 100, "{refused}");
    assert!(node.metrics().contains("\nringpost_leases_lost_total 1\n"));
    assert_eq!(node.publish("local:room", "b")["result"]["offset"], 1);
    let taken = publish_in_the_end(&node, "shared:room", "c");
    assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(2), &json!(epoch)));
    let recovered = subscribe(&mut client, "shared:room", Some((1, &epoch)));
    assert_eq!((&recovered["recovered"], &recovered["publications"][0]["offset"]), (&json!(true), &json!(2)));
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn nodes_that_are_killed_and_started_again_cost_the_others_nothing() {
    const EACH: usize = 300;
    let redis = Server::start(Kind::Redis, &[]);
    let stays = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut third = Node::start("three", &redis);
    let mut listeners = stays.each_ref().map(Node::client);
    listeners.iter_mut().for_each(|listener| drop(subscribe(listener, "shared:room", None)));
    subscribe(&mut third.client(), "shared:room", None);
    std::thread::scope(|scope| {
        let publishers = stays.each_ref().map(|node| scope.spawn(|| publish_all(node, "shared:room", EACH)));
        third.kill();
        third = Node::start("three", &redis);
        publishers.into_iter().for_each(|publisher| publisher.join().expect("all is taken"));
    });
    assert_eq!(third.publish("shared:room", "last")["result"]["offset"], 2 * EACH + 1);
    for listener in &mut listeners {
        for expected in 1..=2 * EACH as u64 + 1 {
            assert_eq!(listener.publication().1, expected);
        }
    }
}
