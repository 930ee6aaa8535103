//! Packets that vanish between a node and Redis, or between a primary and the others, without anybody being told.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::LineClient;
use crate::groups::{Sentinel, info, is_primary, replicate};
use crate::harness::{Node, over, publish_in_the_end, subscribe, unsubscribed};
use crate::network::{Network, in_a_network, ports};
use crate::outages::{INSUFFICIENT, epoch_of};
use crate::server::{Kind, Place, Server, wait};

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_connection_on_which_packets_vanish_is_made_anew_and_nothing_is_missed() {
    in_a_network(|network| {
        let [at_redis, at_one, at_two] = [(); 3].map(|()| network.host());
        let redis = Server::start_at(Kind::Redis, &at_redis, &[]);
        let one = Node::at(&at_one, "one", &over(&redis));
        let two = Node::at(&at_two, "two", &over(&redis));
        let mut listener = one.client();
        let epoch = epoch_of(&subscribe(&mut listener, "shared:room", None));
        assert_eq!(two.publish("shared:room", 1)["result"]["offset"], 1);
        assert_eq!(listener.publication().1, 1);
        // That on which it listens, for good; a host on the way has forgotten it, as firewalls do.
        let listening = ports(&redis, &at_one, "pubsub");
        assert_eq!(listening.len(), 1);
        network.end_connections(&at_one, &listening);
        (2..=20).for_each(|at| assert_eq!(two.publish("shared:room", at)["result"]["offset"], at));
        (2..=20).for_each(|at| assert_eq!(listener.publication().1, at));
        // And that by which it calls.
        let calling = ports(&redis, &at_one, "normal");
        network.end_connections(&at_one, &calling);
        let taken = one.publish("shared:room", 21);
        assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(21), &json!(epoch)), "{taken}");
        assert_eq!(listener.publication().1, 21);
        assert!(one.metrics().contains("\nringpost_leases_lost_total 0\n"), "its lease went on");
    });
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn a_node_that_is_cut_off_from_redis_acts_dead_while_others_go_on_and_comes_back_when_it_is_healed() {
    in_a_network(|network| {
        let [at_redis, at_one, at_two] = [(); 3].map(|()| network.host());
        let redis = Server::start_at(Kind::Redis, &at_redis, &[]);
        let one = Node::at(&at_one, "one", &over(&redis));
        let two = Node::at(&at_two, "two", &over(&redis));
        let [mut cut_off, mut other] = [&one, &two].map(Node::client);
        let epoch = epoch_of(&subscribe(&mut cut_off, "shared:room", None));
        subscribe(&mut other, "shared:room", None);
        assert_eq!(two.publish("shared:room", 1)["result"]["offset"], 1);
        assert_eq!([&mut cut_off, &mut other].map(|client| client.publication().1), [1, 1]);
        network.cut(&at_one, &at_redis);
        (2..=5).for_each(|at| assert_eq!(two.publish("shared:room", at)["result"]["offset"], at));
        let mut local = 0;
        thread::scope(|scope| {
            let ends = scope.spawn(|| unsubscribed(&mut cut_off, "shared:room"));
            // What is in memory is answered all the while.
            while !ends.is_finished() {
                local += 1;
                assert_eq!(one.publish("local:room", local)["result"]["offset"], local);
                thread::sleep(Duration::from_millis(20));
            }
            assert_eq!(ends.join().expect("it is told"), INSUFFICIENT);
        });
        assert_eq!(one.publish("shared:room", "x")["error"]["code"], 100);
        wait("the others know", || two.metrics().contains("\nringpost_cluster_nodes 1\n"));
        network.heal();
        let taken = publish_in_the_end(&one, "shared:room", "6");
        assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(6), &json!(epoch)));
        (2..=6).for_each(|at| assert_eq!(other.publication().1, at));
        let recovered = subscribe(&mut cut_off, "shared:room", Some((1, &epoch)));
        assert_eq!(recovered["recovered"], true, "{recovered}");
        assert_eq!(recovered["publications"].as_array().map(Vec::len), Some(5), "{recovered}");
    });
}

/// A primary with its replica and a Sentinel, and a node on each side of what is to be cut: the first reaches the primary.
struct Sides {
    places: [Place; 5],
    primary: Server,
    replica: Server,
    nodes: [Node; 2],
    clients: [LineClient; 2],
    epoch: String,
    _sentinel: Sentinel,
}

impl Sides {
    fn new(network: &mut Network, options: &[&str], down_after_ms: u32) -> Self {
        let places = [(); 5].map(|()| network.host());
        let primary = Server::start_at(Kind::Redis, &places[0], options);
        let port = primary.port.to_string();
        let of_primary = ["--replicaof", &places[0].address, &port];
        let replica = Server::start_at(Kind::Redis, &places[1], &[&of_primary[..], options].concat());
        replicate(&primary, &replica);
        let sentinel = Sentinel::start(&places[2], &primary, down_after_ms);
        let nodes = [(3, "one"), (4, "two")].map(|(at, name)| Node::at(&places[at], name, &sentinel.section()));
        let mut clients = nodes.each_ref().map(Node::client);
        let [epoch, other] = clients.each_mut().map(|client| epoch_of(&subscribe(client, "shared:room", None)));
        assert_eq!(epoch, other);
        for at in 1..=3 {
            assert_eq!(nodes[1].publish("shared:room", at)["result"]["offset"], at);
            assert_eq!(clients.each_mut().map(|client| client.publication().1), [at, at]);
        }
        replicate(&primary, &replica);
        Self { places, primary, replica, nodes, clients, epoch, _sentinel: sentinel }
    }

