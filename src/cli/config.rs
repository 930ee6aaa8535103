//! `ringpost config`: shows and checks the configuration.

use std::process::ExitCode;

use clap::Subcommand;

use super::print::print;
use super::source::Source;
use crate::config;

/// Show every key, check a file, or print the schema
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Print a file with every key, its meaning and its default
    Default,
    /// Look a configuration over: every unknown key, wrong value and broken rule at once
    Check(Source),
    /// Print the JSON schema of the file, for editors
    Schema,
    /// Print the reference of all keys as Markdown, which is docs/CONFIG.md
    Docs,
}

impl Config {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Default => print(&config::default_toml())?,
            Self::Check(source) => check(&source)?,
            Self::Schema => print(&format!("{:#}\n", config::schema()))?,
            Self::Docs => print(&config::markdown())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn check(source: &Source) -> anyhow::Result<()> {
    let config = source.load()?;
    let mut text = format!("{}: fine\n", source.name());
    for advice in config.advice() {
        text += &format!("  - but {advice}\n");
    }
    Ok(print(&text)?)
}
