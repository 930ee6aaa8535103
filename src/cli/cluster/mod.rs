//! `ringpost cluster`: looks at what several nodes share.

mod check;
mod status;

use std::process::ExitCode;

use clap::Subcommand;

/// Look at the nodes, and at the Redis that they share
#[derive(Debug, Subcommand)]
pub(super) enum Cluster {
    Check(check::Check),
    Status(status::Status),
}

impl Cluster {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check(check) => check.run(),
            Self::Status(status) => status.run(),
        }
    }
}
