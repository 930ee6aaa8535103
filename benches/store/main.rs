//! The store: `cargo bench -p ringpost-loadgen --bench store -- [PART…]`.
//!
//! *load*: records of 200 bytes go through a journal and a ring as in a shard, then the very same batches are written and synced
//! without either, and by fjall where that is installed. Nothing else runs on the thread, so that what is told is what the store
//! adds to the disk. The disk's own figures vary from run to run: compare within one. *start*: shards recover a gigabyte. *floors*: what members' floors take in
//! memory. *node*: a whole node with its log on disk beside the same with its log in memory, as much as goes.

mod bare;
#[path = "../node/binary.rs"]
mod binary;
mod fjall;
mod floors;
mod load;
mod node;
#[path = "../node/load.rs"]
mod run;
#[path = "../node/server.rs"]
mod server;
mod start;
mod times;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use ringpost_loadgen::results::{Bench, Bound, Part, Raw, Reading, ResultOptions};

use self::bare::Cache;
use self::load::Load;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Records a second, in open loop; nothing for as many as there is room for.
const RATES: [Option<u64>; 3] = [Some(50_000), Some(200_000), None];

/// Records a second that a shard's store should take: the design's goal.
const RECORDS_GOAL: f64 = 200_000.0;

/// How many times longer than bare writes and syncs of the same batches.
const WAIT_GOAL: f64 = 3.0;

const ABOUT: &str = "A shard's store by itself, with records of 200 bytes: how many it keeps, how long each waits beside bare writes \
                     of the same batches in the same run, how fast shards recover a gigabyte, what floors of members take in \
                     memory. Then a whole node with its log on disk beside one with its log in memory, on one core. A process \
                     that is killed is not what is measured here, nor what a disk with a lying cache does. Medians.";

/// A part of what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// A journal, its ring and its segments under load.
    Load,
    /// Shards that recover what lies there.
    Start,
    /// The memory of floors.
    Floors,
    /// A whole node.
    Node,
}

/// Measures the store.
#[derive(Debug, Parser)]
struct Options {
    /// Only these.
    what: Vec<What>,
    /// Seconds of each load.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    secs: u64,
    /// Measurements of each; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Megabytes of records that shards recover.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    megabytes: u64,
    /// Floors that are made.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..))]
    floors: u64,
    /// Where files lie; it must be a disk.
    #[arg(long, value_name = "FOLDER", default_value = env!("CARGO_TARGET_TMPDIR"))]
    folder: PathBuf,
    #[command(flatten)]
    result: ResultOptions,
    /// Make floors of the shape of this number, and tell what one takes (the bench starts itself so).
    #[arg(long, hide = true)]
    shape: Option<usize>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(number) = options.shape {
        return floors::fill(number, options.floors as usize);
    }
    ringpost::doctor::raise_limits()?;
    let wants = |what| options.what.is_empty() || options.what.contains(&what);
    let settings = [
        ("rounds", options.rounds.to_string()),
        ("seconds of a load", options.secs.to_string()),
        ("megabytes recovered", options.megabytes.to_string()),
        ("floors", options.floors.to_string()),
        ("node", node::settings()),
    ];
    let settings: BTreeMap<_, _> = settings.map(|(name, value)| (name.to_owned(), value)).into();
    let peer = fjall::program().filter(|_| wants(What::Load));
    let versions = peer.iter().map(|_| ("fjall".to_owned(), fjall::VERSION.to_owned())).collect();
    let bench = Bench { target: "store", about: ABOUT.into(), settings, versions };
    let command = bench.command();
    let taking = bench.begin(&options.result)?;
    let folder = tempfile::Builder::new().prefix("store-").tempdir_in(&options.folder)?;
    let (began, mut raw) = (Instant::now(), Raw::default());
    let tell = |what: &str| eprintln!("{what} ({} s)", began.elapsed().as_secs());
    if wants(What::Load) {
        for rate in RATES {
            tell(&work(rate));
            raw.parts.extend(loads(folder.path(), rate, peer.as_deref(), &options)?);
        }
    }
    if wants(What::Start) {
        tell("starts");
        raw.parts.extend(start::parts(&folder.path().join("start"), options.megabytes, options.rounds)?);
    }
    if wants(What::Floors) {
        tell("floors");
        raw.parts.extend(floors::parts(options.floors)?);
    }
    if wants(What::Node) {
        tell("a whole node");
        raw.rows.push(node::row(folder.path(), options.secs, options.rounds, &command)?);
    }
    print!("{}", taking.end(&raw)?);
    Ok(())
}

