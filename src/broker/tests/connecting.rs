//! From the first command to the connect reply.

use super::*;
use crate::broker::order::Errand;

fn limited() -> Node {
    let mut config = config();
    config.client.user_connection_limit = 1;
    Node::with(config)
}

/// A user who is at home on this shard.
fn user_at(node: &Node, shard: usize) -> String {
    let names = (0..).map(|number: u32| number.to_string());
    names.into_iter().find(|name| usize::from(node.placement.of(name)) == shard).expect("every shard has some")
}

#[test]
fn the_reply_has_the_subscriptions_of_the_token_wherever_they_are() {
    let mut node = Node::new();
    let (here, there) = (node.at(0, "kept"), node.at(1, "kept"));
    node.publish(&there, "1", None);
    let peer = node.open(0);
    let claims = json!({"sub": "7", "channels": [here, there, here]});
    assert_eq!(node.tell(peer, &connect(&claims)), Input::Paused);
    assert!(node.hear(peer).is_empty(), "one of them has not answered");
    node.carry();
    let words = node.hear(peer);
    let subs = &words[0]["connect"]["subs"];
    assert_eq!(subs[&here]["recoverable"], true);
    assert_eq!(subs[&there]["offset"], 1);
    assert_eq!(words.len(), 1);
    assert_eq!(words[0]["connect"]["ping"], 30);
    assert_eq!(words[0]["connect"]["node"], "node#0");
}

#[test]
fn what_was_missed_comes_with_the_reply() {
    let mut node = Node::new();
    let channel = node.at(1, "kept");
    let position = node.publish(&channel, "1", None);
    node.publish(&channel, "2", None);
    let peer = node.open(0);
    let token = hs256(SECRET, &json!({"sub": "7", "channels": [channel]}));
    let since = json!({"recover": true, "offset": 1, "epoch": *position.epoch});
    let subs = json!({ channel.as_str(): since });
    let words = node.say(peer, &json!({"id": 1, "connect": {"token": token, "subs": subs}}).to_string());
    let sub = &words[0]["connect"]["subs"][&channel];
    assert_eq!((&sub["recovered"], &sub["publications"][0]["data"]), (&json!(true), &json!(2)));
}

#[test]
fn a_client_has_back_what_it_may_subscribe_to_by_itself() {
    let mut config = config();
    config.channel.namespaces[1].options.allow_user_limited_channels = true;
    config.channel.namespaces[2].options.allow_subscribe_for_client = false;
    config.client.channel_limit = 3;
    let mut node = Node::with(config);
    let (by_token, by_backend, own) = (node.at(0, "open"), node.at(1, "kept"), "kept:#7");
    let position = node.publish(&by_backend, "1", None);
    let others = ["wish:a", "$kept:a", "kept:#8", "nowhere:a", ""];
    let beyond = ["kept:b", "kept:c"];
    let since = json!({"recover": true, "epoch": *position.epoch});
    let names = others.into_iter().chain([by_backend.as_str(), own]).chain(beyond);
    let subs: Value = names.map(|name| (name.to_string(), since.clone())).collect::<serde_json::Map<_, _>>().into();
    let token = hs256(SECRET, &json!({"sub": "7", "channels": [by_token]}));
    let connect = json!({"id": 1, "connect": {"token": token, "subs": subs}}).to_string();
    let peer = node.open(0);
    let words = node.say(peer, &connect);
    let back = words[0]["connect"]["subs"].as_object().expect("it has subscriptions").clone();
    assert_eq!(back.len(), 3, "{back:?}");
    assert_eq!(back[&by_backend]["recovered"], true);
    assert_eq!(back[&by_backend]["publications"][0]["data"], 1);
    assert!(back.contains_key(&by_token) && back.contains_key(own), "{back:?}");
    node.publish(&by_backend, "2", None);
    node.carry();
    assert!(kinds(&node.hear(peer)).contains(&"pub 2".to_string()));
}

#[test]
fn who_asked_for_recovery_is_told_so_where_nothing_is_kept() {
    let mut node = Node::new();
    let channel = node.at(0, "open");
    let peer = node.connect(0, json!({"sub": "7"}));
    let body = json!({"id": 2, "subscribe": {"channel": channel, "recover": true, "offset": 3, "epoch": "gone"}});
    let words = node.say(peer, &body.to_string());
    assert_eq!(words[0]["subscribe"], json!({"was_recovering": true}));
}

