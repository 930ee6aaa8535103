//! A shard with subscribers is behind: who publishes to them waits, what waits is bounded, and nobody else notices.

use super::*;
use crate::limits::{ASKS_WAITING_BYTES_MAX, BYTES_IN_FLIGHT_MAX, WINDOW_BYTES};

/// Where the channels are at home.
const HOME: usize = 0;
/// Where publishers are.
const PUBLISHERS: usize = 1;
/// Where subscribers are.
const SUBSCRIBERS: usize = 2;

/// What a publication of these tests makes for each shard with subscribers, bytes, at the most.
const COPY_BYTES: usize = 512;

/// A node of three shards, a channel, and one subscriber of it.
fn node() -> (Node, String, Peer) {
    let mut config = config();
    for namespace in &mut config.channel.namespaces {
        namespace.options.allow_publish_for_client = true;
    }
    let mut node = Node::of(3, config);
    let channel = node.at(HOME, "open");
    let subscriber = node.connect(SUBSCRIBERS, json!({"sub": "subscriber"}));
    node.say(subscriber, &subscribe(2, &channel));
    node.hear(subscriber);
    (node, channel, subscriber)
}

/// Publishes until the session may not go on; how often.
fn flood(node: &mut Node, publisher: Peer, channel: &str) -> u32 {
    let mut published = 0;
    while published < 1000 {
        published += 1;
        if node.tell(publisher, &publication(published + 1, channel, published)) == Input::Paused {
            break;
        }
    }
    published
}

fn waiting_bytes(node: &Node, shard: usize) -> usize {
    node.brokers[shard].post.waiting().1
}

/// There is room again, and everything goes where it belongs.
fn catch_up(node: &mut Node) {
    node.full = None;
    while node.brokers.iter().any(Broker::has_letters) || !node.mail.is_empty() {
        (0..node.brokers.len()).for_each(|shard| node.after(shard));
        node.carry();
    }
}

#[test]
fn a_publisher_is_acknowledged_when_its_deliveries_have_left_and_waits_until_then() {
    for shard in [HOME, PUBLISHERS] {
        let (mut node, channel, subscriber) = node();
        let publisher = node.connect(shard, json!({"sub": "publisher"}));
        node.full = Some((HOME, SUBSCRIBERS));
        let published = flood(&mut node, publisher, &channel);
        node.carry();
        assert!(published < 5, "{published} publishes, and nobody waits");
        // The home does not know that there is no room before it has tried.
        let answered = node.hear(publisher).len();
        assert_eq!(answered, usize::from(shard == HOME), "what has not left is not acknowledged");
        assert_eq!(node.hear(subscriber), [] as [Value; 0]);
        catch_up(&mut node);
        assert_eq!(answered + node.hear(publisher).len(), published as usize, "all are acknowledged at last");
        assert_eq!(node.hear(subscriber).len(), published as usize);
        assert_eq!(node.brokers[shard].edge.sessions[publisher.session as usize].bytes_in_flight, 0);
    }
}

#[test]
fn what_many_publishers_make_for_a_shard_that_is_behind_is_bounded() {
    let (mut node, channel, subscriber) = node();
    let publishers: Vec<Peer> =
        (0..60).map(|user| node.connect(PUBLISHERS, json!({"sub": user.to_string()}))).collect();
    node.full = Some((HOME, SUBSCRIBERS));
    let mut published = 0;
    for publisher in &publishers {
        if !node.brokers[PUBLISHERS].is_congested() {
            published += flood(&mut node, *publisher, &channel);
            node.carry();
        }
        assert!(waiting_bytes(&node, HOME) <= WINDOW_BYTES + COPY_BYTES, "{}", waiting_bytes(&node, HOME));
    }
    assert!(!node.brokers[HOME].takes_asks(PUBLISHERS as u16), "its window is shut");
    let waiting = node.mail.iter().filter(|(_, to, _)| *to == HOME).count();
    assert!(waiting > 0, "asks wait in the mailbox");
    catch_up(&mut node);
    assert_eq!(node.hear(subscriber).len(), published as usize, "every publish is delivered");
    let answered: usize = publishers.iter().map(|publisher| node.hear(*publisher).len()).sum();
    assert_eq!(answered, published as usize);
}

