//! At least once, as clients see it: members, what they receive, say, and are sent again.

use super::*;
use crate::broker::inbox_order::InboxOrder;
use crate::broker::namespaces::NO_NAMESPACE;
use crate::config::Delivery;
use crate::limits::{CHANNELS_FOUNDED_MAX, RECEIPT_MEMBERS_MAX};
use crate::work::{Limit, price};

/// `inbox:` makes members of those who subscribe, `named:` has the members that its channels name.
pub(super) fn config() -> Config {
    let mut config = super::config();
    let kept = ChannelOptions {
        history_size: 100,
        history_ttl: Duration::from_secs(3600),
        delivery: Delivery::AtLeastOnce,
        ack_timeout: Duration::from_secs(10),
        max_attempts: 3,
        max_unacked: 3,
        allow_subscribe_for_client: true,
        allow_publish_for_client: true,
        ..ChannelOptions::default()
    };
    config.channel.namespaces.push(Namespace {
        name: "inbox".into(),
        options: ChannelOptions { members_by_subscribing: true, ..kept.clone() },
    });
    config.channel.namespaces.push(Namespace {
        name: "named".into(),
        options: ChannelOptions { allow_user_limited_channels: true, ..kept },
    });
    config
}

fn node() -> Node {
    Node::with(config())
}

pub(super) fn call(id: u32, method: &str, data: Value) -> String {
    json!({"id": id, "rpc": {"method": format!("inbox.{method}"), "data": data}}).to_string()
}

impl Node {
    /// A peer of the user on the shard, by this device, that has subscribed; what it heard then.
    pub(super) fn member(&mut self, shard: usize, user: &str, device: &str, channel: &str) -> (Peer, Vec<String>) {
        let peer = self.connect(shard, json!({"sub": user, "meta": {"device": device}}));
        let mut heard = self.say(peer, &subscribe(2, channel));
        // What a membership waits for.
        self.sync();
        heard.extend(self.hear(peer));
        (peer, kinds(&heard))
    }

    /// The peer says that it has received all up to here; what it hears.
    pub(super) fn receive(&mut self, peer: Peer, channel: &str, offset: u64) -> Vec<String> {
        let words = self.say(peer, &call(9, "received", json!({"channel": channel, "offset": offset})));
        kinds(&words)
    }

    /// Time passes, and all shards look at what is due.
    pub(super) fn sweep(&mut self, ms: u64) {
        self.wait(ms);
        for shard in 0..self.brokers.len() {
            self.brokers[shard].sweep(self.now);
            self.after(shard);
        }
        self.carry();
    }
}

#[test]
fn who_was_away_is_sent_what_follows_the_floor_when_coming_back_whatever_position_the_client_names() {
    for home in 0..2 {
        let mut node = node();
        let channel = node.at(home, "inbox");
        let (peer, heard) = node.member(0, "ada", "phone", &channel);
        assert_eq!(heard, ["2:subscribe"]);
        for data in 1..=2 {
            node.publish(&channel, &data.to_string(), None);
        }
        node.carry();
        assert_eq!(kinds(&node.hear(peer)), ["pub 1", "pub 2"]);
        assert_eq!(node.receive(peer, &channel, 1), ["9:rpc"]);
        node.drop(peer);
        node.carry();
        node.publish(&channel, "3", None);
        let peer = node.connect(0, json!({"sub": "ada", "meta": {"device": "phone"}}));
        let ask = json!({"id": 2, "subscribe": {"channel": channel, "recover": true, "offset": 3}});
        let words = node.say(peer, &ask.to_string());
        assert_eq!(kinds(&words), ["2:subscribe", "pub 2", "pub 3"]);
        let subscribe = &words[0]["subscribe"];
        assert_eq!((&subscribe["recovered"], &subscribe["offset"]), (&json!(true), &json!(1)), "{subscribe}");
        assert_eq!(node.receive(peer, &channel, 3), ["9:rpc"]);
        node.sweep(60_000);
        assert_eq!(kinds(&node.hear(peer)), ["message"], "nothing is sent again that was received");
    }
}

