//! At least once in channels that are kept on disk: what was answered is known after a restart.

use super::durable::start;
use super::inboxes::call;
use super::*;
use crate::broker::inbox_order::InboxOrder;
use crate::config::{Delivery, Log};
use crate::delivery::MemberDevices;
use crate::limits::{DEAD_LETTER_DEVICES_MAX, STORE_BATCH_BYTES_MAX, STORE_RESERVE_BYTES_MAX};

pub(super) fn letters() -> Config {
    let mut config = config();
    config.channel.namespaces.push(Namespace {
        name: "letters".into(),
        options: ChannelOptions {
            log: Log::Disk,
            history_size: 100,
            history_ttl: Duration::from_secs(3600),
            delivery: Delivery::AtLeastOnce,
            members_by_subscribing: true,
            ack_timeout: Duration::from_secs(10),
            max_attempts: 2,
            max_unacked: 10,
            allow_subscribe_for_client: true,
            allow_publish_for_client: true,
            ..ChannelOptions::default()
        },
    });
    config
}

fn node(shards: u16) -> Node {
    start(shards, Disk::default(), letters())
}

/// The node is killed, nothing of what is in flight is kept, and another starts.
pub(super) fn restart(mut node: Node, shards: u16) -> Node {
    node.disk.lose();
    start(shards, node.disk, letters())
}

impl Node {
    /// A backend publishes, and the disk does what it is asked.
    pub(super) fn publish_synced(&mut self, channel: &str, data: &str) {
        let (answer, mut answered) = oneshot::channel();
        let home = usize::from(self.placement.of(channel));
        self.brokers[home].begin_tick(self.now);
        self.brokers[home].order(Order::Publish(Box::new(message(channel, data)), answer), self.now);
        self.after(home);
        self.sync();
        answered.try_recv().expect("it is answered").expect("it is kept");
    }

    /// A backend's order about members, answered once the disk has done what it is asked.
    pub(super) fn inbox<T>(
        &mut self,
        channel: &str,
        order: impl FnOnce(Arc<str>, oneshot::Sender<T>) -> InboxOrder,
    ) -> T {
        let (answer, mut answered) = oneshot::channel();
        let home = usize::from(self.placement.of(channel));
        self.brokers[home].begin_tick(self.now);
        self.brokers[home].order(Order::Inbox(order(channel.into(), answer)), self.now);
        self.after(home);
        self.sync();
        answered.try_recv().expect("it is answered")
    }

    fn devices(&mut self, channel: &str, user: &str) -> MemberDevices {
        self.inbox(channel, |channel, answer| InboxOrder::Devices(channel, user.into(), answer)).expect("a member")
    }
}

#[test]
fn a_full_disk_takes_so_much_of_what_devices_say_and_refuses_the_rest_until_there_is_room() {
    let mut node = node(1);
    let channel = node.at(0, "letters");
    let users: Vec<Arc<str>> = (0..400).map(|number| format!("user {number}").into()).collect();
    for users in users.chunks(20) {
        let add = |channel, answer| InboxOrder::AddMembers(channel, users.to_vec(), answer);
        node.inbox(&channel, add).expect("there is room");
    }
    let (ada, _) = node.member(0, "ada", "phone", &channel);
    node.publish_synced(&channel, "1");
    node.disk.is_full = true;
    let mut is_refused = false;
    while !is_refused {
        let (answer, mut answered) = oneshot::channel();
        node.brokers[0].begin_tick(node.now);
        node.brokers[0].order(Order::Publish(Box::new(message(&channel, "2")), answer), node.now);
        node.sync();
        is_refused = answered.try_recv().expect("it is answered").is_err();
    }
    node.hear(ada);
    let is_refused = |node: &mut Node, user| node.member(0, user, "phone", &channel).1 == ["2:error 100"];
    let refused = users.iter().filter(|user| is_refused(&mut node, user)).count();
    assert!((1..400).contains(&refused), "{refused} were refused");
    assert_eq!(node.receive(ada, &channel, 1), ["9:error 100"]);
    let waiting = node.brokers[0].journal().expect("there is a disk").waiting_bytes();
    assert!(waiting < STORE_RESERVE_BYTES_MAX + STORE_BATCH_BYTES_MAX, "{waiting} bytes wait");
    let (_, heard) = node.member(0, "ada", "phone", &channel);
    assert_eq!(heard[0], "2:subscribe", "who is known comes back, and is sent what is there");
    node.disk.is_full = false;
    node.sweep(1);
    node.sync();
    let mut said = node.receive(ada, &channel, 1);
    node.sync();
    said.extend(kinds(&node.hear(ada)));
    assert!(said.contains(&"9:rpc".to_owned()), "{said:?}");
    assert!(!is_refused(&mut node, "user 399"));
}

