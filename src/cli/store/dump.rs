//! `ringpost store dump`: every record as a line of JSON, oldest segment first.

use std::io::{self, BufWriter};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::progress::tell_progress;
use crate::store::catalog::Entry;
use crate::store::recovery::{Place, read_segment};
use crate::store::{Directory, Record, StoreError};

/// Print every record as a line of JSON
#[derive(Debug, Args)]
pub(in crate::cli) struct Dump {
    /// The directory, `store.path` of a node
    directory: PathBuf,
    /// Only records of this channel
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
}

/// A line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    place: Place,
    record: &'a Record<'a>,
}

impl Dump {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let directory = Directory::look(&self.directory)?;
        match self.write(&directory, &mut BufWriter::new(io::stdout().lock())) {
            // A reader that has seen enough, as in `| head`.
            Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
            written => written.map(|()| ExitCode::SUCCESS),
        }
    }

    fn write(&self, directory: &Directory, out: &mut impl io::Write) -> anyhow::Result<()> {
        let catalog = directory.catalog();
        let begun: Vec<&Entry> = catalog.entries().filter(|entry| entry.has_begun).collect();
        let mut file = Vec::new();
        for (done, entry) in begun.iter().enumerate() {
            tell_progress(done, begun.len());
            directory.read(entry.head.segment, &mut file)?;
            let mut written = Ok(());
            let read = read_segment(catalog, entry, &file, |place, record| {
                if written.is_ok() && self.wants(record) {
                    written = write_line(out, &Line { place, record });
                }
            });
            written?;
            read.map_err(|damage| StoreError::Damaged { path: directory.path().into(), damage })?;
        }
        Ok(out.flush()?)
    }

    fn wants(&self, record: &Record<'_>) -> bool {
        self.channel.as_deref().is_none_or(|channel| record.channel() == Some(channel))
    }
}

fn write_line(out: &mut impl io::Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
