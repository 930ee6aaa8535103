//! Failovers that an operator asks for, while clients are at work.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::groups::{behind_a_sentinel, cluster, has_slot, info, is_primary, keys, replicate, section};
use crate::harness::{Node, publish_in_the_end, subscribe};
use crate::outages::epoch_of;
use crate::server::{Server, wait};

/// Publishes while this is done, and a second longer: none is refused, each has the next offset of one epoch, and a listener on
/// another node hears them all.
fn all_in_one_epoch_while(nodes: &[Node; 2], channel: &str, switch: impl FnOnce() + Send) {
    let mut listener = nodes[1].client();
    let epoch = epoch_of(&subscribe(&mut listener, channel, None));
    let taken = thread::scope(|scope| {
        let switching = scope.spawn(|| {
            switch();
            thread::sleep(Duration::from_secs(1));
        });
        let mut taken = 0u64;
        while !switching.is_finished() {
            let answer = nodes[0].publish(channel, taken);
            taken += 1;
            let place = (&answer["result"]["offset"], &answer["result"]["epoch"]);
            assert_eq!(place, (&json!(taken), &json!(epoch)), "{answer}");
        }
        taken
    });
    for at in 1..=taken {
        assert_eq!(listener.publication().1, at);
    }
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_replica_of_a_cluster_that_is_told_to_take_over_loses_nothing_that_was_taken_meanwhile() {
    let servers = cluster(3, 1, &["--cluster-node-timeout", "2000"]);
    let nodes = ["one", "two"].map(|name| Node::over(name, &section(&servers)));
    let keys = keys();
    let of_channel = |server: &&Server| has_slot(server, keys.head(keys.bucket_of("shared:room")));
    let old = servers[..3].iter().find(of_channel).expect("one has it");
    let port = Some(old.port.to_string());
    let replica = servers[3..].iter().find(|server| info(server, "replication", "master_port") == port);
    let replica = replica.expect("it has one");
    replicate(old, replica);
    all_in_one_epoch_while(&nodes, "shared:room", || {
        assert_eq!(replica.cli(&["CLUSTER", "FAILOVER"]).trim(), "OK");
        wait("the replica is the primary", || is_primary(replica));
        wait("the primary is the replica", || info(old, "replication", "role").as_deref() == Some("slave"));
    });
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn sentinels_that_are_told_to_fail_over_while_nothing_is_on_its_way_begin_no_epoch() {
    let (primary, replica, sentinel) = behind_a_sentinel(5000);
    let nodes = ["one", "two"].map(|name| Node::over(name, &sentinel.section()));
    let mut listener = nodes[1].client();
    let epoch = epoch_of(&subscribe(&mut listener, "shared:room", None));
    for at in 1..=20 {
        assert_eq!(nodes[0].publish("shared:room", at)["result"]["offset"], at);
        assert_eq!(listener.publication().1, at);
    }
    replicate(&primary, &replica);
    assert_eq!(sentinel.cli(&["SENTINEL", "FAILOVER", "main"]).trim(), "OK");
    wait("the replica is the primary", || is_primary(&replica));
    let taken = publish_in_the_end(&nodes[0], "shared:room", "after");
    assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(21), &json!(epoch)));
    assert_eq!(listener.publication().1, 21);
}
