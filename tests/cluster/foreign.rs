//! Something that is not Ringpost's under a key of a channel in Redis: that channel is told so, and nobody else waits for it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{BUCKETS, Node, subscribe};
use crate::kafka::Kafka;
use crate::relays::cluster;
use crate::server::{Kind, Server, wait};

/// The key of what a channel keeps.
fn list_of(channel: &str) -> String {
    format!("ringpost:1:{{b{}}}:h:{channel}", ringpost::model::bucket_of(channel, BUCKETS))
}

/// The key of what the bucket of a channel knows of the way up.
fn places_of(channel: &str) -> String {
    list_of(channel).replace(&format!(":h:{channel}"), ":t")
}

/// Another channel in the bucket of this one.
fn neighbour(channel: &str) -> String {
    let bucket = |name: &str| ringpost::model::bucket_of(name, BUCKETS);
    let mut names = (0..).map(|number: u32| format!("{channel}{number}"));
    names.find(|name| bucket(name) == bucket(channel)).expect("names go on for ever")
}

#[test]
fn a_publish_into_a_channel_with_something_foreign_is_refused_for_good_and_its_neighbours_are_published() {
    let redis = Server::start(Kind::Redis, &[]);
    let node = Node::start("one", &redis);
    let (room, other) = ("shared:room", neighbour("shared:room"));
    redis.cli(&["SET", &list_of(room), "foreign"]);
    let mut client = node.client();
    subscribe(&mut client, &other, None);
    for at in 1..=5_u64 {
        let refused = node.publish(room, "x");
        assert_eq!(refused["error"]["code"], 100, "{refused}");
        assert!(refused["error"]["message"].as_str().is_some_and(|why| why.contains("not Ringpost's")), "{refused}");
        assert_eq!(node.publish(&other, at)["result"]["offset"], at);
    }
    let (channel, ..) = client.publication();
    assert_eq!(channel, other);
    assert_eq!(redis.cli(&["GET", &list_of(room)]).trim(), "foreign");
    assert!(node.metrics().contains("\nringpost_redis_errors_total{kind=\"foreign\"} "), "{}", node.metrics());
    // A backend that has the history removed has what is in its place removed.
    assert!(node.api("history_remove", &json!({"channel": room}))["error"].is_null());
    assert_eq!(node.publish(room, "y")["result"]["offset"], 1);
}

#[test]
fn a_record_for_a_channel_with_something_foreign_goes_to_the_dead_with_the_key_and_the_position_goes_on() {
    let (redis, kafka, prefix, [node]) = cluster(["one"]);
    let (room, other) = ("relayed:room", neighbour("relayed:room"));
    let mut listener = node.client();
    subscribe(&mut listener, &other, None);
    redis.cli(&["SET", &list_of(room), "foreign"]);
    assert_eq!(node.publish(room, "dead")["result"], json!({}));
    assert_eq!(node.publish(&other, "told")["result"], json!({}));
    assert_eq!(listener.publication().2, json!("told"));
    let dead = kafka.read(&format!("{prefix}publish.dead"), 1);
    let reason = dead[0].header("ringpost-reason").expect("it has one");
    assert!(reason.contains(&list_of(room)), "{reason}");
    assert_eq!((dead[0].key.as_deref(), &dead[0].json()["data"]), (Some(room), &json!("dead")));
    // All of the bucket: nothing can be moved there until somebody takes it away.
    let moved = places_of(room);
    redis.cli(&["DEL", &moved]);
    redis.cli(&["SET", &moved, "foreign"]);
    assert_eq!(node.publish(&other, "dead as well")["result"], json!({}));
    assert_eq!(kafka.read(&format!("{prefix}publish.dead"), 2).len(), 2);
    redis.cli(&["DEL", &moved, &list_of(room)]);
    assert_eq!(node.publish(room, "mended")["result"], json!({}));
    let written = kafka.read(&format!("{prefix}publish"), 4);
    wait("the group stands behind all", || {
        let stands = kafka.committed(&format!("{prefix}nodes.movers"), &format!("{prefix}publish"));
        written.iter().all(|one| stands[one.partition as usize] > one.offset)
    });
    let history = node.api("history", &json!({"channel": room, "limit": 10}));
    assert_eq!(history["result"]["publications"][0]["data"], "mended", "{history}");
}

/// The node that moves a record dies when something foreign under this key has refused the record, and is gone, and the record is not
/// with the dead yet. Gives the nodes' topics, and what the channel has when another node has gone on.
fn refused_and_not_buried(room: &str, key: &str) -> (Arc<Kafka>, String, Vec<Value>) {
    let (redis, kafka, prefix, [mut node]) = cluster(["one"]);
    let dead = format!("{prefix}publish.dead");
    kafka.delete(&dead);
    redis.cli(&["SET", key, "foreign"]);
    assert_eq!(node.publish(room, "refused")["result"], json!({}));
    wait("it is refused", || node.sample("ringpost_mover_errors_total{kind=\"foreign\"}").is_some());
    redis.cli(&["DEL", key]);
    assert_eq!(node.publish(room, "after")["result"], json!({}));
    let sample = |name: &str| node.sample(name).unwrap_or(0);
    wait("the next one has come as far as it may", || {
        sample("ringpost_mover_waiting") == 2 || sample("ringpost_mover_moved_total") == 1
    });
    node.kill();
    kafka.topic(&dead, 1);
    let node = Node::by_kafka("two", &redis, &kafka.address(), &prefix);
    let up = format!("{prefix}publish");
    wait("the group stands behind both", || kafka.committed(&format!("{prefix}nodes.movers"), &up).contains(&2));
    let history = node.api("history", &json!({"channel": room, "limit": 10}));
    let publications = history["result"]["publications"].as_array().cloned().unwrap_or_default();
    (kafka, prefix, publications.into_iter().map(|publication| publication["data"].clone()).collect())
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_record_that_was_refused_is_buried_by_another_node_when_its_mover_dies_before() {
    let room = "relayed:room";
    let (kafka, prefix, history) = refused_and_not_buried(room, &list_of(room));
    assert_eq!(history, ["after"]);
    let dead = kafka.read(&format!("{prefix}publish.dead"), 1);
    assert_eq!((dead[0].key.as_deref(), &dead[0].json()["data"]), (Some(room), &json!("refused")));
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_record_of_a_call_that_was_refused_is_moved_by_another_node_when_its_mover_dies_before_it_is_buried() {
    let room = "relayed:room";
    let (_kafka, _prefix, history) = refused_and_not_buried(room, &places_of(room));
    assert_eq!(history, ["refused", "after"]);
}
