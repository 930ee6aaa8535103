//! From file and environment to a configuration that holds its rules.

use std::fmt;
use std::path::Path;

use toml::Table;

use super::effective;
use super::environment::override_from;
use super::keys::{Origins, check_keys, merge};
use super::{Config, ENV_PREFIX};

/// Everything that is wrong with a configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// One line per problem.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the configuration cannot be used:")?;
        for problem in &self.problems {
            write!(formatter, "\n  - {}", problem.trim_end().replace('\n', "\n    "))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<String> for ConfigError {
    fn from(problem: String) -> Self {
        Self { problems: vec![problem] }
    }
}

impl From<toml::de::Error> for ConfigError {
    fn from(error: toml::de::Error) -> Self {
        Self::from(error.to_string())
    }
}

impl Config {
    /// Reads the configuration: defaults (those of development with `dev`), the file, the environment.
    ///
    /// # Errors
    /// Every unknown key, wrong type and broken rule, each with what to write instead.
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        dev: bool,
    ) -> Result<Self, ConfigError> {
        Self::parse(&text_of(path)?, environment, dev)
    }

    /// What [`Config::load`] would give, as TOML: every key, and where it was given. Secrets are hidden.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn effective(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        dev: bool,
    ) -> Result<String, ConfigError> {
        Self::effective_toml(&text_of(path)?, environment, dev)
    }

    /// As [`Config::effective`], from the text of the file.
    pub(super) fn effective_toml(
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
        dev: bool,
    ) -> Result<String, ConfigError> {
        let (config, origins) = Self::read(text, environment, dev)?;
        Ok(effective::toml(&config, &origins))
    }

    /// As [`Config::load`], from the text of the file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
        dev: bool,
    ) -> Result<Self, ConfigError> {
        Self::read(text, environment, dev).map(|(config, _)| config)
    }

    /// The configuration, and where its keys were given.
    fn read(
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
        dev: bool,
    ) -> Result<(Self, Origins), ConfigError> {
        let mut given: Table = text.parse()?;
        let mut origins = Origins::of_file(text)?;
        let defaults = if dev { Self::dev() } else { Self::default() };
        let known = Table::try_from(&defaults).expect("the configuration is a table");
        let mut problems = override_from(environment, &known, &mut given, &mut origins);
        problems.extend(check_keys(&given, &known, &origins));
        if !problems.is_empty() {
            return Err(ConfigError { problems });
        }
        let mut merged = known;
        merge(&mut merged, given);
        let mut config: Self = merged.try_into()?;
        if config.name.is_empty() {
            config.name = host_name();
        }
        match config.check() {
            problems if problems.is_empty() => Ok((config, origins)),
            problems => Err(ConfigError { problems }),
        }
    }

    /// The variables of this process that [`Config::load`] looks at.
    pub fn environment() -> impl Iterator<Item = (String, String)> {
        // Through `vars_os`: `vars` panics at any variable that is no UTF-8, even a stranger's.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with(ENV_PREFIX))
    }
}

fn text_of(path: Option<&Path>) -> Result<String, ConfigError> {
    let Some(path) = path else { return Ok(String::new()) };
    let named = |error| ConfigError::from(format!("{} cannot be read: {error}", path.display()));
    std::fs::read_to_string(path).map_err(named)
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, std::iter::empty(), false)
    }

    fn problems(text: &str) -> Vec<String> {
        parse(text).expect_err("the configuration is refused").problems
    }

    #[test]
    fn an_empty_file_gives_the_defaults_and_the_hosts_name() {
        let config = parse("").unwrap();
        assert_eq!(config.name, host_name());
        assert_eq!(Config { name: String::new(), ..config }, Config::default());
    }

    #[test]
    fn keys_of_the_file_replace_defaults_and_leave_their_neighbours() {
        let config =
            parse("[client]\nping_interval = \"20s\"\n[client.token]\nhmac_secret_key = \"secret\"\n").unwrap();
        assert_eq!(config.client.ping_interval.as_millis(), 20_000);
        assert_eq!(config.client.token.hmac_secret_key, "secret");
        assert_eq!(config.client.pong_timeout, Config::default().client.pong_timeout);
    }

    #[test]
    fn the_file_replaces_keys_of_development_too() {
        let config = Config::parse("[http_server]\nport = 9000\n", std::iter::empty(), true).unwrap();
        assert_eq!((config.http_server.port, config.http_server.address.as_str()), (9000, "127.0.0.1"));
        assert!(config.demo.enabled);
    }

    #[test]
    fn a_file_that_is_no_toml_is_refused_with_the_place() {
        let problems = problems("[client]\nping_interval = \n");
        assert!(problems[0].contains("line 2"), "{problems:?}");
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_told_together() {
        let problems = problems("[client]\nping_intervall = \"20s\"\n[http_server]\nport = \"x\"\n");
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn all_broken_rules_are_told_together() {
        let problems = problems(
            "[shards]\ncores = \"9-1\"\n[http_server]\naddress = \"localhost\"\n[client]\nchannel_limit = 0\n\
             [channel.without_namespace]\nforce_recovery = true\n",
        );
        assert_eq!(problems.len(), 4, "{problems:?}");
    }

    #[test]
    fn an_internal_port_needs_an_address_and_a_port_of_its_own() {
        let told = problems("[internal_server]\nport = 9000\n");
        assert!(told[0].contains("`internal_server.address` is empty"), "{told:?}");
        let told = problems("[internal_server]\naddress = \"127.0.0.1\"\nport = 8001\n");
        assert!(told[0].contains("`internal_server.port` and `tcp_server.port` are both 8001"), "{told:?}");
        assert!(parse("[internal_server]\naddress = \"127.0.0.1\"\nport = 9000\n").unwrap().internal_server.is_set());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Config::load(Some(Path::new("/nowhere/ringpost.toml")), std::iter::empty(), false).unwrap_err();
        assert!(error.to_string().contains("/nowhere/ringpost.toml cannot be read"), "{error}");
    }

    #[test]
    fn an_error_of_several_lines_stays_within_its_item() {
        let error = ConfigError { problems: vec!["first\nsecond\n".into(), "third".into()] };
        assert_eq!(error.to_string(), "the configuration cannot be used:\n  - first\n    second\n  - third");
    }
}
