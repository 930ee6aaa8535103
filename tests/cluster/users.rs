//! Users with sessions on several nodes.

use ringpost::auth::mint::hs256;
use ringpost::model::bucket_of;
use serde_json::{Value, json};

use crate::client::LineClient;
use crate::harness::{BUCKETS, Node, SECRET, subscribe};
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
    let mut client = LineClient::silent(node.tcp());
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
fn what_is_said_of_sessions_on_one_node_is_known_on_all_and_in_redis() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = nodes(&redis);
    let clients = [0, 1].map(|at| connect(&nodes[at], &json!({"sub": "bob"})));
    let say = |set: Value| nodes[0].api("session_attributes", &json!({"user": "bob", "set": set}));
    let said = say(json!({"muted": true}));
    let sessions = said["result"]["sessions"].as_object().unwrap_or_else(|| panic!("{said}")).clone();
    assert!(sessions.len() == 2 && sessions.values().all(|one| *one == json!({"muted": true})), "{said}");
    let connections = nodes[1].api("connections", &json!({"user": "bob"}))["result"]["connections"].take();
    let of = |node: &str| connections.as_object().unwrap().values().find(|one| one["node"] == node).unwrap();
    assert!(["one", "two"].iter().all(|node| of(node)["attributes"]["muted"] == true), "{connections}");
    let key = format!("ringpost:1:{{b{}}}:s:bob", bucket_of("bob", BUCKETS));
    let notes = || redis.cli(&["HVALS", &key]).matches(r#"{"muted":true}"#).count();
    wait("both nodes have put it there", || notes() == 2);
    // Redis loses it: it is put there again.
    redis.cli(&["DEL", &key]);
    redis.cli(&["HDEL", key.split(":s:").next().unwrap(), "g"]);
    wait("it is there again", || notes() == 2);
    assert_eq!(say(json!({"long": "x".repeat(2_000)}))["error"]["code"], 106);
    drop(clients);
    wait("they are gone", || notes() == 0);
}

#[test]
fn sessions_on_all_nodes_are_listed_in_pages_and_those_that_stay_are_each_there_once() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = nodes(&redis);
    let stay: Vec<_> = (0..7).map(|at| connect(&nodes[at % 2], &json!({"sub": "bob"}))).collect();
    let whole = nodes[0].api("connections", &json!({"user": "bob"}));
    let ids: Vec<_> = whole["result"]["connections"].as_object().unwrap().keys().cloned().collect();
    let (mut seen, mut after, mut come) = (Vec::new(), String::new(), Vec::new());
    loop {
        let page = nodes[1].api("connections", &json!({"user": "bob", "limit": 2, "after": after}));
        let page: Vec<_> = page["result"]["connections"].as_object().unwrap().keys().cloned().collect();
        seen.extend_from_slice(&page);
        match page.last() {
            Some(last) if page.len() == 2 => after.clone_from(last),
            _ => break,
        }
        come.push(connect(&nodes[0], &json!({"sub": "bob"})));
    }
    assert!(seen.is_sorted_by(|one, other| one < other) && ids.iter().all(|id| seen.contains(id)), "{seen:?}");
    drop((stay, come));
}

#[test]
fn a_revocation_whose_announcement_was_lost_reaches_the_sessions_that_it_is_about() {
    let redis = Server::start(Kind::Redis, &[]);
    let node = Node::start_with("one", &redis, PHONES);
    let mut client = connect(&node, &json!({"sub": "bob", "jti": "lost"}));
    // As a node does it, but for what is told to the others.
    let script = "redis.call('HSET', KEYS[1], 'tlost', struct.pack('>I6I6', ARGV[1], ARGV[2])) \
                  redis.call('HSET', KEYS[2], ARGV[3], redis.call('HINCRBY', KEYS[2], 'n', 1))";
    let bucket = bucket_of("lost", BUCKETS).to_string();
    let key = format!("ringpost:1:{{b{bucket}}}:r");
    redis.cli(&["EVAL", script, "2", &key, "ringpost:1:{nodes}:r", "4000000000000", "281474976710655", &bucket]);
    assert_eq!(client.disconnect_code(), 3500);
}

/// What a follower is told next of a user.
fn told(follower: &mut LineClient) -> (String, bool) {
    let (channel, _, data) = follower.publication();
    assert_eq!(channel, format!("online:{}", data["user"].as_str().unwrap()));
    (data["user"].as_str().unwrap().into(), data["online"].as_bool().unwrap())
}

