//! An operation's instructions, as callgrind counts them.
//!
//! Every operation has a process of its own, so that none meets what another has left in the allocator.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use super::operations::Run;

/// Runs that are not counted: tables and buffers grow to their size.
const RUNS_BEFORE: u32 = 100;

/// Runs that are counted; the mean is the figure.
const RUNS: u32 = 100;

/// The function whose instructions, with those of what it calls, callgrind collects.
const COLLECTED: &str = "instructions::callgrind::collected";

/// Runs an operation so that [`count`] finds it. Without valgrind around it this just takes a moment.
pub(crate) fn run(operation: &mut Run) {
    (0..RUNS_BEFORE).for_each(|_| operation());
    collected(operation);
}

/// Must stay a function, under this name.
#[inline(never)]
fn collected(operation: &mut Run) {
    (0..RUNS).for_each(|_| operation());
}

/// The instructions of one run of an operation.
///
/// # Errors
/// Valgrind is missing, or the operation fails under it.
pub(crate) fn count(operation: &str) -> anyhow::Result<f64> {
    let file = out_file(operation);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--toggle-collect={COLLECTED}")])
        .arg(with_path("--callgrind-out-file=", &file))
        .arg(std::env::current_exe().context("this program has no path")?)
        .args(["--run", operation])
        // Nothing of the environment, which lies on the stack, moves what comes after it, or sets the allocator.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("valgrind is missing: apt-get install valgrind"),
        output => output.context("valgrind cannot be started")?,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{operation} fails under valgrind:\n{said}");
    let text = fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let total = total(&text).with_context(|| format!("{} has no totals:\n{said}", file.display()))?;
    ensure!(total > 0, "callgrind has not met {COLLECTED}: is the binary stripped of its symbols?");
    Ok(total as f64 / f64::from(RUNS))
}

/// Where an operation's instructions are told function by function, for `callgrind_annotate`.
pub(crate) fn out_file(operation: &str) -> PathBuf {
    let word = |char: char| if char.is_ascii_alphanumeric() { char } else { '-' };
    let name: String = operation.chars().map(word).collect();
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{name}.out"))
}

fn with_path(option: &str, path: &Path) -> OsString {
    let mut option = OsString::from(option);
    option.push(path);
    option
}

/// The line of totals; the only event that is counted is the instruction.
fn total(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("totals:"))?.trim().parse().ok()
}
