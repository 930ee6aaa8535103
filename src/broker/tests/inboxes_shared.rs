//! At least once over two nodes and the model of their buckets: devices that go from one to the other, and what each is told.

use super::inboxes::call;
use super::mirrored::Cluster;
use super::*;
use crate::broker::inbox_order::InboxOrder;
use crate::delivery::{DeadLetter, DeadLetterFilter, Positions};
use crate::limits::{LEDGER_MEMBERS_PER_CALL, MIRROR_RETRY_MS, RECEIPT_MEMBERS_MAX};
use crate::model::refusal::{Error, ErrorKind};

impl Cluster {
    /// A peer of the user at a node, by this device, that has subscribed; what it heard then.
    pub(super) fn member(&mut self, node: usize, user: &str, device: &str, channel: &str) -> (Peer, Vec<String>) {
        let peer = self.nodes[node].connect(node, json!({"sub": user, "meta": {"device": device}}));
        let heard = self.say(node, peer, &subscribe(2, channel));
        (peer, heard)
    }

    /// The peer says that it has received all up to here; what it hears.
    pub(super) fn receive(&mut self, node: usize, peer: Peer, channel: &str, offset: u64) -> Vec<String> {
        self.say(node, peer, &call(9, "received", json!({"channel": channel, "offset": offset})))
    }

    /// A backend asks a node about members, and is answered.
    pub(super) fn ask_inbox<T>(
        &mut self,
        node: usize,
        channel: &str,
        order: impl FnOnce(Arc<str>, oneshot::Sender<Result<T, Error>>) -> InboxOrder,
    ) -> Result<T, Error> {
        let mut answered = self.order(node, channel, |answer| Order::Inbox(order(channel.into(), answer)));
        self.flow();
        answered.try_recv().expect("a ledger answers")
    }

    pub(super) fn letters(&mut self, node: usize, channel: &str) -> Vec<DeadLetter> {
        let filter = |channel: Arc<str>| DeadLetterFilter {
            after: (channel.clone(), 0),
            channel,
            user: "".into(),
            since_unix_ms: 0,
            limit: 10,
        };
        let list = |channel, answer| InboxOrder::DeadLetters(Arc::new(filter(channel)), answer);
        self.ask_inbox(node, channel, list).expect("they are listed")
    }

    pub(super) fn tell_all(&mut self, node: usize, channel: &str, data: std::ops::RangeInclusive<u32>) {
        data.for_each(|data| _ = self.publish(node, message(channel, &data.to_string())).expect("it is taken"));
    }

    /// Lets the device fail as often as may be.
    pub(super) fn fail_all_attempts(&mut self) {
        [10_100, 26_000, 51_000].into_iter().for_each(|ms| self.wait(ms));
    }
}

#[test]
fn a_device_goes_on_from_its_floor_at_another_node() {
    let mut cluster = Cluster::new();
    let (peer, heard) = cluster.member(0, "ada", "phone", "inbox:1");
    assert_eq!(heard, ["2:subscribe"]);
    cluster.tell_all(1, "inbox:1", 1..=3);
    assert_eq!(cluster.hear(0, peer), ["pub 1", "pub 2", "pub 3"]);
    assert_eq!(cluster.receive(0, peer, "inbox:1", 2), ["9:rpc"]);
    cluster.nodes[0].drop(peer);
    cluster.tell_all(0, "inbox:1", 4..=4);
    let (peer, heard) = cluster.member(1, "ada", "phone", "inbox:1");
    assert_eq!(heard, ["2:subscribe", "pub 3", "pub 4"]);
    assert_eq!(cluster.receive(1, peer, "inbox:1", 4), ["9:rpc"]);
    cluster.wait(60_000);
    assert_eq!(cluster.hear(1, peer), ["message"], "nothing is sent again that was received");
}

#[test]
fn a_device_of_a_node_that_died_loses_nothing_that_was_not_answered() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    cluster.tell_all(1, "inbox:1", 1..=3);
    assert_eq!(cluster.receive(0, peer, "inbox:1", 1).last().unwrap(), "9:rpc");
    // This one is on its way when the node dies.
    cluster.nodes[0].tell(peer, &call(9, "received", json!({"channel": "inbox:1", "offset": 2})));
    cluster.buckets.leave(0);
    cluster.nodes[0] = Node::seeded(3, 2, super::mirrored::shared());
    let (_, heard) = cluster.member(0, "ada", "phone", "inbox:1");
    assert_eq!(heard, ["2:subscribe", "pub 2", "pub 3"]);
}

