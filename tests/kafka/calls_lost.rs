//! Calls in a topic, while nodes, Redis and Kafka go and come.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::calls::Calls;
use crate::harness::Node;
use crate::kafka::Kafka;
use crate::kafka::broker::java_beside;
use crate::server::{Kind, Server, wait};

/// A namespace that nodes share.
fn shared(redis: &Server) -> String {
    format!(
        "[[channel.namespaces]]\nname = \"shared\"\nlog = \"redis\"\nhistory_size = 1000\nhistory_ttl = \"600s\"\n\
         [cluster.redis]\naddresses = [\"{}\"]\nbuckets = 32\ntimeout = \"2s\"\n",
        redis.address()
    )
}

fn numbers(range: std::ops::Range<u32>) -> Vec<Value> {
    range.map(Value::from).collect()
}

#[test]
fn a_call_that_is_refused_for_now_is_tried_again_in_its_place_and_other_keys_go_on() {
    let calls = Calls::shared(1);
    let mut redis = Server::start(Kind::Redis, &["--appendonly", "yes", "--appendfsync", "always"]);
    let node = Node::start("one", &(shared(&redis) + &calls.section("")));
    calls.publish("shared:a", 0);
    wait("Redis is there", || node.history("shared:a") == [0]);
    redis.kill();
    (1..4).for_each(|number| calls.publish("shared:a", number));
    (0..3).for_each(|number| calls.publish("chat:b", number));
    wait("others are carried out", || node.history("chat:b") == [0, 1, 2]);
    wait("it is tried again", || node.metric("ringpost_kafka_call_retries_total") > 1);
    wait("what is done is committed", || calls.committed() > 0);
    assert_eq!(calls.committed(), 1, "what waits is not committed, nor what is behind it");
    redis.restart();
    wait("those that waited are carried out", || node.history("shared:a").len() == 4);
    assert_eq!(node.history("shared:a"), numbers(0..4));
    wait("all is committed", || calls.committed() == 7);
}

#[test]
fn a_call_that_is_refused_for_now_for_too_long_is_given_up() {
    let calls = Calls::shared(1);
    let mut redis = Server::start(Kind::Redis, &[]);
    let node = Node::start("one", &(shared(&redis) + &calls.section("call_retry = \"1s\"")));
    redis.kill();
    calls.publish("shared:a", 0);
    calls.publish("chat:b", 0);
    wait("it is given up", || node.metric("ringpost_kafka_calls_total{outcome=\"given_up\"}") == 1);
    wait("the position goes on", || calls.committed() == 2);
}

#[test]
fn when_a_node_is_killed_another_goes_on_and_each_call_is_carried_out_once_in_its_order() {
    const COUNT: u32 = 150;
    let calls = Calls::shared(4);
    let redis = Server::start(Kind::Redis, &[]);
    let start = |name| Node::start(name, &(shared(&redis) + &calls.section("")));
    let (mut first, second) = (start("one"), start("two"));
    let channels = ["shared:a", "shared:b", "shared:c", "shared:d"];
    for number in 0..COUNT {
        channels.iter().for_each(|channel| calls.publish(channel, number));
        if number == COUNT / 2 {
            wait("the first has done some", || first.metric("ringpost_kafka_calls_total{outcome=\"done\"}") > 0);
            first.kill();
        }
    }
    wait("all is committed", || calls.committed() == i64::from(COUNT) * 4);
    for channel in channels {
        assert_eq!(second.history(channel), numbers(0..COUNT), "{channel}");
    }
}

#[test]
fn a_node_that_drains_gives_its_partitions_to_another_at_once() {
    let calls = Calls::shared(2);
    let mut first = Node::start("one", &calls.section(""));
    calls.publish("chat:a", 0);
    wait("it is carried out", || first.history("chat:a") == [0]);
    let status = first.end();
    assert!(status.success(), "{status:?}");
    assert_eq!(calls.committed(), 1, "it has left in order");
    assert_eq!(calls.members(), 0, "nobody waits until it is noticed to be gone");
    let second = Node::start("two", &calls.section(""));
    calls.publish("chat:a", 1);
    wait("the next has it", || second.history("chat:a") == [1]);
}

