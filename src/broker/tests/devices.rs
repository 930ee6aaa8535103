//! Devices of a user that send each other away.

use super::*;
use crate::config::{DeviceKindConfig, DevicesConfig, Stay};

/// One phone stays, the newest, and of the pages in browsers the oldest; of everything else all.
fn node() -> Node {
    let kind = |name: &str, stay| DeviceKindConfig { name: name.into(), stay, limit: 1 };
    let mut config = config();
    let kinds = vec![kind("phone", Stay::Newest), kind("page", Stay::Oldest)];
    config.client.devices = DevicesConfig { kinds, ..DevicesConfig::default() };
    Node::with(config)
}

/// A user who is at home on this shard.
fn user_at(node: &Node, shard: usize) -> String {
    let names = (0..).map(|number: u32| number.to_string());
    names.into_iter().find(|name| usize::from(node.placement.of(name)) == shard).expect("every shard has some")
}

fn on(user: &str, device: &str, kind: &str) -> Value {
    json!({"sub": user, "device": device, "device_kind": kind})
}

fn seats(node: &Node) -> usize {
    node.brokers.iter().map(|broker| broker.home.roster.sessions()).sum()
}

#[test]
fn the_longest_connected_phone_goes_wherever_it_is() {
    for (home, first, second) in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 1)] {
        let mut node = node();
        let user = user_at(&node, home);
        let bystander = node.connect(first, on("somebody else", "a", "phone"));
        let old = node.connect(first, on(&user, "a", "phone"));
        let new = node.connect(second, on(&user, "b", "phone"));
        node.carry();
        assert_eq!([old, new, bystander].map(|peer| node.goodbye(peer)), [Some(4501), None, None]);
        assert_eq!(seats(&node), 2);
        node.drop(new);
        node.drop(bystander);
        node.carry();
        assert_eq!(seats(&node), 0);
    }
}

#[test]
fn a_page_that_is_one_too_many_is_refused_and_seen_by_nobody() {
    let mut node = node();
    let (user, room) = (user_at(&node, 1), node.at(0, "open"));
    let witness = node.connect(0, json!({"sub": "witness", "channels": [room]}));
    let first = node.connect(0, on(&user, "a", "page"));
    node.hear(witness);
    let second = node.open(1);
    let mut claims = on(&user, "b", "page");
    claims["channels"] = json!([room]);
    node.say(second, &connect(&claims));
    assert_eq!([first, second].map(|peer| node.goodbye(peer)), [None, Some(4503)]);
    assert!(node.hear(witness).is_empty());
    // The page that is there may come back while its connection is half dead.
    let again = node.connect(1, on(&user, "a", "page"));
    node.carry();
    assert_eq!([first, again].map(|peer| node.goodbye(peer)), [Some(4502), None]);
}

#[test]
fn all_stay_where_nothing_is_said() {
    let mut node = node();
    let peers = [("a", "tv"), ("a", "tv"), ("b", "tv"), ("", "")].map(|(device, kind)| {
        let shard = usize::from(device == "b");
        node.connect(shard, on("7", device, kind))
    });
    node.carry();
    assert!(peers.iter().all(|peer| node.goodbye(*peer).is_none()));
    assert_eq!(seats(&node), 0, "nobody has to be enrolled");
}

#[test]
fn one_that_is_sent_away_while_it_connects_goes_once_and_gives_all_back() {
    let mut node = node();
    let (user, rooms) = (user_at(&node, 1), [node.at(0, "open"), node.at(1, "open")]);
    let mut claims = on(&user, "a", "phone");
    claims["channels"] = json!(rooms);
    let old = node.open(0);
    node.tell(old, &connect(&claims));
    // The new one is on the shard that is the user's home: it has its place before the answers for the old one are read.
    node.carry_one();
    let new = node.open(1);
    node.tell(new, &connect(&on(&user, "b", "phone")));
    node.carry();
    assert_eq!([old, new].map(|peer| node.goodbye(peer)), [Some(4501), None]);
    assert_eq!((seats(&node), node.brokers.iter().map(|broker| broker.home.hub.active()).sum::<u32>()), (1, 0));
}

#[test]
fn one_that_has_gone_before_it_is_told_to_is_no_loss() {
    let mut node = node();
    let user = user_at(&node, 1);
    let old = node.connect(0, on(&user, "a", "phone"));
    let new = node.open(1);
    node.tell(new, &connect(&on(&user, "b", "phone")));
    node.drop(old);
    // Another session has its place in the slab.
    let next = node.connect(0, on("somebody else", "a", "phone"));
    assert_eq!(next.session, old.session);
    node.carry();
    assert_eq!([new, next].map(|peer| node.goodbye(peer)), [None, None]);
    assert_eq!(seats(&node), 2);
}

#[test]
fn a_clock_that_was_set_back_keeps_no_device_from_coming_back() {
    for shard in 0..2 {
        let mut node = node();
        let user = user_at(&node, 1);
        let ghost = node.connect(0, on(&user, "a", "phone"));
        node.now.unix_ms -= 3_600_000;
        node.now.mono_ms += 1;
        let back = node.connect(shard, on(&user, "a", "phone"));
        node.carry();
        assert_eq!([ghost, back].map(|peer| node.goodbye(peer)), [Some(4502), None]);
    }
}
