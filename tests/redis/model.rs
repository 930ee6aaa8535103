//! The Functions against a naive model: any calls of two nodes, from a seed.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use ringpost::cluster::redis::functions::Functions;
use ringpost::cluster::redis::streams::{Outcome, Part, Publish};
use ringpost::model::Keep;

use crate::functions::{ALL, KEEP, linked, node, seeded};
use crate::presence::{info, member, seen};
use crate::server::{Kind, Server};

const SEEDS: u64 = 20;
const STEPS: usize = 60;
const CHANNELS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Default)]
struct Stream {
    top: u64,
    kept: Vec<(u64, Vec<u8>)>,
    version: u64,
    keys: BTreeMap<String, u64>,
    /// Client to node and user.
    present: BTreeMap<u128, (u8, String)>,
}

impl Stream {
    fn publish(&mut self, publish: &Publish<'_>) -> (Outcome, u64) {
        if let Some(offset) = publish.key.and_then(|(key, _)| self.keys.get(key)) {
            return (Outcome::Repeated, *offset);
        }
        if let Some((number, _)) = publish.version {
            if number <= self.version {
                return (Outcome::Passed, self.top);
            }
            self.version = number;
        }
        let mut offset = 0;
        if publish.keep.size > 0 {
            self.top += 1;
            offset = self.top;
            self.kept.push((offset, publish.body.to_vec()));
        }
        if let Some((key, _)) = publish.key {
            self.keys.insert(key.into(), offset);
        }
        (Outcome::Published, offset)
    }
}

struct World {
    random: StdRng,
    nodes: [Functions; 2],
    streams: BTreeMap<&'static str, Stream>,
}

impl World {
    async fn step(&mut self) {
        let channel = *CHANNELS.choose(&mut self.random).unwrap();
        let at = self.random.random_range(0..2);
        let bucket = self.nodes[at].keys().bucket_of(channel);
        let client = self.random.random_range(0..4);
        let user = format!("user{}", self.random.random_range(0..3));
        match self.random.random_range(0..10) {
            0..5 => self.publish(at, bucket).await,
            5 => {
                self.nodes[at].remove(bucket, channel).await.unwrap();
                self.streams.entry(channel).or_default().kept.clear();
            }
            6 | 7 => {
                let info = info(client, &user);
                self.nodes[at].presence_add(bucket, &[member(channel, &info)]).await.unwrap();
                self.streams.entry(channel).or_default().present.insert(client, (at as u8 + 1, user));
            }
            8 => {
                let info = info(client, &user);
                self.nodes[at].presence_remove(bucket, &[member(channel, &info)]).await.unwrap();
                let present = &mut self.streams.entry(channel).or_default().present;
                if present.get(&client).is_some_and(|(slot, _)| *slot <= at as u8 + 1) {
                    present.remove(&client);
                }
            }
            _ => self.look(channel).await,
        }
    }

    /// Publishes to channels of one bucket at once, as some of them are.
    async fn publish(&mut self, at: usize, bucket: u16) {
        let node = &self.nodes[at];
        let here: Vec<_> = CHANNELS.into_iter().filter(|channel| node.keys().bucket_of(channel) == bucket).collect();
        let random = &mut self.random;
        let texts: Vec<_> = (0..random.random_range(1..6))
            .map(|_| {
                let key = random.random_bool(0.3).then(|| format!("key{}", random.random_range(0..4)));
                (*here.choose(random).unwrap(), random.random::<u32>().to_string(), key)
            })
            .collect();
        let batch = texts.iter().map(|(channel, body, key)| Publish {
            channel,
            body: body.as_bytes(),
            keep: Keep { size: if random.random_bool(0.9) { 10_000 } else { 0 }, ..KEEP },
            key: key.as_deref().map(|key| (key, 60_000)),
            sender: None,
            version: random.random_bool(0.2).then(|| (random.random_range(1..20), "")),
        });
        let batch: Vec<_> = batch.collect();
        let receipts = node.append(bucket, &batch).await.unwrap();
        for (publish, receipt) in batch.iter().zip(receipts) {
            let channel = CHANNELS.into_iter().find(|channel| *channel == publish.channel).unwrap();
            let expected = self.streams.entry(channel).or_default().publish(publish);
            assert_eq!((receipt.outcome, receipt.offset), expected, "{publish:?}");
        }
    }

    async fn look(&self, channel: &'static str) {
        let (node, empty) = (&self.nodes[0], Stream::default());
        let stream = self.streams.get(channel).unwrap_or(&empty);
        let page = node.read(channel, ALL).await.unwrap();
        let kept: Vec<_> = page.kept.iter().map(|kept| (kept.offset, kept.body.to_vec())).collect();
        assert_eq!(kept, stream.kept, "{channel}");
        assert_eq!(page.place.top, stream.top, "{channel}");
        let back = node.read(channel, Part { from: stream.top, is_reverse: true, ..ALL }).await.unwrap();
        assert!(back.kept.iter().rev().eq(page.kept.iter()), "{channel}");
        let numbers = node.presence_stats(channel).await.unwrap();
        let users: BTreeSet<_> = stream.present.values().map(|(_, user)| user).collect();
        assert_eq!(numbers.users, users.len() as u64, "{channel}: {stream:?}");
        for slot in [1, 2] {
            let expected = stream.present.values().filter(|(of, _)| *of == slot).count() as u64;
            let told = numbers.clients.iter().find(|(of, _)| of.slot == slot).map_or(0, |(_, count)| *count);
            assert_eq!(told, expected, "{channel}: slot {slot}");
        }
        let page = node.presence_page(channel, 0, 100).await.unwrap();
        assert_eq!(page.next, 0);
        let present: BTreeMap<_, _> =
            page.listed.iter().map(seen).map(|(slot, client, user)| (client, (slot, user))).collect();
        assert_eq!(present, stream.present, "{channel}");
    }
}

#[test]
fn any_calls_of_two_nodes_are_answered_as_a_naive_model_answers_them() {
    let server = Server::start(Kind::Redis, &[]);
    crate::runtime().block_on(async {
        for seed in 0..SEEDS {
            let config = seeded(server.address(), seed);
            let link = linked(&config).await;
            let nodes = [node(&link, &config, 1, 1), node(&link, &config, 2, 2)];
            let mut world = World { random: StdRng::seed_from_u64(seed), nodes, streams: BTreeMap::new() };
            for _ in 0..STEPS {
                world.step().await;
            }
            for channel in CHANNELS {
                world.look(channel).await;
            }
        }
    });
}