#[test]
fn what_is_said_without_waiting_for_an_answer_counts_and_is_not_answered() {
    for home in 0..2 {
        let mut node = node();
        let channel = node.at(home, "inbox");
        let (peer, _) = node.member(0, "ada", "phone", &channel);
        node.publish(&channel, "1", None);
        node.carry();
        assert_eq!(kinds(&node.hear(peer)), ["pub 1"]);
        let send = |method: &str, offset: u64| {
            let data = json!({"channel": channel, "offset": offset});
            json!({"send": {"data": {"method": method, "data": data}}}).to_string()
        };
        for (said, refusals) in [
            (send("inbox.received", 9), 1),
            (send("inbox.unread", 1), 1),
            (send("received", 1), 1),
            (json!({"send": {"data": "of an application"}}).to_string(), 1),
            (json!({"send": {"data": {"method": "inbox.received", "data": 1}}}).to_string(), 1),
            (json!({"send": {"data": {"method": "received", "data": 1}}}).to_string(), 1),
            (send("inbox.received", 1), 1),
        ] {
            let heard = node.say(peer, &said);
            assert!(kinds(&heard).is_empty(), "{said}: {heard:?}");
            assert_eq!(node.refused("inbox", 107), refusals, "{said}");
        }
        assert_eq!(node.refused(NO_NAMESPACE, 107), 1, "what is no call names no channel");
        node.sweep(60_000);
        assert_eq!(kinds(&node.hear(peer)), ["message"], "nothing is sent again that was received");
    }
}

#[test]
fn a_subscription_that_comes_with_the_token_is_one_of_the_device_that_the_token_names() {
    for home in 0..2 {
        let mut node = node();
        let channel = node.at(home, "inbox");
        let claims = json!({"sub": "ada", "channels": [channel], "meta": {"device": "phone"}});
        let peer = node.connect(0, claims);
        node.publish(&channel, "1", None);
        node.carry();
        assert_eq!(kinds(&node.hear(peer)), ["pub 1"]);
        let member = node.brokers[home].home.delivery.devices(&channel, "ada").expect("she is a member");
        let devices: Vec<_> = member.devices.iter().map(|one| (&*one.device, one.connected)).collect();
        assert_eq!(devices, [("phone", true)]);
    }
}

#[test]
fn silence_has_the_first_sent_again_one_at_a_time_with_its_attempt_and_at_last_a_dead_letter() {
    for home in 0..2 {
        let mut node = node();
        let channel = node.at(home, "inbox");
        let (peer, _) = node.member(0, "ada", "phone", &channel);
        node.publish(&channel, "1", None);
        node.publish(&channel, "2", None);
        node.carry();
        node.hear(peer);
        node.sweep(9_900);
        assert_eq!(kinds(&node.hear(peer)), [""; 0]);
        node.sweep(200);
        let words = node.hear(peer);
        assert_eq!(kinds(&words), ["pub 1"]);
        assert_eq!(words[0]["push"]["pub"]["tags"], json!({"attempt": "2"}));
        node.publish(&channel, "3", None);
        node.carry();
        assert_eq!(kinds(&node.hear(peer)), [""; 0], "who is late is sent nothing by the way");
        node.sweep(26_000);
        let words = node.hear(peer);
        assert_eq!((kinds(&words), &words[0]["push"]["pub"]["tags"]["attempt"]), (vec!["pub 1".into()], &json!("3")));
        node.sweep(51_000);
        assert_eq!(kinds(&node.hear(peer)), ["pub 2", "pub 3"], "the first is given up, and the others come again");
        let dead = node.brokers[home].home.delivery.dead_letters();
        assert_eq!((dead.len(), dead.find(&channel, 1).unwrap().failures[0].attempts), (1, 3));
        assert_eq!(node.receive(peer, &channel, 3), ["9:rpc"]);
        node.publish(&channel, "4", None);
        node.carry();
        assert_eq!(kinds(&node.hear(peer)), ["pub 4"], "who has caught up goes along with everybody");
        assert_eq!(node.counted("inbox", |of| of.redeliveries.get()), 2);
        assert_eq!(node.counted("inbox", |of| of.dead_letters.get()), 1);
        assert_eq!(node.counted("inbox", |of| of.unreceived.get()), 1);
    }
}