#[test]
fn a_topic_that_is_made_anew_is_read_from_its_beginning_though_what_was_before_is_not_done() {
    let calls = Calls::shared(1);
    let mut redis = Server::start(Kind::Redis, &[]);
    let node = Node::start("one", &(shared(&redis) + &calls.section("")));
    calls.publish("chat:before", 0);
    wait("it is carried out", || node.history("chat:before") == [0]);
    redis.kill();
    (0..8).for_each(|number| calls.publish("shared:waits", number));
    calls.publish("chat:beside", 0);
    wait("what is behind is taken", || node.history("chat:beside") == [0]);
    calls.kafka.delete(&calls.topic());
    calls.kafka.topic(&calls.topic(), 1);
    (0..5).for_each(|number| calls.publish("chat:after", number));
    wait("nothing of the new topic is passed over", || node.history("chat:after").len() == 5);
    assert_eq!(node.history("chat:after"), numbers(0..5));
}

/// The command of the guide by which the group forgets its place.
fn forgets(calls: &Calls<Arc<Kafka>>) {
    let guide = include_str!("../../docs/CONSUMERS.md");
    let (_, rest) = guide.split_once("`kafka-consumer-groups.sh ").expect("the guide has the command");
    let (told, _) = rest.split_once('`').expect("it ends");
    let mut command = java_beside("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand");
    for word in told.split_whitespace() {
        command.arg(match word {
            "<broker>" => calls.kafka.address(),
            "<cluster.kafka.group>.calls" => calls.group(),
            "<calls>" => calls.topic(),
            option => option.to_owned(),
        });
    }
    let output = command.output().expect("tests/packages installs it");
    let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    assert!(output.status.success() && !said.contains("Error"), "{command:?}\n{said}");
}

#[test]
fn a_group_that_forgets_its_place_carries_out_all_that_the_topic_has() {
    let calls = Calls::shared(1);
    let mut node = Node::start("one", &calls.section(""));
    (0..3).for_each(|number| calls.publish("chat:a", number));
    wait("they are carried out", || node.history("chat:a").len() == 3);
    assert!(node.end().success());
    assert_eq!(calls.committed(), 3);
    forgets(&calls);
    assert_eq!(calls.committed(), 0);
    let node = Node::start("two", &calls.section(""));
    wait("all are carried out", || node.history("chat:a").len() == 3);
    assert_eq!(node.history("chat:a"), numbers(0..3));
    wait("all is committed", || calls.committed() == 3);
}

#[test]
fn a_topic_that_is_made_anew_while_no_node_consumes_is_carried_out_from_its_first_record() {
    let calls = Calls::shared(1);
    let mut node = Node::start("one", &calls.section(""));
    (0..3).for_each(|number| calls.publish("chat:a", number));
    wait("they are carried out", || node.history("chat:a").len() == 3);
    assert!(node.end().success());
    calls.kafka.delete(&calls.topic());
    calls.kafka.topic(&calls.topic(), 1);
    wait("Kafka has forgotten the place", || calls.committed() == 0);
    (0..5).for_each(|number| calls.publish("chat:a", number));
    let node = Node::start("two", &calls.section(""));
    wait("all are carried out", || node.history("chat:a").len() == 5);
    assert_eq!(node.history("chat:a"), numbers(0..5));
}

#[test]
fn a_kafka_that_is_away_holds_nobody_up_and_its_calls_come_when_it_is_back() {
    let mut calls = Calls::on(Box::new(Kafka::start()), 1);
    calls.publish("chat:a", 0);
    let section = calls.section("");
    calls.kafka.kill();
    let mut node = Node::start("one", &section);
    let answer = node.api("publish", &json!({"channel": "chat:b", "data": 1}));
    assert_eq!(answer["result"]["offset"], 1, "the node serves: {answer}");
    calls.kafka.restart();
    wait("what was written is carried out", || node.history("chat:a") == [0]);
    calls.kafka.kill();
    assert_eq!(node.history("chat:b"), [1]);
    let since = std::time::Instant::now();
    assert!(node.end().success());
    assert!(since.elapsed().as_secs() < 10, "a Kafka that is away holds no node that leaves");
}

#[test]
fn while_nodes_come_and_go_each_call_is_carried_out_once_in_its_order() {
    const COUNT: u32 = 200;
    let calls = Calls::shared(4);
    let redis = Server::start(Kind::Redis, &[]);
    let start = |name| Node::start(name, &(shared(&redis) + &calls.section("")));
    let channels = ["shared:a", "shared:b", "shared:c", "shared:d"];
    let mut first = start("one");
    let mut others = Vec::new();
    for number in 0..COUNT {
        channels.iter().for_each(|channel| calls.publish(channel, number));
        match number {
            50 => others.push(start("two")),
            100 => others.push(start("three")),
            150 => assert!(first.end().success()),
            _ => {}
        }
    }
    wait("all is committed", || calls.committed() == i64::from(COUNT) * 4);
    for channel in channels {
        assert_eq!(others[0].history(channel), numbers(0..COUNT), "{channel}");
    }
}
