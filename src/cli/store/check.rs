//! `ringpost store check`: reads all that there is, and tells all that is wrong.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::progress::tell_progress;
use crate::cli::print::print;
use crate::store::catalog::Damage;
use crate::store::recovery::{Snapshots, check_empty, missing, read_segment};
use crate::store::{Directory, Record};

/// Read a store whole, and tell all that is wrong with it
#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The directory, `store.path` of a node
    directory: PathBuf,
}

impl Check {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let (directory, mut damages) = Directory::look_at_what_is_whole(&self.directory)?;
        let catalog = directory.catalog();
        let all = catalog.entries().count();
        let (mut records, mut bytes, mut snapshots) = (0u64, 0, Snapshots::default());
        let unknown: Vec<_> = damages.iter().map(Damage::segment).collect();
        let mut file = Vec::new();
        for (done, entry) in catalog.entries().enumerate() {
            tell_progress(done, all);
            directory.read(entry.head.segment, &mut file)?;
            let read = if entry.has_begun {
                read_segment(catalog, entry, &file, |_, record| {
                    records += 1;
                    if let Record::Snapshot(since) = record {
                        snapshots.note(entry.head.writer(), *since);
                    }
                })
            } else {
                check_empty(entry, &file).map(|()| 0)
            };
            match read {
                Ok(end) => bytes += end,
                Err(damage) => damages.push(damage),
            }
        }
        let named = catalog.named().filter(|end| !unknown.contains(&end.segment));
        damages.extend(missing(catalog, named, &snapshots));
        let wrong: String = damages.iter().map(|damage| format!("  - {damage}\n")).collect();
        let (path, whole) = (self.directory.display(), damages.is_empty());
        let verdict = if whole { "whole" } else { "damaged" };
        print(&format!("{path}: {verdict}: {all} segments, {records} records in {bytes} bytes\n{wrong}"))?;
        Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
