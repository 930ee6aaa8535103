//! How a bench takes a result: what it would lack is told before the first run, and it is written after the last.

use std::collections::BTreeMap;

use clap::Args;

use super::head::Intent;
use super::{Head, Raw, Repository, publish, summary};

/// The options of every bench that can take a result.
#[derive(Clone, Debug, Default, Args)]
pub struct ResultOptions {
    /// Write a result of this name to results/, and show it in the README. One of the same name and day is replaced.
    #[arg(long, value_name = "NAME")]
    pub result: Option<String>,
    /// Also where the code differs from its commit or is built with assertions; the result is for looking at only.
    #[arg(long)]
    pub trial: bool,
}

/// A result that is being taken.
#[derive(Debug)]
pub struct Taking {
    repository: Repository,
    head: Head,
    is_wanted: bool,
}

/// What a bench knows of its result before the first run.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The bench's target, such as `node`.
    pub target: &'static str,
    /// In a sentence or two: what is measured how.
    pub about: String,
    /// How the servers are configured and how the load is made.
    pub settings: BTreeMap<String, String>,
    /// What servers of others are: names and versions.
    pub versions: BTreeMap<String, String>,
}

impl Bench {
    /// What was typed: the options, without what cargo adds.
    pub fn command(&self) -> String {
        let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
        let command = format!("cargo bench -p ringpost-loadgen --bench {} -- {}", self.target, arguments.join(" "));
        command.trim_end_matches([' ', '-']).to_owned()
    }

    /// Begins to take a result.
    ///
    /// # Errors
    /// What it would lack.
    pub fn begin(self, options: &ResultOptions) -> anyhow::Result<Taking> {
        let repository = Repository::here()?;
        let command = self.command();
        let ResultOptions { result, trial } = options;
        let intent = Intent {
            name: result.clone().unwrap_or_else(|| self.target.to_owned()),
            about: self.about,
            command,
            settings: self.settings,
            versions: self.versions,
            has_assertions: cfg!(debug_assertions),
            // What is not written needs no commit.
            is_trial: *trial || result.is_none(),
        };
        let head = Head::of(intent, &repository)?;
        Ok(Taking { repository, head, is_wanted: result.is_some() })
    }
}

impl Taking {
    /// What to tell who measured; the result is written if it is wanted.
    ///
    /// # Errors
    /// What it lacks, or what cannot be written.
    pub fn end(&self, raw: &Raw) -> anyhow::Result<String> {
        let mut text = summary::of(&self.head, raw);
        if self.is_wanted {
            let folder = publish(&self.repository, &self.head, raw)?;
            text.push_str(&format!("\nWritten to {}\n", folder.display()));
        }
        Ok(text)
    }
}
