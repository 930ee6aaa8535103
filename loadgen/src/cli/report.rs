//! `ringpost-loadgen report`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::file::OutputFile;
use super::output::print;
use crate::limits::COMPARED_MAX;
use crate::record::Record;
use crate::report::{compare, html};

/// Lay runs side by side, with their differences and with charts over each other
#[derive(Debug, Args)]
pub(super) struct Report {
    /// Files that `run --json` has written; the others are compared with the first.
    #[arg(required = true, num_args = 1..=COMPARED_MAX)]
    files: Vec<PathBuf>,
    /// Write a report with charts to this file; it needs no other file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Report {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let file = self.html.as_deref().map(|path| OutputFile::new("--html", path)).transpose()?;
        let records = self.files.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<_>>>()?;
        let names: Vec<_> = self.files.iter().map(|path| name(path)).collect();
        print(&compare::side_by_side(&records, &names))?;
        if let Some(file) = file {
            file.write(&html::of(&records, &names))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(path: &Path) -> anyhow::Result<Record> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is no record of a run: write one with `run --json`", path.display()))
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
