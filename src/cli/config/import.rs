//! `ringpost config import`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::private_file;
use crate::cli::print::print;
use crate::config::import::{Format, import};

/// Read a configuration of Centrifugo 5 or 6, and write what means the same here; what does not is told
#[derive(Debug, Args)]
#[command(after_help = "Example: ringpost config import config.json --output ringpost.toml")]
pub(in crate::cli) struct Import {
    /// The file, named .json, .yaml, .yml or .toml
    file: PathBuf,
    /// The file to write; only its owner can read it. Without it all is printed
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Import {
    /// Fails where the file that is written must be mended by hand before a node can use it.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let name = self.file.display();
        let format = Format::of(&self.file).with_context(|| format!("{name}: name it .json, .yaml, .yml or .toml"))?;
        let text = fs::read_to_string(&self.file).with_context(|| format!("{name} cannot be read"))?;
        let imported = import(&text, format).map_err(|error| anyhow::anyhow!("{name} cannot be read: {error}"))?;
        if let Some(output) = &self.output {
            private_file::write_new(output, &imported.toml)?;
        } else {
            print(&imported.toml)?;
        }
        list(&format!("{name}: not taken over:"), &imported.notes);
        list("what is written cannot be used yet:", &imported.problems);
        Ok(if imported.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// For the person at the terminal, beside what may go into a file.
fn list(head: &str, items: &[String]) {
    if !items.is_empty() {
        eprintln!("{head}\n  - {}", items.join("\n  - "));
    }
}
