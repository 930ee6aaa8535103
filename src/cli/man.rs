//! `ringpost man`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};

/// Write the manual pages, one for each command, into a folder
#[derive(Debug, Args)]
#[command(after_help = "Example: ringpost man /usr/local/share/man/man1")]
pub(super) struct Man {
    /// The folder; it must be there
    folder: PathBuf,
}

impl Man {
    /// `ringpost` is the whole command line.
    pub(super) fn run(self, ringpost: Command) -> anyhow::Result<()> {
        clap_mangen::generate_to(ringpost, &self.folder)
            .with_context(|| format!("pages cannot be written to {}", self.folder.display()))
    }
}
