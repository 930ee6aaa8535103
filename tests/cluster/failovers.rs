//! Primaries that die, or stand still, and who takes their place.

use std::collections::BTreeSet;
use std::thread;

use rustix::process::Signal;
use serde_json::json;

use crate::groups::{
    behind_a_sentinel, cluster, has_slot, info, is_primary, keys, process_of, replicate, section, signal,
};
use crate::harness::{Node, over, publish_in_the_end, subscribe, unsubscribed};
use crate::outages::{BEYOND_A_LEASE, INSUFFICIENT, epoch_of};
use crate::server::{Kind, Server, wait};

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_primary_that_stands_still_is_left_for_the_one_that_the_sentinels_chose() {
    let (primary, replica, sentinel) = behind_a_sentinel(500);
    let nodes = ["one", "two"].map(|name| Node::over(name, &sentinel.section()));
    let mut listener = nodes[1].client();
    let epoch = epoch_of(&subscribe(&mut listener, "shared:room", None));
    assert_eq!(nodes[0].publish("shared:room", 1)["result"]["offset"], 1);
    assert_eq!(listener.publication().1, 1);
    replicate(&primary, &replica);
    let port = primary.port;
    // Its kernel keeps the connections, and takes new ones.
    signal(process_of(&primary), Signal::STOP);
    let taken = publish_in_the_end(&nodes[0], "shared:room", "2");
    assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(2), &json!(epoch)));
    assert_eq!(listener.publication().1, 2);
    assert_ne!(port, replica.port);
    assert!(is_primary(&replica));
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_replica_that_lags_and_takes_over_begins_a_new_epoch_and_no_offset_stands_for_two_messages() {
    let mut primary = Server::start(Kind::Redis, &[]);
    let replica = Server::start(Kind::Redis, &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let nodes = ["one", "two"].map(|name| Node::start(name, &primary));
    let mut listeners = nodes.each_ref().map(Node::client);
    let [epoch, _] = listeners.each_mut().map(|listener| epoch_of(&subscribe(listener, "shared:room", None)));
    let mut places = BTreeSet::new();
    let mut publish = |of: usize, data: String| {
        let taken = publish_in_the_end(&nodes[of], "shared:room", &data);
        let (epoch, offset) = (taken["result"]["epoch"].to_string(), taken["result"]["offset"].as_u64());
        assert!(places.insert((epoch, offset)), "{taken} is another's place");
        taken["result"]["epoch"].clone()
    };
    (1..=3).for_each(|at| drop(publish(at % 2, format!("both have {at}"))));
    replicate(&primary, &replica);
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    (4..=6).for_each(|at| drop(publish(at % 2, format!("lost {at}"))));
    for listener in &mut listeners {
        (1..=6).for_each(|at| assert_eq!(listener.publication().1, at));
    }
    let port = primary.port.to_string();
    primary.kill();
    // As where an address moves to it.
    replica.set("port", &port);
    // Not until both have seen it, as they do at once: each alone would go on where the replica stood.
    for listener in &mut listeners {
        assert_eq!(unsubscribed(listener, "shared:room"), INSUFFICIENT);
    }
    let anew: BTreeSet<_> = (1..=8).map(|at| publish(at % 2, format!("new {at}")).to_string()).collect();
    assert_eq!(anew.len(), 1);
    assert!(!anew.contains(&json!(epoch).to_string()));
    for listener in &mut listeners {
        let begun = subscribe(listener, "shared:room", Some((6, &epoch)));
        assert_ne!(begun["recovered"], true, "{begun}");
        assert_eq!(begun["offset"], 8);
    }
}

/// A channel for each of some servers of a Cluster, and one of the server that has the nodes' leases.
fn channels_of(servers: &[Server]) -> Vec<String> {
    let keys = keys();
    let of = |server: &Server| {
        let mut names = (0..).map(|at| format!("shared:{at}"));
        names.find(|name| has_slot(server, keys.head(keys.bucket_of(name)))).expect("there are many")
    };
    servers.iter().map(of).collect()
}

/// The server that has no lease of a node.
fn without_leases(servers: &[Server]) -> usize {
    servers.iter().position(|server| !has_slot(server, &keys().nodes())).expect("only one has")
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_dead_primary_of_a_cluster_without_replicas_takes_its_own_channels_with_it_and_no_others() {
    let mut servers = cluster(3, 0, &["--cluster-require-full-coverage", "no", "--cluster-node-timeout", "2000"]);
    let nodes = ["one", "two"].map(|name| Node::over(name, &section(&servers)));
    let channels = channels_of(&servers);
    let mut listener = nodes[1].client();
    let epochs: Vec<_> = channels.iter().map(|name| epoch_of(&subscribe(&mut listener, name, None))).collect();
    for channel in &channels {
        assert_eq!(nodes[0].publish(channel, 1)["result"]["offset"], 1);
        assert_eq!(listener.publication().1, 1);
    }
    let dead = without_leases(&servers);
    servers[dead].kill();
    assert_eq!(nodes[0].publish(&channels[dead], 2)["error"]["code"], 100);
    for at in 2..=40 {
        for channel in channels.iter().filter(|channel| **channel != channels[dead]) {
            let taken = nodes[at % 2].publish(channel, at);
            assert_eq!(taken["result"]["offset"], at, "{taken}");
            assert_eq!(listener.publication(), (channel.clone(), at as u64, json!(at)));
        }
    }
    assert!(nodes[0].metrics().contains("\nringpost_leases_lost_total 0\n"), "no node acts dead");
    // It comes back with nothing.
    servers[dead].restart();
    let taken = publish_in_the_end(&nodes[0], &channels[dead], "anew");
    assert_ne!(taken["result"]["epoch"], json!(epochs[dead]));
    assert_eq!(unsubscribed(&mut listener, &channels[dead]), INSUFFICIENT);
}

/// A Cluster whose primary is stopped in this way has a replica take its place: all channels go on in their epochs.
fn another_takes_over(stop: impl FnOnce(&mut Server)) {
    let mut servers = cluster(3, 1, &["--cluster-node-timeout", "2000"]);
    let nodes = ["one", "two"].map(|name| Node::over(name, &section(&servers)));
    let channels = channels_of(&servers[..3]);
    let mut listener = nodes[1].client();
    let epochs: Vec<_> = channels.iter().map(|name| epoch_of(&subscribe(&mut listener, name, None))).collect();
    for channel in &channels {
        assert_eq!(nodes[0].publish(channel, 1)["result"]["offset"], 1);
        assert_eq!(listener.publication().1, 1);
    }
    let dead = without_leases(&servers[..3]);
    let port = servers[dead].port.to_string();
    let replica = servers[3..].iter().find(|server| info(server, "replication", "master_port") == Some(port.clone()));
    replicate(&servers[dead], replica.expect("it has one"));
    stop(&mut servers[dead]);
    for (channel, epoch) in channels.iter().zip(&epochs) {
        let taken = publish_in_the_end(&nodes[0], channel, "2");
        assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(2), &json!(epoch)), "{taken}");
        assert_eq!(listener.publication(), (channel.clone(), 2, json!("2")));
    }
    wait("a node would start", || nodes[0].metrics().contains("\nringpost_redis_unfit 0\n"));
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_primary_of_a_cluster_that_dies_is_replaced_and_all_goes_on_in_the_same_epochs() {
    another_takes_over(Server::kill);
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_primary_of_a_cluster_that_stands_still_is_replaced_and_all_goes_on_in_the_same_epochs() {
    another_takes_over(|server| signal(process_of(server), Signal::STOP));
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn a_redis_that_comes_back_empty_after_a_lease_has_run_out_is_made_ready_and_used() {
    let mut redis = Server::start(Kind::Redis, &[]);
    let node = Node::over("one", &over(&redis));
    let mut client = node.client();
    let epoch = epoch_of(&subscribe(&mut client, "shared:room", None));
    assert_eq!(node.publish("shared:room", 1)["result"]["offset"], 1);
    redis.kill();
    assert_eq!(client.publication().1, 1);
    assert_eq!(unsubscribed(&mut client, "shared:room"), INSUFFICIENT);
    // Until nothing is asked any more on behalf of the incarnation that was.
    thread::sleep(BEYOND_A_LEASE);
    redis.restart();
    let taken = publish_in_the_end(&node, "shared:room", "anew");
    assert_eq!(taken["result"]["offset"], 1);
    assert_ne!(taken["result"]["epoch"], json!(epoch));
    let begun = subscribe(&mut client, "shared:room", Some((1, &epoch)));
    assert_ne!(begun["recovered"], true, "{begun}");
}
