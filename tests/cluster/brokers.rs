//! A Kafka of three brokers, each topic with three copies of which two must have a record, and the loss of one of them.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Node, publish_in_the_end};
use crate::inboxes::Device;
use crate::kafka::Kafka;
use crate::load::{CHANNELS, each_once_while};
use crate::relays::topics;
use crate::server::{Kind, Server, wait};

/// How long publishes go on before and after something happens.
const PAUSE: Duration = Duration::from_secs(3);

/// The broker that leads the first partition of the way up.
fn leader(kafka: &Kafka, prefix: &str) -> i32 {
    kafka.leader(&format!("{prefix}publish"), 0)
}

/// The broker that keeps the groups.
fn coordinator(kafka: &Kafka, _: &str) -> i32 {
    kafka.leader("__consumer_offsets", 0)
}

/// The broker that decides who leads.
fn controller(kafka: &Kafka, _: &str) -> i32 {
    kafka.controller()
}

#[test]
#[ignore = "three brokers, each killed: make test-cluster"]
fn a_broker_that_is_killed_whatever_it_does_loses_and_doubles_nothing_that_was_acknowledged() {
    let (redis, mut kafka) = (Server::start(Kind::Redis, &[]), Kafka::three());
    let prefix = topics(&kafka);
    let nodes = ["one", "two"].map(|name| Node::by_kafka(name, &redis, &kafka.address(), &prefix));
    let mut devices = nodes.each_ref().map(|node| Device::subscribed(node, "ann", "phone", CHANNELS[2]));
    wait("there is a coordinator", || nodes.iter().all(|node| !node.metrics().contains("ringpost_mover_partitions 0")));
    let [one, two] = &nodes;
    let published = each_once_while(&[one, two], &[one, two], || {
        for role in [leader, coordinator, controller] {
            sleep(PAUSE);
            let id = role(&kafka, &prefix);
            kafka.kill_one(id);
            sleep(2 * PAUSE);
            kafka.restart_one(id);
        }
        sleep(PAUSE);
    });
    assert!(published > 500, "{published}");
    // The member's devices, too, each goes on from where it is.
    let history = one.api("history", &serde_json::json!({"channel": CHANNELS[2], "limit": 0}));
    let last = history["result"]["offset"].as_u64().expect("the channel has a stream");
    for device in &mut devices {
        let mut heard = std::collections::BTreeSet::new();
        while heard.len() < last as usize {
            let offset = device.next();
            heard.insert(offset);
            if heard.len() % 50 == 0 || heard.len() == last as usize {
                device.received(CHANNELS[2], offset);
            }
        }
        assert!(heard.into_iter().eq(1..=last));
    }
}

#[test]
#[ignore = "three brokers: make test-cluster"]
fn a_broker_that_stands_still_delays_and_two_that_are_dead_refuse_until_one_is_back() {
    let (redis, mut kafka) = (Server::start(Kind::Redis, &[]), Kafka::three());
    let prefix = topics(&kafka);
    let nodes = ["one", "two"].map(|name| Node::by_kafka(name, &redis, &kafka.address(), &prefix));
    let [one, two] = &nodes;
    each_once_while(&[one], &[two], || {
        sleep(PAUSE);
        let id = leader(&kafka, &prefix);
        kafka.signal_one(id, Signal::STOP);
        sleep(3 * PAUSE);
        kafka.signal_one(id, Signal::CONT);
        sleep(PAUSE);
    });
    for id in [1, 2] {
        kafka.kill_one(id);
    }
    let refused = two.publish(CHANNELS[0], "refused");
    assert_eq!(refused["error"]["code"], 100, "{refused}");
    assert!(one.publish("shared:room", 1)["result"]["offset"].is_u64(), "the others go on");
    kafka.run_again(1);
    kafka.run_again(2);
    publish_in_the_end(two, CHANNELS[0], "taken");
}
