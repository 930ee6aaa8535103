//! Users with sessions on several nodes.

use ringpost::auth::mint::hs256;
use serde_json::{Value, json};

use crate::client::LineClient;
use crate::harness::{Node, SECRET};
use crate::server::{Kind, Server, wait};

/// Of two phones of a user the newest stays.
const PHONES: &str = r#"
[[client.devices.kinds]]
name = "phone"
stay = "newest"
limit = 1
"#;

fn nodes(redis: &Server) -> [Node; 2] {
    ["one", "two"].map(|name| Node::start_with(name, redis, PHONES))
}

/// Asks to be connected with a token of these claims.
fn try_connect(node: &Node, claims: &Value) -> LineClient {
    let mut client = LineClient::silent(node.tcp);
    client.tell(json!({"connect": {"token": hs256(SECRET, claims)}}));
    client
}

fn connect(node: &Node, claims: &Value) -> LineClient {
    let mut client = try_connect(node, claims);
    let reply = client.word();
    assert!(reply["connect"]["client"].is_string(), "{reply}");
    client
}

fn phone(device: &str) -> Value {
    json!({"sub": "ann", "device": device, "device_kind": "phone"})
}

fn online(node: &Node, user: &str) -> bool {
    let answer = node.api("users_status", &json!({"users": [user]}));
    answer["result"]["users"][user]["online"].as_bool().unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn the_newest_phone_on_another_node_sends_the_one_here_away() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let redis = Server::start(kind, &[]);
        let nodes = nodes(&redis);
        let mut old = connect(&nodes[0], &phone("a"));
        let mut page = connect(&nodes[0], &json!({"sub": "ann", "device": "b", "device_kind": "web"}));
        let mut new = connect(&nodes[1], &phone("c"));
        assert_eq!(old.disconnect_code(), 4501);
        let mut back = connect(&nodes[0], &phone("c"));
        assert_eq!(new.disconnect_code(), 4502, "the same device has come back");
        for client in [&mut page, &mut back] {
            assert!(client.ask(json!({"rpc": {"method": "x"}}))["error"].is_object(), "it is there");
        }
    }
}

#[test]
fn what_is_called_for_a_user_on_one_node_reaches_the_sessions_on_all() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = nodes(&redis);
    let mut clients = [0, 0, 1, 1].map(|at| connect(&nodes[at], &json!({"sub": "bob"})));
    assert!(online(&nodes[0], "bob") && online(&nodes[1], "bob") && !online(&nodes[0], "nobody"));
    let of = |method: &str, more: &Value| {
        let mut call = json!({"user": "bob"});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = nodes[0].api(method, &call);
        assert!(answer["result"].is_object(), "{method}: {answer}");
        answer["result"].clone()
    };
    of("subscribe", &json!({"channel": "local:room"}));
    for client in &mut clients {
        assert_eq!(client.word()["push"]["channel"], "local:room");
    }
    let connections = of("connections", &json!({}));
    assert_eq!(connections["connections"].as_object().map(serde_json::Map::len), Some(4));
    let channels = nodes[1].api("channels", &json!({"pattern": "local:*"}));
    assert_eq!(channels["result"]["channels"]["local:room"]["num_clients"], 4, "{channels}");
    of("unsubscribe", &json!({"channel": "local:room"}));
    for client in &mut clients {
        assert_eq!(client.word()["push"]["unsubscribe"]["code"], 2000);
    }
    let one = connections["connections"].as_object().unwrap().keys().next().unwrap().clone();
    of("disconnect", &json!({"whitelist": [one]}));
    let left = of("connections", &json!({}));
    assert_eq!(left["connections"].as_object().unwrap().keys().collect::<Vec<_>>(), [&one]);
    of("disconnect", &json!({"disconnect": {"code": 4001, "reason": "out"}}));
    let mut codes = clients.each_mut().map(LineClient::disconnect_code);
    codes.sort_unstable();
    assert_eq!(codes, [3503, 3503, 3503, 4001]);
    wait("nobody is online", || !online(&nodes[1], "bob"));
}

#[test]
fn tokens_that_were_called_back_are_refused_by_all_nodes_and_by_those_that_were_away() {
    let redis = Server::start(Kind::Redis, &[]);
    let one = Node::start_with("one", &redis, PHONES);
    let two = Node::start_with("two", &redis, PHONES);
    let (by_user, by_id) = (json!({"sub": "ann", "iat": 1_000}), json!({"sub": "bob", "jti": "lost"}));
    let mut clients = [&by_user, &by_id].map(|claims| connect(&two, claims));
    for call in [json!({"user": "ann", "issued_before": 2_000}), json!({"id": "lost"})] {
        assert_eq!(one.api("tokens_revoke", &call)["result"], json!({}));
    }
    assert_eq!(clients.each_mut().map(LineClient::disconnect_code), [3500, 3500]);
    let three = Node::start_with("three", &redis, PHONES);
    for node in [&one, &two, &three] {
        for claims in [&by_user, &by_id] {
            let mut code = 0;
            // What is called back by a token's id is read when the node begins.
            wait("it is refused", || {
                let mut client = try_connect(node, claims);
                match client.next() {
                    Some(word) if word["connect"].is_object() => false,
                    Some(word) => {
                        code = word["push"]["disconnect"]["code"].as_u64().unwrap_or_default();
                        true
                    }
                    None => panic!("it is told why"),
                }
            });
            assert_eq!(code, 3500);
        }
        drop(connect(node, &json!({"sub": "ann", "iat": 2_000})));
    }
}

#[test]
fn while_redis_is_away_nobody_is_kept_out_and_a_node_goes_by_its_own_sessions() {
    let mut redis = Server::start(Kind::Redis, &[]);
    let nodes = nodes(&redis);
    let mut first = connect(&nodes[0], &phone("a"));
    redis.kill();
    let mut second = connect(&nodes[0], &phone("b"));
    assert_eq!(first.disconnect_code(), 4501, "the node knows both");
    let mut third = connect(&nodes[1], &phone("c"));
    let status = nodes[0].api("users_status", &json!({"users": ["ann"]}));
    assert_eq!(status["error"]["code"], 100, "it is not made up: {status}");
    redis.restart();
    // Of the two that came while nobody could tell, the older one goes.
    assert_eq!(second.disconnect_code(), 4501);
    assert!(third.ask(json!({"rpc": {"method": "x"}}))["error"].is_object(), "it is there");
    assert!(online(&nodes[0], "ann"));
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn a_user_whose_node_was_killed_is_online_no_longer_than_its_lease() {
    let redis = Server::start(Kind::Redis, &[]);
    let mut nodes = nodes(&redis);
    let _client = connect(&nodes[1], &phone("a"));
    wait("it is seen", || online(&nodes[0], "ann"));
    nodes[1].kill();
    wait("the lease has run out", || !online(&nodes[0], "ann"));
    // The place is free.
    drop(connect(&nodes[0], &phone("b")));
}
