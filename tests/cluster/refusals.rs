//! A Redis that is there and does not do what it is asked: it is busy, a replica, emptied of its Functions, or evicts.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Node, over, publish_in_the_end, subscribe, unsubscribed};
use crate::outages::{BEYOND_A_LEASE, INSUFFICIENT, epoch_of, publish_all};
use crate::partitions::next;
use crate::server::{Kind, Server, wait};

#[test]
fn functions_that_somebody_has_flushed_are_back_with_the_next_call_whatever_it_is() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = ["one", "two"].map(|name| Node::start(name, &redis));
    let mut listener = nodes[1].client();
    subscribe(&mut listener, "told:room", None);
    let epoch = epoch_of(&subscribe(&mut listener, "shared:room", None));
    for (at, channel) in (1..).zip(["told:room", "shared:room", "told:room", "shared:room"]) {
        redis.cli(&["FUNCTION", "FLUSH"]);
        let taken = nodes[0].publish(channel, at);
        assert!(taken["result"].is_object(), "{taken}");
        assert_eq!((listener.publication().2, taken["error"].is_null()), (json!(at), true));
    }
    assert_eq!(nodes[0].publish("shared:room", 3)["result"]["epoch"], json!(epoch));
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_redis_that_is_busy_with_a_script_delays_and_one_that_is_a_replica_refuses() {
    let redis = Server::start(Kind::Redis, &["--busy-reply-threshold", "100"]);
    let node = Node::over("one", &over(&redis));
    let mut listener = node.client();
    let epoch = epoch_of(&subscribe(&mut listener, "shared:room", None));
    thread::scope(|scope| {
        scope.spawn(|| redis.cli(&["EVAL", "while true do end", "0"]));
        wait("it is busy", || redis.cli(&["PING"]).contains("BUSY"));
        let waiting = scope.spawn(|| node.publish("shared:room", "late"));
        thread::sleep(Duration::from_secs(1));
        assert_eq!(node.publish("local:room", "x")["result"]["offset"], 1);
        redis.cli(&["SCRIPT", "KILL"]);
        let taken = waiting.join().expect("it is answered");
        assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(1), &json!(epoch)), "{taken}");
    });
    // Nobody is there whose replica it could be: it keeps what it has.
    redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let refused = node.publish("shared:room", "refused");
    assert_eq!(refused["error"]["code"], 100, "{refused}");
    assert!(node.metrics().contains("ringpost_redis_errors_total{kind=\"read_only\"}"), "{}", node.metrics());
    redis.cli(&["REPLICAOF", "NO", "ONE"]);
    let taken = publish_in_the_end(&node, "shared:room", "again");
    assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(2), &json!(epoch)), "{taken}");
    assert_eq!([listener.publication().1, listener.publication().1], [1, 2]);
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_redis_that_stands_still_again_and_again_ends_no_epoch_though_connections_are_given_up_and_wake_again() {
    const ROUNDS: usize = 60;
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = ["one", "two"].map(|name| Node::start(name, &redis));
    let mut listeners = nodes.each_ref().map(Node::client);
    listeners.iter_mut().for_each(|listener| drop(subscribe(listener, "shared:room", None)));
    thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    publish_all(node, "shared:room", 5);
                    thread::sleep(Duration::from_millis(100));
                }
            });
        }
        // Longer than an answer may take.
        for _ in 0..4 {
            redis.cli(&["CLIENT", "PAUSE", "1200", "ALL"]);
            thread::sleep(Duration::from_millis(1700));
        }
    });
    for listener in &mut listeners {
        (1..=2 * 5 * ROUNDS as u64).for_each(|at| assert_eq!(next(listener), Ok(at)));
    }
    for node in &nodes {
        let metrics = node.metrics();
        assert!(metrics.contains("\nringpost_redis_generations_total 0\n"), "{metrics}");
    }
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_redis_that_is_told_to_evict_while_nodes_run_is_told_of() {
    let redis = Server::start(Kind::Redis, &["--maxmemory", "100mb"]);
    let node = Node::over("one", &over(&redis));
    assert!(node.metrics().contains("\nringpost_redis_unfit 0\n"));
    redis.set("maxmemory-policy", "allkeys-lru");
    wait("it is seen", || node.metrics().contains("\nringpost_redis_unfit 1\n"));
    assert!(node.publish("shared:room", 1)["result"].is_object(), "what is there already goes on");
    redis.set("maxmemory-policy", "noeviction");
    wait("it is well again", || node.metrics().contains("\nringpost_redis_unfit 0\n"));
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn a_node_whose_name_another_has_taken_meanwhile_stays_away_until_that_one_is_gone() {
    let redis = Server::start(Kind::Redis, &[]);
    let first = Node::start("one", &redis);
    let mut client = first.client();
    let epoch = epoch_of(&subscribe(&mut client, "shared:room", None));
    assert_eq!(first.publish("shared:room", 1)["result"]["offset"], 1);
    first.signal(Signal::STOP);
    // It waits until the lease of the first has run out.
    let mut second = Node::start("one", &redis);
    assert_eq!(second.publish("shared:room", 2)["result"]["offset"], 2);
    first.signal(Signal::CONT);
    assert_eq!(client.publication().1, 1);
    assert_eq!(unsubscribed(&mut client, "shared:room"), INSUFFICIENT);
    thread::sleep(BEYOND_A_LEASE);
    assert_eq!(first.publish("shared:room", "x")["error"]["code"], 100, "there is one of that name");
    assert_eq!(second.publish("shared:room", 3)["result"]["offset"], 3);
    assert!(second.end().success());
    let taken = publish_in_the_end(&first, "shared:room", "4");
    assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(4), &json!(epoch)));
}