fn follow(node: &Node, users: &[&str]) -> LineClient {
    let mut follower = connect(node, &json!({"sub": "ann"}));
    for user in users {
        let reply = follower.ask(json!({"subscribe": {"channel": format!("online:{user}")}}));
        assert!(reply["subscribe"].is_object(), "{reply}");
    }
    follower
}

#[test]
fn who_follows_a_user_is_told_whenever_the_first_session_begins_and_the_last_one_ends_on_any_node() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes = nodes(&redis);
    let mut follower = follow(&nodes[0], &["bob"]);
    assert_eq!(told(&mut follower), ("bob".into(), false), "at first how it is");
    let bob = connect(&nodes[1], &json!({"sub": "bob"}));
    assert_eq!(told(&mut follower), ("bob".into(), true));
    // Another session changes nothing; who comes now is told, and the others once more.
    let again = connect(&nodes[0], &json!({"sub": "bob"}));
    let mut second = follow(&nodes[0], &["bob"]);
    assert_eq!((told(&mut second), told(&mut follower)), (("bob".into(), true), ("bob".into(), true)));
    drop((bob, again));
    assert_eq!((told(&mut second), told(&mut follower)), (("bob".into(), false), ("bob".into(), false)));
}

#[test]
fn while_redis_is_away_no_follower_is_told_what_nobody_knows() {
    let mut redis = Server::start(Kind::Redis, &[]);
    let nodes = nodes(&redis);
    let bob = connect(&nodes[1], &json!({"sub": "bob"}));
    let mut follower = follow(&nodes[0], &["bob", "nobody"]);
    let mut first = [told(&mut follower), told(&mut follower)];
    first.sort_unstable();
    assert_eq!(first, [("bob".into(), true), ("nobody".into(), false)]);
    redis.kill();
    drop(bob);
    redis.restart();
    assert_eq!(told(&mut follower), ("bob".into(), false), "once it is known");
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn who_follows_a_user_whose_node_was_killed_is_told_when_its_lease_is_over() {
    let redis = Server::start(Kind::Redis, &[]);
    let mut nodes = nodes(&redis);
    let _bob = connect(&nodes[1], &json!({"sub": "bob"}));
    let mut follower = follow(&nodes[0], &["bob"]);
    assert_eq!(told(&mut follower), ("bob".into(), true));
    nodes[1].kill();
    assert_eq!(told(&mut follower), ("bob".into(), false));
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn the_places_of_three_nodes_of_which_one_dies_are_those_of_the_sessions_that_live() {
    let redis = Server::start(Kind::Redis, &[]);
    let limit = "user_connection_limit = 2";
    let mut nodes = ["one", "two", "three"].map(|name| Node::start_with(name, &redis, limit));
    let bob = json!({"sub": "bob"});
    let mut stays = connect(&nodes[1], &bob);
    let _dies = connect(&nodes[2], &bob);
    let code = |node: &Node| {
        let mut client = try_connect(node, &bob);
        match client.next() {
            Some(word) if word["connect"].is_object() => 0,
            Some(word) => word["push"]["disconnect"]["code"].as_u64().expect("it is told why"),
            None => panic!("it is told why"),
        }
    };
    assert_eq!(code(&nodes[0]), 3504, "as many as there may be");
    nodes[2].kill();
    assert_eq!(code(&nodes[0]), 3504, "its lease lives");
    wait("the lease has run out", || code(&nodes[0]) == 0);
    assert!(stays.ask(json!({"rpc": {"method": "x"}}))["error"].is_object(), "it is there");
}

#[test]
fn a_history_that_is_asked_of_invented_names_leaves_nothing_for_long() {
    let redis = Server::start(Kind::Redis, &[]);
    let node = Node::start("one", &redis);
    let lives_ms = |channel: &str| -> i64 {
        let key = format!("ringpost:1:{{b{}}}:m:{channel}", bucket_of(channel, BUCKETS));
        redis.cli(&["PTTL", &key]).trim().parse().unwrap()
    };
    for _ in 0..2 {
        let page = node.api("history", &json!({"channel": "shared:invented"}));
        assert_eq!(page["result"]["offset"], 0, "{page}");
        assert!((1..=600_000).contains(&lives_ms("shared:invented")), "{}", lives_ms("shared:invented"));
    }
    // Who subscribes is promised more.
    let mut client = node.client();
    let epoch = subscribe(&mut client, "shared:invented", None)["epoch"].clone();
    assert_eq!(node.api("history", &json!({"channel": "shared:invented"}))["result"]["epoch"], epoch);
    assert!(lives_ms("shared:invented") > 600_000);
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
