//! A start of a whole shard: what lies in a store's segments becomes channels with their histories.

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

/// Bytes of records that are read.
const BYTES: usize = 1 << 30;

const CHANNELS: usize = 1000;

/// Publications that a channel keeps: all that there are, or about one in forty.
const HISTORIES: [u32; 2] = [1_000_000, 100];

const ONLY: ShardOf = ShardOf { shard: 0, shards: 1 };

/// Writes a gigabyte of publications of 200 bytes, and has shards recover it.
pub(super) fn recover(path: &Path) -> anyhow::Result<()> {
    fill(path)?;
    for history_size in HISTORIES {
        let directory = Directory::open(path, "bench")?;
        let mut broker = broker(history_size);
        let now = Now { mono_ms: 1000, unix_ms: 1_700_000_000_000 };
        let began = Instant::now();
        let found = directory.recover(ONLY, |_| true, |record| broker.recover(record, now))?;
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "a start over {:.0} MB in {CHANNELS} channels that keep {history_size}: {:.0} MB/s, {:.0} records/s",
            found.bytes as f64 / 1e6,
            found.bytes as f64 / 1e6 / seconds,
            found.records as f64 / seconds,
        );
    }
    Ok(())
}

/// Nothing is synced: only what is read is measured.
fn fill(path: &Path) -> anyhow::Result<()> {
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
    while written < BYTES {
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