#[test]
fn nobody_is_sent_more_than_may_be_unreceived_and_what_is_received_brings_the_rest() {
    let mut node = node();
    let channel = node.at(1, "inbox");
    let (quick, _) = node.member(0, "ada", "phone", &channel);
    let (slow, _) = node.member(0, "bob", "phone", &channel);
    for data in 1..=6 {
        node.publish(&channel, &data.to_string(), None);
        node.carry();
        assert_eq!(node.receive(quick, &channel, data), [&format!("pub {data}"), "9:rpc"]);
    }
    assert_eq!(kinds(&node.hear(slow)), ["pub 1", "pub 2", "pub 3"]);
    assert_eq!(node.receive(slow, &channel, 4), ["9:error 107"], "beyond what it was sent");
    assert_eq!(node.receive(slow, &channel, 2), ["pub 4", "pub 5", "9:rpc"]);
    assert_eq!(node.receive(slow, &channel, 5), ["pub 6", "9:rpc"]);
    node.publish(&channel, "7", None);
    node.carry();
    assert_eq!(kinds(&node.hear(slow)), ["pub 7"]);
}

#[test]
fn what_a_device_was_sent_can_be_received_after_it_has_left_the_channel() {
    for home in 0..2 {
        let mut node = node();
        let channel = node.at(home, "inbox");
        let (peer, _) = node.member(0, "ada", "phone", &channel);
        node.publish(&channel, "1", None);
        node.carry();
        node.hear(peer);
        assert_eq!(kinds(&node.say(peer, &unsubscribe(3, &channel))), ["3:unsubscribe"]);
        assert_eq!(node.receive(peer, &channel, 1), ["9:rpc"]);
        assert_eq!(node.receive(peer, &channel, 2), ["9:error 107"]);
    }
}

#[test]
fn a_device_that_does_not_want_it_yet_is_sent_it_later() {
    let mut node = node();
    let channel = node.at(1, "inbox");
    let (peer, _) = node.member(0, "ada", "", &channel);
    node.publish(&channel, "1", None);
    node.carry();
    node.hear(peer);
    let words = node.say(peer, &call(3, "retry", json!({"channel": channel, "offset": 1, "delay": 2})));
    assert_eq!(kinds(&words), ["3:rpc"]);
    node.sweep(1_900);
    assert_eq!(kinds(&node.hear(peer)), [""; 0]);
    node.sweep(200);
    assert_eq!(kinds(&node.hear(peer)), ["pub 1"]);
}

#[test]
fn each_device_of_a_user_has_a_floor_and_a_second_session_of_one_is_no_other_device() {
    let mut node = node();
    let channel = node.at(1, "inbox");
    let (phone, _) = node.member(0, "ada", "phone", &channel);
    let (laptop, _) = node.member(1, "ada", "laptop", &channel);
    node.publish(&channel, "1", None);
    node.carry();
    node.hear(phone);
    node.hear(laptop);
    node.receive(phone, &channel, 1);
    let (again, heard) = node.member(1, "ada", "laptop", &channel);
    assert_eq!(heard, ["2:subscribe", "pub 1"]);
    node.receive(again, &channel, 1);
    node.hear(laptop);
    node.sweep(60_000);
    assert!([phone, laptop, again].iter().all(|peer| kinds(&node.hear(*peer)).iter().all(|kind| kind == "message")));
    let (_, heard) = node.member(1, "ada", "watch", &channel);
    assert_eq!(heard, ["2:subscribe"], "a new device begins where another has received all");
}

#[test]
fn a_personal_channel_keeps_what_its_user_has_never_been_there_for() {
    let mut node = node();
    let channel = "named:letters#ada";
    node.publish(channel, "1", None);
    node.carry();
    let (_, heard) = node.member(0, "ada", "phone", channel);
    assert_eq!(heard, ["2:subscribe", "pub 1"]);
}

#[test]
fn who_is_no_member_is_sent_what_comes_and_has_nothing_to_say() {
    let mut node = node();
    let channel = node.at(1, "named");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.publish(&channel, "1", None);
    node.carry();
    assert_eq!(node.receive(peer, &channel, 1), ["pub 1", "9:error 103"]);
    let kept = node.at(1, "kept");
    assert_eq!(node.receive(peer, &kept, 1), ["9:error 108"], "nothing is received at least once there");
    assert_eq!(kinds(&node.say(peer, &call(3, "nothing", json!({})))), ["3:error 104"]);
    assert_eq!(kinds(&node.say(peer, &call(3, "read", json!({"channel": channel})))), ["3:error 107"]);
}

