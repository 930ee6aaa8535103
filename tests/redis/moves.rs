//! Records of Kafka that are moved into the streams of their channels, against real servers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ringpost::cluster::redis::bucket::Generation;
use ringpost::cluster::redis::functions::Functions;
use ringpost::cluster::redis::listener::Event;
use ringpost::cluster::redis::moves::{Came, Moved, MovedUp, Told};
use ringpost::cluster::redis::relayed::Relayed;
use ringpost::cluster::redis::streams::{Outcome, Publish};
use ringpost::model::Keep;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::functions::{bodies, config, linked, node, one, publish, with_each};
use crate::listening::Listening;
use crate::server::{Kind, Server};

const TOPIC: &str = "up";

fn at(partition: u32, offset: u64) -> Moved {
    Moved { partition, offset }
}

async fn generation(node: &Functions, bucket: u16) -> Generation {
    node.moved(bucket, TOPIC).await.unwrap().0
}

/// Moves records into the generation that the bucket is in.
async fn moved_up(node: &Functions, bucket: u16, batch: &[(Moved, Publish<'_>)]) -> (Vec<Came>, Vec<Told>) {
    let generation = generation(node, bucket).await;
    match node.move_up(bucket, TOPIC, generation, batch).await.unwrap() {
        MovedUp::Done { came, told } => (came, told),
        MovedUp::Another => panic!("it is that generation"),
    }
}

fn outcomes(came: &[Came]) -> Vec<(Outcome, u64)> {
    came.iter().map(|came| (came.receipt.outcome, came.receipt.offset)).collect()
}

#[test]
fn a_record_is_moved_once_whoever_moves_it_and_who_does_it_again_is_told_where_it_lies() {
    with_each(async |link, config, _| {
        let (ann, bob) = (node(&link, &config, 1, 1), node(&link, &config, 2, 2));
        let bucket = ann.keys().bucket_of("room");
        let record = |partition, offset, body| (at(partition, offset), publish("room", body));
        let (first, _) = moved_up(&ann, bucket, &[record(0, 5, "5"), record(0, 8, "8"), record(3, 5, "other")]).await;
        let published = |offset| (Outcome::Published, offset);
        assert_eq!(outcomes(&first), [1, 2, 3].map(published));
        let (_, mut positions) = bob.moved(bucket, TOPIC).await.unwrap();
        positions.sort();
        assert_eq!(positions, [at(0, 8), at(3, 5)]);
        // Ann has died, and Bob begins before what it has moved: with a part of it first.
        let (again, _) = moved_up(&bob, bucket, &[record(0, 2, "2"), record(0, 5, "5")]).await;
        assert_eq!(outcomes(&again), [(Outcome::Moved, 0), (Outcome::Moved, 1)]);
        assert_eq!(again[1].time_ms, first[0].time_ms);
        let (again, told) = moved_up(&bob, bucket, &[record(0, 8, "8"), record(0, 9, "9")]).await;
        assert_eq!(outcomes(&again), [(Outcome::Moved, 2), published(4)]);
        assert_eq!((again[0].receipt.created, again[0].time_ms), (first[1].receipt.created, first[1].time_ms));
        assert!(told.is_empty(), "nobody listens");
        let (other, _) = moved_up(&bob, bucket, &[record(3, 5, "other")]).await;
        assert_eq!(outcomes(&other), [(Outcome::Moved, 3)], "partitions are counted apart");
        let (late, _) = moved_up(&ann, bucket, &[record(0, 5, "5")]).await;
        assert_eq!(outcomes(&late), [(Outcome::Moved, 0)], "what the calls since have passed is settled");
        let kept: Vec<_> = bodies(&ann, "room").await.into_iter().map(|(_, body)| body).collect();
        assert_eq!(kept, ["5", "8", "other", "9"]);
    });
}

#[test]
fn a_record_counts_as_moved_whatever_became_of_it() {
    with_each(async |link, config, _| {
        let node = node(&link, &config, 1, 1);
        let bucket = node.keys().bucket_of("room");
        let keyed = Publish { key: Some(("key", 60_000)), ..publish("room", "x") };
        let versioned = Publish { version: Some((7, "")), ..publish("room", "v") };
        let fleeting = Publish { keep: Keep::default(), ..publish("room", "f") };
        let batch = [keyed, keyed, versioned, versioned, fleeting];
        let batch: Vec<_> = (1..).map(|offset| at(0, offset)).zip(batch).collect();
        let (came, _) = moved_up(&node, bucket, &batch).await;
        let expected = [Outcome::Published, Outcome::Repeated, Outcome::Published, Outcome::Passed, Outcome::Published];
        assert_eq!(outcomes(&came), expected.into_iter().zip([1, 1, 2, 2, 0]).collect::<Vec<_>>());
        assert_eq!(node.moved(bucket, TOPIC).await.unwrap().1, [at(0, 5)]);
        let (again, _) = moved_up(&node, bucket, &batch).await;
        assert_eq!(outcomes(&again), [1, 0, 2, 0, 0].map(|offset| (Outcome::Moved, offset)));
    });
}

#[test]
fn records_of_several_channels_and_partitions_come_to_lie_in_their_order_by_one_call() {
    with_each(async |link, config, _| {
        let node = node(&link, &config, 1, 1);
        let bucket = node.keys().bucket_of("room");
        let mut names = (0..).map(|number: u32| format!("other{number}"));
        let other = names.find(|name| node.keys().bucket_of(name) == bucket).unwrap();
        let fleeting = Publish { keep: Keep::default(), ..publish("room", "f") };
        let batch = [
            (at(2, 1), publish("room", "1")),
            (at(3, 1), publish(&other, "1")),
            (at(2, 2), fleeting),
            (at(2, 4), publish("room", "2")),
            (at(3, 1), publish(&other, "once more")),
            (at(3, 2), publish(&other, "2")),
        ];
        let (came, _) = moved_up(&node, bucket, &batch).await;
        let published = |offset| (Outcome::Published, offset);
        let expected = [published(1), published(1), published(0), published(2), (Outcome::Moved, 0), published(2)];
        assert_eq!(outcomes(&came), expected);
        for channel in ["room", &other] {
            assert_eq!(bodies(&node, channel).await, [(1, "1".into()), (2, "2".into())]);
        }
        let (again, told) = moved_up(&node, bucket, &batch).await;
        assert_eq!(outcomes(&again), [1, 1, 0, 2, 1, 2].map(|offset| (Outcome::Moved, offset)));
        assert!(told.is_empty() && again[3] == Came { receipt: again[3].receipt, ..came[3] });
        assert_eq!(again[3].receipt.created, came[3].receipt.created);
        let mut positions = node.moved(bucket, TOPIC).await.unwrap().1;
        positions.sort();
        assert_eq!(positions, [at(2, 4), at(3, 2)]);
    });
}

#[test]
fn a_repetition_of_a_call_is_answered_as_before_with_what_nodes_are_to_be_told() {
    with_each(async |link, config, _| {
        let listening = Listening::start(&config, 7).await;
        listening.join("room").await;
        let bucket = listening.node.keys().bucket_of("room");
        let batch = [(at(0, 1), publish("room", "x"))];
        let first = moved_up(&node(&link, &config, 1, 1), bucket, &batch).await;
        // The same incarnation with the same number, as after an answer that was lost.
        assert_eq!(moved_up(&node(&link, &config, 1, 1), bucket, &batch).await, first);
        assert_eq!(first.1.len(), 1);
        let next = moved_up(&node(&link, &config, 2, 2), bucket, &batch).await;
        assert_eq!((outcomes(&next.0), next.1.len()), (vec![(Outcome::Moved, 1)], 0));
    });
}

/// What nodes of revision 14 and before are answered of records of this batch, behind where the bucket stands: of each what became of
/// it, its creation, its offset, and which nodes are to be told; then how many of these there are.
async fn moved_as_before(
    node: &Functions,
    bucket: u16,
    generation: Generation,
    number: u64,
    batch: &[(Moved, Vec<u8>, &str)],
) -> (Vec<(u8, u64, u64, Vec<u8>)>, u8) {
    let six = |number: u64| number.to_be_bytes()[2..].to_vec();
    let header = [&[9][..], &six(9), &six(number), &six(0), &generation.0, b"anotherg", &[3, 0]].concat();
    let head = node.keys().head(bucket);
    let mut command = redis::cmd("FCALL");
    command.arg("ringpost_1_move_up").arg(2).arg(head).arg(format!("{head}:-")).arg(header);
    command.arg([&generation.0[..], TOPIC.as_bytes()].concat());
    for (from, options, body) in batch {
        command.arg([from.partition.to_be_bytes().to_vec(), six(from.offset)].concat()).arg(options).arg(*body);
    }
    let redis::Value::BulkString(answer) = node.link().call(&command).await.unwrap() else { panic!("it is a text") };
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let (mut at, mut came) = (28, Vec::new());
    for _ in batch {
        let record = &answer[at..];
        assert_eq!(record[1..9], generation.0);
        let heard = usize::from(record[27]);
        came.push((record[0], number(&record[9..15]), number(&record[15..21]), record[28..28 + heard].to_vec()));
        at += 28 + heard;
    }
    assert_eq!(answer.len(), at + 1 + 7 * usize::from(answer[at]));
    (came, answer[at])
}

/// Options as nodes of revision 14 and before write them.
fn options(size: u32, key: &str, version: u32) -> Vec<u8> {
    let window: u32 = if key.is_empty() { 0 } else { 60_000 };
    let numbers =
        [size.to_be_bytes().to_vec(), vec![0, 0, 0, 1, 0, 0], vec![0, 0, 0, 1, 0, 0], window.to_be_bytes().to_vec()];
    let texts = [&[4], &b"room"[..], &[key.len() as u8], key.as_bytes()].concat();
    [numbers.concat(), vec![0; 4], version.to_be_bytes().to_vec(), texts].concat()
}

#[test]
fn nodes_of_the_versions_before_move_by_their_own_function() {
    with_each(async |link, config, server| {
        let (listening, node) = (Listening::start(&config, 7).await, node(&link, &config, 1, 1));
        listening.join("room").await;
        let bucket = node.keys().bucket_of("room");
        let generation = generation(&node, bucket).await;
        let (plain, told) = (options(10, "", 0), options(0, "", 0));
        let batch = [(at(0, 1), plain.clone(), "1"), (at(0, 2), told.clone(), "t"), (at(3, 1), plain.clone(), "2")];
        let first = moved_as_before(&node, bucket, generation, 1, &batch).await;
        let created = first.0[0].1;
        let (listens, nobody) = (vec![7], Vec::new());
        let published = |offset| (0, if offset == 0 { 0 } else { created }, offset, listens.clone());
        assert!(created > 0);
        assert_eq!(first, (vec![published(1), published(0), published(2)], 1));
        assert_eq!(moved_as_before(&node, bucket, generation, 1, &batch).await, first, "a repetition of the call");
        // A node of now has moved nothing of it again.
        let again: Vec<_> = [1, 2].map(|offset| (at(0, offset), publish("room", "x"))).into();
        assert_eq!(outcomes(&moved_up(&node, bucket, &again).await.0), [(Outcome::Moved, 1), (Outcome::Moved, 0)]);
        let keyed = [at(0, 2), at(0, 3), at(0, 4)].map(|from| (from, options(10, "key", 0), "k"));
        let versioned = [at(0, 5), at(0, 6)].map(|from| (from, options(10, "", 7), "v"));
        let others = moved_as_before(&node, bucket, generation, 2, &[&keyed[..], &versioned].concat()).await;
        let repeated = (1, created, 3, nobody.clone());
        let passed = (2, created, 4, nobody.clone());
        assert_eq!(others, (vec![(4, 0, 0, nobody.clone()), published(3), repeated, published(4), passed], 1));
        let list = format!("{}:h:room", node.keys().head(bucket));
        server.cli(&["DEL", &list]);
        server.cli(&["SET", &list, "foreign"]);
        let foreign = [(at(0, 7), plain, "x"), (at(0, 8), told, "t")];
        let refused = (5, 0, 2, nobody);
        let came = moved_as_before(&node, bucket, generation, 3, &foreign).await;
        assert_eq!(came, (vec![refused.clone(), published(0)], 1));
        let came = moved_as_before(&node, bucket, generation, 4, &foreign[..1]).await;
        assert_eq!(came, (vec![refused], 0), "whoever moves it again is told why it was not");
    });
}

#[test]
fn nothing_is_moved_into_another_generation_and_a_new_one_knows_of_nothing_that_was_moved() {
    let mut server = Server::start(Kind::Redis, &[]);
    let config = config(&[server.address()]);
    crate::runtime().block_on(async {
        let link = linked(&config).await;
        let ann = node(&link, &config, 1, 1);
        let bucket = ann.keys().bucket_of("room");
        // Keys outlive a loss, and keep nothing out of what comes after it.
        let keys = [1, 2, 3].map(|offset| format!("key {offset}"));
        let keyed = |offset: u64| Some((keys[offset as usize - 1].as_str(), 60_000));
        let batch = |offset| [(at(0, offset), Publish { key: keyed(offset), ..publish("room", "x") })];
        let stranger = ann.move_up(bucket, TOPIC, Generation::default(), &batch(1)).await;
        assert_eq!(stranger, Ok(MovedUp::Another), "not even the first");
        let before = generation(&ann, bucket).await;
        moved_up(&ann, bucket, &batch(1)).await;
        server.cli(&["SAVE"]);
        moved_up(&ann, bucket, &batch(2)).await;
        server.kill();
        server.restart();
        // Record 3 was on its way: record 2, which was lost, has to come before it.
        assert_eq!(ann.move_up(bucket, TOPIC, before, &batch(3)).await, Ok(MovedUp::Another));
        let (after, positions) = ann.moved(bucket, TOPIC).await.unwrap();
        assert!(after != before && positions.is_empty(), "{positions:?}");
        assert_eq!(bodies(&ann, "room").await, []);
        let again = moved_up(&ann, bucket, &[batch(1), batch(2), batch(3)].concat()).await;
        assert_eq!(outcomes(&again.0), [1, 2, 3].map(|offset| (Outcome::Published, offset)));
    });
}

#[test]
fn what_was_moved_of_one_topic_says_nothing_of_another() {
    with_each(async |link, config, _| {
        let node = node(&link, &config, 1, 1);
        let bucket = node.keys().bucket_of("room");
        moved_up(&node, bucket, &[(at(0, 9), publish("room", "x"))]).await;
        let (generation, positions) = node.moved(bucket, "other").await.unwrap();
        assert_eq!(positions, []);
        let other = node.move_up(bucket, "other", generation, &[(at(0, 1), publish("room", "y"))]).await.unwrap();
        assert!(matches!(other, MovedUp::Done { came, .. } if outcomes(&came) == [(Outcome::Published, 2)]));
        assert_eq!(node.moved(bucket, "other").await.unwrap().1, [at(0, 1)]);
        assert_eq!(node.moved(bucket, TOPIC).await.unwrap().1, []);
    });
}

/// A node that listens to a room by Kafka too, whose messages this test brings, and one that moves.
async fn two_nodes(server: &Server) -> (Listening, mpsc::Sender<Relayed>, Functions, u16) {
    let config = config(&[server.address()]);
    let (kafka, by_kafka) = mpsc::channel(100);
    kafka.send(Relayed::Begins).await.unwrap();
    let listening = Listening::start_by(&config, 1, Some(by_kafka)).await;
    listening.join("room").await;
    let other = node(&linked(&config).await, &config, 2, 2);
    let bucket = other.keys().bucket_of("room");
    (listening, kafka, other, bucket)
}

/// Moves a record into the room. What its one listener is to be told.
async fn say(node: &Functions, bucket: u16, offset: u64) -> Bytes {
    let (_, told) = moved_up(node, bucket, &[(at(0, offset), publish("room", &offset.to_string()))]).await;
    let [Told { slot: 1, message }] = &told[..] else { panic!("{told:?}") };
    message.clone()
}

async fn hears(listening: &mut Listening, offset: u64) {
    match listening.next().await {
        Event::Said(_, _, item) => assert_eq!((item.offset, &item.body[..]), (offset, offset.to_string().as_bytes())),
        other => panic!("{offset}: {other:?}"),
    }
}

#[test]
fn who_listens_is_told_by_kafka_alone_and_a_loss_there_is_told_as_a_hole() {
    let server = Server::start(Kind::Redis, &[]);
    crate::runtime().block_on(async {
        let (mut listening, kafka, other, bucket) = two_nodes(&server).await;
        let mut messages = Vec::new();
        for offset in 1..=5 {
            messages.push(Relayed::Said(bucket, say(&other, bucket, offset).await));
        }
        let silence = timeout(Duration::from_millis(300), listening.next()).await;
        assert!(silence.is_err(), "Redis says nothing: {silence:?}");
        // One is lost, and one comes late.
        for index in [0, 3, 1, 4] {
            kafka.send(messages[index].clone()).await.unwrap();
            hears(&mut listening, index as u64 + 1).await;
        }
        let since = Instant::now();
        assert_eq!(listening.next().await, Event::HoleByKafka(bucket));
        assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
        // The last one is lost.
        let lost = say(&other, bucket, 6).await;
        assert_eq!(listening.next().await, Event::HoleByKafka(bucket));
        kafka.send(Relayed::Said(bucket, lost)).await.unwrap();
        hears(&mut listening, 6).await;
        let next = say(&other, bucket, 7).await;
        kafka.send(Relayed::Said(bucket, next)).await.unwrap();
        hears(&mut listening, 7).await;
        // Both ways are counted apart: what Redis says has no hole for what Kafka said.
        one(&other, publish("room", "8")).await.unwrap();
        hears(&mut listening, 8).await;
        let calm = timeout(Duration::from_secs(8), listening.next()).await;
        assert!(calm.is_err(), "{calm:?}");
    });
}

#[test]
fn who_begins_to_read_later_than_to_listen_is_told_of_a_hole_and_an_old_generations_messages_come_to_nothing() {
    let server = Server::start(Kind::Redis, &[]);
    crate::runtime().block_on(async {
        let (mut listening, kafka, other, bucket) = two_nodes(&server).await;
        let first = say(&other, bucket, 1).await;
        // The partition was moved to another broker, say: what was written meanwhile is not read.
        kafka.send(Relayed::Begins).await.unwrap();
        loop {
            match listening.next().await {
                Event::HoleByKafka(of) if of == bucket => break,
                Event::HoleByKafka(_) => {}
                other => panic!("{other:?}"),
            }
        }
        let second = say(&other, bucket, 2).await;
        kafka.send(Relayed::Said(bucket, second)).await.unwrap();
        while let Event::HoleByKafka(of) = listening.events.recv().await.unwrap() {
            assert_ne!(of, bucket);
        }
        // Redis has lost all.
        let before = generation(&other, bucket).await;
        other.compare(bucket, Some(before)).await.unwrap();
        let third = say(&other, bucket, 3).await;
        kafka.send(Relayed::Said(bucket, third)).await.unwrap();
        let lost = listening.next().await;
        assert!(matches!(lost, Event::Lost(of, now) if of == bucket && now != before), "{lost:?}");
        assert_eq!(listening.next().await, Event::HoleByKafka(bucket), "what came before it was known is missing");
        kafka.send(Relayed::Said(bucket, first)).await.unwrap();
        let silence = timeout(Duration::from_millis(300), listening.next()).await;
        assert!(silence.is_err(), "{silence:?}");
    });
}
