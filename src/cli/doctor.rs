//! `ringpost doctor`: tells what the host lacks, and how to give it.

use std::process::ExitCode;

use clap::Args;

use super::findings;
use super::source::Source;
use crate::doctor::{examine, raise_limits};

/// Look at the host: kernel, io_uring, limits, cores, memory, network, power; each with how to mend it
///
/// Ends with code 1 if something would keep a node from running.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    source: Source,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.source.load()?;
        // As `serve` does, so that both see the same; where the kernel refuses, the findings say what is short.
        let _ = raise_limits();
        let words = findings::Words { fails: "a node cannot run here", well: "a node runs here" };
        findings::tell(&examine(&config), self.json, &words)
    }
}
