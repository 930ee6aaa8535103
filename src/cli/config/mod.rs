//! `ringpost config`: begins, shows and checks the configuration.

mod import;
mod init;
mod private_file;

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::print::print;
use crate::cli::source::Source;
use crate::config;

/// Begin a file, show every key, check a file, or print the schema
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Config {
    Init(init::Init),
    Import(import::Import),
    /// Print a file with every key, its meaning and its default
    Default,
    /// Look a configuration over: every unknown key, wrong value and broken rule at once
    Check(Source),
    /// Print what a node would run with, and where each key was given; secrets are hidden
    Effective(Source),
    /// Print the JSON schema of the file, for editors
    Schema,
    /// Print the reference of all keys as Markdown, which is docs/CONFIG.md
    Docs,
}

impl Config {
    pub(in crate::cli) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Init(init) => init.run()?,
            Self::Import(import) => return import.run(),
            Self::Default => print(&config::default_toml())?,
            Self::Check(source) => check(&source)?,
            Self::Effective(source) => print(&source.effective()?)?,
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
