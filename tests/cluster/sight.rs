//! What one node, and the command line, say of all of them.

use serde_json::json;

use crate::harness::{Node, subscribe};
use crate::server::{Kind, Server, wait};

#[test]
fn any_node_tells_how_all_are() {
    let redis = Server::start(Kind::Redis, &[]);
    let mut nodes = [Node::start("one", &redis), Node::start("two", &redis)];
    let mut clients: Vec<_> = (0..3).map(|_| nodes[1].client()).collect();
    subscribe(&mut clients[0], "shared:room", None);
    let figures = |node: &Node| {
        let info = node.api("info", &json!({}));
        let nodes = info["result"]["nodes"].as_array().expect("there are some").iter();
        let figures = nodes.map(|node| (node["name"].clone(), node["num_clients"].clone(), node["num_subs"].clone()));
        figures.collect::<Vec<_>>()
    };
    let expected = vec![(json!("one"), json!(0), json!(0)), (json!("two"), json!(3), json!(1))];
    wait("the second node's counts come with its lease", || figures(&nodes[0]) == expected);
    let metrics = nodes[0].metrics();
    assert!(metrics.contains("\nringpost_cluster_nodes 2\n"), "{metrics}");
    let status = nodes[0].command(&["cluster", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("it is JSON");
    let told = status["nodes"].as_array().expect("there are some").iter();
    let told: Vec<_> = told.map(|node| (&node["name"], &node["announced"]["num_clients"])).collect();
    assert_eq!(told, [(&json!("one"), &json!(0)), (&json!("two"), &json!(3))], "{status}");
    assert_eq!(status["redis"]["buckets"], 32);
    let table = String::from_utf8(nodes[0].command(&["cluster", "status"]).stdout).expect("it is text");
    assert!(table.lines().filter(|line| line.starts_with("one ") || line.starts_with("two ")).count() == 2, "{table}");
    assert!(nodes[1].end().success());
    wait("who has left is not listed", || figures(&nodes[0]) == expected[..1]);
}