fn work(rate: Option<u64>) -> String {
    let offered = rate.map_or("as many as there is room for".into(), |rate| format!("{rate} a second"));
    format!("the store alone, records of 200 bytes, {offered}")
}

/// A load, several times: how many records were kept, and how long each waited beside the bare disk.
fn loads(folder: &Path, rate: Option<u64>, peer: Option<&Path>, options: &Options) -> anyhow::Result<Vec<Part>> {
    let kept = Part {
        work: work(rate),
        unit: "records kept a second".into(),
        goal: rate.is_none().then_some(Bound::AtLeast(RECORDS_GOAL)),
        readings: Vec::new(),
    };
    // Where a journal is always full, what waits is what it may hold.
    let goal = rate.is_some().then_some(Bound::Beside(WAIT_GOAL));
    let unit = "us from append to disk beside a bare write and sync, p99".into();
    let waits = Part { work: work(rate), unit, goal, readings: Vec::new() };
    let mut parts = [kept, waits];
    for _ in 0..options.rounds {
        let readings = load_once(folder, rate, peer, Duration::from_secs(options.secs))?;
        for (part, reading) in parts.iter_mut().zip(readings) {
            part.readings.push(reading);
        }
    }
    Ok(parts.into())
}

fn load_once(folder: &Path, rate: Option<u64>, peer: Option<&Path>, time: Duration) -> anyhow::Result<[Reading; 2]> {
    let path = folder.join("load");
    let run = Load::new(&path, rate)?.run(time)?;
    let bare = bare::write(&folder.join("bare"), &run.batches, Cache::Kernel)?;
    let direct = bare::write(&folder.join("bare"), &run.batches, Cache::None)?;
    std::fs::remove_dir_all(&path)?;
    // What a file system does about files that are gone is not the next run's.
    rustix::fs::syncfs(std::fs::File::open(folder)?)?;
    let batches = run.batches.len() as f64;
    let kept = [
        ("batches".to_owned(), batches),
        ("records a batch".to_owned(), run.records as f64 / batches),
        ("bytes written".to_owned(), run.batches.iter().sum::<usize>() as f64),
    ];
    let all = [
        ("from append to disk", &run.commits),
        ("a write with its sync, in the store", &run.syncs),
        ("a write with its sync, bare", &bare),
        ("the same, bare, past the page cache", &direct),
    ];
    let mut facts: BTreeMap<_, _> = all.into_iter().flat_map(|(what, times)| times.facts(what)).collect();
    // Without a rate there is more than a tree should have to sort here.
    if let Some(peer) = peer.filter(|_| rate.is_some()) {
        let (times, read) = fjall::write(peer, &folder.join("fjall"), &run.records_by_batch())?;
        facts.extend(times.facts("the same records a batch, fjall"));
        facts.insert("opened and read again, fjall, records a second".into(), run.records as f64 / read.as_secs_f64());
    }
    let [value, beside] = [&run.commits, &bare].map(|times| times.at(0.99).as_secs_f64() * 1e6);
    Ok([
        Reading { value: run.records as f64 / run.took.as_secs_f64(), beside: None, facts: kept.into() },
        Reading { value, beside: Some(beside), facts },
    ])
}
