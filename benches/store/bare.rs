//! What the disk takes by itself: the same batches, written with RWF_DSYNC into a file that was prepared as a segment is.

use std::fs::{self, File};
use std::io::IoSlice;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Instant;

use rustix::fs::OFlags;
use rustix::io::{ReadWriteFlags, pwritev2};

use crate::times::Times;

/// As long as a segment.
const FILE_BYTES: usize = 64 << 20;

/// What a disk and memory exchange at once, bytes.
const PAGE: usize = 4096;

/// Whether what is written lies in the kernel's page cache, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cache {
    Kernel,
    /// `O_DIRECT`: whole pages, from memory that begins with one.
    None,
}

/// Writes batches of these lengths, one after the other.
pub(super) fn write(path: &Path, batches: &[usize], cache: Cache) -> anyhow::Result<Times> {
    let length_of = |batch: usize| if cache == Cache::None { batch.next_multiple_of(PAGE) } else { batch };
    let longest = batches.iter().copied().max().unwrap_or(0);
    let memory = vec![0x5a; longest + 2 * PAGE];
    let bytes = &memory[memory.as_ptr().align_offset(PAGE)..];
    let mut times = Times::default();
    let mut file = prepare(path, cache)?;
    let mut at = 0;
    for length in batches.iter().map(|batch| length_of(*batch)) {
        if at + length > FILE_BYTES {
            (file, at) = (prepare(path, cache)?, 0);
        }
        let began = Instant::now();
        let written = pwritev2(&file, &[IoSlice::new(&bytes[..length])], at as u64, ReadWriteFlags::DSYNC)?;
        times.add(began.elapsed());
        anyhow::ensure!(written == length, "the disk is full");
        at += length;
    }
    fs::remove_file(path)?;
    Ok(times)
}

fn prepare(path: &Path, cache: Cache) -> anyhow::Result<File> {
    let file = File::options().write(true).create(true).truncate(true).open(path)?;
    let zeros = vec![0; 1 << 20];
    for at in (0..FILE_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, at as u64)?;
    }
    file.sync_all()?;
    let flags = if cache == Cache::None { OFlags::DIRECT } else { OFlags::empty() };
    Ok(File::options().write(true).custom_flags(flags.bits() as i32).open(path)?)
}
