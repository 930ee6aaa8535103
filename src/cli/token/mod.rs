//! `ringpost token`: makes tokens for development and looks at those that do not work.

mod check;
mod mint;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::source::Source;
use crate::config::{Config, SubscriptionTokenConfig};

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

/// The options that say which keys tokens are made and checked with.
#[derive(Debug, Args)]
struct Keys {
    #[command(flatten)]
    source: Source,
    /// The secret, instead of `client.token.hmac_secret_key`; other users of this host can see it
    #[arg(long, value_name = "SECRET", conflicts_with_all = ["config", "dev"])]
    secret: Option<String>,
}

impl Keys {
    fn config(&self) -> anyhow::Result<Config> {
        let mut config = self.source.load()?;
        if let Some(secret) = &self.secret {
            config.client.token.hmac_secret_key.clone_from(secret);
            config.client.subscription_token = SubscriptionTokenConfig::default();
        }
        Ok(config)
    }
}

fn now_unix_s() -> anyhow::Result<i64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_secs())?)
}