#[test]
fn received_is_answered_when_it_is_on_disk_and_known_after_a_restart_with_other_shards() {
    for home in 0..2 {
        let mut node = node(2);
        let channel = node.at(home, "letters");
        let (peer, _) = node.member(0, "ada", "phone", &channel);
        for data in ["1", "2", "3"] {
            node.publish_synced(&channel, data);
        }
        node.hear(peer);
        let said = node.say(peer, &call(9, "received", json!({"channel": channel, "offset": 2})));
        assert_eq!(kinds(&said), [""; 0], "not on disk yet");
        node.sync();
        assert_eq!(kinds(&node.hear(peer)), ["9:rpc"]);
        // This one is never answered, and never known.
        node.say(peer, &call(10, "received", json!({"channel": channel, "offset": 3})));
        let mut node = restart(node, 3);
        let (_, heard) = node.member(1, "ada", "phone", &channel);
        assert_eq!(heard, ["2:subscribe", "pub 3"]);
        assert_eq!(node.counted("letters", |of| of.unreceived.get()), 1);
    }
}

#[test]
fn what_was_passed_over_for_a_device_and_answered_as_received_is_known_after_a_restart() {
    let mut config = letters();
    config.channel.namespaces.last_mut().expect("there is one").options.echo = false;
    let mut node = start(2, Disk::default(), config.clone());
    let channel = node.at(1, "letters");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.say(peer, &publication(3, &channel, 1));
    node.sync();
    node.say(peer, &call(4, "received", json!({"channel": channel, "offset": 1})));
    node.sync();
    assert_eq!(kinds(&node.hear(peer)), ["4:rpc"]);
    node.disk.lose();
    let mut node = start(2, node.disk, config);
    assert_eq!(node.devices(&channel, "ada").devices[0].received, 1);
}

#[test]
fn a_loss_is_told_until_the_device_has_received_something_after_it_whatever_breaks_in_between() {
    let mut node = node(2);
    let channel = node.at(1, "letters");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.drop(peer);
    (1..=103).for_each(|data: u32| node.publish_synced(&channel, &data.to_string()));
    let come = |node: &mut Node| {
        let peer = node.connect(0, json!({"sub": "ada", "meta": {"device": "phone"}}));
        let begun = node.say(peer, &subscribe(2, &channel)).remove(0)["subscribe"].clone();
        (peer, begun["recovered"].as_bool().unwrap_or_default())
    };
    // Its first connection breaks before it hears the answer, then the node starts again.
    for shards in [2, 3] {
        let (peer, is_whole) = come(&mut node);
        assert!(!is_whole);
        node.drop(peer);
        node.sync();
        node = restart(node, shards);
    }
    let (peer, is_whole) = come(&mut node);
    assert!(!is_whole);
    node.say(peer, &call(3, "received", json!({"channel": channel, "offset": 4})));
    node.sync();
    node.drop(peer);
    assert!(come(&mut restart(node, 2)).1, "it has received something after it");
}

