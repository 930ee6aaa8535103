//! Nodes whose publishes are answered once a replica of Redis has them.

use rustix::process::Signal;

use crate::groups::{process_of, replicate, signal};
use crate::harness::{Node, over, spawn_at, subscribe};
use crate::server::{Kind, Place, Server};
use crate::start::refusal;

fn section(redis: &Server) -> String {
    format!("{}\nwait_replicas = 1\nwait_timeout = \"3s\"", over(redis))
}

#[test]
fn a_publish_is_answered_while_a_replica_follows_and_refused_although_it_is_there_while_none_does() {
    const ROOM: &str = "shared:room";
    for kind in [Kind::Redis, Kind::Valkey] {
        let primary = Server::start(kind, &[]);
        let replica = Server::start(kind, &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
        replicate(&primary, &replica);
        let process = process_of(&replica);
        let node = Node::over("one", &section(&primary));
        let mut client = node.client();
        subscribe(&mut client, ROOM, None);
        assert_eq!(node.publish(ROOM, "1")["result"]["offset"], 1);
        signal(process, Signal::STOP);
        let refused = node.publish(ROOM, "2");
        assert_eq!(refused["error"]["code"], 100, "{refused}");
        assert!(refused["error"]["message"].as_str().is_some_and(|why| why.contains("too few replicas")), "{refused}");
        signal(process, Signal::CONT);
        assert_eq!(node.publish(ROOM, "3")["result"]["offset"], 3, "{kind:?}");
        let heard = [(); 3].map(|()| client.publication().1);
        assert_eq!(heard, [1, 2, 3], "what was refused is there: {kind:?}");
        assert!(node.metrics().contains("\nringpost_redis_errors_total{kind=\"uncopied\"} 1\n"));
    }
}

#[test]
fn a_redis_with_fewer_replicas_than_publishes_wait_for_is_refused() {
    let redis = Server::start(Kind::Redis, &[]);
    let told = refusal(spawn_at(&Place::here(), "one", &section(&redis)).0);
    assert!(told.contains("wait_replicas: 0 of 1") && told.contains("lower `cluster.redis.wait_replicas`"), "{told}");
}
