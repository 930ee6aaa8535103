//! No answer is larger than a reply may be, and what a client asks for does not end it.

use super::*;
use crate::limits::TURN_NS;
use crate::model::refusal::ErrorKind;
use crate::outbox::Flushed;
use crate::work::price;

const REPLY_BYTES: usize = 4096;

/// A node whose replies hold three publications of a thousand bytes.
fn node() -> Node {
    let mut config = config();
    config.client.reply_max_size = REPLY_BYTES;
    config.client.queue_max_size = 4 * REPLY_BYTES;
    Node::with(config)
}

fn long(number: u32) -> String {
    json!([number, "x".repeat(1000)]).to_string()
}

fn numbers(publications: &Value) -> Vec<u64> {
    let all = publications.as_array().map_or(&[][..], |all| all);
    all.iter().map(|publication| publication["data"][0].as_u64().unwrap()).collect()
}

#[test]
fn a_history_page_ends_where_its_bytes_do_and_the_next_goes_on() {
    for shard in 0..2 {
        let mut node = node();
        let channel = node.at(shard, "kept");
        (1..=8).for_each(|number| drop(node.publish(&channel, &long(number), None)));
        let peer = node.connect(0, json!({"sub": "7"}));
        let (mut since, mut read) = (json!(null), Vec::new());
        while read.len() < 8 {
            let history = json!({"channel": channel, "limit": 8, "since": since});
            let page = node.say(peer, &json!({"id": 2, "history": history}).to_string())[0]["history"].clone();
            assert_eq!(page["offset"], 8, "where the stream stands");
            let numbers = numbers(&page["publications"]);
            assert!((1..=3).contains(&numbers.len()), "{numbers:?}");
            read.extend(numbers);
            since = json!({"offset": read.last(), "epoch": page["epoch"]});
        }
        assert!(read.into_iter().eq(1..=8));
    }
}

#[test]
fn a_page_has_one_publication_however_long_it_is() {
    let mut node = node();
    let channel = node.at(0, "kept");
    node.publish(&channel, &json!([1, "x".repeat(2 * REPLY_BYTES)]).to_string(), None);
    let peer = node.connect(0, json!({"sub": "7"}));
    let words = node.say(peer, &json!({"id": 2, "history": {"channel": channel, "limit": 1}}).to_string());
    assert_eq!(numbers(&words[0]["history"]["publications"]), [1]);
}

#[test]
fn what_does_not_fit_into_the_reply_was_not_recovered_and_the_subscription_goes_on_from_now() {
    let mut node = node();
    let channel = node.at(1, "kept");
    let epoch = node.publish(&channel, &long(1), None).epoch;
    (2..=6).for_each(|number| drop(node.publish(&channel, &long(number), None)));
    let recover = |offset: u64| json!({"id": 2, "subscribe": {"channel": channel, "recover": true, "offset": offset, "epoch": *epoch}});
    let peer = node.connect(0, json!({"sub": "7"}));
    let reply = node.say(peer, &recover(1).to_string())[0]["subscribe"].clone();
    assert!(reply["recovered"].is_null() && reply["publications"].is_null(), "{reply}");
    assert_eq!((&reply["offset"], &reply["was_recovering"]), (&json!(6), &json!(true)));
    node.publish(&channel, "7", None);
    node.carry();
    assert_eq!(kinds(&node.hear(peer)).last().unwrap(), "pub 7");
    let other = node.connect(0, json!({"sub": "8"}));
    let reply = node.say(other, &recover(4).to_string())[0]["subscribe"].clone();
    assert_eq!((&reply["recovered"], reply["publications"].as_array().unwrap().len()), (&json!(true), 3));
}

