//! What becomes of what Kafka has acknowledged while nodes, Redis or Kafka itself are away.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Node, subscribe};
use crate::kafka::Kafka;
use crate::load::heard_until;
use crate::outages::{BEYOND_A_LEASE, epoch_of};
use crate::relays::topics;
use crate::server::{Kind, Server, wait};

/// The data of a channel's history, as a backend reads it.
pub(crate) fn history(node: &Node, channel: &str) -> Vec<Value> {
    let page = node.api("history", &json!({"channel": channel, "limit": 10_000}));
    let publications = page["result"]["publications"].as_array().cloned().unwrap_or_default();
    publications.iter().map(|one| one["data"].clone()).collect()
}

#[test]
#[ignore = "the time of a member of a group: make test-cluster"]
fn a_node_that_is_killed_while_it_moves_loses_nothing_and_doubles_nothing() {
    const ALL: usize = 3_000;
    let (redis, kafka) = (Server::start(Kind::Redis, &[]), Kafka::shared());
    let prefix = topics(&kafka);
    let start = |name| Node::by_kafka(name, &redis, &kafka.address(), &prefix);
    let (first, mut second, mut third) = (start("one"), start("two"), start("three"));
    wait("all have something to move", || {
        let moves = |node: &Node| !node.metrics().contains("ringpost_mover_partitions 0");
        [&first, &second, &third].into_iter().all(moves)
    });
    let channels: Vec<_> = (0..8).map(|at| format!("relayed:{at}")).collect();
    let mut listeners: Vec<_> = channels
        .iter()
        .map(|channel| {
            let mut listener = first.client();
            subscribe(&mut listener, channel, None);
            listener
        })
        .collect();
    let mut client = first.client();
    for at in 0..ALL {
        client.tell(json!({"publish": {"channel": channels[at % channels.len()], "data": at}}));
        match at {
            1_000 => second.kill(),
            2_000 => third.signal(Signal::TERM),
            _ => {}
        }
        assert_eq!(client.word()["publish"], json!({}), "{at}");
    }
    for (channel, listener) in channels.iter().zip(&mut listeners) {
        first.publish(channel, "last");
        let heard = heard_until(listener, &json!("last"));
        let own = (0..ALL).filter(|at| channels[at % channels.len()] == *channel).map(Value::from);
        assert!(heard.iter().eq(own.chain([json!("last")]).collect::<Vec<_>>().iter()), "{channel}: {heard:?}");
    }
    assert!(third.end().success());
}

#[test]
#[ignore = "a Kafka of its own: make test-cluster"]
fn while_kafka_is_away_publishes_are_refused_and_everything_else_goes_on() {
    let (redis, mut kafka) = (Server::start(Kind::Redis, &[]), Kafka::start());
    let prefix = topics(&kafka);
    let nodes = ["one", "two"].map(|name| Node::by_kafka(name, &redis, &kafka.address(), &prefix));
    let mut listener = nodes[1].client();
    subscribe(&mut listener, "relayed:room", None);
    nodes[0].publish("relayed:room", "before");
    heard_until(&mut listener, &json!("before"));
    kafka.kill();
    let mut client = nodes[0].client();
    client.tell(json!({"publish": {"channel": "relayed:room", "data": "refused"}}));
    let began = Instant::now();
    for channel in ["shared:room", "local:room"] {
        assert!(nodes[0].publish(channel, 1)["result"]["offset"].is_u64(), "{channel} goes on");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "and at once");
    let reply = client.word();
    assert_eq!((&reply["error"]["code"], &reply["error"]["temporary"]), (&json!(100), &json!(true)), "{reply}");
    assert!(nodes[0].metrics().contains("ringpost_kafka_errors_total{kind=\"late\"} "), "it is counted");
    kafka.restart();
    wait("it is published", || nodes[0].publish("relayed:room", "after")["result"].is_object());
    let heard = heard_until(&mut listener, &json!("after"));
    // What was refused as late may have been taken; nothing else.
    assert!(heard.iter().all(|data| [json!("refused"), json!("after")].contains(data)), "{heard:?}");
}

