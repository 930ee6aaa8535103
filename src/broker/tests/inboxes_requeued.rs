//! Dead letters that backends have sent once more: to whom, how often, and when they are received.

use super::durable::start;
use super::inboxes_on_disk::{letters, restart};
use super::*;
use crate::broker::inbox_order::InboxOrder;
use crate::model::refusal::Error;

impl Node {
    fn requeue(&mut self, channel: &str) -> Result<Position, Error> {
        self.inbox(channel, |channel, answer| InboxOrder::Requeue(channel, 1, answer))
    }

    fn is_dead(&self, channel: &str) -> bool {
        let home = usize::from(self.placement.of(channel));
        self.brokers[home].home.delivery.dead_letters().find(channel, 1).is_some()
    }

    /// A channel whose first publication a device has not received in time, and the second it has.
    fn given_up(&mut self, channel: &str) -> Peer {
        let (peer, _) = self.member(0, "ada", "phone", channel);
        self.publish(channel, "1", None);
        self.carry();
        [11_000, 26_000, 51_000].into_iter().for_each(|ms| self.sweep(ms));
        self.publish(channel, "2", None);
        self.carry();
        self.receive(peer, channel, 2);
        self.hear(peer);
        peer
    }

    /// What the peer hears of publications when shards look at what is due.
    fn publications(&mut self, peer: Peer, ms: u64) -> Vec<String> {
        self.sweep(ms);
        kinds(&self.hear(peer)).into_iter().filter(|word| word.starts_with("pub")).collect()
    }
}

#[test]
fn a_dead_letter_is_sent_once_more_to_its_device_and_what_became_of_it_is_told() {
    let mut node = Node::with(inboxes::config());
    let channel = node.at(1, "inbox");
    let name: Arc<str> = channel.as_str().into();
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    let (other, _) = node.member(1, "bob", "phone", &channel);
    node.publish(&channel, "1", None);
    node.carry();
    node.receive(other, &channel, 1);
    [11_000, 26_000, 51_000].into_iter().for_each(|ms| node.sweep(ms));
    assert_eq!(kinds(&node.hear(peer)).iter().filter(|word| *word == "pub 1").count(), 3);
    node.publish(&channel, "2", None);
    node.carry();
    node.receive(peer, &channel, 2);
    node.receive(other, &channel, 2);
    let requeue = |node: &mut Node| node.order(1, |answer| Order::Inbox(InboxOrder::Requeue(name.clone(), 1, answer)));
    assert_eq!(requeue(&mut node).unwrap().offset, 1);
    let words = |node: &mut Node| {
        node.sweep(1_000);
        [peer, other]
            .map(|peer| kinds(&node.hear(peer)).into_iter().filter(|word| word != "message").collect::<Vec<_>>())
    };
    assert_eq!(words(&mut node), [vec!["pub 1".to_string()], vec![]], "who has received it does not get it again");
    node.publish(&channel, "3", None);
    node.carry();
    assert_eq!(words(&mut node), [["pub 3"]; 2], "the device goes along with everybody");
    node.drop(peer);
    node.carry();
    node.sweep(60_000);
    let (peer, heard) = node.member(0, "ada", "phone", &channel);
    assert_eq!(heard, ["2:subscribe", "pub 3"]);
    node.sweep(100);
    assert_eq!(kinds(&node.hear(peer)), ["pub 1"], "a device that comes back is sent it");
    assert!(requeue(&mut node).is_ok(), "it is dead until it was received");
    node.receive(peer, &channel, 3);
    node.receive(peer, &channel, 1);
    assert!(node.publications(peer, 100_000).is_empty());
    assert!(requeue(&mut node).is_err(), "it is dead no longer");
    let trace = |node: &mut Node, offset| {
        let events =
            node.order(1, |answer| Order::Inbox(InboxOrder::Trace(name.clone(), offset, false, answer))).unwrap();
        events.iter().map(|event| (event.what.name(), event.attempt)).collect::<Vec<_>>()
    };
    let ada = [("published", 0), ("received", 0), ("sent", 2), ("sent", 3), ("given_up", 3)];
    assert_eq!(trace(&mut node, 1), [&ada[..], &[("sent", 1), ("sent", 2), ("received", 0)]].concat());
}