#[test]
fn a_connect_reply_has_one_budget_for_all_its_subscriptions() {
    let mut node = node();
    let channels = [node.at(0, "kept"), node.at(1, "kept")];
    let epochs = channels.clone().map(|channel| {
        let epoch = node.publish(&channel, &long(1), None).epoch;
        (2..=3).for_each(|number| drop(node.publish(&channel, &long(number), None)));
        epoch
    });
    let peer = node.open(0);
    let token = hs256(SECRET, &json!({"sub": "7", "channels": channels}));
    let since = |at: usize| json!({"recover": true, "offset": 1, "epoch": *epochs[at]});
    let subs = json!({ channels[0].as_str(): since(0), channels[1].as_str(): since(1) });
    let words = node.say(peer, &json!({"id": 1, "connect": {"token": token, "subs": subs}}).to_string());
    let subs = &words[0]["connect"]["subs"];
    let (first, second) = (&subs[&channels[0]], &subs[&channels[1]]);
    assert_eq!((&first["recovered"], numbers(&first["publications"])), (&json!(true), vec![2, 3]));
    assert!(second["recovered"].is_null() && second["publications"].is_null(), "{second}");
    assert_eq!((&second["offset"], &second["was_recovering"]), (&json!(3), &json!(true)));
}

#[test]
fn presence_that_is_too_long_is_refused_and_can_still_be_counted() {
    for shard in 0..2 {
        let mut node = node();
        let channel = node.at(shard, "open");
        let info = json!({"name": "x".repeat(900)});
        let peers: Vec<Peer> = (0..4)
            .map(|number| node.connect(0, json!({"sub": number.to_string(), "channels": [channel], "info": info})))
            .collect();
        let mut ask = |what: &str| node.say(peers[0], &json!({"id": 9, what: {"channel": channel}}).to_string());
        assert!(kinds(&ask("presence")).contains(&"9:error 106".to_string()));
        let stats = ask("presence_stats");
        assert_eq!(stats.last().unwrap()["presence_stats"]["num_clients"], 4);
        node.drop(peers[3]);
        node.carry();
        node.hear(peers[0]);
        let words = node.say(peers[0], &json!({"id": 9, "presence": {"channel": channel}}).to_string());
        assert_eq!(words[0]["presence"]["presence"].as_object().unwrap().len(), 3);
    }
}

#[test]
fn a_message_that_no_subscriber_could_be_given_is_refused_whoever_publishes_it() {
    for shard in 0..2 {
        let mut node = node();
        let channel = node.at(shard, "open");
        let peer = node.connect(0, json!({"sub": "7", "channels": [channel]}));
        node.hear(peer);
        let giant = "x".repeat(4 * REPLY_BYTES);
        let publish = json!({"id": 2, "publish": {"channel": channel, "data": giant}}).to_string();
        assert_eq!(kinds(&node.say(peer, &publish)), ["2:error 106"]);
        let publish = Publish {
            channel: channel.as_str().into(),
            data: Payload::json(json!(giant).to_string()),
            tags: None,
            skip_history: false,
            idempotency_key: None,
            version: None,
            ttl_ms: None,
            exclude_client: None,
        };
        let refused = node.order(shard, |answer| Order::Publish(Box::new(publish), answer)).unwrap_err();
        let why = refused.message.expect("it says why");
        assert!(refused.kind == ErrorKind::LimitExceeded && why.contains("queue_max_size"), "{why}");
        assert!(node.hear(peer).is_empty());
    }
}

#[test]
fn who_reads_nothing_of_its_answers_is_asked_nothing_more_and_goes_on_when_it_reads() {
    let mut node = node();
    let channel = node.at(0, "kept");
    (1..=3).for_each(|number| drop(node.publish(&channel, &long(number), None)));
    let peer = node.connect(0, json!({"sub": "7"}));
    let question = json!({"id": 2, "history": {"channel": channel, "limit": 3}}).to_string();
    let flush = |broker: &mut Broker| {
        while broker.edge.outbox.is_dirty() {
            let blocked = |_, _: &[u8]| Err(std::io::ErrorKind::WouldBlock.into());
            broker.edge.outbox.flush(blocked, |_, flushed| assert_eq!(flushed, Flushed::Blocked));
        }
    };
    let mut asked = 0;
    while node.tell(peer, &question) == Input::Ready {
        asked += 1;
        flush(&mut node.brokers[0]);
        assert!(asked < 10, "its answers gather: {} bytes", node.brokers[0].edge.outbox.backlog_bytes());
    }
    let broker = &mut node.brokers[0];
    assert!(asked == 2 && broker.edge.outbox.backlog_bytes() < 3 * REPLY_BYTES);
    broker.drained(peer.session);
    assert!(broker.edge.resumed.is_empty(), "nothing has left");
    let mut sent = Vec::new();
    broker.edge.outbox.resume(peer.conn, |bytes| {
        sent.extend_from_slice(bytes);
        Ok(bytes.len())
    });
    broker.drained(peer.session);
    assert_eq!(broker.edge.resumed, [peer.session]);
    node.after(0);
    assert_eq!(kinds(&node.hear(peer)), ["2:history"], "what was held back is answered");
    assert_eq!(node.goodbye(peer), None);
}