#[test]
#[ignore = "a Kafka of its own, and the time of a lease: make test-cluster"]
fn nodes_whose_redis_and_kafka_are_gone_end_in_time_before_and_after_their_lease() {
    let (mut redis, mut kafka) = (Server::start(Kind::Redis, &[]), Kafka::start());
    let prefix = topics(&kafka);
    let [mut first, mut second] = ["one", "two"].map(|name| Node::by_kafka(name, &redis, &kafka.address(), &prefix));
    first.publish("relayed:room", "before");
    wait("it is moved", || history(&second, "relayed:room").len() == 1);
    kafka.kill();
    redis.kill();
    let ends = |node: &mut Node| {
        let began = Instant::now();
        assert!(node.end().success());
        assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    };
    ends(&mut first);
    sleep(BEYOND_A_LEASE);
    ends(&mut second);
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn while_redis_is_away_publishes_are_acknowledged_and_they_come_when_it_is_back() {
    let mut redis = Server::start(Kind::Redis, &["--appendonly", "yes", "--appendfsync", "always"]);
    let kafka = Kafka::shared();
    let prefix = topics(&kafka);
    let nodes = ["one", "two"].map(|name| Node::by_kafka(name, &redis, &kafka.address(), &prefix));
    nodes[0].publish("relayed:room", 0);
    wait("it is moved", || history(&nodes[1], "relayed:room").len() == 1);
    redis.kill();
    for at in 1..=50 {
        assert_eq!(nodes[at % 2].publish("relayed:room", at)["result"], json!({}), "{at}");
    }
    redis.restart();
    wait("all is moved", || history(&nodes[1], "relayed:room").len() == 51);
    let numbers: BTreeSet<_> = history(&nodes[0], "relayed:room").iter().map(Value::as_u64).collect();
    assert!(numbers.into_iter().eq((0..=50).map(Some)));
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn what_was_moved_into_buckets_that_are_lost_is_moved_again_under_a_new_epoch() {
    let (mut redis, kafka) = (Server::start(Kind::Redis, &[]), Kafka::shared());
    let prefix = topics(&kafka);
    let nodes = ["one", "two"].map(|name| Node::by_kafka(name, &redis, &kafka.address(), &prefix));
    let channels = ["relayed:a", "relayed:b", "relayed:c"];
    let epoch = epoch_of(&subscribe(&mut nodes[0].client(), channels[0], None));
    for at in 0..30 {
        nodes[at % 2].publish(channels[at % 3], at);
    }
    wait("all is moved", || channels.iter().all(|channel| history(&nodes[0], channel).len() == 10));
    redis.restart();
    nodes[1].publish(channels[0], 30);
    wait("all is moved again", || {
        channels.iter().map(|channel| history(&nodes[0], channel).len()).sum::<usize>() == 31
    });
    for (at, channel) in channels.iter().enumerate() {
        let moved: Vec<_> = (0..=30).filter(|number| number % 3 == at).map(Value::from).collect();
        assert_eq!(history(&nodes[1], channel), moved, "in its order");
    }
    assert_ne!(epoch_of(&subscribe(&mut nodes[0].client(), channels[0], None)), epoch);
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn buckets_that_are_lost_while_no_node_is_there_are_found_by_the_next() {
    let (mut redis, kafka) = (Server::start(Kind::Redis, &[]), Kafka::shared());
    let prefix = topics(&kafka);
    let mut node = Node::by_kafka("one", &redis, &kafka.address(), &prefix);
    (0..10).for_each(|at| drop(node.publish("relayed:room", at)));
    wait("all is moved", || history(&node, "relayed:room").len() == 10);
    assert!(node.end().success());
    let whole = Node::by_kafka("two", &redis, &kafka.address(), &prefix);
    whole.publish("relayed:room", 10);
    wait("the next goes on", || history(&whole, "relayed:room").len() == 11);
    assert!(whole.metrics().contains("ringpost_mover_replays_total 0"), "where nothing was lost");
    drop(whole);
    redis.restart();
    let node = Node::by_kafka("three", &redis, &kafka.address(), &prefix);
    wait("all is moved again", || history(&node, "relayed:room").len() == 11);
    assert!(history(&node, "relayed:room").into_iter().eq((0..=10).map(Value::from)));
}
