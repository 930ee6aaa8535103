//! The store alone: `cargo bench --bench store -- [DIRECTORY] [load|start]`, on the disk that DIRECTORY lies on.
//!
//! *load*: records of 200 bytes go through a journal and a ring as in a shard, then the very same batches are written and
//! synced without either; last, all is read. Nothing else runs on the thread, so that what is told is what the store adds to
//! the disk. The disk's own figures vary from run to run: compare within one. *start*: a shard recovers its channels.

mod bare;
mod hub;
mod load;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringpost::store::Directory;
use ringpost::store::segment::ShardOf;

use self::bare::Cache;
use self::load::{Load, Times};

/// How long each load runs, and how often.
const RUN: Duration = Duration::from_secs(5);
const ROUNDS: usize = 5;

/// Records a second, in open loop; nothing for as many as there is room for.
const RATES: [Option<u64>; 3] = [Some(50_000), Some(200_000), None];

fn main() -> anyhow::Result<()> {
    // `cargo bench` adds `--bench`.
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let part = words.pop_if(|word| ["load", "start"].contains(&word.as_str()));
    let folder = match words.pop() {
        Some(directory) => tempfile::tempdir_in(directory)?,
        None => tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?,
    };
    let wants = |name| part.as_deref().is_none_or(|part| part == name);
    if wants("load") {
        RATES.into_iter().try_for_each(|rate| rounds(folder.path(), rate))?;
    }
    if wants("start") {
        hub::recover(&folder.path().join("start"))?;
    }
    Ok(())
}

/// A load, several times, and what it is worth beside the bare disk in the middle of them.
fn rounds(folder: &Path, rate: Option<u64>) -> anyhow::Result<()> {
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let path = folder.join("load");
        let run = Load::new(&path, rate)?.run(RUN)?;
        let seconds = run.took.as_secs_f64();
        println!(
            "{}: {:.0} records/s, {} batches of {:.0} records",
            rate.map_or("as fast as it goes".into(), |rate| format!("{rate} records/s offered")),
            run.records as f64 / seconds,
            run.batches.len(),
            run.records as f64 / run.batches.len() as f64,
        );
        tell("from append to commit", &run.commits);
        tell("a write with its sync, in the store", &run.syncs);
        let bare = bare::write(&folder.join("bare"), &run.batches, Cache::Kernel)?;
        tell("the same batches, bare", &bare);
        tell("the same, bare, past the page cache", &bare::write(&folder.join("bare"), &run.batches, Cache::None)?);
        recover(&path)?;
        std::fs::remove_dir_all(&path)?;
        // What a file system does about files that are gone is not the next run's.
        rustix::fs::syncfs(std::fs::File::open(folder)?)?;
        ratios.push(run.commits.at(0.99).as_secs_f64() / bare.at(0.99).as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    println!("  p99 of append to commit, times p99 bare: {:.1}, median of {ROUNDS}", ratios[ROUNDS / 2]);
    Ok(())
}

fn tell(what: &str, times: &Times) {
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| times.at(share).as_micros());
    println!("  {what}: p50 {p50} us, p99 {p99} us, max {max} us");
}

/// Reads all that a load has left, from the page cache as after a crash of the process.
fn recover(path: &Path) -> anyhow::Result<()> {
    let directory = Arc::new(Directory::open(path, "bench")?);
    let began = Instant::now();
    let mut data = 0;
    let found = directory.recover(
        ShardOf { shard: 0, shards: 1 },
        |_| true,
        |record| {
            data += record.channel().map_or(0, str::len);
        },
    )?;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "  recovered {} records in {:.0} MB: {:.0} MB/s, {:.0} records/s",
        found.records,
        found.bytes as f64 / 1e6,
        found.bytes as f64 / 1e6 / seconds,
        found.records as f64 / seconds,
    );
    assert!(data > 0, "every record has a channel");
    Ok(())
}
