//! Subscriptions with a filter over tags.

use super::*;
use crate::limits::ROOM_FILTER_NODES_MAX;

/// Wants the publications whose tag `n` is at least this.
fn from(least: u32) -> Value {
    json!({"key": "n", "cmp": "gte", "val": least.to_string()})
}

fn filtered(id: u32, channel: &str, tf: &Value) -> String {
    json!({"id": id, "subscribe": {"channel": channel, "tf": tf}}).to_string()
}

impl Node {
    /// Publishes a number that is its tag `n`, too.
    fn publish_tagged(&mut self, channel: &str, number: u32) -> Position {
        let tags = [("n".into(), number.to_string().into())];
        self.order_publish(Publish { tags: Some(tags.into()), ..message(channel, &number.to_string()) })
    }
}

#[test]
fn each_subscriber_hears_what_passes_its_filter_wherever_the_channel_is() {
    for home in 0..2 {
        let mut node = Node::new();
        let channel = node.at(home, "tags");
        let [all, some, same, none] = [0, 0, 1, 1].map(|shard| node.connect(shard, json!({"sub": "7"})));
        node.say(all, &subscribe(2, &channel));
        node.say(some, &filtered(2, &channel, &from(3)));
        node.say(same, &filtered(2, &channel, &from(3)));
        node.say(none, &filtered(2, &channel, &from(9)));
        (1..=4).for_each(|number| drop(node.publish_tagged(&channel, number)));
        node.publish(&channel, "5", None);
        node.carry();
        assert_eq!(kinds(&node.hear(all)), ["pub 1", "pub 2", "pub 3", "pub 4", "pub 5"]);
        assert_eq!(kinds(&node.hear(some)), ["pub 3", "pub 4"]);
        assert_eq!(kinds(&node.hear(same)), ["pub 3", "pub 4"]);
        assert_eq!(kinds(&node.hear(none)), [""; 0]);
        let (filtered, delivered) = node.brokers.iter().fold((0, 0), |(filtered, delivered), broker| {
            let counts = broker.edge.policy.counts_of(&channel);
            (filtered + counts.filtered.get(), delivered + counts.deliveries.get())
        });
        assert_eq!((filtered, delivered), (3 + 3 + 5, 5 + 2 + 2));
    }
}

#[test]
fn what_a_filter_keeps_out_is_no_gap() {
    let mut node = Node::new();
    let channel = node.at(1, "tags");
    let peer = node.connect(0, json!({"sub": "7"}));
    node.say(peer, &filtered(2, &channel, &from(3)));
    let epoch = node.publish_tagged(&channel, 1).epoch;
    node.publish_tagged(&channel, 3);
    node.carry();
    let heard = node.hear(peer);
    assert_eq!(kinds(&heard), ["pub 3"]);
    assert_eq!(heard[0]["push"]["pub"]["offset"], 2);
    node.say(peer, &unsubscribe(3, &channel));
    for number in [1, 4, 2] {
        node.publish_tagged(&channel, number);
    }
    let recover = |id: u32, offset: u64| {
        let position = json!({"channel": channel, "recover": true, "offset": offset, "epoch": epoch, "tf": from(3)});
        json!({"id": id, "subscribe": position}).to_string()
    };
    let reply = node.say(peer, &recover(4, 2)).remove(0);
    let begun = &reply["subscribe"];
    assert_eq!(begun["recovered"], true, "{begun}");
    let publications = begun["publications"].as_array().expect("what was missed");
    assert_eq!(publications.iter().map(|one| &one["data"]).collect::<Vec<_>>(), [&json!(4)]);
    assert_eq!(begun["offset"], 2, "what it is given brings it on");
    node.say(peer, &unsubscribe(5, &channel));
    let reply = node.say(peer, &recover(6, 4)).remove(0);
    let begun = &reply["subscribe"];
    assert_eq!(
        (&begun["recovered"], &begun["offset"]),
        (&json!(true), &json!(5)),
        "nothing was for it: it is at the end"
    );
    assert_eq!(begun.get("publications"), None);
}

