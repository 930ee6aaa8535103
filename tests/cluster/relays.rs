//! The way up by Kafka: what is acknowledged there comes to every subscriber, each once, whatever it is written by.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Node, subscribe};
use crate::kafka::Kafka;
use crate::kcat::kcat_writes;
use crate::server::{Kind, Server, wait};

/// Partitions of the way up.
pub(crate) const PARTITIONS: i32 = 4;

/// Makes the topics that nodes need, and says how their names begin.
pub(crate) fn topics(kafka: &Kafka) -> String {
    let prefix = kafka.prefix();
    kafka.topic(&format!("{prefix}publish"), PARTITIONS);
    kafka.topic(&format!("{prefix}publish.dead"), 1);
    kafka.topic(&format!("{prefix}publications"), PARTITIONS);
    kafka.topic(&format!("{prefix}deliver"), 8);
    prefix
}

/// A Redis, nodes of these names over it, and the Kafka that tests share.
pub(crate) fn cluster<const N: usize>(names: [&str; N]) -> (Server, Arc<Kafka>, String, [Node; N]) {
    let (redis, kafka) = (Server::start(Kind::Redis, &[]), Kafka::shared());
    let prefix = topics(&kafka);
    let nodes = names.map(|name| Node::by_kafka(name, &redis, &kafka.address(), &prefix));
    (redis, kafka, prefix, nodes)
}

/// What a listener is told, so many.
fn heard(listener: &mut crate::client::LineClient, count: usize) -> Vec<(u64, Value)> {
    (0..count).map(|_| listener.publication()).map(|(_, offset, data)| (offset, data)).collect()
}

#[test]
fn what_kafka_has_comes_to_all_nodes_each_once_and_in_one_order() {
    const EACH: usize = 300;
    let (_redis, _kafka, _prefix, nodes) = cluster(["one", "two"]);
    let mut listeners = nodes.each_ref().map(Node::client);
    listeners.iter_mut().for_each(|listener| _ = subscribe(listener, "relayed:room", None));
    std::thread::scope(|scope| {
        for (of, node) in nodes.iter().enumerate() {
            scope.spawn(move || {
                let mut client = node.client();
                for at in 0..EACH {
                    client.tell(json!({"publish": {"channel": "relayed:room", "data": format!("{of} {at}")}}));
                }
                for _ in 0..EACH {
                    let reply = client.word();
                    assert_eq!(reply["publish"], json!({}), "{reply}");
                }
            });
        }
    });
    let [first, second] = listeners.each_mut().map(|listener| heard(listener, 2 * EACH));
    assert!(first.iter().map(|(offset, _)| *offset).eq(1..=2 * EACH as u64));
    assert_eq!(first, second);
    for of in 0..nodes.len() {
        let prefix = format!("{of} ");
        let own = first.iter().filter_map(|(_, data)| data.as_str()?.strip_prefix(&prefix)?.parse::<usize>().ok());
        assert!(own.eq(0..EACH), "each publisher's own are in its order");
    }
}

#[test]
fn a_call_of_the_api_is_answered_without_a_place_and_keeps_all_that_it_has() {
    let (_redis, _kafka, _prefix, nodes) = cluster(["one", "two"]);
    let mut listener = nodes[1].client();
    subscribe(&mut listener, "relayed:room", None);
    let tags = json!({"colour": "red"});
    let whole = json!({"channel": "relayed:room", "data": {"text": "ä\n"}, "tags": tags, "ttl": "1h"});
    assert_eq!(nodes[0].api("publish", &whole)["result"], json!({}));
    let bytes = json!({"channel": "relayed:room", "b64data": "AP8="});
    assert_eq!(nodes[0].api("publish", &bytes)["result"], json!({}));
    let pushed = |listener: &mut crate::client::LineClient| listener.word()["push"]["pub"].clone();
    let first = pushed(&mut listener);
    assert_eq!((&first["data"], &first["tags"], &first["offset"]), (&json!({"text": "ä\n"}), &tags, &json!(1)));
    assert_eq!(pushed(&mut listener)["offset"], 2);
    let refused = nodes[0].api("publish", &json!({"channel": "relayed:room", "data": 1, "delay": "1s"}));
    assert_eq!(refused["error"]["code"], 108, "{refused}");
}

#[test]
fn what_is_kept_nowhere_goes_the_same_way() {
    let (_redis, kafka, prefix, nodes) = cluster(["one", "two"]);
    let mut listener = nodes[1].client();
    subscribe(&mut listener, "passing:room", None);
    for at in 0..20 {
        assert_eq!(nodes[0].publish("passing:room", at)["result"], json!({}));
    }
    let told = heard(&mut listener, 20);
    assert!(told.iter().map(|(offset, data)| (*offset, data.clone())).eq((0..20).map(|at| (0, json!(at)))), "{told:?}");
    assert_eq!(kafka.read(&format!("{prefix}publish"), 20).len(), 20);
}

