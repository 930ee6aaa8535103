//! What Redis must allow the nodes' user, and a password that is changed while they run.

use serde_json::json;

use crate::groups::Sentinel;
use crate::harness::{Node, publish_in_the_end, subscribe};
use crate::outages::epoch_of;
use crate::server::{Kind, Place, Server, wait};

const DOCS: &str = include_str!("../../docs/decisions/redis.md");

/// What the nodes' user needs, as the docs say; `client|setinfo` where it is known.
fn rights(kind: Kind) -> Vec<String> {
    // Lines may end anywhere.
    let docs = DOCS.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, after) = docs.split_once("Its user needs ").expect("it is said");
    let (said, _) = after.split_once(". Redis 7.0 does not know").expect("it ends");
    let quoted = said.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
    let rights = quoted.map(|right| right.replace("<prefix>", "ringpost"));
    rights.filter(|right| matches!(kind, Kind::Valkey) || right != "+client|setinfo").collect()
}

/// Sets what a user may, and its passwords.
fn set_user(server: &Server, rules: &[&str]) {
    let said = server.cli(&[&["ACL", "SETUSER", "nodes", "on"][..], rules].concat());
    assert_eq!(said.trim(), "OK", "{rules:?}");
}

fn with_rights(kind: Kind) -> Server {
    let (server, rights) = (Server::start(kind, &[]), rights(kind));
    let rules: Vec<_> = [">first"].into_iter().chain(rights.iter().map(String::as_str)).collect();
    set_user(&server, &rules);
    server
}

fn node(name: &str, server: &Server, password: &str) -> Node {
    let address = server.address();
    Node::over(name, &format!("addresses = [\"{address}\"]\nuser = \"nodes\"\npassword = \"{password}\"\n"))
}

#[test]
fn the_rights_that_the_docs_name_are_enough() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let server = with_rights(kind);
        let nodes = ["one", "two"].map(|name| node(name, &server, "first"));
        let mut listener = nodes[1].client();
        for channel in ["shared:room", "told:room"] {
            subscribe(&mut listener, channel, None);
            assert!(nodes[0].publish(channel, 1)["result"].is_object());
            assert_eq!(listener.publication().0, channel);
        }
        let keyed = json!({"channel": "shared:room", "data": 2, "idempotency_key": "k"});
        let calls = [
            ("publish", keyed),
            ("history", json!({"channel": "shared:room", "limit": 10})),
            ("history_remove", json!({"channel": "shared:room"})),
            ("users_status", json!({"users": ["ann"]})),
            ("tokens_revoke", json!({"user": "ann"})),
            ("disconnect", json!({"user": "ann"})),
            ("subscribe", json!({"user": "ann", "channel": "shared:room"})),
            ("connections", json!({})),
        ];
        for (method, call) in calls {
            let answer = nodes[0].api(method, &call);
            assert!(answer["error"].is_null(), "{method}: {answer}");
        }
        drop(nodes);
        assert_eq!(server.cli(&["ACL", "LOG"]).trim(), "", "nothing more was asked for");
    }
}

#[test]
fn a_password_is_changed_while_nodes_run_by_giving_the_user_both_for_a_while() {
    let server = with_rights(Kind::Redis);
    let one = node("one", &server, "first");
    let mut listener = one.client();
    let epoch = epoch_of(&subscribe(&mut listener, "shared:room", None));
    set_user(&server, &[">second"]);
    let two = node("two", &server, "second");
    set_user(&server, &["<first"]);
    let cut = || server.cli(&["CLIENT", "KILL", "USER", "nodes"]);
    // A connection that is there stays; a new one does not come about.
    assert_eq!(one.publish("shared:room", 1)["result"]["offset"], 1);
    cut();
    let refused = one.publish("shared:room", "x");
    assert_eq!(refused["error"]["code"], 100, "{refused}");
    wait("it is told why", || one.metrics().contains("ringpost_redis_errors_total{kind=\"forbidden\"}"));
    assert_eq!(one.publish("local:room", 1)["result"]["offset"], 1);
    assert_eq!(publish_in_the_end(&two, "shared:room", "2")["result"]["offset"], 2);
    set_user(&server, &[">first"]);
    let taken = publish_in_the_end(&one, "shared:room", "3");
    assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(3), &json!(epoch)));
    assert_eq!([(); 3].map(|()| listener.publication().1), [1, 2, 3]);
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn behind_sentinels_the_rights_that_the_docs_name_are_enough_as_well() {
    let primary = with_rights(Kind::Redis);
    let _replica = Server::start(Kind::Redis, &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let sentinel = Sentinel::start(&Place::here(), &primary, 500);
    let (_, after) = DOCS.split_once("The user at the Sentinels needs `").expect("it is said");
    let (said, _) = after.split_once('`').expect("it ends");
    let rights = said.split_whitespace().filter(|right| *right != "+client|setinfo");
    let mut rules = vec!["ACL", "SETUSER", "asks", "on", ">third"];
    rules.extend(rights);
    assert_eq!(sentinel.cli(&rules).trim(), "OK");
    let users = "user = \"nodes\"\npassword = \"first\"\nsentinel_user = \"asks\"\nsentinel_password = \"third\"\n";
    let node = Node::over("one", &format!("{}{users}", sentinel.section()));
    assert_eq!(publish_in_the_end(&node, "shared:room", "x")["result"]["offset"], 1);
    assert_eq!(
        [primary.cli(&["ACL", "LOG"]), sentinel.cli(&["ACL", "LOG"])].map(|log| log.trim().to_owned()),
        ["", ""]
    );
}