#[test]
fn a_dead_letter_that_is_not_received_once_more_is_dead_again() {
    let mut node = Node::with(inboxes::config());
    let channel = node.at(0, "inbox");
    let name: Arc<str> = channel.as_str().into();
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.publish(&channel, "1", None);
    node.carry();
    [11_000, 26_000, 51_000].into_iter().for_each(|ms| node.sweep(ms));
    node.hear(peer);
    let requeue = |node: &mut Node| node.order(0, |answer| Order::Inbox(InboxOrder::Requeue(name.clone(), 1, answer)));
    assert!(requeue(&mut node).is_ok());
    (0..10).for_each(|_| node.sweep(60_000));
    let words = node.hear(peer);
    let attempts: Vec<_> = words.iter().map(|word| &word["push"]["pub"]["tags"]["attempt"]).collect();
    assert_eq!(attempts, [&Value::Null, &json!("2"), &json!("3")]);
    let failures = |node: &Node| {
        node.brokers[0].home.delivery.dead_letters().find(&channel, 1).map(|letter| letter.failures.len())
    };
    assert_eq!(failures(&node), Some(1), "once, however often");
    let users = vec![Arc::from("ada")];
    node.order(0, |answer| Order::Inbox(InboxOrder::RemoveMembers(name.clone(), users, answer))).unwrap();
    assert!(requeue(&mut node).is_err(), "nobody is left to receive it");
    assert_eq!(failures(&node), Some(1));
}

#[test]
fn a_dead_letter_was_received_by_whoever_has_received_what_was_sent_after_it() {
    let mut node = Node::with(inboxes::config());
    let channel = node.at(1, "inbox");
    let peer = node.given_up(&channel);
    node.requeue(&channel).unwrap();
    assert_eq!(node.publications(peer, 100), ["pub 1"]);
    node.publish(&channel, "3", None);
    node.carry();
    node.receive(peer, &channel, 2);
    assert!(node.is_dead(&channel), "that may be said of what came before it");
    node.receive(peer, &channel, 3);
    assert!(!node.is_dead(&channel));
    assert!(node.publications(peer, 100_000).is_empty());
}

#[test]
fn a_device_that_only_ever_says_its_newest_offset_has_received_a_dead_letter_when_it_says_so_again() {
    let mut node = Node::with(inboxes::config());
    let channel = node.at(1, "inbox");
    let peer = node.given_up(&channel);
    node.requeue(&channel).unwrap();
    assert_eq!(node.publications(peer, 100), ["pub 1"]);
    node.receive(peer, &channel, 2);
    assert!(node.is_dead(&channel), "it may have been on its way before");
    assert_eq!(node.publications(peer, 26_000), ["pub 1"]);
    node.receive(peer, &channel, 2);
    assert!(!node.is_dead(&channel));
    assert!(node.publications(peer, 100_000).is_empty());
}

#[test]
fn a_device_that_comes_back_has_not_received_a_dead_letter_by_what_it_was_sent_before() {
    let mut node = Node::with(inboxes::config());
    let channel = node.at(1, "inbox");
    let peer = node.given_up(&channel);
    node.requeue(&channel).unwrap();
    [100, 26_000].into_iter().for_each(|ms| drop(node.publications(peer, ms)));
    node.drop(peer);
    node.carry();
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.receive(peer, &channel, 2);
    assert!(node.is_dead(&channel), "it was not sent it yet");
    assert_eq!(node.publications(peer, 100), ["pub 1"]);
}

/// A message to ada in a channel on disk that was given up: she is away.
fn given_up_on_disk(node: &mut Node) -> String {
    let channel = node.at(0, "letters");
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    node.publish_synced(&channel, "1");
    for _ in 0..3 {
        node.sweep(30_000);
        node.sync();
    }
    assert!(node.is_dead(&channel));
    node.drop(peer);
    node.carry();
    channel
}

/// Writes until what lives was said anew, and the segments before it are gone.
fn say_all_anew(node: &mut Node) {
    let others = node.at(0, "letters") + "-others";
    for _ in 0..600 {
        node.publish_synced(&others, &format!("\"{}\"", "x".repeat(1_000)));
        node.each_tick();
    }
    assert!(node.disk.been.discarded > 5, "{:?}", node.disk.been);
}