#[test]
fn received_is_answered_when_the_ledger_has_it_and_refused_while_it_is_away() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    cluster.tell_all(0, "inbox:1", 1..=2);
    cluster.hear(0, peer);
    let received = call(9, "received", json!({"channel": "inbox:1", "offset": 2}));
    cluster.nodes[0].tell(peer, &received);
    cluster.nodes[0].carry();
    assert_eq!(cluster.hear(0, peer), [""; 0]);
    cluster.buckets.is_away = true;
    cluster.buckets.now_unix_ms &= !1;
    cluster.flow();
    assert_eq!(cluster.hear(0, peer), ["9:error 100"]);
    assert_eq!(cluster.buckets.floor("inbox:1", "ada", "phone"), Some(0));
    cluster.buckets.is_away = false;
    cluster.nodes[0].tell(peer, &received);
    cluster.wait(MIRROR_RETRY_MS);
    assert!(cluster.hear(0, peer).contains(&"9:rpc".into()), "it is said again, and noted again");
    assert_eq!(cluster.buckets.floor("inbox:1", "ada", "phone"), Some(2));
}

#[test]
fn what_a_device_says_on_a_node_where_it_is_not_subscribed_the_ledger_decides() {
    let mut cluster = Cluster::new();
    cluster.member(0, "ada", "phone", "inbox:1");
    cluster.tell_all(0, "inbox:1", 1..=2);
    let peer = cluster.nodes[1].connect(1, json!({"sub": "ada", "meta": {"device": "phone"}}));
    assert_eq!(cluster.receive(1, peer, "inbox:1", 2), ["9:rpc"]);
    assert_eq!(cluster.buckets.floor("inbox:1", "ada", "phone"), Some(2));
    assert_eq!(cluster.receive(1, peer, "inbox:1", 3), ["9:error 107"], "that is beyond what was published");
    let old = json!({"channel": "inbox:1", "epoch": "1000000000000000001", "offset": 1});
    assert_eq!(cluster.say(1, peer, &call(9, "received", old)), ["9:error 112"]);
    let stranger = cluster.nodes[1].connect(1, json!({"sub": "bob"}));
    assert_eq!(cluster.receive(1, stranger, "inbox:1", 1), ["9:error 103"]);
    let retry = json!({"channel": "inbox:1", "offset": 2, "delay": 1000});
    assert_eq!(cluster.say(1, peer, &call(9, "retry", retry)), ["9:error 108"], "it is sent to elsewhere");
}

#[test]
fn attempts_go_on_and_become_one_letter_that_every_node_lists_requeues_and_forgets() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    cluster.tell_all(1, "inbox:1", 1..=2);
    cluster.hear(0, peer);
    cluster.wait(10_100);
    assert_eq!(cluster.hear(0, peer), ["pub 1"]);
    cluster.nodes[0].drop(peer);
    // The attempts that have failed are known on the other node.
    let (peer, heard) = cluster.member(1, "ada", "phone", "inbox:1");
    assert_eq!(heard, ["2:subscribe", "pub 1", "pub 2"]);
    cluster.wait(26_000);
    cluster.wait(51_000);
    assert_eq!(cluster.hear(1, peer), ["pub 1", "pub 2"], "once more, then it is given up");
    let [letter] = &cluster.letters(0, "inbox:1")[..] else { panic!("one letter") };
    assert_eq!((letter.publication.offset, letter.failures.len()), (1, 1));
    assert_eq!((&*letter.failures[0].device, letter.failures[0].attempts), ("phone", 3));
    assert_eq!(cluster.receive(1, peer, "inbox:1", 2), ["9:rpc"]);
    let requeued = cluster.ask_inbox(0, "inbox:1", |channel, answer| InboxOrder::Requeue(channel, 1, answer));
    assert_eq!(requeued.unwrap().offset, 1);
    cluster.wait(200);
    assert!(cluster.hear(1, peer).contains(&"pub 1".into()));
    assert_eq!(cluster.receive(1, peer, "inbox:1", 1), ["9:rpc"]);
    assert!(cluster.letters(1, "inbox:1").is_empty(), "it was received after all");
}

