//! Subscriptions: beginning, hearing, missing, ending.

use super::*;
use crate::model::refusal::Unsubscribe;

#[test]
fn commands_of_one_frame_take_effect_in_order_wherever_the_channel_is() {
    for home in 0..2 {
        let mut node = Node::new();
        let channel = node.at(home, "open");
        let peer = node.connect(0, json!({"sub": "7"}));
        let frame = [subscribe(2, &channel), publication(3, &channel, 5)].join("\n");
        assert_eq!(kinds(&node.say(peer, &frame)), ["2:subscribe", "join", "pub 5", "3:publish"]);
        let frame = [unsubscribe(4, &channel), publication(5, &channel, 6), subscribe(6, &channel)].join("\n");
        assert_eq!(kinds(&node.say(peer, &frame)), ["4:unsubscribe", "5:error 103", "6:subscribe", "join"]);
        let frame = [subscribe(7, &channel), unsubscribe(8, &channel)].join("\n");
        assert_eq!(kinds(&node.say(peer, &frame)), ["7:error 105", "8:unsubscribe"]);
        let frame = [subscribe(9, &channel), unsubscribe(10, &channel)].join("\n");
        let kinds = kinds(&node.say(peer, &frame));
        assert_eq!(kinds[0], "9:subscribe");
        assert!(kinds.contains(&"10:unsubscribe".to_string()), "{kinds:?}");
    }
}

#[test]
fn a_backend_can_end_a_subscription_that_has_not_begun() {
    let mut node = Node::new();
    let channel = node.at(1, "kept");
    let peer = node.connect(0, json!({"sub": "7"}));
    node.tell(peer, &subscribe(2, &channel));
    let who = crate::broker::order::Who { user: "7".into(), client: None };
    let reason = Unsubscribe::Server;
    let name: Arc<str> = channel.as_str().into();
    node.order(0, |answer| Order::Unsubscribe { who: who.into(), channel: name, reason, answer }).expect("it works");
    node.carry();
    assert_eq!(kinds(&node.hear(peer)), ["2:subscribe", "unsubscribe 2000"]);
    assert_eq!((node.brokers[1].home.hub.active(), node.brokers[0].edge.audience.rooms()), (0, 0));
}

#[test]
fn joins_are_heard_by_all_leaves_by_who_stays() {
    for home in 0..2 {
        let mut node = Node::new();
        let channel = node.at(home, "open");
        let stays = node.connect(0, json!({"sub": "7", "channels": [channel]}));
        node.hear(stays);
        let goes = node.connect(1, json!({"sub": "8"}));
        let words = node.say(goes, &subscribe(2, &channel));
        assert_eq!(kinds(&words), ["2:subscribe", "join"]);
        assert_eq!(words[1]["push"]["join"]["info"]["user"], "8");
        assert_eq!(kinds(&node.say(goes, &unsubscribe(3, &channel))), ["3:unsubscribe"]);
        assert_eq!(kinds(&node.hear(stays)), ["join", "leave"]);
    }
}

#[test]
fn one_who_does_not_count_does_not_disturb_who_does() {
    for home in 0..2 {
        let mut node = Node::new();
        let channel = node.at(home, "wish");
        node.publish(&channel, "1", None);
        let counts = node.connect(0, json!({"sub": "7"}));
        let body = json!({"id": 2, "subscribe": {"channel": channel, "recoverable": true}}).to_string();
        assert_eq!(node.say(counts, &body)[0]["subscribe"]["positioned"], true);
        let careless = node.connect(0, json!({"sub": "8"}));
        let words = node.say(careless, &subscribe(2, &channel));
        assert_eq!(words[0]["subscribe"], json!({}), "who is not positioned is told no position");
        node.publish(&channel, "2", None);
        node.carry();
        assert_eq!(kinds(&node.hear(counts)), ["pub 2"]);
        assert_eq!(kinds(&node.hear(careless)), ["pub 2"]);
    }
}

/// A publication that shard 0 never sees.
fn lose(node: &mut Node, channel: &str) {
    node.publish(channel, "0", None);
    assert!(matches!(node.mail.pop_back(), Some((1, 0, Letter::Publication { .. }))));
}

