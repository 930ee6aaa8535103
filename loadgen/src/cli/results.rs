//! `ringpost-loadgen results`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output::print;
use crate::results::{Repository, directory, readme};

/// Look after the results of the benches
#[derive(Debug, Args)]
pub(super) struct Results {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that results lack nothing: machine, kernel, settings, commit, command, raw figures, summary, chart.
    Check {
        /// Their folders; all of the checkout's if none is given.
        folders: Vec<PathBuf>,
    },
    /// Write the charts anew from the raw figures, as this program draws them.
    Draw {
        /// Their folders; all of the checkout's if none is given.
        folders: Vec<PathBuf>,
    },
    /// Write the newest results of each name into the README of the checkout.
    Readme,
}

/// The folders that were given, or all of the checkout.
fn given(folders: Vec<PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
    if folders.is_empty() { directory::all(&Repository::here()?.results()) } else { Ok(folders) }
}

impl Results {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Check { folders } => {
                let given = given(folders)?;
                given.iter().try_for_each(|folder| directory::check(folder))?;
                print(&format!("{} results, and they lack nothing\n", given.len()))?;
            }
            Command::Draw { folders } => {
                let given = given(folders)?;
                given.iter().try_for_each(|folder| directory::draw(folder))?;
                print(&format!("{} charts are drawn anew\n", given.len()))?;
            }
            Command::Readme => {
                let is_changed = readme::write(&Repository::here()?)?;
                let says = if is_changed { "now shows" } else { "showed already" };
                print(&format!("README.md {says} the newest results\n"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