#[test]
fn a_letter_that_was_requeued_while_its_device_was_away_comes_with_it_wherever_it_comes_to() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    cluster.tell_all(1, "inbox:1", 1..=1);
    cluster.fail_all_attempts();
    cluster.nodes[0].drop(peer);
    cluster.flow();
    cluster.ask_inbox(1, "inbox:1", |channel, answer| InboxOrder::Requeue(channel, 1, answer)).unwrap();
    let (peer, heard) = cluster.member(1, "ada", "phone", "inbox:1");
    assert_eq!(heard, ["2:subscribe"]);
    cluster.wait(200);
    assert_eq!(cluster.hear(1, peer), ["pub 1"]);
    cluster.ask_inbox(0, "inbox:1", |channel, answer| InboxOrder::Purge(channel, Some(1), answer)).unwrap();
    cluster.wait(60_000);
    assert_eq!(cluster.hear(1, peer), [""; 0], "it was forgotten, and is sent no more");
}

#[test]
fn a_letter_that_is_requeued_is_sent_as_often_as_may_be_over_all_nodes_together() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "inbox:1");
    cluster.tell_all(1, "inbox:1", 1..=1);
    cluster.fail_all_attempts();
    cluster.hear(0, peer);
    cluster.ask_inbox(1, "inbox:1", |channel, answer| InboxOrder::Requeue(channel, 1, answer)).unwrap();
    cluster.wait(200);
    assert_eq!(cluster.hear(0, peer), ["pub 1"]);
    cluster.nodes[0].drop(peer);
    cluster.flow();
    let (peer, _) = cluster.member(1, "ada", "phone", "inbox:1");
    [200, 10_100, 26_000, 51_000, 100_000].into_iter().for_each(|ms| cluster.wait(ms));
    let heard = cluster.hear(1, peer);
    assert_eq!(heard.iter().filter(|word| *word == "pub 1").count(), 2, "{heard:?}");
    let [letter] = &cluster.letters(0, "inbox:1")[..] else { panic!("one letter") };
    assert_eq!(letter.failures[0].attempts, 3);
}

#[test]
fn what_is_received_where_nobody_looks_or_no_pushes_go_to_is_not_noticed_on_any_node() {
    const ROOM: &str = "told:1";
    let mut cluster = Cluster::new();
    let member = |cluster: &mut Cluster, node: usize, kind: &str| {
        let peer =
            cluster.nodes[node].connect(node, json!({"sub": "ada", "meta": {"device": kind, "device_kind": kind}}));
        cluster.say(node, peer, &subscribe(2, ROOM));
        peer
    };
    let (phone, desktop) = (member(&mut cluster, 0, "phone"), member(&mut cluster, 1, "desktop"));
    cluster.tell_all(0, ROOM, 1..=3);
    assert_eq!(cluster.receive(1, desktop, ROOM, 1).last().unwrap(), "9:rpc");
    assert_eq!(cluster.buckets.noticed(ROOM, "ada"), Some((0, false)), "pushes are for phones");
    assert!(cluster.receive(0, phone, ROOM, 1).contains(&"9:rpc".into()));
    assert_eq!(cluster.buckets.noticed(ROOM, "ada"), Some((1, false)));
    let look = |is_background: bool| call(8, "background", json!({"channel": ROOM, "background": is_background}));
    assert!(cluster.say(0, phone, &look(true)).contains(&"8:rpc".into()));
    assert!(cluster.receive(0, phone, ROOM, 2).contains(&"9:rpc".into()));
    assert_eq!(cluster.buckets.noticed(ROOM, "ada"), Some((1, true)));
    assert!(cluster.say(0, phone, &look(false)).contains(&"8:rpc".into()));
    assert_eq!(cluster.buckets.noticed(ROOM, "ada"), Some((2, false)));
    // Another session of the device looks, while this one does not; then only this one is left.
    cluster.say(0, phone, &look(true));
    let second = member(&mut cluster, 0, "phone");
    cluster.receive(0, second, ROOM, 3);
    assert_eq!(cluster.buckets.noticed(ROOM, "ada"), Some((3, true)));
    cluster.nodes[0].drop(phone);
    cluster.flow();
    assert_eq!(cluster.buckets.noticed(ROOM, "ada"), Some((3, false)));
    let stranger = cluster.nodes[0].connect(0, json!({"sub": "bob"}));
    assert_eq!(cluster.say(0, stranger, &look(true)), ["8:error 108"]);
}

