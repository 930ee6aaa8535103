//! The thread of the access log: entries become lines, lines go to the file.
//!
//! Owns the file. A write that fails is not tried again: what it would have written is counted as dropped.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::entry::Entry;
use super::line;

/// What the writer and those who tell it something both see.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Lines that were not written.
    pub(super) dropped: AtomicU64,
    /// The file is to be opened again.
    pub(super) reopens: AtomicBool,
}

/// Where lines go.
#[derive(Debug)]
enum Target {
    Stdout,
    File(PathBuf),
}

impl Target {
    fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        match self {
            Self::Stdout => Ok(Box::new(io::stdout())),
            // Addresses and users are nobody else's business.
            Self::File(path) => {
                let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
                Ok(Box::new(file))
            }
        }
    }
}

/// Writes lines.
pub(super) struct Writer {
    target: Target,
    out: BufWriter<Box<dyn Write + Send>>,
    shared: Arc<Shared>,
    /// Lines that the file may not have yet.
    unflushed: u64,
    /// The last write has failed, and that was said.
    fails: bool,
}

impl Writer {
    /// A writer to a file, or where the path is empty to standard output.
    pub(super) fn open(path: &str, shared: Arc<Shared>) -> io::Result<Self> {
        let target = if path.is_empty() { Target::Stdout } else { Target::File(path.into()) };
        let out = BufWriter::new(target.open()?);
        Ok(Self { target, out, shared, unflushed: 0, fails: false })
    }

    /// Writes until nobody is left who could say anything, and all is written.
    pub(super) fn run(mut self, entries: &flume::Receiver<Entry>) {
        let mut line = Vec::new();
        while let Ok(entry) = entries.recv() {
            if self.shared.reopens.swap(false, Ordering::Relaxed) {
                self.flush();
                self.reopen();
            }
            line.clear();
            if line::write(&entry, &mut line) {
                self.unflushed += 1;
                if let Err(error) = self.out.write_all(&line) {
                    self.give_up(&error);
                }
            }
            if entries.is_empty() {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        match self.out.flush() {
            Ok(()) => (self.unflushed, self.fails) = (0, false),
            Err(error) => self.give_up(&error),
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        self.shared.dropped.fetch_add(std::mem::take(&mut self.unflushed), Ordering::Relaxed);
        if !std::mem::replace(&mut self.fails, true) {
            tracing::error!(%error, "the access log cannot be written");
        }
        self.reopen();
    }

    /// Goes on with the old file where the new one cannot be opened. What the old one has not taken is given up.
    fn reopen(&mut self) {
        match self.target.open() {
            Ok(out) => drop(std::mem::replace(&mut self.out, BufWriter::new(out)).into_parts()),
            Err(error) => tracing::error!(%error, "the access log cannot be opened again"),
        }
    }
}
