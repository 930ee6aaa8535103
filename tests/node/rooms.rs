//! Channels over two shards: one order for everybody.

use std::collections::HashMap;
use std::io::Write;
use std::time::Instant;

use ringpost::config::SlowConsumer;
use serde_json::{Value, json};

use crate::client::LineClient;
use crate::harness::{PATIENCE, TestNode};

/// Clients until both shards have at least `each` of them; the kernel spreads them.
fn on_both_shards(node: &TestNode, each: usize) -> Vec<LineClient> {
    let mut per_shard: HashMap<String, usize> = HashMap::new();
    let mut clients = Vec::new();
    while per_shard.len() < 2 || per_shard.values().any(|count| *count < each) {
        let mut client = LineClient::silent(node.tcp);
        let reply = client.ask(json!({"connect": {}}));
        *per_shard.entry(reply["connect"]["node"].as_str().unwrap().into()).or_default() += 1;
        clients.push(client);
        assert!(clients.len() < 500, "the kernel spreads connections over the shards: {per_shard:?}");
    }
    clients
}

#[test]
fn every_subscriber_on_every_shard_sees_one_order_with_nothing_missing() {
    const EACH: usize = 200;
    // A mailbox this small is full all the time.
    let node = TestNode::with(|config| config.shards.mailbox_capacity = 16);
    let mut subscribers = on_both_shards(&node, 3);
    for client in &mut subscribers {
        client.ask(json!({"subscribe": {"channel": "room"}}));
    }
    let publishers = on_both_shards(&node, 2);
    let count = publishers.len();
    let writing: Vec<_> = publishers
        .into_iter()
        .enumerate()
        .map(|(publisher, mut client)| {
            std::thread::spawn(move || {
                for number in 0..EACH {
                    client.tell(json!({"publish": {"channel": "room", "data": [publisher, number]}}));
                }
                for _ in 0..EACH {
                    assert!(client.word()["publish"].is_object());
                }
            })
        })
        .collect();
    let mut reference: Option<Vec<(u64, Value)>> = None;
    for client in &mut subscribers {
        let seen: Vec<(u64, Value)> = (0..count * EACH)
            .map(|_| {
                let (_, offset, data) = client.publication();
                (offset, data)
            })
            .collect();
        assert!(seen.iter().zip(1..).all(|((offset, _), expected)| *offset == expected), "offsets have no hole");
        let mut next = vec![0; count];
        for (_, data) in &seen {
            let (publisher, number) = (data[0].as_u64().unwrap() as usize, data[1].as_u64().unwrap());
            assert_eq!(number, next[publisher], "a publisher's messages keep their order");
            next[publisher] += 1;
        }
        assert_eq!(*reference.get_or_insert_with(|| seen.clone()), seen, "one order for everybody");
    }
    writing.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_burst_through_a_full_mailbox_does_not_wait_for_the_clock() {
    const MESSAGES: usize = 10_000;
    let node = TestNode::with(|config| config.shards.mailbox_capacity = 16);
    let mut subscribers = on_both_shards(&node, 1);
    // One of the rooms is at home where the publisher is: what it sends to the other shard is not answered.
    for room in ["room 1", "room 2", "room 3", "room 4"] {
        for client in &mut subscribers {
            client.ask(json!({"subscribe": {"channel": room}}));
        }
        let mut publisher = LineClient::connect(node.tcp);
        let mut writer = publisher.stream.try_clone().unwrap();
        let begun = Instant::now();
        let writing = std::thread::spawn(move || {
            let burst: String = (0..MESSAGES)
                .map(|id| format!("{}\n", json!({"id": id + 10, "publish": {"channel": room, "data": id}})))
                .collect();
            writer.write_all(burst.as_bytes()).unwrap();
        });
        for _ in 0..MESSAGES {
            assert!(publisher.word()["publish"].is_object());
        }
        for client in &mut subscribers {
            while client.publication().1 < MESSAGES as u64 {}
        }
        writing.join().unwrap();
        assert!(begun.elapsed() < PATIENCE, "a letter that waits for room is not left to the timer wheel");
    }
}

#[test]
fn who_comes_back_gets_what_it_missed_or_is_told_that_it_cannot() {
    let node = TestNode::with(|config| config.channel.without_namespace.history_size = 5);
    let mut publisher = LineClient::connect(node.tcp);
    let mut client = LineClient::connect(node.tcp);
    let first = client.ask(json!({"subscribe": {"channel": "room", "recoverable": true}}));
    let epoch = first["subscribe"]["epoch"].clone();
    drop(client);
    for number in 1..=4 {
        publisher.ask(json!({"publish": {"channel": "room", "data": number}}));
    }
    let recover = |offset: u64, epoch: &Value| {
        let subscribe =
            json!({"channel": "room", "recover": true, "recoverable": true, "offset": offset, "epoch": epoch});
        LineClient::connect(node.tcp).ask(json!({"subscribe": subscribe}))["subscribe"].clone()
    };
    let all = recover(0, &epoch);
    assert_eq!(all["recovered"], true);
    let data: Vec<&Value> = all["publications"].as_array().unwrap().iter().map(|one| &one["data"]).collect();
    assert_eq!(data, [1, 2, 3, 4]);
    assert_eq!(recover(3, &epoch)["publications"][0]["offset"], 4);
    assert!(recover(0, &json!("other"))["recovered"].is_null());
    for number in 5..=9 {
        publisher.ask(json!({"publish": {"channel": "room", "data": number}}));
    }
    let too_late = recover(2, &epoch);
    assert!(too_late["recovered"].is_null() && too_late["publications"].is_null(), "{too_late}");
    assert_eq!((&too_late["offset"], &too_late["was_recovering"]), (&json!(9), &json!(true)));
}

#[test]
fn a_slow_reader_of_a_conflated_channel_gets_the_latest_and_stays() {
    let node = TestNode::with(|config| {
        config.client.queue_max_size = 128 * 1024;
        config.client.message_size_limit = 64 * 1024;
        config.channel.without_namespace.slow_consumer = SlowConsumer::Conflate;
    });
    let mut publisher = LineClient::connect(node.tcp);
    let mut sleeper = LineClient::connect(node.tcp);
    sleeper.ask(json!({"subscribe": {"channel": "prices"}}));
    const LAST: u64 = 500;
    let text = "x".repeat(30_000);
    for number in 1..=LAST {
        publisher.ask(json!({"publish": {"channel": "prices", "data": [number, text]}}));
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&LAST) {
        seen.push(sleeper.publication().2[0].as_u64().unwrap());
    }
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "never out of order: {seen:?}");
    assert!((seen.len() as u64) < LAST, "a reader this slow misses some");
    assert!(sleeper.ask(json!({"ping": {}}))["ping"].is_object());
}

#[test]
fn a_burst_in_one_write_is_answered_in_its_order() {
    let node = TestNode::start();
    for mut client in on_both_shards(&node, 1) {
        let burst: String = (100..200)
            .map(|id| format!("{}\n", json!({"id": id, "publish": {"channel": "burst", "data": id}})))
            .collect();
        client.stream.write_all(burst.as_bytes()).unwrap();
        for id in 100..200 {
            assert_eq!(client.word()["id"], id);
        }
    }
}