#[test]
fn that_nobody_looks_is_answered_when_the_ledger_has_it() {
    let mut cluster = Cluster::new();
    let (peer, _) = cluster.member(0, "ada", "phone", "told:1");
    cluster.buckets.is_away = true;
    let look = call(9, "background", json!({"channel": "told:1", "background": true}));
    assert_eq!(cluster.say(0, peer, &look), ["9:error 100"]);
    cluster.buckets.is_away = false;
    cluster.nodes[0].tell(peer, &look);
    cluster.wait(MIRROR_RETRY_MS);
    assert!(cluster.hear(0, peer).contains(&"9:rpc".into()));
    assert_eq!(cluster.buckets.noticed("told:1", "ada"), Some((0, false)), "no phone");
}

#[test]
fn what_one_session_of_a_device_has_received_is_not_sent_again_to_another_on_another_node() {
    let mut cluster = Cluster::new();
    let (one, _) = cluster.member(0, "ada", "", "inbox:1");
    let (other, _) = cluster.member(1, "ada", "", "inbox:1");
    cluster.tell_all(0, "inbox:1", 1..=2);
    assert_eq!(cluster.receive(0, one, "inbox:1", 2).last().unwrap(), "9:rpc");
    assert_eq!(cluster.hear(1, other), ["pub 1", "pub 2"]);
    cluster.wait(60_000);
    assert_eq!(cluster.hear(1, other), ["message"]);
    assert!(cluster.letters(0, "inbox:1").is_empty());
}