#[test]
fn members_and_read_positions_are_known_after_a_restart() {
    let mut node = node(2);
    let channel = node.at(1, "letters");
    node.publish_synced(&channel, "1");
    let users = || vec![Arc::from("ada"), Arc::from("bob"), Arc::from("cyd")];
    node.inbox(&channel, |channel, answer| InboxOrder::AddMembers(channel, users(), answer)).unwrap();
    let gone = || vec![Arc::from("cyd")];
    node.inbox(&channel, |channel, answer| InboxOrder::RemoveMembers(channel, gone(), answer)).unwrap();
    node.publish_synced(&channel, "2");
    node.publish_synced(&channel, "3");
    let (peer, heard) = node.member(0, "ada", "phone", &channel);
    assert_eq!(heard, ["2:subscribe", "pub 2", "pub 3"]);
    node.say(peer, &call(3, "received", json!({"channel": channel, "offset": 3})));
    node.say(peer, &call(4, "read", json!({"channel": channel, "offset": 2})));
    node.sync();
    assert_eq!(kinds(&node.hear(peer)), ["3:rpc", "4:rpc"]);
    let mut node = restart(node, 2);
    let page = node.inbox(&channel, |channel, answer| InboxOrder::Members(channel, "".into(), 10, answer)).unwrap();
    let told: Vec<_> = page.users.iter().map(|one| (&*one.user, one.received, one.read)).collect();
    assert_eq!(told, [("ada", 3, 2), ("bob", 1, 1)]);
    let (_, heard) = node.member(0, "bob", "", &channel);
    assert_eq!(heard, ["2:subscribe", "pub 2", "pub 3"], "who was away all the time has missed nothing");
    let (_, heard) = node.member(0, "ada", "phone", &channel);
    assert_eq!(heard, ["2:subscribe"]);
}

#[test]
fn dead_letters_and_what_was_purged_are_known_after_a_restart() {
    let mut node = node(1);
    let channel = node.at(0, "letters");
    let (_peer, _) = node.member(0, "ada", "phone", &channel);
    node.publish_synced(&channel, "1");
    node.publish_synced(&channel, "2");
    for _ in 0..6 {
        node.sweep(30_000);
        node.sync();
    }
    let offsets = |node: &Node| {
        let dead = node.brokers[0].home.delivery.dead_letters();
        [1, 2].map(|offset| dead.find(&channel, offset).map(|letter| letter.failures.len()))
    };
    assert_eq!(offsets(&node), [Some(1), Some(1)]);
    let purged = node.inbox(&channel, |channel, answer| InboxOrder::Purge(channel, Some(1), answer));
    assert_eq!(purged, Ok(1));
    let mut node = restart(node, 1);
    assert_eq!(offsets(&node), [None, Some(1)]);
    assert_eq!(node.devices(&channel, "ada").devices[0].received, 2, "what was given up is not sent again");
}

#[test]
fn how_many_devices_a_dead_letter_does_not_list_is_known_after_a_restart_and_a_snapshot() {
    let mut node = node(1);
    let channel = node.at(0, "letters");
    for number in 0..DEAD_LETTER_DEVICES_MAX + 3 {
        node.member(0, &format!("user {number}"), "phone", &channel);
    }
    node.publish_synced(&channel, "1");
    for _ in 0..3 {
        node.sweep(30_000);
        node.sync();
    }
    let more = |node: &Node| {
        let home = usize::from(node.placement.of(&channel));
        let dead = node.brokers[home].home.delivery.dead_letters();
        dead.find(&channel, 1).map(|letter| (letter.failures.len(), letter.more))
    };
    assert_eq!(more(&node), Some((DEAD_LETTER_DEVICES_MAX, 3)));
    let mut node = restart(node, 1);
    assert_eq!(more(&node), Some((DEAD_LETTER_DEVICES_MAX, 3)));
    let others = node.at(0, "letters") + "-others";
    for _ in 0..600 {
        node.publish_synced(&others, &format!("\"{}\"", "x".repeat(1_000)));
        node.each_tick();
    }
    assert!(node.disk.been.discarded > 5, "{:?}", node.disk.been);
    assert_eq!(more(&restart(node, 2)), Some((DEAD_LETTER_DEVICES_MAX, 3)));
}