    /// Cuts the primary off from all but the first node.
    fn cut(&self, network: &Network) {
        [1, 2, 4].iter().for_each(|at| network.cut(&self.places[0], &self.places[*at]));
    }

    fn has_taken_over(&self) {
        wait("the replica takes over", || is_primary(&self.replica));
    }

    fn is_one_again(&self) {
        wait("the old primary is a replica", || info(&self.primary, "replication", "role").as_deref() == Some("slave"));
    }
}

/// The next publication's offset, or how the subscription ended.
pub(crate) fn next(client: &mut LineClient) -> Result<u64, u64> {
    loop {
        let word = client.word();
        let push = &word["push"];
        if let Some(code) = push["unsubscribe"]["code"].as_u64() {
            return Err(code);
        }
        if let Some(offset) = push["pub"]["offset"].as_u64() {
            return Ok(offset);
        }
    }
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn what_a_primary_has_taken_while_it_was_cut_off_is_lost_when_it_is_healed_and_clients_of_both_sides_are_told() {
    in_a_network(|network| {
        let mut sides = Sides::new(network, &[], 500);
        sides.cut(network);
        sides.has_taken_over();
        // Both sides take it for theirs: nothing has told either of them.
        for at in 4..=6 {
            let taken = sides.nodes[0].publish("shared:room", format!("lost {at}"));
            assert_eq!(taken["result"]["offset"], at, "{taken}");
            assert_eq!(next(&mut sides.clients[0]), Ok(at));
        }
        for at in 4..=12 {
            publish_in_the_end(&sides.nodes[1], "shared:room", &format!("kept {at}"));
        }
        // The first node's lease is out there, and what it left is cleared away: its calls are refused from now on.
        wait("the others have cleared it away", || sides.replica.cli(&["HLEN", "ringpost:1:{nodes}:n"]).trim() == "1");
        network.heal();
        sides.is_one_again();
        for client in &mut sides.clients {
            let ended = loop {
                if let Err(code) = next(client) {
                    break code;
                }
            };
            assert_eq!(ended, INSUFFICIENT);
        }
        let epoch = sides.epoch.clone();
        let anew = sides.clients.each_mut().map(|client| {
            let begun = subscribe(client, "shared:room", Some((6, &epoch)));
            assert_ne!(begun["recovered"], true, "{begun}");
            epoch_of(&begun)
        });
        assert_eq!(anew[0], anew[1]);
        assert_ne!(anew[0], epoch, "no offset stands for two messages where it is recovered from");
        let offsets = [0, 1].map(|of| {
            let taken = publish_in_the_end(&sides.nodes[of], "shared:room", "after");
            assert_eq!(taken["result"]["epoch"], json!(anew[0]));
            taken["result"]["offset"].as_u64().expect("it has one")
        });
        assert!(offsets[0] < offsets[1]);
        for client in &mut sides.clients {
            assert_eq!([next(client), next(client)], offsets.map(Ok));
        }
    });
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn a_primary_that_must_have_a_replica_takes_nothing_while_it_is_cut_off_and_no_epoch_ends() {
    in_a_network(|network| {
        let must = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"];
        let mut sides = Sides::new(network, &must, 5_000);
        sides.cut(network);
        // Longer than the replica may be behind, shorter than it takes the Sentinel.
        thread::sleep(Duration::from_secs(3));
        let refused = sides.nodes[0].publish("shared:room", "refused");
        assert_eq!(refused["error"]["code"], 100, "{refused}");
        sides.has_taken_over();
        // It has no replica any more.
        sides.replica.set("min-replicas-to-write", "0");
        let taken = publish_in_the_end(&sides.nodes[1], "shared:room", "4");
        assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(4), &json!(sides.epoch)));
        network.heal();
        sides.is_one_again();
        let taken = publish_in_the_end(&sides.nodes[0], "shared:room", "5");
        assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(5), &json!(sides.epoch)));
        assert_eq!([next(&mut sides.clients[1]), next(&mut sides.clients[1])], [Ok(4), Ok(5)]);
        // It was told to come back, for its node has acted dead.
        assert_eq!(next(&mut sides.clients[0]), Err(INSUFFICIENT));
        let recovered: Value = subscribe(&mut sides.clients[0], "shared:room", Some((3, &sides.epoch)));
        assert_eq!((&recovered["recovered"], &recovered["publications"][1]["offset"]), (&json!(true), &json!(5)));
    });
}
