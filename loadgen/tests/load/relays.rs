//! Runs by way of Kafka: three nodes over a real Redis and a real Kafka, where a publish is answered without an offset, once
//! Kafka has it, and one of the nodes moves it from there.

use std::sync::Arc;

use ringpost_loadgen::measure::{Count, Measure};

use crate::chat::counted;
use crate::cluster::Cluster;
use crate::harness::count;
use crate::kafka::Kafka;

/// Partitions of the way up: two for each node.
const PARTITIONS: i32 = 6;

/// A second, nanoseconds.
const SECOND_NS: u64 = 1_000_000_000;

/// A cluster before a Kafka, and how the names of its topics begin.
struct Relaying {
    /// Dropped first.
    cluster: Cluster,
    kafka: Arc<Kafka>,
    prefix: String,
}

impl Relaying {
    fn start() -> Self {
        let kafka = Kafka::shared();
        let prefix = kafka.prefix();
        for (name, partitions) in [("publish", PARTITIONS), ("publish.dead", 1), ("deliver", 8), ("publications", 1)] {
            kafka.topic(&format!("{prefix}{name}"), partitions);
        }
        let cluster = Cluster::start_with(&format!("{}/{prefix}", kafka.address()));
        Self { cluster, kafka, prefix }
    }
}

#[test]
fn what_kafka_has_taken_comes_to_all_on_one_node_and_on_several_each_once_and_in_order() {
    let relaying = Relaying::start();
    let mut answered = 0;
    for nodes in [1, 3] {
        let settings = ["reconnects_per_s=20", "duration_s=2"];
        let record = relaying.cluster.record_on(nodes, "kafka", &settings);
        assert!(record.is_good(), "{nodes} nodes: {:?}", record.faults);
        assert_eq!(record.nodes.iter().map(|node| node.clients).sum::<u64>(), 30);
        assert!(count(&record, Measure::Delivery) > 200, "{:?}", record.whole);
        assert!(counted(&record, Count::Recovered) > 0, "{:?}", record.counts);
        answered += count(&record, Measure::Reply);
    }
    // All went by the topic, and nothing of it was unusable.
    let records = relaying.kafka.read(&format!("{}publish", relaying.prefix), answered as usize);
    assert!(records.iter().all(|record| record.key.as_deref().is_some_and(|channel| channel.starts_with("kafka:"))));
    assert_eq!(relaying.kafka.read(&format!("{}publish.dead", relaying.prefix), 0), []);
}

#[test]
#[ignore = "it takes long: `make test-cluster` runs it"]
fn what_a_node_that_was_killed_was_to_move_comes_later_each_once() {
    let relaying = Relaying::start();
    let command = format!("command={} stop node-1 KILL", relaying.cluster.script());
    let record = relaying.cluster.record("kafka-failover", &[&command, "duration_s=24", "after_s=2"]);
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!((record.nodes[1].ended, count(&record, Measure::Reconnect)), (10, 10), "{:?}", record.nodes);
    // All that was answered has come by then, which for some of it took as long as the group waits for a member.
    let delivery = &record.whole[&Measure::Delivery].summary;
    assert!(delivery.max_ns > 5 * SECOND_NS && delivery.p50_ns < SECOND_NS, "{delivery:?}");
}

#[test]
#[ignore = "it takes long: `make test-cluster` runs it"]
fn a_redis_that_stands_still_holds_up_no_answer_and_what_was_answered_comes_when_it_goes_on() {
    let relaying = Relaying::start();
    let script = relaying.cluster.script();
    let command = format!("command={script} pause redis 3");
    let record = relaying.cluster.record("kafka-failover", &[&command, "duration_s=8", "after_s=1"]);
    assert!(record.is_good(), "{:?}", record.faults);
    let (delivery, reply) = (&record.whole[&Measure::Delivery].summary, &record.whole[&Measure::Reply].summary);
    assert!(delivery.max_ns > SECOND_NS, "{delivery:?}");
    assert_eq!(counted(&record, Count::Refused), 0, "{:?}", record.counts);
    assert!(reply.max_ns < 2 * SECOND_NS, "{reply:?}");
}