#[test]
fn another_epoch_is_refused() {
    let mut node = node();
    let channel = node.at(1, "inbox");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    let epoch = node.publish(&channel, "1", None).epoch;
    node.carry();
    node.hear(peer);
    for (epoch, answer) in [("other", "3:error 112"), (&*epoch, "3:rpc")] {
        for method in ["received", "read"] {
            let data = json!({"channel": channel, "epoch": epoch, "offset": 1});
            assert_eq!(kinds(&node.say(peer, &call(3, method, data))), [answer]);
        }
    }
}

#[test]
fn received_is_not_read_and_members_hear_of_both_a_little_later() {
    let mut node = node();
    let channel = node.at(1, "inbox");
    let (ada, _) = node.member(0, "ada", "phone", &channel);
    let (bob, _) = node.member(1, "bob", "phone", &channel);
    for data in 1..=3 {
        node.publish(&channel, &data.to_string(), None);
    }
    node.carry();
    node.hear(ada);
    node.hear(bob);
    node.receive(ada, &channel, 2);
    node.receive(ada, &channel, 3);
    node.say(ada, &call(3, "read", json!({"channel": channel, "offset": 1})));
    node.sweep(600);
    let told =
        |words: Vec<Value>| words.into_iter().map(|word| word["push"]["message"]["data"].clone()).collect::<Vec<_>>();
    let [message] = &told(node.hear(bob))[..] else { panic!("one for all that has changed") };
    assert_eq!(message["users"], json!([{"user": "ada", "received": 3, "read": 1}]));
    assert_eq!((&message["type"], &message["channel"]), (&json!("inbox.positions"), &json!(channel)));
    assert_eq!(told(node.hear(ada)).len(), 1, "the user's other devices hear of it, too");
    let answer = &node.say(ada, &call(4, "unread", json!({"channel": channel})))[0]["rpc"]["data"];
    assert_eq!((&answer["read"], &answer["unread"], &answer["offset"]), (&json!(1), &json!(2), &json!(3)));
    let answer = &node.say(bob, &call(4, "positions", json!({"channel": channel})))[0]["rpc"]["data"];
    assert_eq!(answer["users"][0], json!({"user": "ada", "received": 3, "read": 1}));
}

#[test]
fn a_message_with_an_id_is_published_once_however_often_it_is_sent() {
    for home in 0..2 {
        let mut node = node();
        let channel = node.at(home, "inbox");
        let (bob, _) = node.member(1, "bob", "", &channel);
        let (ada, _) = node.member(0, "ada", "", &channel);
        let send = call(3, "send", json!({"channel": channel, "id": "m1", "data": {"text": "hi"}}));
        let first = node.say(ada, &send);
        let answer = first.last().unwrap()["rpc"]["data"].clone();
        assert_eq!(answer["offset"], json!(1), "{first:?}");
        node.drop(ada);
        let (ada, _) = node.member(1, "ada", "", &channel);
        assert_eq!(node.say(ada, &send).last().unwrap()["rpc"]["data"], answer);
        assert_eq!(kinds(&node.hear(bob)), ["pub {\"text\":\"hi\"}"]);
        node.hear(ada);
        let by_another = node.connect(0, json!({"sub": "cyd"}));
        assert_eq!(node.say(by_another, &send).last().unwrap()["rpc"]["data"]["offset"], json!(2));
        node.hear(ada);
        assert_eq!(kinds(&node.say(ada, &call(4, "send", json!({"channel": channel, "data": 1})))), ["4:error 107"]);
    }
}