#[test]
fn who_counts_on_all_is_told_of_a_gap() {
    let mut node = Node::new();
    let channel = node.at(1, "wish");
    let overrides = json!({"force_recovery": {"value": true}});
    let server_side = json!({"sub": "7", "subs": { channel.as_str(): {"override": overrides} }});
    let by_token = node.connect(0, server_side);
    let by_command = node.connect(0, json!({"sub": "8"}));
    let body = json!({"id": 2, "subscribe": {"channel": channel, "recoverable": true}}).to_string();
    node.say(by_command, &body);
    let careless = node.connect(0, json!({"sub": "9"}));
    node.say(careless, &subscribe(2, &channel));
    node.hear(by_token);

    lose(&mut node, &channel);
    node.publish(&channel, "2", None);
    node.carry();
    assert_eq!(node.goodbye(by_token), Some(3010));
    assert_eq!(kinds(&node.hear(by_command)), ["unsubscribe 2500"]);
    assert_eq!(kinds(&node.hear(careless)), ["pub 2"]);
    let body = json!({"id": 3, "subscribe": {"channel": channel, "recoverable": true, "recover": true, "offset": 0}});
    let words = node.say(by_command, &body.to_string());
    assert_eq!(words[0]["subscribe"]["publications"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_newcomer_does_not_hide_a_gap() {
    let mut node = Node::new();
    let channel = node.at(1, "kept");
    let peer = node.connect(0, json!({"sub": "7"}));
    node.say(peer, &subscribe(2, &channel));
    lose(&mut node, &channel);
    let newcomer = node.connect(0, json!({"sub": "8"}));
    node.say(newcomer, &subscribe(2, &channel));
    node.publish(&channel, "2", None);
    node.carry();
    assert_eq!(kinds(&node.hear(peer)), ["unsubscribe 2500"]);
    assert_eq!(kinds(&node.hear(newcomer)), ["pub 2"]);
}

#[test]
fn a_sender_that_is_excluded_has_no_gap() {
    let mut node = Node::new();
    let channel = node.at(1, "kept");
    let sender = node.connect(0, json!({"sub": "7"}));
    let other = node.connect(0, json!({"sub": "8"}));
    node.say(sender, &subscribe(2, &channel));
    node.say(other, &subscribe(2, &channel));
    let client = node.client(sender);
    node.publish(&channel, "1", Some(client));
    node.publish(&channel, "2", None);
    node.carry();
    assert_eq!(kinds(&node.hear(sender)), ["pub 2"]);
    assert_eq!(kinds(&node.hear(other)), ["pub 1", "pub 2"]);
}

#[test]
fn a_publisher_without_echo_hears_others_has_no_gap_and_recovers_all() {
    for home in 0..2 {
        let mut node = Node::new();
        let channel = node.at(home, "mute");
        let publish = |id: u32, data: u32| json!({"id": id, "publish": {"channel": channel, "data": data}}).to_string();
        let publisher = node.connect(0, json!({"sub": "7"}));
        let same_user = node.connect(0, json!({"sub": "7"}));
        let elsewhere = node.connect(1, json!({"sub": "8"}));
        for peer in [publisher, same_user, elsewhere] {
            node.say(peer, &subscribe(2, &channel));
        }
        node.tell(publisher, &publish(3, 1));
        node.tell(publisher, &publish(4, 2));
        node.carry();
        assert_eq!(kinds(&node.hear(publisher)), ["3:publish", "4:publish"]);
        for other in [same_user, elsewhere] {
            assert_eq!(kinds(&node.hear(other)), ["pub 1", "pub 2"]);
        }
        node.tell(elsewhere, &publish(3, 3));
        node.carry();
        let words = node.hear(publisher);
        assert_eq!(kinds(&words), ["pub 3"]);
        assert_eq!(words[0]["push"]["pub"]["offset"], 3);
        let back = node.connect(0, json!({"sub": "7"}));
        let body = json!({"id": 2, "subscribe": {"channel": channel, "recover": true, "offset": 0}});
        let words = node.say(back, &body.to_string());
        assert_eq!(words[0]["subscribe"]["publications"].as_array().map(Vec::len), Some(3));
    }
}

#[test]
fn a_subscription_token_opens_its_channel_to_its_user_for_its_time() {
    let mut node = Node::new();
    let channel = format!("${}", node.at(0, "open"));
    let body = |claims: Value| {
        let token = hs256(SECRET, &claims);
        json!({"id": 2, "subscribe": {"channel": channel, "token": token}}).to_string()
    };
    let now = node.now.unix_s();
    let peer = node.connect(0, json!({"sub": "7"}));
    let expired = json!({"sub": "7", "channel": channel, "exp": now - 10});
    assert_eq!(kinds(&node.say(peer, &body(expired))), ["2:error 109"]);
    let over = json!({"sub": "7", "channel": channel, "expire_at": now - 10});
    assert_eq!(kinds(&node.say(peer, &body(over))), ["2:error 110"]);
    let good = json!({"sub": "7", "channel": channel, "exp": now + 60, "info": {"a": 1}});
    let words = node.say(peer, &body(good));
    assert_eq!(words[0]["subscribe"]["ttl"], 60);
    assert_eq!(words[1]["push"]["join"]["info"]["chan_info"], json!({"a": 1}));
    for foreign in [json!({"sub": "8", "channel": channel}), json!({"sub": "7", "channel": "open:else"})] {
        let peer = node.connect(0, json!({"sub": "7"}));
        node.tell(peer, &body(foreign));
        assert_eq!(node.goodbye(peer), Some(3500));
    }
}

#[test]
fn a_subscription_token_for_one_session_opens_nothing_to_another() {
    let mut node = Node::new();
    let channel = node.at(0, "open");
    let command = |verb: &str, client: &str| {
        let token = hs256(SECRET, &json!({"sub": "7", "channel": channel, "client": client}));
        let mut command = json!({"id": 2});
        command[verb] = json!({"channel": channel, "token": token});
        command.to_string()
    };
    let peer = node.connect(0, json!({"sub": "7"}));
    let own = node.client(peer).to_string();
    assert_eq!(kinds(&node.say(peer, &command("subscribe", &own)))[0], "2:subscribe");
    assert_eq!(kinds(&node.say(peer, &command("sub_refresh", &own))), ["2:sub_refresh"]);
    for (verb, client) in [("sub_refresh", "another"), ("subscribe", &own)] {
        let peer =
            node.connect(0, json!({"sub": "7", "channels": if verb == "subscribe" { vec![] } else { vec![&channel] }}));
        node.tell(peer, &command(verb, client));
        assert_eq!(node.goodbye(peer), Some(3500), "{verb}");
    }
}

#[test]
fn a_subscription_ends_after_its_time_unless_it_is_refreshed() {
    let mut node = Node::new();
    let channel = node.at(0, "kept");
    let token = |exp: i64| hs256(SECRET, &json!({"sub": "7", "channel": channel, "exp": exp}));
    let now = node.now.unix_s();
    let peer = node.connect(0, json!({"sub": "7"}));
    node.say(peer, &json!({"id": 2, "subscribe": {"channel": channel, "token": token(now + 10)}}).to_string());
    let refresh = json!({"id": 3, "sub_refresh": {"channel": channel, "token": token(now + 20)}}).to_string();
    assert_eq!(node.say(peer, &refresh)[0]["sub_refresh"], json!({"expires": true, "ttl": 20}));
    node.wait(44_999);
    node.timer(peer);
    assert!(!kinds(&node.hear(peer)).contains(&"unsubscribe 2501".to_string()));
    node.wait(1);
    node.timer(peer);
    assert_eq!(kinds(&node.hear(peer)), ["unsubscribe 2501"]);
    assert_eq!(kinds(&node.say(peer, &refresh.replace("\"id\":3", "\"id\":4"))), ["4:error 103"]);
}

#[test]
fn all_places_are_given_back_when_a_session_ends() {
    let mut node = Node::new();
    let peers: Vec<_> = (0..4).map(|number| node.connect(number % 2, json!({"sub": "7"}))).collect();
    for peer in &peers {
        for (id, channel) in [node.at(0, "open"), node.at(1, "open"), node.at(1, "kept")].iter().enumerate() {
            node.tell(*peer, &subscribe(id as u32 + 2, channel));
        }
    }
    // Some are live, some not yet; one frees a slab entry and a room's place that another takes.
    node.carry_one();
    node.drop(peers[0]);
    node.carry_one();
    node.drop(peers[3]);
    node.carry();
    node.drop(peers[1]);
    node.drop(peers[2]);
    node.carry();
    for broker in &node.brokers {
        assert_eq!((broker.sessions(), broker.edge.audience.rooms(), broker.edge.audience.subscribers()), (0, 0, 0));
        assert_eq!((broker.home.hub.active(), broker.edge.users.len()), (0, 0));
    }
}
