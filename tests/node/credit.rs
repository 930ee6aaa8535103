//! Three shards, one of which has more to do than the others: who publishes waits for it, and nothing gathers.

use std::hash::{DefaultHasher, Hasher as _};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};

use ringpost::config::Duration as Setting;
use ringpost::limits::{BYTES_IN_FLIGHT_MAX, MAILBOX_BYTES_MAX, WINDOW_BYTES};
use serde_json::json;

use crate::client::LineClient;
use crate::harness::TestNode;

const SUBSCRIBERS: usize = 200;
const PUBLISHERS: usize = 2;
/// By each publisher: twice as much as may be anywhere between the shards.
const EACH: usize = 800;
const MESSAGE_BYTES: usize = 2_000;

/// What a publication is, beside its message, bytes: less than that.
const OVERHEAD_BYTES: usize = 300;

/// Clients on this shard; the kernel spreads them over all.
fn on_shard(address: SocketAddr, shard: usize, count: usize) -> Vec<LineClient> {
    let mut clients = Vec::new();
    for _ in 0..100 * count {
        let mut client = LineClient::silent(address);
        if client.ask(json!({"connect": {}}))["connect"]["node"] == format!("test#{shard}") {
            clients.push(client);
        }
        if clients.len() == count {
            return clients;
        }
    }
    panic!("the kernel gave shard {shard} only {} connections", clients.len());
}

/// A channel that is at home on this shard.
fn at_home(node: &TestNode, shard: usize) -> String {
    let mut client = LineClient::connect(node.tcp);
    let mut names = (0..).map(|number| format!("room{number}"));
    let is_there = |name: &String| {
        let before = node.by_shard(|shard| shard.namespaces.sum(|namespace| namespace.publishes.get()));
        assert!(client.ask(json!({"publish": {"channel": name, "data": 0}}))["publish"].is_object());
        node.by_shard(|shard| shard.namespaces.sum(|namespace| namespace.publishes.get()))[shard] > before[shard]
    };
    names.find(is_there).expect("every shard has some")
}

/// Reads in small pieces until so many lines have come: a number for all of them.
fn read_lines(mut stream: TcpStream, lines: usize) -> u64 {
    let (mut seen, mut all) = (0, DefaultHasher::new());
    let mut piece = [0; 4096];
    while seen < lines {
        let read = stream.read(&mut piece).expect("all of it comes");
        assert!(read > 0, "closed after {seen} of {lines}");
        seen += piece[..read].iter().filter(|byte| **byte == b'\n').count();
        all.write(&piece[..read]);
    }
    assert_eq!(seen, lines, "and no more than that");
    all.finish()
}

/// Publishes without waiting for answers; all of them come.
fn publish(mut client: LineClient, channel: String) -> JoinHandle<()> {
    let mut writer = client.stream.try_clone().unwrap();
    let data = "x".repeat(MESSAGE_BYTES);
    let writing = thread::spawn(move || {
        for id in 0..EACH {
            let command = json!({"id": id + 10, "publish": {"channel": channel, "data": data}});
            writer.write_all(format!("{command}\n").as_bytes()).unwrap();
        }
    });
    thread::spawn(move || {
        for id in 0..EACH {
            let reply = client.word();
            assert!(reply["id"] == id + 10 && reply["publish"].is_object(), "{reply}");
        }
        writing.join().unwrap();
    })
}

#[test]
fn publishers_wait_for_the_shard_with_the_subscribers_and_nothing_gathers_between_the_shards() {
    let node = TestNode::with(|config| {
        let core = ringpost::cores::allowed().unwrap()[0];
        (config.shards.cores, config.shards.per_core) = (core.to_string(), 3);
        // Lines are counted.
        config.client.ping_interval = Setting::from_secs(0);
        config.client.queue_max_size = 8 << 20;
    });
    let channel = at_home(&node, 0);
    let mut subscribers = on_shard(node.tcp, 2, SUBSCRIBERS);
    for client in &mut subscribers {
        assert!(client.ask(json!({"subscribe": {"channel": channel}}))["subscribe"].is_object());
    }
    let before = node.sum(|shard| shard.namespaces.sum(|namespace| namespace.publishes.get()));
    let reading: Vec<_> = subscribers
        .iter()
        .map(|client| client.stream.try_clone().unwrap())
        .map(|stream| thread::spawn(move || read_lines(stream, PUBLISHERS * EACH)))
        .collect();
    let publishing: Vec<_> =
        on_shard(node.tcp, 1, PUBLISHERS).into_iter().map(|client| publish(client, channel.clone())).collect();

    // On its way to the subscribers' shard: what is answered fills a mailbox, what is not is as much as two may ask.
    let message = MESSAGE_BYTES as u64;
    let behind_max = MAILBOX_BYTES_MAX as u64 + PUBLISHERS as u64 * (u64::from(BYTES_IN_FLIGHT_MAX) + message);
    // Of six pairs of shards one has deliveries and one has asks.
    let between_max = 2 * (MAILBOX_BYTES_MAX + WINDOW_BYTES) as u64;
    let mut behind_most = 0;
    while !publishing.iter().all(JoinHandle::is_finished) {
        let published = node.sum(|shard| shard.namespaces.sum(|namespace| namespace.publishes.get())) - before;
        let delivered =
            node.sum(|shard| shard.namespaces.sum(|namespace| namespace.deliveries.get())) / SUBSCRIBERS as u64;
        behind_most = behind_most.max(published.saturating_sub(delivered));
        let between = node.sum(|shard| shard.mailbox_bytes.get() + shard.mailbox_waiting_bytes.get());
        assert!(between <= between_max, "{between} bytes are between the shards");
        thread::yield_now();
    }
    let behind_bytes = behind_most * message;
    assert!(behind_bytes <= behind_max, "{behind_most} publications were ahead of the subscribers' shard");
    publishing.into_iter().for_each(|thread| thread.join().unwrap());
    let mut heard: Vec<u64> = reading.into_iter().map(|thread| thread.join().unwrap()).collect();
    heard.dedup();
    assert_eq!(heard.len(), 1, "everybody heard the same");
    let most = PUBLISHERS * EACH * (MESSAGE_BYTES + OVERHEAD_BYTES);
    assert!(behind_max < most as u64 / 2, "there was more to publish than may gather");
    let kept = LineClient::connect(node.tcp).ask(json!({"history": {"channel": channel, "limit": 0}}));
    assert_eq!(kept["history"]["offset"], PUBLISHERS * EACH + 1, "what was answered is there");
}
