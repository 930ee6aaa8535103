//! The file that `ringpost config init` writes: a node that clients and backends can use, with secrets of its own.
//!
//! It names every section with its comment, and of the keys those that differ from their defaults or that everybody
//! looks for. No two files have the same secrets.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;

use super::describe::changed_toml;
use super::{ChannelOptions, Config, Duration, InternalServerConfig, Namespace};

/// Keys that are shown with their defaults.
const LOOKED_FOR: [&str; 6] = [
    "http_server.address",
    "http_server.port",
    "tcp_server.enabled",
    "tcp_server.address",
    "tcp_server.port",
    "client.allowed_origins",
];

const HEAD: &str = "# Ringpost configuration, made by `ringpost config init`. It holds secrets: keep it from others.
# Keys that are not here have their defaults: `ringpost config default` prints all of them.
# An environment variable overrides a key: RINGPOST_CLIENT__PING_INTERVAL=25s
";

/// A file to start a node of one's own from.
///
/// # Errors
/// The system gives no random bytes.
pub fn starter_toml() -> Result<String, Unspecified> {
    let config = starter(secret()?, secret()?);
    Ok(format!("{HEAD}{}", changed_toml(&config, &LOOKED_FOR)))
}

/// Clients with a token talk in `chat:…`; backends call from this host.
fn starter(token_secret: String, api_key: String) -> Config {
    let mut config = Config {
        internal_server: InternalServerConfig {
            address: "127.0.0.1".into(),
            port: 8002,
            ..InternalServerConfig::default()
        },
        ..Config::default()
    };
    config.client.token.hmac_secret_key = token_secret;
    config.http_api.key = api_key;
    config.channel.namespaces = vec![Namespace {
        name: "chat".into(),
        options: ChannelOptions {
            presence: true,
            history_size: 100,
            history_ttl: Duration::from_secs(3600),
            force_recovery: true,
            allow_subscribe_for_client: true,
            allow_publish_for_subscriber: true,
            allow_history_for_subscriber: true,
            allow_presence_for_subscriber: true,
            ..ChannelOptions::default()
        },
    }];
    config
}

/// 32 random bytes (RFC 7518, 3.2 asks for as many as the hash has), in hexadecimal.
fn secret() -> Result<String, Unspecified> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    use super::*;

    fn parse(text: &str) -> Config {
        Config::parse(text, std::iter::empty(), false).expect("the file is right")
    }

    #[test]
    fn the_file_says_what_it_was_made_of() {
        let config = starter("s".repeat(32), "key".into());
        let read = parse(&changed_toml(&config, &LOOKED_FOR));
        assert_eq!(Config { name: String::new(), ..read }, config);
    }

    #[test]
    fn a_node_of_it_needs_no_advice() {
        assert_eq!(parse(&starter_toml().unwrap()).advice(), [""; 0]);
    }

    #[test]
    fn every_file_has_secrets_of_its_own() {
        let secrets = || {
            let config = parse(&starter_toml().unwrap());
            [config.client.token.hmac_secret_key, config.http_api.key]
        };
        let mut all = [secrets(), secrets()].concat();
        assert!(all.iter().all(|secret| secret.len() == 64), "{all:?}");
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn every_section_is_there_with_its_comment() {
        fn look(text: &str, sections: &Table, path: &str) {
            for (name, value) in sections {
                let Value::Table(inner) = value else { continue };
                let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let (above, _) = text.split_once(&format!("\n[{here}]\n")).unwrap_or_else(|| panic!("{here}: {text}"));
                assert!(above.lines().last().is_some_and(|line| line.starts_with("# ")), "{here} has no comment");
                look(text, inner, &here);
            }
        }
        look(&starter_toml().unwrap(), &Table::try_from(Config::default()).unwrap(), "");
    }
}
