//! `ringpost store`: looks at a store's directory, without a node. Nothing in it is changed.

mod check;
mod dump;
mod info;
mod progress;

use std::process::ExitCode;

use clap::Subcommand;

/// Look at the directory of a node that does not run: what it is, whether it is whole, what is in it
#[derive(Debug, Subcommand)]
pub(super) enum Store {
    Info(info::Info),
    Check(check::Check),
    Dump(dump::Dump),
}

impl Store {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Info(info) => info.run(),
            Self::Check(check) => check.run(),
            Self::Dump(dump) => dump.run(),
        }
    }
}
