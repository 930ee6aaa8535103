//! Which keys tokens are made and checked with.

use clap::Args;

use crate::cli::source::Source;
use crate::config::{Config, SubscriptionTokenConfig};

/// The options that say which keys tokens are made and checked with.
#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(flatten)]
    pub(super) source: Source,
    /// The secret, instead of `client.token.hmac_secret_key`; other users of this host can see it
    #[arg(long, value_name = "SECRET", conflicts_with_all = ["config", "dev"])]
    pub(super) secret: Option<String>,
}

impl Keys {
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        let mut config = self.source.load()?;
        if let Some(secret) = &self.secret {
            config.client.token.hmac_secret_key.clone_from(secret);
            config.client.subscription_token = SubscriptionTokenConfig::default();
        }
        Ok(config)
    }
}

pub(super) fn now_unix_s() -> anyhow::Result<i64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_secs())?)
}