#[test]
fn that_a_dead_letter_was_requeued_is_known_after_a_restart_until_it_was_received() {
    for has_snapshot in [false, true] {
        let mut node = start(1, Disk::default(), letters());
        let channel = given_up_on_disk(&mut node);
        node.requeue(&channel).unwrap();
        if has_snapshot {
            say_all_anew(&mut node);
        }
        let mut node = restart(node, 3);
        let (peer, heard) = node.member(1, "ada", "phone", &channel);
        assert_eq!(heard, ["2:subscribe"]);
        assert_eq!(node.publications(peer, 100), ["pub 1"]);
        node.receive(peer, &channel, 1);
        node.sync();
        let mut node = restart(node, 2);
        assert!(!node.is_dead(&channel));
        let (peer, _) = node.member(0, "ada", "phone", &channel);
        assert!(node.publications(peer, 100_000).is_empty());
    }
}

#[test]
fn a_dead_letter_that_was_given_up_again_is_not_sent_by_a_restart() {
    let mut node = start(1, Disk::default(), letters());
    let channel = given_up_on_disk(&mut node);
    node.requeue(&channel).unwrap();
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    let sent: usize = (0..5).map(|_| node.publications(peer, 60_000).len()).sum();
    assert_eq!(sent, 2, "as often as may be");
    node.sync();
    let mut node = restart(node, 2);
    assert!(node.is_dead(&channel));
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    assert!(node.publications(peer, 100).is_empty());
}

#[test]
fn a_requeue_is_answered_when_it_is_on_disk_and_what_is_purged_is_sent_no_more() {
    let mut node = start(1, Disk::default(), letters());
    let channel = given_up_on_disk(&mut node);
    let (answer, mut answered) = oneshot::channel();
    node.brokers[0].begin_tick(node.now);
    let order = InboxOrder::Requeue(channel.as_str().into(), 1, answer);
    node.brokers[0].order(Order::Inbox(order), node.now);
    node.after(0);
    assert!(answered.try_recv().is_err(), "not on disk yet");
    node.sync();
    assert_eq!(answered.try_recv().unwrap().unwrap().offset, 1);
    node.inbox(&channel, |channel, answer| InboxOrder::Purge(channel, None, answer)).unwrap();
    let (peer, _) = node.member(0, "ada", "phone", &channel);
    assert!(node.publications(peer, 100).is_empty());
}

#[test]
fn how_often_a_requeued_letter_was_sent_is_known_after_a_restart() {
    for has_snapshot in [false, true] {
        let mut node = start(1, Disk::default(), letters());
        let channel = given_up_on_disk(&mut node);
        node.requeue(&channel).unwrap();
        let (peer, _) = node.member(0, "ada", "phone", &channel);
        assert_eq!(node.publications(peer, 100), ["pub 1"]);
        node.sync();
        node.drop(peer);
        node.carry();
        if has_snapshot {
            say_all_anew(&mut node);
        }
        let mut node = restart(node, 3);
        let (peer, _) = node.member(1, "ada", "phone", &channel);
        let sent: usize = (0..5).map(|_| node.publications(peer, 60_000).len()).sum();
        assert_eq!(sent, 1, "with the one before the restart as often as may be: {has_snapshot}");
        assert!(node.is_dead(&channel));
    }
}

#[test]
fn a_dead_letter_of_a_stream_that_has_ended_is_published_anew_and_is_none_any_more() {
    for others in 0..2 {
        let mut config = inboxes::config();
        for namespace in &mut config.channel.namespaces {
            namespace.options.history_ttl = Duration::from_secs(600);
            namespace.options.history_meta_ttl = Duration::from_secs(600);
        }
        let mut node = Node::with(config);
        let channel = node.at(1, "inbox");
        let peer = node.given_up(&channel);
        node.drop(peer);
        node.carry();
        node.sweep(3_600_000);
        node.sweep(1_000);
        (0..others).for_each(|_| drop(node.publish(&channel, "3", None)));
        let place = node.requeue(&channel).map(|position| position.offset);
        assert_eq!((place, node.is_dead(&channel)), (Ok(others + 1), false));
        let (_, heard) = node.member(0, "ada", "phone", &channel);
        let both = ["pub 3", "pub 1"];
        assert_eq!(heard[1..], both[usize::from(others == 0)..], "nothing of this life was received");
        assert!(node.requeue(&channel).is_err());
    }
}
