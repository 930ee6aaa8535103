//! What a node would run with: every key with its value, and where it was given. Secrets are never shown.

use std::fmt::Write as _;

use serde_json::Value as Json;
use toml::{Table, Value};

use super::Config;
use super::describe::{keys, schema};
use super::keys::Origins;

/// Keys whose values nobody is shown.
const SECRETS: [&str; 11] = [
    "client.token.hmac_secret_key",
    "client.token.hmac_previous_secret_key",
    "client.subscription_token.hmac_secret_key",
    "client.subscription_token.hmac_previous_secret_key",
    "http_api.key",
    "grpc_api.key",
    "cluster.redis.password",
    "cluster.redis.sentinel_password",
    "cluster.kafka.password",
    "discovery.consul.token",
    "notify.secrets",
];

/// What stands for a secret that is set.
const HIDDEN: &str = "(hidden)";

/// Every key with its value as TOML; a comment says where a key was given that has not its default.
pub(super) fn toml(config: &Config, origins: &Origins) -> String {
    let values = Table::try_from(config).expect("the configuration is a table");
    let mut text = String::new();
    section(&schema(), &values, "", origins, &mut text);
    text
}

fn section(schema: &Json, values: &Table, path: &str, origins: &Origins, text: &mut String) {
    for key in keys(schema, values) {
        let here = if path.is_empty() { key.name.to_string() } else { format!("{path}.{}", key.name) };
        match key.value {
            Value::Table(inner) => {
                let _ = write!(text, "\n[{here}]\n");
                section(key.schema, inner, &here, origins, text);
            }
            // After the other sections of `[channel]`, where TOML wants them.
            Value::Array(_) if here == "channel.namespaces" => {}
            value => {
                let origin = origins.of(&here).map_or(String::new(), |origin| format!("  # {origin}"));
                let _ = writeln!(text, "{} = {}{origin}", key.name, shown(&here, value));
            }
        }
    }
    if path == "channel" {
        let namespaces = values.get("namespaces").and_then(Value::as_array).into_iter().flatten();
        for (at, namespace) in namespaces.filter_map(Value::as_table).enumerate() {
            text.push_str("\n[[channel.namespaces]]\n");
            let items = &schema["properties"]["namespaces"]["items"];
            section(items, namespace, &format!("channel.namespaces[{at}]"), origins, text);
        }
    }
}

/// A value as it may be shown. An address of keys may hold a password.
fn shown(path: &str, value: &Value) -> Value {
    if let ("cluster.kafka.options", Value::Array(options)) = (path, value) {
        return options
            .iter()
            .map(|option| shown_option(option.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .into();
    }
    if let (true, Value::Array(secrets)) = (SECRETS.contains(&path), value) {
        return vec![HIDDEN; secrets.len()].into();
    }
    let text = value.as_str().unwrap_or_default();
    let is_secret = SECRETS.contains(&path) || (path.ends_with("jwks_public_endpoint") && text.contains('@'));
    if is_secret && !text.is_empty() { HIDDEN.into() } else { value.clone() }
}

/// An option of librdkafka; many may hold a secret.
fn shown_option(option: &str) -> Value {
    let (name, _) = option.split_once('=').unwrap_or((option, ""));
    let may_be_secret = ["password", "secret", "pem", "key", "config"].iter().any(|word| name.contains(word));
    if may_be_secret { format!("{name}={HIDDEN}").into() } else { option.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[client]
ping_interval = "20s"
[client.token]
hmac_secret_key = "secret-of-the-tests"
jwks_public_endpoint = "https://user:password-of-the-tests@keys.example.com/jwks.json"
[[channel.namespaces]]
name = "chat"
presence = true
"#;

    fn effective(environment: &[(&str, &str)]) -> String {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::effective_toml(FILE, environment, false).unwrap()
    }

    #[test]
    fn every_key_is_shown_with_where_it_was_given() {
        let text = effective(&[("RINGPOST_HTTP_SERVER__PORT", "9000")]);
        assert!(text.contains("port = 9000  # RINGPOST_HTTP_SERVER__PORT\n"), "{text}");
        assert!(text.contains("ping_interval = \"20s\"  # line 3\n"), "{text}");
        assert!(text.contains("presence = true  # line 9\n"), "{text}");
        assert!(text.contains("pong_timeout = \"10s\"\n"), "{text}");
    }

    #[test]
    fn what_is_shown_is_the_same_configuration_again_but_for_secrets() {
        let shown: Table = effective(&[]).parse().unwrap();
        let mut config = Config::parse(FILE, std::iter::empty(), false).unwrap();
        config.client.token.hmac_secret_key = HIDDEN.into();
        config.client.token.jwks_public_endpoint = HIDDEN.into();
        assert_eq!(shown, Table::try_from(config).unwrap());
    }

    #[test]
    fn no_secret_is_shown_wherever_it_was_given() {
        let text = effective(&[
            ("RINGPOST_HTTP_API__KEY", "key-of-the-tests"),
            ("RINGPOST_NOTIFY__SECRETS", "whsec_b2YgdGhlIHRlc3RzIG9mIHRoZSB0ZXN0cw=="),
            ("RINGPOST_CLIENT__SUBSCRIPTION_TOKEN__HMAC_SECRET_KEY", "other-of-the-tests"),
        ]);
        assert!(!text.contains("of-the-tests"), "{text}");
        assert!(text.contains("key = \"(hidden)\"  # RINGPOST_HTTP_API__KEY\n"), "{text}");
        assert!(text.contains("secrets = [\"(hidden)\"]  # RINGPOST_NOTIFY__SECRETS\n"), "{text}");
    }

    #[test]
    fn every_key_that_is_called_a_secret_is_one() {
        fn look(values: &Table, path: &str, found: &mut Vec<String>) {
            for (name, value) in values {
                let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match value {
                    Value::Table(inner) => look(inner, &here, found),
                    _ if name.ends_with("_valid_until") => {}
                    Value::String(_) if name == "key" || name == "token" => found.push(here),
                    _ if name.contains("secret") || name.contains("password") => found.push(here),
                    _ => {}
                }
            }
        }
        let mut found = Vec::new();
        look(&Table::try_from(Config::default()).unwrap(), "", &mut found);
        found.sort();
        let mut secrets = SECRETS.map(str::to_owned);
        secrets.sort();
        assert_eq!(found, secrets);
    }
}
