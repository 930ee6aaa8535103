//! What nodes hear: in order, each once, and nothing missing without a word.

use std::sync::Arc;
use std::time::Duration;

use redis::PushInfo;
use ringpost::cluster::redis::bucket::Kind;
use ringpost::cluster::redis::functions::Functions;
use ringpost::cluster::redis::link::Link;
use ringpost::cluster::redis::listener::{Event, events, listen};
use ringpost::cluster::redis::relayed::Relayed;
use ringpost::cluster::redis::streams::Join;
use ringpost::config::RedisConfig;
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::timeout;

use crate::functions::{config, node, one, publish};
use crate::server::{Kind as Of, Server};

/// A node that listens.
pub(crate) struct Listening {
    pub(crate) node: Arc<Functions>,
    pub(crate) events: Receiver<Event>,
    ear: Arc<Link>,
}

impl Listening {
    pub(crate) async fn start(config: &RedisConfig, slot: u8) -> Self {
        Self::start_by(config, slot, None).await
    }

    /// One that hears of this as well, as if it came by Kafka.
    pub(crate) async fn start_by(config: &RedisConfig, slot: u8, by_kafka: Option<Receiver<Relayed>>) -> Self {
        let (pushes, pushed) = mpsc::unbounded_channel::<PushInfo>();
        let ear = Arc::new(Link::new(config, Some(pushes)).unwrap());
        let link = crate::functions::linked(config).await;
        let node = Arc::new(node(&link, config, slot, slot.into()));
        let (sender, events) = events();
        tokio::spawn(listen(Arc::clone(&node), ear.clone(), pushed, by_kafka, sender));
        let mut this = Self { node, events, ear };
        this.is_heard().await;
        this
    }

    pub(crate) async fn join(&self, channel: &str) {
        let join = Join { channel, meta_ttl_ms: Some(600_000), is_read: false, after: None };
        self.node.join(self.node.keys().bucket_of(channel), &[join]).await.unwrap();
    }

    /// Publishes until it is heard: the subscriptions are there.
    pub(crate) async fn is_heard(&mut self) {
        for bucket in 0..self.node.keys().buckets() {
            let channel = (0..).map(|at| format!("probe{at}")).find(|name| self.node.keys().bucket_of(name) == bucket);
            let channel = channel.unwrap();
            self.join(&channel).await;
            loop {
                self.node.fleeting(bucket, &[(&channel, b"probe")]).await.unwrap();
                let heard = timeout(Duration::from_millis(50), self.events.recv()).await;
                if matches!(heard, Ok(Some(Event::Said(of, ..))) if of == bucket) {
                    break;
                }
            }
        }
    }

    /// What it hears next, but for probes.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            let event = timeout(Duration::from_secs(30), self.events.recv()).await.expect("something is told");
            match event.expect("it listens") {
                Event::Said(_, _, item) if &item.body[..] == b"probe" => {}
                Event::Hears(_) => {}
                event => return event,
            }
        }
    }
}

#[test]
fn two_nodes_that_publish_at_once_and_three_that_listen_hear_one_order() {
    for kind in [Of::Redis, Of::Valkey] {
        let server = Server::start(kind, &[]);
        let config = config(&[server.address()]);
        crate::runtime().block_on(async {
            let mut nodes = Vec::new();
            for slot in 1..=3 {
                let node = Listening::start(&config, slot).await;
                node.join("room").await;
                nodes.push(node);
            }
            let say_all = async |of: usize| {
                let mut offsets = Vec::new();
                for at in 0..150 {
                    let body = format!("{of}: {at}");
                    offsets.push(one(&nodes[of].node, publish("room", &body)).await.unwrap().offset);
                }
                offsets
            };
            let offsets = tokio::join!(say_all(0), say_all(1));
            let mut heard = Vec::new();
            for node in &mut nodes {
                let mut told = Vec::new();
                while told.len() < 300 {
                    match node.next().await {
                        Event::Said(_, _, item) if item.kind == Kind::Publication => {
                            told.push((item.offset, item.body))
                        }
                        other => panic!("{other:?}"),
                    }
                }
                heard.push(told);
            }
            assert!(heard[0].iter().map(|(offset, _)| *offset).eq(1..=300));
            assert!(heard.iter().all(|told| *told == heard[0]), "one order");
            assert!(
                offsets.0.is_sorted() && offsets.1.is_sorted(),
                "each node's own are in the order in which it published"
            );
        });
    }
}

/// One that listens to a room, and one that only publishes.
async fn two_nodes(config: &RedisConfig) -> (Listening, Functions) {
    let listening = Listening::start(config, 1).await;
    listening.join("room").await;
    (listening, node(&crate::functions::linked(config).await, config, 2, 2))
}

