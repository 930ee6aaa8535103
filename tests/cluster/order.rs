//! One order on all nodes, and what a client finds that comes back to another node.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::{Node, subscribe};
use crate::server::{Kind, Server};

#[test]
fn clients_on_two_nodes_see_one_order_each_publication_once() {
    for kind in [Kind::Redis, Kind::Valkey] {
        const EACH: usize = 300;
        let redis = Server::start(kind, &[]);
        let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
        let mut listeners = nodes.each_ref().map(Node::client);
        let epochs = listeners.each_mut().map(|listener| {
            let begun = subscribe(listener, "shared:room", None);
            begun["epoch"].as_str().expect("a stream has an epoch").to_owned()
        });
        assert_eq!(epochs[0], epochs[1]);
        std::thread::scope(|scope| {
            for (of, node) in nodes.iter().enumerate() {
                scope.spawn(move || {
                    let mut client = node.client();
                    for at in 0..EACH {
                        let data = format!("{of} {at}");
                        client.tell(json!({"publish": {"channel": "shared:room", "data": data}}));
                    }
                    for _ in 0..EACH {
                        let reply = client.word();
                        assert_eq!(reply["publish"], json!({}), "{reply}");
                    }
                });
            }
        });
        let [first, second] = listeners.each_mut().map(|listener| {
            let heard: Vec<_> = (0..2 * EACH).map(|_| listener.publication()).collect();
            assert!(heard.iter().map(|(_, offset, _)| *offset).eq(1..=2 * EACH as u64));
            heard
        });
        assert_eq!(first, second, "{kind:?}");
        for of in 0..nodes.len() {
            let prefix = format!("{of} ");
            let own = first.iter().filter_map(|(.., data)| data.as_str()?.strip_prefix(&prefix)?.parse::<usize>().ok());
            assert!(own.eq(0..EACH), "each publisher's own are in its order");
        }
    }
}

#[test]
fn a_client_that_comes_back_to_another_node_recovers_what_it_missed() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let begun = subscribe(&mut nodes[0].client(), "shared:room", None);
    let epoch = begun["epoch"].as_str().expect("an epoch");
    for at in 1..=50 {
        let answer = nodes[at % 2].publish("shared:room", at);
        assert_eq!(answer["result"]["offset"], at, "{answer}");
        assert_eq!(answer["result"]["epoch"], epoch);
    }
    // Nobody on the second node has listened so far.
    let mut client = nodes[1].client();
    let recovered = subscribe(&mut client, "shared:room", Some((20, epoch)));
    assert_eq!(recovered["recovered"], true, "{recovered}");
    let missed = recovered["publications"].as_array().expect("there are some").iter();
    assert!(missed.map(|one| one["offset"].as_u64().unwrap()).eq(21..=50), "{recovered}");
    nodes[0].publish("shared:room", 51);
    assert_eq!(client.publication().1, 51);
    let page = nodes[0].api("history", &json!({"channel": "shared:room", "limit": 1000}));
    let offsets: BTreeSet<_> = page["result"]["publications"]
        .as_array()
        .expect("a page")
        .iter()
        .map(|one| one["offset"].as_u64().unwrap())
        .collect();
    assert!(offsets.into_iter().eq(1..=51), "{page}");
}

#[test]
fn channels_that_keep_nothing_are_heard_on_all_nodes() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis), Node::start("three", &redis)];
    let mut listeners = nodes.each_ref().map(Node::client);
    listeners.iter_mut().for_each(|listener| drop(subscribe(listener, "told:room", None)));
    for at in 0..30 {
        nodes[at % 3].publish("told:room", at);
    }
    for listener in &mut listeners {
        let heard: BTreeSet<_> = (0..30).map(|_| listener.publication().2.as_u64().unwrap()).collect();
        assert!(heard.into_iter().eq(0..30));
    }
}

#[test]
fn a_history_that_is_removed_is_removed_on_all_nodes_and_offsets_go_on() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut listener = nodes[1].client();
    subscribe(&mut listener, "shared:room", None);
    (1..=3).for_each(|at| drop(nodes[0].publish("shared:room", at)));
    (1..=3).for_each(|at| assert_eq!(listener.publication().1, at));
    nodes[0].api("history_remove", &json!({"channel": "shared:room"}));
    nodes[0].publish("shared:room", 4);
    assert_eq!(listener.publication().1, 4);
    for node in &nodes {
        let page = node.api("history", &json!({"channel": "shared:room", "limit": 1000}));
        let kept = page["result"]["publications"].as_array().expect("a page");
        assert_eq!(kept.iter().map(|one| one["offset"].as_u64().unwrap()).collect::<Vec<_>>(), [4], "{page}");
    }
}
