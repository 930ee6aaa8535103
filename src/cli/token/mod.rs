//! `ringpost token`: makes tokens for development and looks at those that do not work.

mod check;
mod keys;
mod mint;

use std::process::ExitCode;

use clap::Subcommand;

/// Make a token, or find out why one is refused
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    Connection(mint::Connection),
    Subscription(mint::Subscription),
    Check(check::Check),
}

impl Token {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Connection(connection) => connection.run(),
            Self::Subscription(subscription) => subscription.run(),
            Self::Check(check) => check.run(),
        }
    }
}
