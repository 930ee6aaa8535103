//! Where a command takes the configuration from.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::config::{Config, ConfigError, RedisConfig};

/// The options that say where the configuration comes from.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Source {
    /// The configuration file, TOML; RINGPOST_... environment variables override its keys
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Start from defaults for trying things out: loopback only, a known secret, open channels, the demo page
    #[arg(long)]
    pub(super) dev: bool,
}

impl Source {
    /// Reads the configuration; an error names the file.
    pub(super) fn load(&self) -> anyhow::Result<Config> {
        self.read().with_context(|| self.name())
    }

    /// As [`Source::load`], with the problems one by one.
    pub(super) fn read(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), Config::environment(), self.dev)
    }

    /// The Redis that a configuration of this source names.
    pub(super) fn redis_of<'a>(&self, config: &'a Config) -> anyhow::Result<&'a RedisConfig> {
        let redis = &config.cluster.redis;
        anyhow::ensure!(redis.is_set(), "{} names no Redis: set `cluster.redis.addresses`", self.name());
        Ok(redis)
    }

    /// What a node would run with, for people; an error names the file.
    pub(super) fn effective(&self) -> anyhow::Result<String> {
        let text = Config::effective(self.config.as_deref(), Config::environment(), self.dev);
        let text = text.with_context(|| self.name())?;
        Ok(format!("# By {} and the environment; keys without a comment have their defaults.\n{text}", self.name()))
    }

    /// What was read, for people.
    pub(super) fn name(&self) -> String {
        match (&self.config, self.dev) {
            (Some(path), _) => path.display().to_string(),
            (None, true) => "the development defaults".into(),
            (None, false) => "the defaults".into(),
        }
    }
}