#[test]
fn a_token_that_is_not_valid_yet_may_come_again() {
    let mut node = Node::new();
    let channel = node.at(0, "open");
    let nbf = node.now.unix_s() + 60;
    let early = hs256(SECRET, &json!({"sub": "7", "nbf": nbf}));
    let early_in_channel = hs256(SECRET, &json!({"sub": "7", "channel": channel, "nbf": nbf}));
    let peer = node.open(0);
    let connect_early = json!({"id": 1, "connect": {"token": early}}).to_string();
    let words = node.say(peer, &connect_early);
    assert_eq!((kind(&words[0]), &words[0]["error"]["temporary"]), ("1:error 101".into(), &json!(true)));
    node.say(peer, &connect(&json!({"sub": "7"})));
    let refresh = json!({"id": 2, "refresh": {"token": early}});
    let subscribe = json!({"id": 3, "subscribe": {"channel": channel, "token": early_in_channel}});
    for command in [refresh, subscribe] {
        let words = node.say(peer, &command.to_string());
        assert_eq!((&words[0]["error"]["code"], &words[0]["error"]["temporary"]), (&json!(101), &json!(true)));
    }
    node.wait(55_000);
    let late = node.open(0);
    assert_eq!(kinds(&node.say(late, &connect_early)), ["1:connect"], "clocks may be 5 s apart");
}

#[test]
fn pushes_that_come_before_the_reply_follow_it() {
    let mut node = Node::new();
    let (here, there) = (node.at(0, "open"), node.at(1, "open"));
    let peer = node.open(0);
    node.tell(peer, &connect(&json!({"sub": "7", "channels": [here, there]})));
    node.publish(&here, "1", None);
    let other = node.open(0);
    let elsewhere = node.at(1, "kept");
    node.tell(other, &connect(&json!({"sub": "8"})));
    node.tell(other, &subscribe(2, &here));
    node.publish(&here, "2", None);
    node.drop(other);
    assert!(node.hear(peer).is_empty());
    node.carry();
    let kinds = kinds(&node.hear(peer));
    assert_eq!(kinds, ["1:connect", "join", "pub 1", "join", "pub 2", "leave", "join"]);
    node.publish(&elsewhere, "3", None);
    assert!(node.hear(peer).is_empty());
}

#[test]
fn commands_behind_the_connect_in_one_frame_wait_for_its_reply() {
    let mut node = Node::new();
    let (here, there) = (node.at(0, "open"), node.at(1, "open"));
    let peer = node.open(0);
    let claims = json!({"sub": "7", "channels": [there]});
    let frame = [connect(&claims), subscribe(2, &here), publication(3, &there, 5)].join("\n");
    let kinds = kinds(&node.say(peer, &frame));
    assert_eq!(kinds, ["1:connect", "2:subscribe", "join", "join", "pub 5", "3:publish"]);
}

#[test]
fn a_token_that_names_an_unknown_channel_or_too_many_is_refused() {
    let mut node = Node::new();
    let peer = node.open(0);
    let unknown = connect(&json!({"sub": "7", "channels": ["nowhere:1"]}));
    assert_eq!(kinds(&node.say(peer, &unknown)), ["1:error 102"]);
    let peer = node.open(0);
    let many: Vec<_> = (0..129).map(|number| format!("open:{number}")).collect();
    node.tell(peer, &connect(&json!({"sub": "7", "channels": many})));
    assert_eq!(node.goodbye(peer), Some(3505));
}

#[test]
fn an_expired_token_is_refused_and_a_fresh_one_may_follow() {
    let mut node = Node::new();
    let peer = node.open(0);
    let expired = json!({"sub": "7", "exp": node.now.unix_s() - 10});
    assert_eq!(kinds(&node.say(peer, &connect(&expired))), ["1:error 109"]);
    let over = json!({"sub": "7", "expire_at": node.now.unix_s() - 10});
    assert_eq!(kinds(&node.say(peer, &connect(&over))), ["1:error 110"]);
    assert_eq!(kinds(&node.say(peer, &connect(&json!({"sub": "7"})))), ["1:connect"]);
}

#[test]
fn a_user_has_no_more_sessions_than_allowed_on_the_whole_node() {
    for home in 0..2 {
        let mut node = limited();
        let user = user_at(&node, home);
        let claims = json!({"sub": user, "channels": [node.at(0, "open"), node.at(1, "open")]});
        let first = node.connect(0, claims.clone());
        for shard in 0..2 {
            let second = node.open(shard);
            node.say(second, &connect(&claims));
            assert_eq!(node.goodbye(second), Some(3504));
        }
        node.drop(first);
        node.carry();
        let third = node.connect(1, claims);
        node.drop(third);
        node.carry();
        for broker in &node.brokers {
            assert_eq!(
                (broker.home.roster.sessions(), broker.home.hub.active(), broker.edge.audience.rooms()),
                (0, 0, 0)
            );
        }
    }
}

#[test]
fn who_leaves_while_it_is_enrolled_gives_its_place_back() {
    let mut node = limited();
    let claims = json!({"sub": user_at(&node, 1), "channels": [node.at(1, "open")]});
    let peer = node.open(0);
    node.tell(peer, &connect(&claims));
    node.drop(peer);
    // Another session takes the slab entry before the answers come.
    let next = node.open(0);
    assert_eq!(next.session, peer.session);
    node.carry();
    assert!(node.hear(next).is_empty());
    assert_eq!((node.brokers[1].home.roster.sessions(), node.brokers[1].home.hub.active()), (0, 0));
}

