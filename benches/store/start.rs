//! A start: what lies in a store's segments is read, and becomes channels with their histories.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use ringpost::auth::Verifier;
use ringpost::broker::{Broker, BrokerSetup};
use ringpost::config::{ChannelOptions, Config, Duration, Log};
use ringpost::hub::Placement;
use ringpost::model::{Payload, Publication};
use ringpost::store::files::{Files, Layout, Open};
use ringpost::store::record::PublicationRecord;
use ringpost::store::segment::ShardOf;
use ringpost::store::{Directory, Journal, JournalSetup, Record, Request};
use ringpost::time::Now;
use ringpost_loadgen::results::{Bound, Part, Reading};

/// Megabytes a second: the design's goal.
const GOAL: f64 = 500.0;

const CHANNELS: usize = 1000;

/// Publications that a channel keeps: all that there are, or about one in forty.
const HISTORIES: [u32; 2] = [1_000_000, 100];

const ONLY: ShardOf = ShardOf { shard: 0, shards: 1 };

/// Writes so many megabytes of publications of 200 bytes, and has them read from the page cache, as after a crash of the process:
/// by shards, which make channels of them, and by a reader that makes nothing.
pub(super) fn parts(path: &Path, megabytes: u64, rounds: u64) -> anyhow::Result<Vec<Part>> {
    fill(path, megabytes as usize * 1_000_000)?;
    let part = |work: String, goal| Part { work, unit: "MB a second".into(), goal, readings: Vec::new() };
    let mut parts = vec![part(format!("{megabytes} MB read, and nothing made of it"), None)];
    parts.extend(HISTORIES.map(|history_size| {
        let kept = if history_size == HISTORIES[0] { "all".to_owned() } else { history_size.to_string() };
        part(format!("a start over {megabytes} MB, {CHANNELS} channels that keep {kept}"), Some(Bound::AtLeast(GOAL)))
    }));
    for _ in 0..rounds {
        let mut bytes = 0;
        parts[0].readings.push(read(path, |record| bytes += record.channel().map_or(0, str::len))?);
        anyhow::ensure!(bytes > 0, "records have channels");
        for (part, history_size) in parts[1..].iter_mut().zip(HISTORIES) {
            let mut broker = broker(history_size);
            let now = Now { mono_ms: 1000, unix_ms: 1_700_000_000_000 };
            part.readings.push(read(path, |record| broker.recover(record, now))?);
        }
    }
    Ok(parts)
}

fn read(path: &Path, take: impl FnMut(&Record<'_>)) -> anyhow::Result<Reading> {
    let directory = Directory::open(path, "bench")?;
    let began = Instant::now();
    let found = directory.recover(ONLY, |_| true, take)?;
    let (seconds, megabytes) = (began.elapsed().as_secs_f64(), found.bytes as f64 / 1e6);
    let facts = [
        ("ms for a gigabyte".to_owned(), seconds * 1e6 / megabytes),
        ("records a second".to_owned(), found.records as f64 / seconds),
    ];
    Ok(Reading { value: megabytes / seconds, beside: None, facts: facts.into() })
}

/// Nothing is synced: only what is read is measured.
fn fill(path: &Path, bytes: usize) -> anyhow::Result<()> {
    let directory = Arc::new(Directory::open(path, "bench")?);
    let mut files = Files::new(directory.clone(), Layout { shards: 1, segment_size: 64 << 20, max_size: 64 << 30 });
    let mut open: Vec<Open> = vec![files.prepare(0)?];
    let mut journal = Journal::new(JournalSetup {
        start: directory.identity().starts,
        writer: ONLY,
        first: open[0].prepared,
        ends: Vec::new(),
        found: Vec::new(),
        sync_interval_ns: 0,
    });
    let names: Vec<String> = (0..CHANNELS).map(|number| format!("room{number}")).collect();
    let data = Payload::binary(vec![7; 200]);
    let (mut written, mut number) = (0, 0);
    while written < bytes {
        while journal.has_room() {
            let offset = (number / CHANNELS) as u64 + 1;
            let publication = Publication { offset, data: data.clone(), info: None, tags: None, time_unix_ms: 0 };
            let record = PublicationRecord::of(&names[number % CHANNELS], "epoch", &publication, 1_700_000_000_000);
            journal.append(&Record::Publication(record)).expect("no write has failed");
            number += 1;
        }
        while let Some(request) = journal.next_request(0) {
            match request {
                Request::Prepare { .. } => {
                    open.push(files.prepare(0)?);
                    journal.prepared(open.last().map(|open| open.prepared));
                }
                Request::Hurry => {}
                Request::Write { segment, at, bytes } => {
                    open.retain(|open| open.prepared.segment >= segment);
                    open[0].file.write_all_at(&bytes, at)?;
                    written += bytes.len();
                    journal.written(true, bytes);
                }
                // All is to be read.
                Request::Discard { .. } => {}
            }
        }
    }
    Ok(())
}

fn broker(history_size: u32) -> Broker {
    let mut config = Config::default();
    config.channel.history_memory = 8 << 30;
    config.channel.without_namespace = ChannelOptions {
        log: Log::Disk,
        history_size,
        history_ttl: Duration::from_secs(24 * 3600),
        ..ChannelOptions::default()
    };
    let verifier = Verifier::new(&config.client.tokens(), None).expect("there is no key");
    let setup = BrokerSetup {
        me: 0,
        placement: Placement::new(1, 1),
        config: Arc::new(config),
        verifier: Arc::new(verifier),
        metrics: Arc::default(),
        secret: 1,
        random: StdRng::seed_from_u64(1),
    };
    Broker::new(setup).expect("the configuration has no expressions")
}
