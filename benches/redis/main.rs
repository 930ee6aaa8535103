//! What a publication costs Redis: `cargo bench --profile ci --bench redis`.
//!
//! A server on core 0; on core 1 a node that publishes 96 bytes, and three that listen. The figure is the processor time of the
//! server's main thread for each publication, as it tells it itself (`INFO cpu`). Beside what Functions do stands the least that
//! could be done: PUBLISH of the same bytes to the same three. All three nodes listen, or three of six are said to. Rows in turn, the
//! median of the rounds.

#[path = "../../tests/redis/server.rs"]
#[expect(dead_code, reason = "tests do more to servers")]
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use redis::Value;
use ringpost::cluster::redis::functions::{Functions, Incarnation};
use ringpost::cluster::redis::keys::Keys;
use ringpost::cluster::redis::library;
use ringpost::cluster::redis::link::Link;
use ringpost::cluster::redis::moves::{Moved, MovedUp};
use ringpost::cluster::redis::streams::{Join, Publish};
use ringpost::config::RedisConfig;
use ringpost::model::Keep;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::server::{Kind, Place, Server};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);
/// Slots of the nodes that listen; two of them publish.
const SLOTS: [u8; 3] = [1, 2, 3];
/// Each has a call on its way.
const BUCKETS: u16 = 8;
/// Publications of a call, where there are several.
const MANY: usize = 16;
const BODY: [u8; 96] = [b'x'; 96];
const KEEP: Keep = Keep { size: 100, ttl_ms: 300_000, meta_ttl_ms: 2_592_000_000 };
/// How long a key is remembered, milliseconds.
const KEY_MS: u32 = 300_000;

/// What is done for each publication.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    /// PUBLISH of a command each.
    Publish,
    /// PUBLISH of all of a call as one message.
    PublishTogether,
    /// Tell who listens, keep nothing.
    Fleeting,
    /// Give an offset, keep, remember the key, tell who listens.
    Kept,
    /// Give an offset, keep, and say who is to be told: what is moved from Kafka.
    Moved,
}

/// What is measured.
struct Row {
    name: &'static str,
    work: Work,
    /// Publications of a call.
    each: usize,
    /// Which of the nodes publishes.
    by: usize,
    /// Microseconds for a publication.
    goal: Option<f64>,
}

/// One that takes all nodes for listening: they are told by one message.
const TO_ALL: usize = 0;
/// One that takes half of the nodes for listening: each of them is told by a message of its own.
const TO_HALF: usize = 1;

const fn row(name: &'static str, work: Work, each: usize, by: usize, goal: Option<f64>) -> Row {
    Row { name, work, each, by, goal }
}

const ROWS: [Row; 12] = [
    row("PUBLISH, one a command", Work::Publish, 1, TO_ALL, None),
    row("PUBLISH, 16 in flight", Work::Publish, MANY, TO_ALL, None),
    row("PUBLISH of 16 as one message", Work::PublishTogether, MANY, TO_ALL, None),
    row("fleeting, 1 a call", Work::Fleeting, 1, TO_ALL, None),
    row("fleeting, 16 a call", Work::Fleeting, MANY, TO_ALL, Some(0.5)),
    row("fleeting, 16 a call, 3 of 6", Work::Fleeting, MANY, TO_HALF, None),
    row("kept, with key, 1 a call", Work::Kept, 1, TO_ALL, None),
    row("kept, with key, 16 a call", Work::Kept, MANY, TO_ALL, Some(4.0)),
    row("kept, 16 a call, 3 of 6", Work::Kept, MANY, TO_HALF, None),
    row("moved from Kafka, 1 a call", Work::Moved, 1, TO_ALL, None),
    row("moved from Kafka, 16 a call", Work::Moved, MANY, TO_ALL, None),
    row("moved from Kafka, 64 a call", Work::Moved, 64, TO_ALL, None),
];

fn main() -> anyhow::Result<()> {
    let cores = core_affinity::get_core_ids().context("the cores cannot be told")?;
    ensure!(cores.len() > 1, "a core for the server, and one for the nodes are needed");
    core_affinity::set_for_current(cores[1]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("processor time of the server's main thread for a publication of 96 bytes, three nodes listen, µs:");
    let core = ["taskset", "--cpu-list", &cores[0].id.to_string()].map(str::to_owned);
    let place = Place { through: core.into(), ..Place::here() };
    for (name, kind) in [("Redis", Kind::Redis), ("Valkey", Kind::Valkey)] {
        match kind.program(&Place::here()).arg("--version").output() {
            Ok(_) => runtime.block_on(measure(name, &Server::start_at(kind, &place, &["--appendonly", "no"])))?,
            Err(error) => println!("{name} is left out: {error}"),
        }
    }
    Ok(())
}

/// All rows in turn, as often as there are rounds.
async fn measure(name: &str, server: &Server) -> anyhow::Result<()> {
    let address = server.address();
    let config = RedisConfig { addresses: vec![address.clone()], buckets: BUCKETS, ..RedisConfig::default() };
    let link = Arc::new(Link::new(&config, None)?);
    library::load(&link).await?;
    let node = |slot| {
        let node = Functions::new(Arc::clone(&link), Keys::new(&config), Incarnation { slot, number: slot.into() });
        node.set_nodes(SLOTS.len() as u8);
        node
    };
    let nodes = SLOTS.map(node);
    let channels = (0..BUCKETS).map(|bucket| channel_of(nodes[0].keys(), bucket)).collect::<Vec<_>>();
    for node in &nodes {
        for channel in &channels {
            let join = Join { channel, meta_ttl_ms: Some(KEEP.meta_ttl_ms), is_read: false, after: None };
            node.join(node.keys().bucket_of(channel), &[join]).await?;
        }
        tokio::spawn(listen(address.clone(), node.incarnation().slot, node.keys().clone()));
    }
    nodes[TO_HALF].set_nodes(2 * SLOTS.len() as u8);
    let mut figures = ROWS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (row, figures) in ROWS.iter().zip(&mut figures) {
            figures.push(cost_us(&nodes[row.by], &channels, row.work, row.each).await?);
        }
    }
    for (row, mut figures) in ROWS.iter().zip(figures) {
        figures.sort_by(f64::total_cmp);
        let goal = row.goal.map(|goal| format!(" (goal {goal})")).unwrap_or_default();
        let (low, high) = (figures[0], figures[ROUNDS - 1]);
        println!("  {name:6} {:29} {:6.2} ({low:.2} to {high:.2}){goal}", row.name, figures[ROUNDS / 2]);
    }
    Ok(())
}

