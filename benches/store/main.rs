//! The store alone: `cargo bench --bench store -- [DIRECTORY]`, on the disk that DIRECTORY lies on.
//!
//! Records of 200 bytes go through a journal and a ring as in a shard, then the very same batches are written and synced
//! without either; last, all is recovered. Nothing else runs on the thread, so that what is told is what the store adds to the
//! disk. The disk's own figures vary from run to run: compare within one.

mod bare;
mod load;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringpost::store::Directory;
use ringpost::store::segment::ShardOf;

use self::load::{Load, Times};

/// How long each load runs.
const RUN: Duration = Duration::from_secs(5);

/// Records a second, in open loop; nothing for as many as there is room for.
const RATES: [Option<u64>; 3] = [Some(50_000), Some(200_000), None];

fn main() -> anyhow::Result<()> {
    // `cargo bench` adds `--bench`.
    let directory = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).map(PathBuf::from);
    let folder = match directory {
        Some(directory) => tempfile::tempdir_in(directory)?,
        None => tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?,
    };
    for (number, rate) in RATES.into_iter().enumerate() {
        let path = folder.path().join(number.to_string());
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
        tell("the same batches, bare", &bare::write(&folder.path().join("bare"), &run.batches)?);
        recover(&path)?;
    }
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
