//! `ringpost cluster`: looks at what several nodes share.

mod check;

use std::process::ExitCode;

use clap::Subcommand;

/// Look at the Redis that several nodes share
#[derive(Debug, Subcommand)]
pub(super) enum Cluster {
    Check(check::Check),
}

impl Cluster {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check(check) => check.run(),
        }
    }
}
