//! The same batches of records in an embedded store: fjall, in a process of its own (`benches/peers/fjall`), where that is
//! installed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::times::Times;

/// Its version, as `benches/peers/fjall/Cargo.toml` has it.
pub(super) const VERSION: &str = "3.1.13";

/// Where `benches/peers/install-store` puts it.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers/bin/fjall-batches");

/// The program, if it is there.
pub(super) fn program() -> Option<PathBuf> {
    let program = PathBuf::from(PROGRAM);
    let is_there = program.is_file();
    if !is_there {
        eprintln!("fjall is left out: benches/peers/install-store installs it");
    }
    is_there.then_some(program)
}

/// Inserts and syncs batches of so many records, one after the other: how long each took, and how long it took to read all again.
pub(super) fn write(program: &Path, folder: &Path, batches: &[u64]) -> anyhow::Result<(Times, Duration)> {
    let mut child = Command::new(program).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let lines: Vec<_> = batches.iter().map(|records| format!("{records}\n")).collect();
    // It reads all of them before it writes.
    child.stdin.take().context("it has a standard input")?.write_all(lines.concat().as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "fjall: {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let mut took =
        text.lines().map(|line| Ok(Duration::from_nanos(line.parse()?))).collect::<anyhow::Result<Vec<_>>>()?;
    let read = took.pop().context("it says nothing")?;
    ensure!(took.len() == batches.len(), "fjall has written {} batches of {}", took.len(), batches.len());
    let mut times = Times::default();
    took.into_iter().for_each(|time| times.add(time));
    std::fs::remove_dir_all(folder)?;
    Ok((times, read))
}