#[test]
fn a_message_with_an_id_is_published_once_also_while_it_is_on_its_way_and_after_a_restart() {
    for home in 0..2 {
        let mut node = node(2);
        let channel = node.at(home, "letters");
        let ada = node.connect(0, json!({"sub": "ada"}));
        let send = |id| call(id, "send", json!({"channel": channel, "id": "m1", "data": 7}));
        assert_eq!(kinds(&node.say(ada, &send(2))), [""; 0], "not on disk yet");
        assert_eq!(kinds(&node.say(ada, &send(3))), [""; 0]);
        node.sync();
        let answers = node.hear(ada);
        assert_eq!(
            (kinds(&answers), answers[0]["rpc"]["data"]["offset"].as_u64()),
            (vec!["2:rpc".into(), "3:rpc".into()], Some(1))
        );
        assert_eq!(answers[0]["rpc"], answers[1]["rpc"]);
        let mut node = restart(node, 2);
        let ada = node.connect(1, json!({"sub": "ada"}));
        assert_eq!(node.say(ada, &send(4))[0]["rpc"], answers[0]["rpc"]);
    }
}

#[test]
fn what_devices_say_is_refused_where_the_disk_has_failed() {
    let mut node = node(2);
    let channel = node.at(1, "letters");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.publish_synced(&channel, "1");
    node.hear(peer);
    node.say(peer, &call(3, "received", json!({"channel": channel, "offset": 1})));
    node.write(false);
    node.each_tick();
    assert_eq!(kinds(&node.hear(peer)), ["3:error 100"]);
    let said = node.say(peer, &call(4, "read", json!({"channel": channel, "offset": 1})));
    assert_eq!(kinds(&said), ["4:error 100"]);
    let mut node = restart(node, 2);
    let (_, heard) = node.member(0, "ada", "phone", &channel);
    assert_eq!(heard, ["2:subscribe", "pub 1"], "it was not answered");
}

#[test]
fn a_batch_that_fails_leaves_what_is_to_be_received_as_it_was() {
    let mut node = node(2);
    let channel = node.at(1, "letters");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.publish_synced(&channel, "1");
    let refused = ["2", "3"].map(|data| {
        let (answer, answered) = oneshot::channel();
        node.brokers[1].begin_tick(node.now);
        node.brokers[1].order(Order::Publish(Box::new(message(&channel, data)), answer), node.now);
        node.after(1);
        answered
    });
    node.write(false);
    node.each_tick();
    assert!(refused.into_iter().all(|mut answered| answered.try_recv().unwrap().is_err()));
    (0..3).for_each(|_| node.sweep(30_000));
    assert_eq!(node.counted("letters", |of| of.unreceived.get()), 0, "the only one was given up");
    node.drop(peer);
    node.carry();
    let (_, heard) = node.member(0, "ada", "phone", &channel);
    assert_eq!(heard, ["2:subscribe"], "reads go on");
    let mut node = restart(node, 3);
    node.publish_synced(&channel, "2");
    let devices = node.devices(&channel, "ada");
    assert_eq!(devices.offset, 2, "the offset was told to nobody");
    assert_eq!(node.counted("letters", |of| of.unreceived.get()), devices.offset - devices.devices[0].received);
}

#[test]
fn snapshots_keep_members_floors_and_dead_letters_while_old_segments_go() {
    let mut node = node(1);
    let channel = node.at(0, "letters");
    let (dead, _) = node.member(0, "dora", "phone", &channel);
    node.publish_synced(&channel, "0");
    (0..3).for_each(|_| node.sweep(30_000));
    node.sync();
    node.drop(dead);
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.publish_synced(&channel, "1");
    node.hear(peer);
    node.receive(peer, &channel, 2);
    node.say(peer, &call(3, "read", json!({"channel": channel, "offset": 1})));
    let send = call(4, "send", json!({"channel": channel, "id": "m1", "data": 7}));
    node.say(peer, &send);
    node.sync();
    let sent = node.hear(peer).iter().find(|word| word["id"] == 4).expect("it is answered")["rpc"].clone();
    node.receive(peer, &channel, 3);
    node.sync();
    let others = node.at(0, "letters") + "-others";
    for _ in 0..600 {
        node.publish_synced(&others, &format!("\"{}\"", "x".repeat(1_000)));
        node.each_tick();
    }
    assert!(node.disk.been.discarded > 5, "{:?}", node.disk.been);
    let mut node = restart(node, 2);
    let devices = node.devices(&channel, "ada");
    assert_eq!((devices.received, devices.read, devices.devices[0].received), (3, 1, 3));
    let home = usize::from(node.placement.of(&channel));
    assert!(node.brokers[home].home.delivery.dead_letters().find(&channel, 1).is_some());
    let ada = node.connect(0, json!({"sub": "ada"}));
    assert_eq!(node.say(ada, &send)[0]["rpc"], sent);
}