#[test]
fn what_comes_twice_with_one_key_is_acknowledged_twice_and_published_once() {
    let (_redis, kafka, prefix, nodes) = cluster(["one", "two"]);
    let mut listener = nodes[1].client();
    subscribe(&mut listener, "relayed:room", None);
    let keyed = |data: &str| json!({"channel": "relayed:room", "data": data, "idempotency_key": "k"});
    assert_eq!(nodes[0].api("publish", &keyed("a"))["result"], json!({}));
    assert_eq!(nodes[1].api("publish", &keyed("b"))["result"], json!({}));
    kafka.write(&format!("{prefix}publish"), Some("relayed:room"), keyed("c").to_string().as_bytes(), &[]);
    nodes[0].publish("relayed:room", "d");
    assert_eq!(heard(&mut listener, 2), [(1, json!("a")), (2, json!("d"))]);
}

#[test]
fn a_header_whose_name_is_no_text_ends_no_node() {
    let (_redis, kafka, prefix, mut nodes) = cluster(["one", "two"]);
    let mut listener = nodes[0].client();
    subscribe(&mut listener, "relayed:room", None);
    for data in 1..3 {
        kcat_writes(
            &kafka,
            &format!("{prefix}publish"),
            "relayed:room",
            &[b"\xff=1"],
            &json!({"data": data}).to_string(),
        );
        assert_eq!(heard(&mut listener, 1), [(data, json!(data))]);
    }
    assert!(nodes.iter_mut().all(|node| node.end().success()), "all were well");
}

#[test]
fn records_of_backends_are_published_and_what_cannot_be_lies_with_the_dead_and_holds_nobody_up() {
    let (_redis, kafka, prefix, nodes) = cluster(["one", "two"]);
    let mut listener = nodes[0].client();
    subscribe(&mut listener, "relayed:room", None);
    let (up, json_type) = (format!("{prefix}publish"), ("content-type", &b"application/json"[..]));
    let write = |value: &[u8], headers: &[(&str, &[u8])]| kafka.write(&up, Some("relayed:room"), value, headers);
    let mut written = BTreeSet::new();
    write(br#"{"data": "first", "what_a_later_version_knows": [1]}"#, &[json_type]);
    // All in one partition: each would stop those behind it.
    for (value, headers, why) in [
        (&b"{"[..], &[json_type][..], "no such JSON"),
        (b"", &[], "no such JSON"),
        (br#"{"channel": "relayed:room"}"#, &[], "is required"),
        (br#"{"channel": "nowhere:room", "data": 1}"#, &[], "nowhere"),
        (br#"{"channel": "shared:room", "data": 1}"#, &[], "acknowledge"),
        (br#"{"data": 1, "message_id": "m"}"#, &[], "no info"),
        (b"\xff\xff\xff", &[("content-type", b"application/protobuf")], "Protobuf"),
        (b"data", &[("content-type", b"text/plain")], "text/plain"),
    ] {
        let (partition, offset) = write(value, headers);
        written.insert((partition.to_string(), offset.to_string(), value.to_vec(), why));
    }
    // The channel 1 and the JSON text 2, as docs/events.proto numbers them.
    let by_protobuf = [&b"\x0a\x0crelayed:room\x12\x06"[..], b"\"last\""].concat();
    let (partition, last) = write(&by_protobuf, &[("content-type", b"application/protobuf")]);
    assert_eq!(heard(&mut listener, 2), [(1, json!("first")), (2, json!("last"))]);
    let dead = kafka.read(&format!("{prefix}publish.dead"), written.len());
    assert_eq!(dead.len(), written.len(), "{dead:?}");
    for one in dead {
        let header = |name: &str| one.header(name).unwrap_or_else(|| panic!("{one:?} has no {name}"));
        assert_eq!((header("ringpost-topic"), one.key.as_deref()), (&*up, Some("relayed:room")));
        let of = |(partition, offset, value, why): &&(String, String, Vec<u8>, &str)| {
            partition == header("ringpost-partition")
                && offset == header("ringpost-offset")
                && *value == one.value
                && header("ringpost-reason").contains(why)
        };
        assert!(written.iter().any(|one| of(&one)), "{one:?}");
    }
    wait("the group stands behind all", || {
        kafka.committed(&format!("{prefix}nodes.movers"), &up)[partition as usize] == last + 1
    });
}
