//! What a node asks of Redis, and of its own name, before it serves.

use std::io::Read as _;
use std::process::Child;

use crate::harness::{Node, over, spawn, spawn_at};
use crate::server::{Kind, Place, Server};

/// Why a node does not start.
pub(crate) fn refusal(mut child: Child) -> String {
    let ended = child.wait().expect("it ends");
    let mut told = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut told).expect("it is text");
    assert_eq!(ended.code(), Some(1), "{told}");
    told
}

#[test]
fn a_redis_that_evicts_is_refused_with_what_to_change() {
    let redis = Server::start(Kind::Redis, &["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let told = refusal(spawn("one", &redis).0);
    assert!(told.contains("cluster.redis") && told.contains("maxmemory-policy noeviction"), "{told}");
}

#[test]
fn a_redis_that_is_not_there_is_told() {
    let mut redis = Server::start(Kind::Redis, &[]);
    redis.kill();
    let told = refusal(spawn("one", &redis).0);
    assert!(told.contains("cluster.redis") && told.contains("cannot be reached"), "{told}");
}

#[test]
fn two_nodes_of_one_name_are_refused_and_a_name_is_free_once_its_node_has_ended() {
    let redis = Server::start(Kind::Redis, &[]);
    let mut node = Node::start("one", &redis);
    let told = refusal(spawn("one", &redis).0);
    assert!(told.contains("another node named `one` is there"), "{told}");
    assert!(node.end().success());
    Node::start("one", &redis);
}

#[test]
fn a_node_that_counts_other_buckets_than_those_that_are_here_is_refused() {
    let redis = Server::start(Kind::Redis, &[]);
    let _node = Node::start("one", &redis);
    let through = ["env", "RINGPOST_CLUSTER__REDIS__BUCKETS=64"].map(String::from).into();
    let told = refusal(spawn_at(&Place { through, ..Place::here() }, "two", &over(&redis)).0);
    assert!(told.contains("the nodes that are here have 32 buckets"), "{told}");
}
