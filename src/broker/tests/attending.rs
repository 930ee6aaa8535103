//! Sessions whose users have sessions on other nodes.

use super::*;
use crate::broker::bridge::{Answer, Entrance};
use crate::broker::order::Who;
use crate::config::{DeviceKindConfig, DevicesConfig, Stay};
use crate::model::refusal::{Disconnect, DisconnectKind};

/// A node among others, which have yet to say what they think of a session.
fn node() -> Node {
    let mut config = config();
    config.cluster.redis.addresses = vec!["127.0.0.1:6379".into()];
    config.client.user_connection_limit = 1;
    let mut node = Node::with(config);
    node.agrees = false;
    node
}

fn claims() -> Value {
    json!({"sub": "ann", "device": "a", "iat": 5})
}

/// The only session that other nodes were told of.
fn entrance(node: &Node) -> &Entrance {
    match &node.attendance[..] {
        [(_, Attendance::Comes(entrance)), ..] => entrance,
        other => panic!("{other:?}"),
    }
}

fn answer(node: &mut Node, shard: usize, outcome: Result<(), Disconnect>) {
    let ticket = entrance(node).ticket;
    node.brokers[shard].bridge_answered(Answer::Enrolled(ticket, outcome), node.now);
    node.after(shard);
    node.carry();
}

#[test]
fn a_session_begins_when_other_nodes_have_nothing_against_it() {
    let mut node = node();
    let peer = node.open(0);
    assert!(node.say(peer, &connect(&claims())).is_empty());
    let Entrance { user, device, issued_unix_s, limit, .. } = entrance(&node);
    assert_eq!((&**user, &*device.id, *issued_unix_s, *limit), ("ann", "a", Some(5), 1));
    answer(&mut node, 0, Ok(()));
    assert_eq!(kinds(&node.hear(peer)), ["1:connect"]);
    node.drop(peer);
    assert!(matches!(&node.attendance[1..], [(0, Attendance::Goes(user, _))] if &**user == "ann"));
}

#[test]
fn a_session_that_has_no_place_for_other_nodes_is_told_why_and_takes_none_here() {
    let mut node = node();
    let peer = node.open(0);
    node.say(peer, &connect(&claims()));
    answer(&mut node, 0, Err(DisconnectKind::OtherDevice.into()));
    assert_eq!(node.goodbye(peer), Some(4501));
    assert!(node.brokers.iter().all(|broker| broker.home.roster.sessions() == 0));
}

#[test]
fn what_other_nodes_say_of_a_session_that_has_gone_is_nobodys() {
    let mut node = node();
    let peer = node.open(0);
    node.tell(peer, &connect(&claims()));
    node.drop(peer);
    let next = node.open(0);
    assert_eq!(next.session, peer.session);
    answer(&mut node, 0, Ok(()));
    assert!(node.hear(next).is_empty() && node.goodbye(next).is_none());
}

#[test]
fn who_has_no_name_is_asked_for_nowhere() {
    let mut node = node();
    let peer = node.open(0);
    assert_eq!(kinds(&node.say(peer, &connect(&json!({"sub": ""})))), ["1:connect"]);
    node.drop(peer);
    assert!(node.attendance.is_empty());
}

#[test]
fn other_nodes_are_told_what_is_said_of_a_session_once() {
    let mut node = node();
    let peer = node.open(0);
    node.say(peer, &connect(&claims()));
    answer(&mut node, 0, Ok(()));
    let say = |node: &mut Node, set: &str, removed: &[&str]| {
        let who = Arc::new(Who { user: "ann".into(), client: None });
        let removed = removed.iter().map(ToString::to_string).collect();
        let set = Arc::new(serde_json::from_str(set).unwrap());
        node.order(0, |answer| Order::Attributes { who, set, removed, answer }).expect("it is short").len()
    };
    let all: [(&str, &[&str]); 3] = [(r#"{"a":1}"#, &[]), (r#"{"a":1}"#, &["b"]), ("{}", &["a"])];
    for (set, removed) in all {
        assert_eq!(say(&mut node, set, removed), 1);
    }
    let said = node.attendance.iter().filter_map(|(_, attendance)| match attendance {
        Attendance::Says(_, _, note) => Some(&note[..]),
        _ => None,
    });
    assert_eq!(said.collect::<Vec<_>>(), [&br#"{"a":1}"#[..], b""]);
    node.drop(peer);
    assert!(node.brokers[0].edge.attributes.is_empty());
}

#[test]
fn of_two_sessions_of_a_device_the_one_stays_that_other_nodes_let_in_last() {
    for shards in [[0, 0], [0, 1], [1, 0]] {
        let mut config = config();
        config.cluster.redis.addresses = vec!["127.0.0.1:6379".into()];
        let phone = DeviceKindConfig { name: "phone".into(), stay: Stay::Newest, limit: 1 };
        config.client.devices = DevicesConfig { kinds: vec![phone], ..DevicesConfig::default() };
        let mut node = Node::with(config);
        node.agrees = false;
        let claims = json!({"sub": "ann", "device": "a", "device_kind": "phone"});
        let peers = shards.map(|shard| {
            node.wait(1);
            let peer = node.open(shard);
            node.say(peer, &connect(&claims));
            peer
        });
        let tickets = node.attendance.iter().map(|(shard, attendance)| match attendance {
            Attendance::Comes(entrance) => (*shard, entrance.ticket),
            other => panic!("{other:?}"),
        });
        // What the first has asked came to the others behind what the second has.
        for (shard, ticket) in tickets.collect::<Vec<_>>().into_iter().rev() {
            node.wait(1);
            node.brokers[shard].bridge_answered(Answer::Enrolled(ticket, Ok(())), node.now);
            node.after(shard);
            node.carry();
        }
        assert_eq!(peers.map(|peer| node.goodbye(peer)), [None, Some(4502)]);
    }
}
