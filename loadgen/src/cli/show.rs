//! `ringpost-loadgen show`.

use std::process::ExitCode;

use clap::Args;

use super::output::print;
use crate::scenario::{find, read};

/// Print a scenario: its file, and every setting that --set can change
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The scenario's name, or a file that ends with .toml.
    scenario: String,
}

impl Show {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let file = find(&self.scenario)?;
        let whole = toml::to_string(&read(&file)?)?;
        let whole: String = whole.lines().map(|line| format!("# {line}\n")).collect();
        print(&format!("{file}\n# ---- with every setting that was left out:\n{whole}"))?;
        Ok(ExitCode::SUCCESS)
    }
}