#[test]
fn what_is_no_longer_kept_is_told_as_a_gap_until_something_after_it_was_received() {
    let mut node = node();
    let channel = node.at(1, "inbox");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.drop(peer);
    node.carry();
    for data in 1..=105 {
        node.publish(&channel, &data.to_string(), None);
    }
    let peer = node.connect(0, json!({"sub": "ada", "meta": {"device": "phone"}}));
    let words = node.say(peer, &subscribe(2, &channel));
    let told = &words[0]["subscribe"];
    assert_eq!((&told["was_recovering"], told.get("recovered")), (&json!(true), None), "{told}");
    assert_eq!(kinds(&words)[1], "pub 6");
    node.drop(peer);
    node.carry();
    // Its connection may have broken before it heard that.
    let peer = node.connect(0, json!({"sub": "ada", "meta": {"device": "phone"}}));
    let words = node.say(peer, &subscribe(2, &channel));
    assert_eq!(words[0]["subscribe"].get("recovered"), None);
    node.receive(peer, &channel, 6);
    node.drop(peer);
    node.carry();
    let peer = node.connect(0, json!({"sub": "ada", "meta": {"device": "phone"}}));
    let words = node.say(peer, &subscribe(2, &channel));
    assert_eq!(words[0]["subscribe"]["recovered"], json!(true));
}

#[test]
fn the_publishers_own_counts_as_received_where_it_is_not_echoed() {
    let mut config = config();
    config.channel.namespaces.push(Namespace {
        name: "inbox".into(),
        options: ChannelOptions {
            history_size: 100,
            history_ttl: Duration::from_secs(3600),
            delivery: Delivery::AtLeastOnce,
            members_by_subscribing: true,
            echo: false,
            allow_subscribe_for_client: true,
            allow_publish_for_client: true,
            ..ChannelOptions::default()
        },
    });
    let mut node = Node::with(config);
    let channel = node.at(1, "inbox");
    let (ada, _) = node.member(0, "ada", "phone", &channel);
    node.say(ada, &publication(3, &channel, 1));
    node.publish(&channel, "2", None);
    node.carry();
    node.say(ada, &publication(4, &channel, 3));
    node.hear(ada);
    node.receive(ada, &channel, 2);
    node.sweep(60_000);
    assert_eq!(kinds(&node.hear(ada)), ["message"], "nothing is sent again");
    assert_eq!(node.counted("inbox", |of| of.unreceived.get()), 0);
}

#[test]
fn a_publication_that_is_sent_again_keeps_its_tags() {
    let mut node = node();
    let channel = node.at(1, "inbox");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    let publish = Publish {
        channel: channel.as_str().into(),
        data: Payload::json("1"),
        tags: Some(Box::from([("kind".into(), "text".into())])),
        skip_history: false,
        idempotency_key: None,
        version: None,
        ttl_ms: None,
        exclude_client: None,
    };
    node.order(1, |answer| Order::Publish(Box::new(publish), answer)).unwrap();
    node.carry();
    node.hear(peer);
    node.sweep(11_000);
    let words = node.hear(peer);
    assert_eq!(words[0]["push"]["pub"]["tags"], json!({"attempt": "2", "kind": "text"}));
}

