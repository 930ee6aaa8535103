//! What the disk takes by itself: the same batches, written with RWF_DSYNC into a file that was prepared as a segment is.

use std::fs::{self, File};
use std::io::IoSlice;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use rustix::io::{ReadWriteFlags, pwritev2};

use super::load::Times;

/// As long as a segment.
const FILE_BYTES: usize = 64 << 20;

/// Writes batches of these lengths, one after the other.
pub(super) fn write(path: &Path, batches: &[usize]) -> anyhow::Result<Times> {
    let longest = batches.iter().copied().max().unwrap_or(0);
    let bytes = vec![0x5a; longest];
    let mut times = Times::default();
    let mut file = prepare(path)?;
    let mut at = 0;
    for length in batches {
        if at + length > FILE_BYTES {
            (file, at) = (prepare(path)?, 0);
        }
        let began = Instant::now();
        let written = pwritev2(&file, &[IoSlice::new(&bytes[..*length])], at as u64, ReadWriteFlags::DSYNC)?;
        times.add(began.elapsed());
        anyhow::ensure!(written == *length, "the disk is full");
        at += length;
    }
    fs::remove_file(path)?;
    Ok(times)
}

fn prepare(path: &Path) -> anyhow::Result<File> {
    let file = File::options().write(true).create(true).truncate(true).open(path)?;
    let zeros = vec![0; 1 << 20];
    for at in (0..FILE_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, at as u64)?;
    }
    file.sync_all()?;
    Ok(file)
}