#[test]
fn a_subscription_that_is_gone_without_a_word_is_made_anew_once_something_was_not_heard() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let (mut ann, bob) = two_nodes(&config).await;
        let bucket = bob.keys().bucket_of("room");
        // As when the library puts another connection in the place of one: who listens is not told.
        ann.ear.reset().await;
        one(&bob, publish("room", "lost")).await.unwrap();
        assert_eq!(ann.next().await, Event::Hole(bucket));
        for _ in 0..200 {
            one(&bob, publish("room", "heard")).await.unwrap();
            if let Ok(Some(Event::Said(..))) = timeout(Duration::from_millis(50), ann.events.recv()).await {
                return;
            }
        }
        panic!("it stays deaf");
    });
}

#[test]
fn a_connection_that_is_cut_is_made_anew_and_what_was_missed_is_told() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let (mut listening, other) = two_nodes(&config).await;
        let bucket = other.keys().bucket_of("room");
        other.append(bucket, &[publish("room", "1")]).await.unwrap();
        assert!(matches!(listening.next().await, Event::Said(_, _, item) if item.offset == 1));
        // Cut off and gone before it is back: the subscription that follows hears nothing of the second.
        server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        other.append(bucket, &[publish("room", "2")]).await.unwrap();
        match listening.next().await {
            Event::Hole(of) => assert_eq!(of, bucket),
            // It was back in time.
            Event::Said(_, _, item) => assert_eq!(item.offset, 2),
            other => panic!("{other:?}"),
        }
        listening.is_heard().await;
        other.append(bucket, &[publish("room", "3")]).await.unwrap();
        assert!(matches!(listening.next().await, Event::Said(_, _, item) if item.offset == 3));
    });
}

#[test]
fn a_server_that_lost_its_data_is_told_as_another_generation() {
    let mut server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let mut listening = Listening::start(&config, 1).await;
        listening.join("room").await;
        one(&listening.node, publish("room", "1")).await.unwrap();
        assert!(matches!(listening.next().await, Event::Said(..)));
        server.kill();
        server.restart();
        let bucket = listening.node.keys().bucket_of("room");
        loop {
            if let Event::Lost(of, generation) = listening.next().await
                && of == bucket
            {
                assert_eq!(listening.node.known(bucket).generation, generation);
                break;
            }
        }
    });
}

#[test]
fn who_listens_is_told_once_that_publications_were_removed() {
    let server = Server::start(Of::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let (mut listening, other) = two_nodes(&config).await;
        let bucket = other.keys().bucket_of("room");
        let receipt = one(&other, publish("room", "1")).await.unwrap();
        assert_eq!(other.remove(bucket, "room").await.unwrap(), 1);
        one(&other, publish("room", "2")).await.unwrap();
        // The same call once more, as after an answer that was lost: what came since stays.
        let repeats = node(other.link(), &config, 3, 3);
        assert_eq!(repeats.remove(bucket, "empty").await.unwrap(), 0);
        assert_eq!(node(other.link(), &config, 3, 3).remove(bucket, "room").await.unwrap(), 0);
        assert_eq!(crate::functions::bodies(&other, "room").await, [(2, "2".into())]);
        assert!(matches!(listening.next().await, Event::Said(_, _, item) if item.offset == 1));
        let Event::Said(_, generation, item) = listening.next().await else { panic!("it is told") };
        assert_eq!((item.kind, item.offset, item.created), (Kind::Removed, 1, receipt.created));
        assert_eq!(generation, receipt.generation);
        assert!(matches!(listening.next().await, Event::Said(_, _, item) if item.offset == 2));
    });
}

#[test]
fn silent_losses_in_many_buckets_are_found_by_a_few_calls() {
    for kind in [Of::Redis, Of::Valkey] {
        let server = Server::start(kind, &[]);
        let config = RedisConfig { buckets: 200, ..config(&[server.address()]) };
        crate::runtime().block_on(async {
            let mut listening = Listening::start(&config, 1).await;
            // As if messages had been sent that were not heard.
            let mut lossy = [3, 64, 199];
            for bucket in lossy {
                let head = listening.node.keys().head(bucket);
                let count: u64 = server.cli(&["HGET", head, "c"]).trim().parse().unwrap();
                let next = (count + 1).to_string();
                server.cli(&["HSET", head, "c", &next, "n1", &next]);
            }
            server.cli(&["CONFIG", "RESETSTAT"]);
            let mut holes = Vec::new();
            while holes.len() < lossy.len() {
                match listening.next().await {
                    Event::Hole(bucket) => holes.push(bucket),
                    other => panic!("{other:?}"),
                }
            }
            let stats = server.cli(&["INFO", "commandstats"]);
            let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_fcall:calls="));
            let calls: u32 = calls.and_then(|rest| rest.split(',').next()).unwrap().parse().unwrap();
            holes.sort_unstable();
            lossy.sort_unstable();
            assert_eq!(holes, lossy, "{kind:?}");
            // The round in which they were found, and one that had begun before, perhaps.
            assert!(calls <= 8, "{kind:?}: {calls}");
        });
    }
}