#[test]
fn whom_a_backend_makes_a_member_is_sent_what_was_published_since_and_nothing_once_removed() {
    let mut node = node();
    let channel = node.at(1, "named");
    let name: Arc<str> = channel.as_str().into();
    node.publish(&channel, "1", None);
    let users = || vec![Arc::from("ada"), Arc::from("bob")];
    node.order(1, |answer| Order::Inbox(InboxOrder::AddMembers(name.clone(), users(), answer))).unwrap();
    node.publish(&channel, "2", None);
    let (peer, heard) = node.member(0, "ada", "phone", &channel);
    assert_eq!(heard, ["2:subscribe", "pub 2"]);
    let list = |node: &mut Node, after: &str, limit| {
        let order = |answer| Order::Inbox(InboxOrder::Members(name.clone(), after.into(), limit, answer));
        let page = node.order(1, order).unwrap();
        page.users.iter().map(|one| one.user.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(&mut node, "", 1), ["ada"]);
    assert_eq!(list(&mut node, "ada", 10), ["bob"]);
    node.order(1, |answer| Order::Inbox(InboxOrder::RemoveMembers(name.clone(), users(), answer))).unwrap();
    node.carry();
    node.sweep(60_000);
    assert_eq!(kinds(&node.hear(peer)), [""; 0], "nothing is sent again to one who is no member");
    node.publish(&channel, "3", None);
    node.carry();
    assert_eq!(kinds(&node.hear(peer)), ["pub 3"], "who is subscribed hears what comes");
    assert_eq!(node.counted("named", |of| of.unreceived.get()), 0);
}

#[test]
fn a_reload_that_has_nothing_promised_for_a_while_ends_nothing() {
    let mut node = node();
    let channel = node.at(1, "inbox");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.publish(&channel, "1", None);
    let promised = node.brokers[1].config().clone();
    let mut nothing = (*promised).clone();
    for namespace in &mut nothing.channel.namespaces {
        namespace.options.delivery = Delivery::default();
    }
    for config in [Arc::new(nothing), promised] {
        (0..2).for_each(|shard| node.brokers[shard].order(Order::Reload(config.clone()), node.now));
        node.publish(&channel, "2", None);
    }
    node.carry();
    assert_eq!(node.receive(peer, &channel, 3), ["pub 1", "pub 2", "pub 2", "9:rpc"]);
    assert_eq!(node.counted("inbox", |of| of.unreceived.get()), 0);
}

#[test]
fn in_a_large_room_the_sender_hears_how_many_have_received_and_read_and_others_nothing() {
    let mut node = node();
    let channel = node.at(1, "inbox");
    let users: Vec<Arc<str>> = (0..RECEIPT_MEMBERS_MAX).map(|number| Arc::from(format!("user{number}"))).collect();
    let name: Arc<str> = channel.as_str().into();
    let (answer, mut answered) = oneshot::channel();
    node.brokers[1].order(Order::Inbox(InboxOrder::AddMembers(name, users, answer)), node.now);
    assert!(answered.try_recv().is_err(), "so many are added in several ticks");
    while node.brokers[1].waits_for_tick() {
        node.brokers[1].begin_tick(node.now);
    }
    answered.try_recv().expect("it is answered").unwrap();
    let (ada, _) = node.member(0, "ada", "phone", &channel);
    let (bob, _) = node.member(0, "bob", "phone", &channel);
    let (cyd, _) = node.member(1, "cyd", "phone", &channel);
    node.say(ada, &publication(3, &channel, 7));
    node.carry();
    node.receive(ada, &channel, 1);
    node.receive(bob, &channel, 1);
    node.receive(cyd, &channel, 1);
    node.say(cyd, &call(4, "read", json!({"channel": channel, "offset": 1})));
    [ada, bob, cyd].iter().for_each(|peer| drop(node.hear(*peer)));
    node.sweep(600);
    let members = RECEIPT_MEMBERS_MAX + 2;
    let receipt = json!({"offset": 1, "received": 2, "read": 1, "members": members});
    let [message] = &node.hear(ada)[..] else { panic!("one for all that has changed") };
    let told = &message["push"]["message"]["data"];
    assert_eq!((&told["type"], &told["receipts"]), (&json!("inbox.receipts"), &json!([receipt])));
    assert_eq!(kinds(&node.hear(bob)), [""; 0]);
    assert_eq!(kinds(&node.hear(cyd)), ["message"], "of its own reading");
    let asked = &node.say(ada, &call(5, "positions", json!({"channel": channel})))[0]["rpc"]["data"];
    assert_eq!((asked["users"].as_array().unwrap().len(), &asked["receipts"]), (1, &json!([receipt])));
    node.sweep(600);
    assert_eq!(kinds(&node.hear(ada)), [""; 0], "nothing has changed");
}

#[test]
fn it_is_known_how_many_devices_are_behind_and_since_when_the_oldest_waits() {
    let mut node = node();
    let channel = node.at(1, "inbox");
    let peers: Vec<_> = (0..100).map(|user| node.member(0, &user.to_string(), "", &channel).0).collect();
    node.publish(&channel, "1", None);
    let oldest_ms = node.now.unix_ms as u64;
    node.wait(5_000);
    node.publish(&channel, "2", None);
    node.carry();
    let behind = |node: &mut Node| {
        // Each round takes several sweeps.
        (0..10).for_each(|_| node.sweep(0));
        (
            node.counted("inbox", |of| of.devices_behind.get()),
            node.counted("inbox", |of| of.oldest_unreceived_unix_ms.get()),
        )
    };
    assert_eq!(behind(&mut node), (100, oldest_ms));
    peers.iter().for_each(|peer| drop(node.receive(*peer, &channel, 1)));
    assert_eq!(behind(&mut node), (100, oldest_ms + 5_000));
    peers.iter().for_each(|peer| drop(node.receive(*peer, &channel, 2)));
    assert_eq!(behind(&mut node), (0, 0));
}

#[test]
fn what_becomes_of_devices_is_counted_for_their_namespace_and_by_its_options_after_a_reload_of_fewer() {
    let mut node = node();
    let channel = node.at(1, "inbox");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.publish(&channel, "1", None);
    let mut fewer = (**node.brokers[1].config()).clone();
    fewer.channel.namespaces.retain(|namespace| namespace.name == "inbox");
    fewer.channel.namespaces[0].options.ack_timeout = Duration::from_secs(1);
    let fewer = Arc::new(fewer);
    (0..2).for_each(|shard| node.brokers[shard].order(Order::Reload(fewer.clone()), node.now));
    node.publish(&channel, "2", None);
    node.carry();
    assert_eq!(node.counted("inbox", |of| of.unreceived.get()), 2);
    node.sweep(100);
    node.receive(peer, &channel, 1);
    node.sweep(1_100);
    node.sweep(10_000);
    assert_eq!(kinds(&node.hear(peer)).last().unwrap(), "pub 2", "it was waited for a second");
    assert!(node.counted("inbox", |of| of.redeliveries.get()) >= 1);
    assert_eq!(node.counted("inbox", |of| of.devices_behind.get()), 1);
}

#[test]
fn nobody_is_the_first_member_of_channels_without_end() {
    let mut node = node();
    let refused = |node: &mut Node, user: &str| {
        let peer = node.connect(0, json!({"sub": user}));
        (0..4 * CHANNELS_FOUNDED_MAX).any(|number| {
            let channel = format!("named:{number}#{user}");
            let answer = kinds(&node.say(peer, &subscribe(2, &channel)));
            node.say(peer, &unsubscribe(3, &channel));
            answer == ["2:error 106"]
        })
    };
    assert!(refused(&mut node, "ada"));
    let (_, heard) = node.member(1, "bob", "", "named:1#bob");
    assert_eq!(heard, ["2:subscribe"], "others are not concerned");
    let (_, heard) = node.member(1, "ada", "", "named:0#ada");
    assert_eq!(heard, ["2:subscribe"], "nor is what is there already");
}

#[test]
fn what_is_unread_is_told_of_the_life_of_the_channel_that_there_is() {
    let mut config = config();
    for namespace in &mut config.channel.namespaces {
        namespace.options.history_ttl = Duration::from_secs(10);
        namespace.options.history_meta_ttl = Duration::from_secs(10);
    }
    let mut node = Node::with(config);
    let channel = node.at(1, "inbox");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    (0..3).for_each(|_| drop(node.publish(&channel, "1", None)));
    node.drop(peer);
    node.carry();
    node.wait(3_600_000);
    let epoch = node.publish(&channel, "2", None).epoch;
    let name: Arc<str> = channel.as_str().into();
    let unread = node.order(1, |answer| Order::Inbox(InboxOrder::Unread(name, "ada".into(), answer))).unwrap();
    assert_eq!((unread.epoch, unread.offset, unread.unread), (epoch, 1, 1));
}

#[test]
fn who_has_a_small_room_told_of_a_position_is_charged_for_it() {
    const MEMBERS: u64 = 20;
    for home in 0..2 {
        let mut node = node();
        let channel = node.at(home, "inbox");
        let name = |number| format!("user {number}");
        let peers: Vec<_> = (0..MEMBERS).map(|number| node.member(0, &name(number), "", &channel).0).collect();
        node.publish(&channel, "1", None);
        node.carry();
        // By a bucket that is empty, which fills as fast as time passes.
        let strict = Limit::new(1_000, 0).expect("it is one");
        let mut costs = |peer: Peer| {
            let owed = |node: &Node| {
                let session = &node.brokers[peer.shard].edge.sessions[peer.session as usize];
                session.allowance.excess_ns(strict, node.now.mono_ms)
            };
            let before = owed(&node);
            node.say(peer, &call(9, "read", json!({"channel": channel, "offset": 1})));
            owed(&node) - before
        };
        let (first, second) = (costs(peers[0]), costs(peers[1]));
        assert!(first > second + MEMBERS * price::DELIVERY_NS, "{first} ns, {second} ns");
    }
}
