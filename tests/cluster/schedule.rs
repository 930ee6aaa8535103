//! Publications that come later, and that end by themselves, over several nodes.

use serde_json::{Value, json};

use crate::harness::{Node, subscribe};
use crate::server::{Kind, Server, wait};

const ROOM: &str = "shared:room";

fn publish_later(node: &Node, data: &str, delay: &str) -> String {
    let answer = node.api("publish", &json!({"channel": ROOM, "data": data, "delay": delay}));
    answer["result"]["scheduled"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn to_come(node: &Node) -> Vec<String> {
    let list = node.api("scheduled_list", &json!({ "channel": ROOM }));
    let all = list["result"]["scheduled"].as_array().unwrap_or_else(|| panic!("{list}"));
    all.iter().map(|one| one["data"].as_str().expect("a text").to_owned()).collect()
}

fn history(node: &Node) -> Vec<Value> {
    let page = node.api("history", &json!({"channel": ROOM, "limit": 100}));
    let kept = page["result"]["publications"].as_array().unwrap_or_else(|| panic!("{page}"));
    kept.iter().map(|one| one["data"].clone()).collect()
}

#[test]
fn what_is_to_come_comes_once_although_the_node_that_took_it_is_killed() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let redis = Server::start(kind, &[]);
        let mut nodes = [Node::start("one", &redis), Node::start("two", &redis), Node::start("three", &redis)];
        let mut listener = nodes[1].client();
        subscribe(&mut listener, ROOM, None);
        publish_later(&nodes[0], "second", "5s");
        publish_later(&nodes[0], "first", "4s");
        let never = publish_later(&nodes[0], "never", "60s");
        assert_eq!(to_come(&nodes[2]), ["first", "second", "never"]);
        let cancelled = nodes[2].api("scheduled_cancel", &json!({"channel": ROOM, "id": never}));
        assert!(cancelled["result"].is_object(), "{cancelled}");
        nodes[0].kill();
        for (at, data) in [(1, "first"), (2, "second")] {
            let (_, offset, heard) = listener.publication();
            assert_eq!((offset, heard), (at, json!(data)), "{kind:?}");
        }
        assert!(to_come(&nodes[1]).is_empty());
        assert_eq!(nodes[2].publish(ROOM, "third")["result"]["offset"], 3);
        assert_eq!(listener.publication().1, 3);
    }
}

#[test]
fn a_publication_that_ends_by_itself_is_given_to_nobody_after_that_on_any_node() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let begun = subscribe(&mut nodes[0].client(), ROOM, None);
    nodes[0].publish(ROOM, "a");
    nodes[0].api("publish", &json!({"channel": ROOM, "data": "b", "ttl": "1s"}));
    nodes[1].publish(ROOM, "c");
    wait("it has ended", || nodes.iter().all(|node| history(node) == ["a", "c"]));
    let epoch = begun["epoch"].as_str().expect("an epoch");
    let recovered = subscribe(&mut nodes[1].client(), ROOM, Some((1, epoch)));
    let missed = recovered["publications"].as_array().expect("there are some");
    assert_eq!(missed.iter().map(|one| one["offset"].clone()).collect::<Vec<_>>(), [json!(3)], "{recovered}");
}