#[test]
fn a_member_with_devices_who_was_removed_is_none_after_a_restart() {
    let mut node = node(1);
    let channel = node.at(0, "letters");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.publish_synced(&channel, "1");
    node.hear(peer);
    node.say(peer, &call(3, "received", json!({"channel": channel, "offset": 1})));
    node.sync();
    let users = vec![Arc::from("ada")];
    node.inbox(&channel, |channel, answer| InboxOrder::RemoveMembers(channel, users, answer)).unwrap();
    let mut node = restart(node, 1);
    let page = node.inbox(&channel, |channel, answer| InboxOrder::Members(channel, "".into(), 10, answer)).unwrap();
    assert!(page.users.is_empty(), "{page:?}");
    let (_, heard) = node.member(0, "ada", "phone", &channel);
    assert_eq!(heard, ["2:subscribe"]);
}

#[test]
fn a_device_that_is_connected_for_long_is_not_forgotten_after_a_restart() {
    let mut node = node(1);
    let channel = node.at(0, "letters");
    let (phone, _) = node.member(0, "ada", "phone", &channel);
    node.publish_synced(&channel, "1");
    node.receive(phone, &channel, 1);
    node.sync();
    let others = node.at(0, "letters") + "-others";
    for _ in 0..600 {
        node.publish_synced(&others, &format!("\"{}\"", "x".repeat(1_000)));
        node.each_tick();
    }
    assert!(node.disk.been.discarded > 5, "a snapshot has said it again");
    node.wait(40 * 86_400_000);
    let mut node = restart(node, 1);
    // The clock has jumped meanwhile.
    node.wait(400 * 86_400_000);
    let (laptop, heard) = node.member(0, "ada", "laptop", &channel);
    assert_eq!(heard, ["2:subscribe"]);
    node.publish_synced(&channel, "2");
    node.receive(laptop, &channel, 2);
    node.sync();
    let (_, heard) = node.member(0, "ada", "phone", &channel);
    assert_eq!(heard, ["2:subscribe", "pub 2"], "another device's word does not count for it");
}

#[test]
fn a_subscription_that_makes_a_member_is_answered_when_that_is_on_disk() {
    for home in 0..2 {
        let mut node = node(2);
        let channel = node.at(home, "letters");
        let peers = [0, 1].map(|shard| node.connect(shard, json!({"sub": "ada"})));
        for peer in peers {
            assert_eq!(kinds(&node.say(peer, &subscribe(2, &channel))), [""; 0], "nobody is a member yet");
        }
        node.sync();
        for peer in peers {
            assert_eq!(kinds(&node.hear(peer)), ["2:subscribe"]);
        }
        let third = node.connect(0, json!({"sub": "ada", "meta": {"device": "phone"}}));
        assert_eq!(kinds(&node.say(third, &subscribe(2, &channel))), ["2:subscribe"], "a member does not wait");
        let mut node = restart(node, 3);
        assert_eq!(node.devices(&channel, "ada").devices.len(), 1);
    }
}

#[test]
fn a_subscription_that_the_disk_does_not_take_is_refused_and_one_that_nobody_waits_for_is_given_back() {
    for home in 0..2 {
        let mut node = node(2);
        let channel = node.at(home, "letters");
        let gone = node.connect(0, json!({"sub": "ada"}));
        node.say(gone, &subscribe(2, &channel));
        node.drop(gone);
        node.sync();
        node.each_tick();
        assert_eq!(node.brokers[home].home.hub.active(), 0, "who has gone is not in the channel");
        let bob = node.connect(0, json!({"sub": "bob"}));
        node.say(bob, &subscribe(2, &channel));
        node.write(false);
        node.each_tick();
        assert_eq!(kinds(&node.hear(bob)), ["2:error 100"]);
        assert_eq!(kinds(&node.say(bob, &subscribe(3, &channel))), ["3:error 100"]);
    }
}