#[test]
fn history_has_what_passes_the_filter_of_the_subscription_page_by_page() {
    for home in 0..2 {
        let mut node = Node::new();
        let channel = node.at(home, "tags");
        let [some, all, none] = [0, 0, 1].map(|shard| node.connect(shard, json!({"sub": "7"})));
        node.say(some, &filtered(2, &channel, &from(3)));
        node.say(all, &subscribe(2, &channel));
        node.say(none, &filtered(2, &channel, &from(9)));
        let tagged = [1, 3, 2, 4, 0, 5, 6, 1];
        let epoch = tagged.map(|number| node.publish_tagged(&channel, number).epoch)[0].clone();
        node.carry();
        for peer in [some, all, none] {
            node.hear(peer);
        }
        let mut read = |peer, part: Value| {
            let mut history = json!({"channel": channel, "limit": 100});
            history.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
            let page = node.say(peer, &json!({"id": 3, "history": history}).to_string())[0]["history"].clone();
            assert_eq!(page["offset"], 8, "where the stream stands, whatever the filter keeps out");
            let read = page["publications"].as_array().cloned().unwrap_or_default();
            read.iter().map(|one| (one["offset"].as_u64().unwrap(), one["data"].to_string())).collect::<Vec<_>>()
        };
        let after = |offset: u64| json!({"since": {"offset": offset, "epoch": epoch}});
        let expected = |offsets: &[u64]| -> Vec<_> {
            offsets.iter().map(|offset| (*offset, tagged[*offset as usize - 1].to_string())).collect()
        };
        assert_eq!(read(some, json!({})), expected(&[2, 4, 6, 7]));
        assert_eq!(read(all, json!({})), expected(&[1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(read(none, json!({})), []);
        // A page has as many as are asked for, of those that pass.
        assert_eq!(read(some, json!({"limit": 2})), expected(&[2, 4]));
        assert_eq!(read(some, json!({"limit": 2, "since": after(4)["since"]})), expected(&[6, 7]));
        assert_eq!(read(some, after(7)), []);
        assert_eq!(read(some, json!({"limit": 2, "reverse": true})), expected(&[7, 6]));
        assert_eq!(read(some, json!({"limit": 2, "reverse": true, "since": after(6)["since"]})), expected(&[4, 2]));
        // Who has left reads all.
        node.say(some, &unsubscribe(4, &channel));
        let page = node.say(some, &json!({"id": 5, "history": {"channel": channel, "limit": 100}}).to_string());
        assert_eq!(page[0]["history"]["publications"].as_array().unwrap().len(), 8);
    }
}

#[test]
fn a_filter_that_may_not_be_or_is_none_is_refused() {
    let mut node = Node::new();
    let (kept, tags) = (node.at(1, "kept"), node.at(1, "tags"));
    let peer = node.connect(0, json!({"sub": "7"}));
    assert_eq!(kinds(&node.say(peer, &filtered(2, &kept, &from(3)))), ["2:error 107"]);
    assert_eq!(kinds(&node.say(peer, &filtered(3, &tags, &json!({"key": "n"})))), ["3:error 107"]);
    assert_eq!(kinds(&node.say(peer, &filtered(4, &tags, &json!(null)))), ["4:subscribe"]);
    assert_eq!(kinds(&node.say(peer, &filtered(5, &kept, &json!(null)))), ["5:subscribe"]);
}

#[test]
fn a_room_with_too_many_filters_refuses_one_more_and_the_home_forgets_who_came() {
    for home in 0..2 {
        let mut node = Node::new();
        let channel = node.at(home, "tags");
        let peers: Vec<_> = (0..ROOM_FILTER_NODES_MAX).map(|_| node.connect(0, json!({"sub": "7"}))).collect();
        for (number, peer) in (0..).zip(&peers) {
            assert_eq!(kinds(&node.say(*peer, &filtered(2, &channel, &from(number)))), ["2:subscribe"]);
        }
        let late = node.connect(0, json!({"sub": "7"}));
        assert_eq!(kinds(&node.say(late, &filtered(2, &channel, &from(1_000_000)))), ["2:error 106"]);
        assert_eq!(node.brokers[home].home.hub.presence_stats(&channel).num_clients, ROOM_FILTER_NODES_MAX);
        assert_eq!(
            kinds(&node.say(late, &filtered(3, &channel, &from(0)))),
            ["3:subscribe"],
            "one that is there already"
        );
        node.say(peers[1], &unsubscribe(3, &channel));
        let other = node.connect(0, json!({"sub": "7"}));
        assert_eq!(kinds(&node.say(other, &filtered(2, &channel, &from(1_000_000)))), ["2:subscribe"], "one has gone");
    }
}

#[test]
fn filters_are_asked_where_there_are_some_each_once_and_each_node_counts() {
    let mut node = Node::new();
    let channel = node.at(0, "tags");
    let nodes: Vec<_> = (0..50).map(from).collect();
    let tf = json!({"op": "and", "nodes": nodes});
    let [reader, same, other, publisher] = [(); 4].map(|()| node.connect(0, json!({"sub": "7"})));
    node.say(publisher, &subscribe(2, &channel));
    let cost_of = |node: &mut Node, id: u32| {
        node.brokers[0].begin_tick(node.now);
        let asked = node.brokers[0].edge.asked;
        node.say(publisher, &publication(id, &channel, 1));
        node.brokers[0].edge.asked - asked
    };
    assert_eq!(cost_of(&mut node, 3), 0, "a room without filters asks none");
    node.say(reader, &filtered(2, &channel, &tf));
    assert_eq!(cost_of(&mut node, 4), 51);
    node.say(same, &filtered(2, &channel, &tf));
    assert_eq!(cost_of(&mut node, 5), 51, "each is asked once, whoever has it");
    node.say(other, &filtered(2, &channel, &from(7)));
    assert_eq!(cost_of(&mut node, 6), 52);
}