#[test]
fn what_a_user_has_read_is_pushed_to_the_devices_on_all_nodes_and_counted() {
    let mut cluster = Cluster::new();
    let (phone, _) = cluster.member(0, "ada", "phone", "inbox:1");
    let (laptop, _) = cluster.member(1, "ada", "laptop", "inbox:1");
    let (bob, _) = cluster.member(1, "bob", "", "inbox:1");
    cluster.tell_all(0, "inbox:1", 1..=3);
    for (node, peer) in [(0, phone), (1, laptop), (1, bob)] {
        cluster.hear(node, peer);
    }
    let read = call(9, "read", json!({"channel": "inbox:1", "offset": 2}));
    assert_eq!(cluster.say(0, phone, &read), ["9:rpc"]);
    cluster.wait(1_000);
    for (node, peer) in [(0, phone), (1, laptop), (1, bob)] {
        let words = cluster.nodes[node].hear(peer);
        let told = &words[0]["push"]["message"]["data"];
        assert_eq!((&told["type"], &told["users"][0]["read"]), (&json!("inbox.positions"), &json!(2)), "{words:?}");
    }
    cluster.nodes[1].tell(laptop, &call(9, "unread", json!({"channel": "inbox:1"})));
    cluster.flow();
    let words = cluster.nodes[1].hear(laptop);
    assert_eq!(words[0]["rpc"]["data"]["unread"], 1, "{words:?}");
    cluster.nodes[1].tell(bob, &call(9, "positions", json!({"channel": "inbox:1"})));
    cluster.flow();
    let words = cluster.nodes[1].hear(bob);
    let users = words[0]["rpc"]["data"]["users"].as_array().expect("all of a small channel");
    assert_eq!(users.iter().map(|user| user["read"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 0]);
}

#[test]
fn in_a_large_channel_a_user_hears_of_the_own_reading_alone() {
    let mut cluster = Cluster::new();
    let others = (0..=RECEIPT_MEMBERS_MAX).map(|number| format!("user {number}").into()).collect();
    cluster.ask_inbox(0, "inbox:1", |channel, answer| InboxOrder::AddMembers(channel, others, answer)).unwrap();
    let (phone, _) = cluster.member(0, "ada", "phone", "inbox:1");
    let (laptop, _) = cluster.member(1, "ada", "laptop", "inbox:1");
    let (bob, _) = cluster.member(1, "bob", "", "inbox:1");
    cluster.tell_all(0, "inbox:1", 1..=1);
    for (node, peer) in [(0, phone), (1, laptop), (1, bob)] {
        cluster.hear(node, peer);
    }
    assert_eq!(cluster.say(0, phone, &call(9, "read", json!({"channel": "inbox:1", "offset": 1}))), ["9:rpc"]);
    assert_eq!(cluster.receive(0, phone, "inbox:1", 1), ["9:rpc"]);
    cluster.wait(1_000);
    assert_eq!(cluster.hear(1, laptop), ["message"]);
    assert_eq!(cluster.hear(1, bob), [""; 0]);
    cluster.nodes[1].tell(bob, &call(9, "positions", json!({"channel": "inbox:1"})));
    cluster.flow();
    let words = cluster.nodes[1].hear(bob);
    assert_eq!(words[0]["rpc"]["data"]["users"], json!([{"user": "bob", "received": 0, "read": 0}]));
}

#[test]
fn in_a_large_channel_the_device_that_has_sent_a_message_is_told_how_many_on_all_nodes_have_received_and_read_it() {
    let mut cluster = Cluster::new();
    let others = (0..RECEIPT_MEMBERS_MAX).map(|number| format!("user {number}").into()).collect();
    cluster.ask_inbox(0, "inbox:1", |channel, answer| InboxOrder::AddMembers(channel, others, answer)).unwrap();
    let (ada, _) = cluster.member(0, "ada", "phone", "inbox:1");
    let (laptop, _) = cluster.member(1, "ada", "laptop", "inbox:1");
    let (bob, _) = cluster.member(0, "bob", "phone", "inbox:1");
    let (cyd, _) = cluster.member(1, "cyd", "phone", "inbox:1");
    cluster.say(0, ada, &publication(3, "inbox:1", 7));
    for (node, peer) in [(0, ada), (1, laptop), (0, bob), (1, cyd)] {
        cluster.receive(node, peer, "inbox:1", 1);
    }
    cluster.say(1, cyd, &call(4, "read", json!({"channel": "inbox:1", "offset": 1})));
    // What has been said once counts once.
    cluster.receive(1, cyd, "inbox:1", 1);
    cluster.nodes[0].hear(ada);
    cluster.wait(1_000);
    let receipt = json!({"offset": 1, "received": 2, "read": 1, "members": RECEIPT_MEMBERS_MAX + 2});
    let words = cluster.nodes[0].hear(ada);
    let [message] = &words[..] else { panic!("one for all that has changed: {words:?}") };
    let told = &message["push"]["message"]["data"];
    assert_eq!((&told["type"], &told["receipts"]), (&json!("inbox.receipts"), &json!([receipt])));
    let receipts = |cluster: &mut Cluster, node: usize, peer| {
        cluster.nodes[node].tell(peer, &call(9, "positions", json!({"channel": "inbox:1"})));
        cluster.flow();
        cluster.nodes[node].hear(peer).pop().expect("it is answered")["rpc"]["data"]["receipts"].clone()
    };
    assert_eq!(receipts(&mut cluster, 0, ada), json!([receipt]));
    assert_eq!(receipts(&mut cluster, 1, laptop), json!(null), "another device has sent it");
    // Who belongs to the channel from now on was not to receive it.
    let (dan, _) = cluster.member(1, "dan", "phone", "inbox:1");
    cluster.receive(1, dan, "inbox:1", 1);
    cluster.wait(1_000);
    assert_eq!(cluster.hear(0, ada), [""; 0]);
}

#[test]
fn what_a_device_has_sent_in_a_large_channel_is_counted_for_an_hour_after_it_has_last_sent_something_there() {
    const MINUTE_MS: u64 = 60_000;
    // Whether the ledger is asked once more for the second message or not.
    for pause in [29, 59, 61] {
        let mut cluster = Cluster::new();
        let others = (0..RECEIPT_MEMBERS_MAX).map(|number| format!("user {number}").into()).collect();
        cluster.ask_inbox(0, "inbox:1", |channel, answer| InboxOrder::AddMembers(channel, others, answer)).unwrap();
        let (ada, _) = cluster.member(0, "ada", "phone", "inbox:1");
        let (bob, _) = cluster.member(1, "bob", "phone", "inbox:1");
        for offset in [1, 2] {
            cluster.say(0, ada, &publication(3, "inbox:1", 7));
            cluster.receive(0, ada, "inbox:1", offset);
            cluster.receive(1, bob, "inbox:1", offset);
            cluster.wait(if offset == 1 { pause } else { 59 } * MINUTE_MS);
        }
        cluster.say(1, bob, &call(4, "read", json!({"channel": "inbox:1", "offset": 2})));
        cluster.wait(1_000);
        cluster.nodes[0].tell(ada, &call(9, "positions", json!({"channel": "inbox:1"})));
        cluster.flow();
        let words = cluster.nodes[0].hear(ada);
        let answer = words.iter().find(|word| word["id"] == 9).expect("it is answered");
        let receipts = answer["rpc"]["data"]["receipts"].as_array().cloned().unwrap_or_default();
        let second = receipts.iter().find(|receipt| receipt["offset"] == 2).expect("it is counted");
        assert_eq!((&second["received"], &second["read"]), (&json!(1), &json!(1)), "{pause} minutes later");
    }
}

#[test]
fn members_are_added_listed_and_removed_at_any_node() {
    let mut cluster = Cluster::new();
    let count = 2 * LEDGER_MEMBERS_PER_CALL + 1;
    let users: Vec<Arc<str>> = (0..count).map(|number| format!("user {number}").into()).collect();
    let added = users.clone();
    cluster.ask_inbox(0, "inbox:1", |channel, answer| InboxOrder::AddMembers(channel, added, answer)).unwrap();
    let page = |channel, answer| InboxOrder::Members(channel, "user 0".into(), 3, answer);
    let page: Positions = cluster.ask_inbox(1, "inbox:1", page).unwrap();
    assert_eq!(page.users.iter().map(|user| &*user.user).collect::<Vec<_>>(), ["user 1", "user 2", "user 3"]);
    let (peer, _) = cluster.member(0, "user 1", "phone", "inbox:1");
    let devices = |channel, answer| InboxOrder::Devices(channel, "user 1".into(), answer);
    let member = cluster.ask_inbox(1, "inbox:1", devices).unwrap();
    assert_eq!((member.devices.len(), member.devices[0].connected), (1, true));
    cluster.tell_all(0, "inbox:1", 1..=1);
    assert_eq!(cluster.hear(0, peer), ["pub 1"]);
    cluster.ask_inbox(1, "inbox:1", |channel, answer| InboxOrder::RemoveMembers(channel, users, answer)).unwrap();
    cluster.wait(60_000);
    assert_eq!(cluster.hear(0, peer), [""; 0], "nothing is sent again to one who is no member");
    assert_eq!(cluster.receive(0, peer, "inbox:1", 1), ["9:error 103"]);
    let devices = |channel, answer| InboxOrder::Devices(channel, "user 1".into(), answer);
    assert_eq!(cluster.ask_inbox(1, "inbox:1", devices).unwrap_err().kind, ErrorKind::PermissionDenied);
}

#[test]
fn a_message_with_an_id_is_there_once_whichever_node_the_resend_goes_to() {
    let mut cluster = Cluster::new();
    let send = call(3, "send", json!({"channel": "inbox:1", "id": "m1", "data": 7}));
    let (one, _) = cluster.member(0, "ada", "phone", "inbox:1");
    let (other, _) = cluster.member(1, "ada", "laptop", "inbox:1");
    let mut places = Vec::new();
    for (node, peer) in [(0, one), (1, other), (1, other)] {
        cluster.nodes[node].tell(peer, &send);
        cluster.flow();
        let words = cluster.nodes[node].hear(peer);
        let reply = words.iter().find(|word| word.get("rpc").is_some()).expect("it is answered");
        places.push(reply["rpc"]["data"]["offset"].as_u64());
    }
    assert_eq!(places, [Some(1), Some(1), Some(1)]);
    assert_eq!(cluster.buckets.kept("inbox:1").len(), 1);
}

#[test]
fn who_is_named_by_a_channel_receives_it_from_its_beginning_and_others_are_no_members() {
    let mut cluster = Cluster::new();
    cluster.tell_all(0, "named:#ada", 1..=2);
    let (_, heard) = cluster.member(1, "ada", "phone", "named:#ada");
    assert_eq!(heard, ["2:subscribe", "pub 1", "pub 2"]);
    let devices = |channel, answer| InboxOrder::Devices(channel, "bob".into(), answer);
    assert_eq!(cluster.ask_inbox(0, "named:#ada", devices).unwrap_err().kind, ErrorKind::PermissionDenied);
}