/// A channel that is in a bucket.
fn channel_of(keys: &Keys, bucket: u16) -> String {
    let mut names = (0..).map(|number: u32| format!("room{number}"));
    names.find(|name| keys.bucket_of(name) == bucket).expect("names go on for ever")
}

/// Hears all that is told to a node, and forgets it; of the plain PUBLISH as well.
async fn listen(address: String, slot: u8, keys: Keys) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    for bucket in 0..BUCKETS {
        let (own, all, plain) = (keys.head(bucket), keys.to_all(bucket), plain(bucket));
        let commands = format!("SSUBSCRIBE {own}:{slot}\r\nSSUBSCRIBE {all}\r\nSUBSCRIBE {plain}\r\n");
        stream.write_all(commands.as_bytes()).await?;
    }
    let mut heard = vec![0; 1 << 16];
    while stream.read(&mut heard).await? > 0 {}
    Ok(())
}

fn plain(bucket: u16) -> String {
    format!("plain{bucket}")
}

/// The next record's offset in its partition.
static OFFSET: AtomicU64 = AtomicU64::new(1);

/// What one publication costs, microseconds.
async fn cost_us(node: &Functions, channels: &[String], work: Work, each: usize) -> anyhow::Result<f64> {
    let (before, began) = (used_us(node.link()).await?, Instant::now());
    let publishers = channels.iter().map(async |channel| {
        let mut published = 0_u64;
        while began.elapsed() < ROUND {
            call(node, channel, work, each, published).await?;
            published += each as u64;
        }
        anyhow::Ok(published)
    });
    let published: u64 = try_join_all(publishers).await?.into_iter().sum();
    Ok((used_us(node.link()).await? - before) / published as f64)
}

/// One call, with so many publications.
async fn call(node: &Functions, channel: &str, work: Work, each: usize, published: u64) -> anyhow::Result<()> {
    let bucket = node.keys().bucket_of(channel);
    let publish =
        |body: Vec<u8>| async move { node.link().call(redis::cmd("PUBLISH").arg(plain(bucket)).arg(body)).await };
    match work {
        Work::Publish => drop(try_join_all((0..each).map(|_| publish(BODY.to_vec()))).await?),
        Work::PublishTogether => drop(publish(BODY.repeat(each)).await?),
        Work::Fleeting => node.fleeting(bucket, &vec![(channel, &BODY[..]); each]).await?,
        Work::Kept => {
            let keys: Vec<_> = (0..each as u64).map(|at| format!("key-{}", published + at)).collect();
            let batch: Vec<_> = keys
                .iter()
                .map(|key| {
                    let key = Some((&**key, KEY_MS));
                    Publish { channel, body: &BODY, keep: KEEP, key, sender: None, version: None }
                })
                .collect();
            node.append(bucket, &batch).await?;
        }
        Work::Moved => {
            let publish = Publish { channel, body: &BODY, keep: KEEP, key: None, sender: None, version: None };
            // Offsets of a partition grow from row to row and from round to round.
            let offset = OFFSET.fetch_add(each as u64, Ordering::Relaxed);
            let from = |at| Moved { partition: 0, offset: offset + at };
            let batch: Vec<_> = (0..each as u64).map(|at| (from(at), publish)).collect();
            let generation = node.known(bucket).generation;
            let moved = node.move_up(bucket, "publish", generation, &batch).await?;
            ensure!(matches!(moved, MovedUp::Done { .. }), "the bucket has begun another generation");
        }
    }
    Ok(())
}

/// Processor time that the server's main thread has used, microseconds.
async fn used_us(link: &Link) -> anyhow::Result<f64> {
    let told = match link.call(redis::cmd("INFO").arg("cpu")).await? {
        Value::BulkString(told) => String::from_utf8(told)?,
        Value::VerbatimString { text, .. } => text,
        other => anyhow::bail!("INFO answers {other:?}"),
    };
    let seconds =
        told.lines().filter_map(|line| line.split_once(':')).filter(|(name, _)| name.ends_with("_main_thread"));
    let seconds: Vec<f64> = seconds.map(|(_, value)| value.trim().parse()).collect::<Result<_, _>>()?;
    ensure!(seconds.len() == 2, "the server does not tell what its main thread used");
    Ok(seconds.iter().sum::<f64>() * 1e6)
}
