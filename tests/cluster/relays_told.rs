//! The way down by Kafka, and the topic of publications.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Node, spawn_by_kafka, subscribe};
use crate::kafka::Kafka;
use crate::relays::cluster;
use crate::server::{Kind, Server};
use crate::start::refusal;

#[test]
fn every_kept_publication_lies_in_its_topic_in_its_place() {
    let (_redis, kafka, prefix, nodes) = cluster(["one", "two"]);
    let mut listener = nodes[1].client();
    subscribe(&mut listener, "relayed:room", None);
    let tags = json!({"colour": "red"});
    for at in 0..20 {
        let channel = if at % 5 == 4 { "passing:room" } else { "relayed:room" };
        let publish = json!({"channel": channel, "data": at, "tags": tags});
        assert_eq!(nodes[at % 2].api("publish", &publish)["result"], json!({}));
    }
    let mut told: Vec<_> = (0..16).map(|_| listener.publication()).map(|(_, offset, data)| (offset, data)).collect();
    told.sort_by_key(|(offset, _)| *offset);
    let kept = kafka.read(&format!("{prefix}publications"), 16);
    let mut written = Vec::new();
    for one in &kept {
        assert_eq!((one.key.as_deref(), one.header("ringpost-schema")), (Some("relayed:room"), Some("publication/1")));
        let publication = one.json();
        assert_eq!((&publication["channel"], &publication["tags"]), (&json!("relayed:room"), &tags));
        written.push((publication["offset"].as_u64().unwrap(), publication["data"].clone()));
    }
    assert_eq!(written, told, "in the channel's order");
    let epochs: BTreeSet<_> = kept.iter().map(|one| one.json()["epoch"].as_str().unwrap().to_owned()).collect();
    let history = nodes[0].api("history", &json!({"channel": "relayed:room", "limit": 0}));
    assert_eq!(epochs.into_iter().map(Value::from).collect::<Vec<_>>(), [history["result"]["epoch"].clone()]);
}

#[test]
fn a_node_for_which_kafka_has_no_topics_or_no_partition_is_refused_with_what_to_do() {
    let (redis, kafka) = (Server::start(Kind::Redis, &[]), Kafka::shared());
    let prefix = kafka.prefix();
    let told = refusal(spawn_by_kafka("one", &redis, &kafka.address(), &prefix).0);
    for said in ["the node cannot use this Kafka", &format!("kafka-topics.sh --create --topic {prefix}publish ")] {
        assert!(told.contains(said), "{said}: {told}");
    }
    for topic in ["publish", "publish.dead", "publications", "deliver"] {
        kafka.topic(&format!("{prefix}{topic}"), 1);
    }
    let _node = Node::by_kafka("one", &redis, &kafka.address(), &prefix);
    let told = refusal(spawn_by_kafka("two", &redis, &kafka.address(), &prefix).0);
    assert!(told.contains("the node has slot 2") && told.contains("give it a partition for each node"), "{told}");
}