#[test]
fn a_shard_reads_no_more_from_its_clients_while_their_asks_find_no_room() {
    let (mut node, channel, _) = node();
    let publishers: Vec<Peer> =
        (0..60).map(|user| node.connect(PUBLISHERS, json!({"sub": user.to_string()}))).collect();
    let broker = &mut node.brokers[PUBLISHERS];
    let mut told = 0;
    for publisher in publishers {
        if broker.is_congested() {
            break;
        }
        broker.input(publisher.session, publication(2, &channel, 1).as_bytes(), node.now);
        broker.post(node.now, |_, _, _, letter| Err(letter));
        told += 1;
    }
    assert!(told < 60, "the shard has not had enough");
    let waiting = broker.post.waiting().1;
    assert!(waiting < ASKS_WAITING_BYTES_MAX + BYTES_IN_FLIGHT_MAX as usize, "{waiting} bytes wait");
}

#[test]
fn an_answer_does_not_stand_behind_deliveries() {
    let (mut node, channel, subscriber) = node();
    let publisher = node.connect(PUBLISHERS, json!({"sub": "publisher"}));
    node.full = Some((HOME, SUBSCRIBERS));
    flood(&mut node, publisher, &channel);
    let words = node.say(subscriber, &json!({"id": 7, "presence": {"channel": channel}}).to_string());
    assert_eq!(kinds(&words), ["7:presence"]);
}

#[test]
fn a_subscription_begins_after_the_publications_before_it() {
    let (mut node, channel, subscriber) = node();
    let publisher = node.connect(PUBLISHERS, json!({"sub": "publisher"}));
    let other = node.connect(SUBSCRIBERS, json!({"sub": "other"}));
    node.full = Some((HOME, SUBSCRIBERS));
    node.say(publisher, &publication(2, &channel, 1));
    assert_eq!(node.say(other, &subscribe(2, &channel)), [] as [Value; 0]);
    catch_up(&mut node);
    assert_eq!(kinds(&node.hear(subscriber)), ["pub 1", "join"]);
    assert_eq!(kinds(&node.hear(other))[0], "2:subscribe");
}

#[test]
fn a_channel_without_subscribers_there_is_published_to_as_before() {
    let (mut node, channel, _) = node();
    let busy = node.connect(HOME, json!({"sub": "busy"}));
    node.full = Some((HOME, SUBSCRIBERS));
    flood(&mut node, busy, &channel);
    let quiet = node.connect(HOME, json!({"sub": "quiet"}));
    let kept = node.at(HOME, "kept");
    assert_eq!(kinds(&node.say(quiet, &publication(2, &kept, 1))), ["2:publish"]);
    let elsewhere = node.connect(SUBSCRIBERS, json!({"sub": "elsewhere"}));
    assert_eq!(kinds(&node.say(elsewhere, &publication(2, &kept, 1))), ["2:publish"]);
}

#[test]
fn what_is_left_is_told_before_it_is_asked_for_again() {
    let (mut node, channel, subscriber) = node();
    // One tick, one mailbox: the home must not hear of the second subscription before it has heard of the first's end.
    let broker = &mut node.brokers[SUBSCRIBERS];
    let frame = [unsubscribe(3, &channel), subscribe(4, &channel)].join("\n");
    broker.input(subscriber.session, frame.as_bytes(), node.now);
    let mut left = Vec::new();
    broker.post(node.now, |_, lane, _, letter| {
        if lane == Lane::Answers {
            return Err(letter);
        }
        left.push(letter);
        Ok(())
    });
    assert!(left.is_empty(), "an ask waits for what was told before it: {left:?}");
    node.after(SUBSCRIBERS);
    node.carry();
    assert_eq!(kinds(&node.hear(subscriber))[..2], ["3:unsubscribe", "4:subscribe"]);
}
