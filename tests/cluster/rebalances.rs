//! Movers that come and go while publishes go on: partitions change hands, and every record is moved once.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::Node;
use crate::kafka::Kafka;
use crate::load::each_once_while;
use crate::relays::{PARTITIONS, topics};
use crate::server::{Kind, Server, wait};

/// How long publishes go on before something happens.
const PAUSE: Duration = Duration::from_secs(2);

/// Longer than a member of the group may be silent.
const BEYOND_A_SESSION: Duration = Duration::from_secs(14);

/// Whether a node has partitions of the way up.
pub(crate) fn moves(node: &Node) -> bool {
    !node.metrics().contains("ringpost_mover_partitions 0")
}

#[test]
#[ignore = "the time of a member of a group, twice: make test-cluster"]
fn nodes_that_join_leave_die_and_stand_still_neither_lose_nor_double() {
    let (redis, kafka) = (Server::start(Kind::Redis, &[]), Kafka::shared());
    let prefix = topics(&kafka);
    let start = |name| Node::by_kafka(name, &redis, &kafka.address(), &prefix);
    let (one, mut two) = (start("one"), start("two"));
    wait("both move", || moves(&one) && moves(&two));
    let published = each_once_while(&[&one], &[&one], || {
        let (mut three, four) = (start("three"), start("four"));
        wait("all move", || [&two, &three, &four].into_iter().all(moves));
        sleep(PAUSE);
        assert!(three.end().success());
        sleep(PAUSE);
        two.kill();
        sleep(PAUSE);
        // It misses its session and its lease, and then writes into buckets that others move into.
        four.signal(Signal::STOP);
        sleep(BEYOND_A_SESSION);
        four.signal(Signal::CONT);
        wait("it moves again", || moves(&four));
        sleep(PAUSE);
    });
    assert!(published > 500, "{published}");
}

#[test]
#[ignore = "the time until nodes look for partitions: make test-cluster"]
fn partitions_that_the_way_up_is_given_while_nodes_publish_are_moved_too() {
    let (redis, kafka) = (Server::start(Kind::Redis, &[]), Kafka::shared());
    let prefix = topics(&kafka);
    let up = format!("{prefix}publish");
    let nodes = ["one", "two"].map(|name| Node::by_kafka(name, &redis, &kafka.address(), &prefix));
    wait("both move", || nodes.iter().all(moves));
    let committed = || kafka.committed(&format!("{prefix}nodes.movers"), &up);
    each_once_while(&[&nodes[0], &nodes[1]], &[&nodes[0]], || {
        sleep(PAUSE);
        kafka.grow(&up, 3 * PARTITIONS as usize);
        wait("some of the new ones have records", || committed().iter().skip(PARTITIONS as usize).any(|at| *at > 0));
        sleep(PAUSE);
    });
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn movers_that_come_and_go_all_the_time_neither_lose_nor_double() {
    const TIMES: usize = 4;
    let (redis, kafka) = (Server::start(Kind::Redis, &[]), Kafka::shared());
    let prefix = topics(&kafka);
    let start = |name: &str| Node::by_kafka(name, &redis, &kafka.address(), &prefix);
    let one = start("one");
    each_once_while(&[&one], &[&one], || {
        for _ in 0..TIMES {
            let mut other = start("two");
            wait("it moves", || moves(&other));
            assert!(other.end().success());
        }
    });
}
