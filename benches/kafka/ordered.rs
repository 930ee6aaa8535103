//! The order between the bare consumer and whoever hears: each record gets its place in a stream of Redis, which keeps the last ones
//! of its channel, and is told to a subscriber there. It is the least that a mover may do: plain commands, as many together as have
//! come. A record that is moved twice is there twice; nobody knows which of them who came late has missed.
//!
//! ```text
//! consumer ─records→ XADD, PUBLISH ─→ Redis ─→ subscriber (a thread)
//! ```

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::Message as _;
use redis::{Client, Connection, RedisResult};

/// Publications that a stream keeps: as many as the node's channels.
const HISTORY_SIZE: u32 = 300;

/// Records of one pipeline.
const BATCH_MAX: usize = 256;

/// How long to wait for a record before it is looked whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// Puts records in order until it is to end; `heard` gets what channels' subscribers are told, on a thread that ends with the process.
///
/// # Errors
/// There is no Redis.
pub(crate) fn between(
    redis: SocketAddr,
    channels: Vec<String>,
    heard: impl FnMut(&[u8]) + Send + 'static,
) -> anyhow::Result<impl FnOnce(&BaseConsumer, &AtomicBool) + Send + 'static> {
    let client = Client::open(format!("redis://{redis}"))?;
    let (mut writing, listening) = (client.get_connection()?, client.get_connection()?);
    let (told, subscribed) = sync_channel(1);
    thread::spawn(move || complain(listen(listening, &channels, || _ = told.send(()), heard)));
    subscribed.recv().context("nobody can subscribe")?;
    Ok(move |consumer: &BaseConsumer, is_to_end: &AtomicBool| complain(order(consumer, &mut writing, is_to_end)))
}

/// What goes wrong is seen by the verification as well: something is not heard.
fn complain(result: RedisResult<()>) {
    if let Err(error) = result {
        eprintln!("the Redis between: {error}");
    }
}

fn listen(
    mut redis: Connection,
    channels: &[String],
    subscribed: impl FnOnce(),
    mut heard: impl FnMut(&[u8]),
) -> RedisResult<()> {
    let mut listener = redis.as_pubsub();
    listener.subscribe(channels)?;
    subscribed();
    loop {
        heard(listener.get_message()?.get_payload_bytes());
    }
}

fn order(consumer: &BaseConsumer, redis: &mut Connection, is_to_end: &AtomicBool) -> RedisResult<()> {
    while !is_to_end.load(Ordering::Relaxed) {
        let (mut pipeline, mut patience) = (redis::pipe(), LOOK);
        // What comes between, such as a broker that is away for a moment, is no record.
        while pipeline.len() < 2 * BATCH_MAX
            && let Some(Ok(record)) = consumer.poll(patience)
        {
            patience = Duration::ZERO;
            let (channel, body) = (record.key().unwrap_or_default(), record.payload().unwrap_or_default());
            let kept = pipeline.cmd("XADD").arg(channel).arg("MAXLEN").arg("~").arg(HISTORY_SIZE);
            kept.arg("*").arg("").arg(body).ignore();
            pipeline.cmd("PUBLISH").arg(channel).arg(body).ignore();
        }
        if !pipeline.is_empty() {
            pipeline.exec(redis)?;
        }
    }
    Ok(())
}