#[test]
fn lists_of_another_shard_are_asked_for_one_at_a_time() {
    let mut node = node();
    let channel = node.at(1, "kept");
    (1..=3).for_each(|number| drop(node.publish(&channel, &long(number), None)));
    let peer = node.connect(0, json!({"sub": "7"}));
    let question = |id: u32| json!({"id": id, "history": {"channel": channel, "limit": 3}}).to_string();
    let frame: Vec<String> = (2..12).map(question).collect();
    assert_eq!(node.tell(peer, &frame.join("\n")), Input::Paused);
    for id in 2..12 {
        assert_eq!(node.mail.len(), 1, "one question");
        node.carry_one();
        assert_eq!(node.mail.len(), 1, "one answer");
        node.carry_one();
        assert_eq!(kinds(&node.hear(peer)), [format!("{id}:history")]);
    }
    assert!(node.mail.is_empty());
}

#[test]
fn recoveries_from_another_shard_are_asked_for_as_their_answers_have_room() {
    for is_planned in [false, true] {
        let mut node = node();
        let channels: Vec<String> = (0..5).map(|number| node.at(1, &format!("kept:{number}"))).collect();
        let since = json!({"recover": true, "epoch": "gone"});
        let peer = if is_planned {
            let token = hs256(SECRET, &json!({"sub": "7", "channels": channels}));
            let subs: Value =
                channels.iter().map(|name| (name.clone(), since.clone())).collect::<serde_json::Map<_, _>>().into();
            let peer = node.open(0);
            node.tell(peer, &json!({"id": 1, "connect": {"token": token, "subs": subs}}).to_string());
            peer
        } else {
            let peer = node.connect(0, json!({"sub": "7"}));
            let subscribe = |(id, channel): (usize, &String)| {
                json!({"id": id + 2, "subscribe": {"channel": channel, "recover": true, "epoch": "gone"}}).to_string()
            };
            let frame: Vec<String> = channels.iter().enumerate().map(subscribe).collect();
            node.tell(peer, &frame.join("\n"));
            peer
        };
        let questions = |node: &Node| node.mail.iter().filter(|(_, _, letter)| letter.lane() == Lane::Asks).count();
        for _ in 0..channels.len() {
            while questions(&node) == 0 && node.carry_one() {}
            assert_eq!(questions(&node), 1, "one at a time");
            while questions(&node) > 0 && node.carry_one() {}
        }
        node.carry();
        let words = node.hear(peer);
        match is_planned {
            true => assert_eq!(words[0]["connect"]["subs"].as_object().map(serde_json::Map::len), Some(5)),
            false => {
                assert_eq!(kinds(&words), ["2:subscribe", "3:subscribe", "4:subscribe", "5:subscribe", "6:subscribe"])
            }
        }
    }
}

#[test]
fn lists_that_many_ask_for_at_once_are_given_over_several_ticks_in_the_order_of_asking() {
    let mut node = Node::with(config());
    let channel = node.at(0, "kept");
    let data = json!("x".repeat((TURN_NS / price::BYTE_NS) as usize)).to_string();
    node.publish(&channel, &data, None);
    let peers: Vec<_> = (0..3).map(|number| node.connect(0, json!({"sub": format!("p{number}")}))).collect();
    let question = json!({"id": 2, "history": {"channel": channel, "limit": 1}}).to_string();
    let now = node.now;
    let broker = &mut node.brokers[0];
    broker.begin_tick(now);
    let inputs: Vec<_> = peers.iter().map(|peer| broker.input(peer.session, question.as_bytes(), now)).collect();
    assert_eq!(inputs, [Input::Paused; 3], "the first has its list, and had its turn with it");
    for peer in [peers[1], peers[2]] {
        broker.begin_tick(now);
        while broker.next_resumed().is_some_and(|session| session != peer.session) {}
        broker.resume(peer.session, now);
        assert_eq!(broker.next_resumed(), None, "one in a tick");
    }
}