#[test]
fn a_session_that_is_refused_a_place_is_seen_by_nobody() {
    for home in 0..2 {
        let mut node = limited();
        let user = user_at(&node, home);
        let (here, there) = (node.at(0, "open"), node.at(1, "open"));
        let witness = node.connect(1, json!({"sub": "witness", "channels": [here, there]}));
        let first = node.connect(0, json!({"sub": user}));
        node.hear(witness);
        let claims = json!({"sub": user, "channels": [here, there]});
        let second = node.open(0);
        node.say(second, &connect(&claims));
        assert_eq!(node.goodbye(second), Some(3504));
        assert!(node.hear(witness).is_empty(), "nobody came, nobody left");
        node.drop(first);
        node.carry();
        node.connect(0, claims);
        assert_eq!(kinds(&node.hear(witness)), ["join", "join"]);
    }
}

#[test]
fn anonymous_sessions_are_not_counted() {
    let mut config = config();
    config.client.user_connection_limit = 1;
    config.client.allow_anonymous_connect_without_token = true;
    let mut node = Node::with(config);
    for _ in 0..3 {
        let peer = node.open(0);
        assert_eq!(kinds(&node.say(peer, r#"{"id":1,"connect":{}}"#)), ["1:connect"]);
    }
    assert!(node.brokers[0].edge.users.is_empty());
}

#[test]
fn a_first_command_that_does_not_come_ends_the_session() {
    let mut node = Node::new();
    let peer = node.open(0);
    let due_ms = node.timer(peer).expect("it has time");
    assert_eq!(due_ms, node.now.mono_ms + 10_000);
    node.wait(10_000);
    assert_eq!(node.timer(peer), None);
    assert_eq!(node.goodbye(peer), Some(3502));
}

#[test]
fn a_client_does_not_pay_for_a_shard_that_is_late() {
    let mut node = Node::new();
    let peer = node.open(0);
    node.wait(9_000);
    node.tell(peer, &connect(&json!({"sub": "7", "channels": [node.at(1, "open")]})));
    node.wait(9_000);
    assert!(node.timer(peer).is_some_and(|due_ms| due_ms > node.now.mono_ms + 100));
    node.wait(1_000);
    assert_eq!(node.timer(peer), None);
    assert_eq!(node.goodbye(peer), Some(3004), "one with which clients come back");
    node.carry();
    assert_eq!(node.brokers[1].home.hub.active(), 0);
}

#[test]
fn a_token_of_an_unknown_key_is_asked_about_once() {
    use base64::Engine as _;
    let part = |json: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string());
    let token = format!("{}.{}.c2ln", part(json!({"alg": "ES256", "kid": "new"})), part(json!({"sub": "7"})));
    let frame = json!({"id": 1, "connect": {"token": token}}).to_string();
    let mut config = config();
    config.client.token.jwks_public_endpoint = "http://127.0.0.1/keys".into();
    let mut node = Node::with(config);
    let peer = node.open(0);
    assert_eq!(node.tell(peer, &frame), Input::Paused);
    let errands = std::mem::take(&mut node.brokers[0].edge.errands);
    let [Errand::FetchKeys { ticket, .. }] = errands[..] else { panic!("{errands:?}") };
    // The key set that was fetched does not have the key either.
    node.brokers[0].order(Order::KeysFetched { ticket, fetched: true }, node.now);
    node.after(0);
    assert_eq!(node.goodbye(peer), Some(3500));
    assert!(node.brokers[0].edge.errands.is_empty());
    let other = node.open(0);
    assert_eq!(node.tell(other, &frame), Input::Paused);
    let errands = std::mem::take(&mut node.brokers[0].edge.errands);
    let [Errand::FetchKeys { ticket, .. }] = errands[..] else { panic!("{errands:?}") };
    node.brokers[0].order(Order::KeysFetched { ticket, fetched: false }, node.now);
    node.after(0);
    assert_eq!(node.goodbye(other), Some(3004), "nothing is proved against the token: come again");
}

#[test]
fn who_is_told_more_than_is_held_back_while_connecting_comes_again() {
    let config = {
        let mut config = config();
        config.client.channel_limit = 3000;
        config.channel.without_namespace = config.channel.namespaces[0].options.clone();
        config
    };
    let mut node = Node::with(config);
    // Every subscription brings the news of itself, and all are answered while the command is taken.
    let names = (0..).map(|number: u32| number.to_string()).filter(|name| node.placement.of(name) == 0);
    let channels: Vec<String> = names.take(1200).collect();
    let peers: Vec<Peer> = (0..2).map(|shard| node.open(shard)).collect();
    let frame = connect(&json!({"sub": "7", "channels": channels}));
    for peer in &peers {
        node.tell(*peer, &frame);
    }
    node.carry();
    for peer in peers {
        assert_eq!(node.goodbye(peer), Some(3010));
    }
    assert!(node.brokers.iter().all(|broker| broker.sessions() == 0 && broker.home.hub.active() == 0));
}
