//! The configuration told to people: JSON schema, commented TOML, Markdown; all from the structs' comments.

use std::fmt::Write as _;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::{Config, Namespace};

/// The JSON schema of the configuration.
pub fn schema() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let settings = settings.with_transform(RecursiveTransform(close_section));
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}

/// A section knows its keys and no others; its defaults stand at the keys.
fn close_section(schema: &mut Schema) {
    if schema.get("properties").is_some() {
        schema.insert("additionalProperties".into(), false.into());
        schema.remove("default");
    }
}

/// One key with its documentation.
pub(super) struct Key<'a> {
    pub(super) name: &'a str,
    about: &'a str,
    pub(super) value: &'a Value,
    pub(super) schema: &'a Json,
}

/// The keys of a section, in the order of the structs, sections last.
pub(super) fn keys<'a>(schema: &'a Json, values: &'a Table) -> Vec<Key<'a>> {
    // Plain keys before sections, as TOML wants them.
    let properties = schema["properties"].as_object().expect("a section has properties");
    let key = |name: &'a String, schema: &'a Json| {
        let value = values.get(name)?;
        let about = schema["description"].as_str().unwrap_or_default();
        Some(Key { name, about, value, schema })
    };
    let mut keys: Vec<_> = properties.iter().filter_map(|(name, schema)| key(name, schema)).collect();
    keys.sort_by_key(|key| matches!(key.value, Value::Table(_)));
    keys
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every key with its default, commented: a file to start from.
pub fn default_toml() -> String {
    let mut text = String::from(
        "# Ringpost configuration: every key with its default.\n\
         # An environment variable overrides a key: RINGPOST_CLIENT__PING_INTERVAL=25s\n\n",
    );
    let defaults = Table::try_from(Config::default()).expect("the configuration is a table");
    write_toml(&schema(), &defaults, "", &|_, _| true, &mut text);
    text.push_str("\n# A namespace; every key of channel.without_namespace can stand here.\n");
    text.push_str("# [[channel.namespaces]]\n# name = \"chat\"\n# presence = true\n");
    text
}

/// Every section, with the keys that differ from their defaults or are among `shown`, commented.
pub(super) fn changed_toml(config: &Config, shown: &[&str]) -> String {
    let [values, defaults] =
        [config, &Config::default()].map(|config| Table::try_from(config).expect("the configuration is a table"));
    let schema = schema();
    let mut text = String::new();
    let is_shown = |path: &str, value: &Value| shown.contains(&path) || find(&defaults, path) != Some(value);
    write_toml(&schema, &values, "", &is_shown, &mut text);
    let items = &schema["properties"]["channel"]["properties"]["namespaces"]["items"];
    let default = Table::try_from(Namespace::default()).expect("a namespace is a table");
    for namespace in &config.channel.namespaces {
        let values = Table::try_from(namespace).expect("a namespace is a table");
        text.push('\n');
        comment(items["description"].as_str().unwrap_or_default(), &mut text);
        text.push_str("[[channel.namespaces]]\n");
        write_toml(items, &values, "", &|key, value| default.get(key) != Some(value), &mut text);
    }
    text
}

/// The value or section at a path.
pub(super) fn find<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        Some((section, rest)) => find(table.get(section)?.as_table()?, rest),
        None => table.get(path),
    }
}

/// Writes a section with those of its keys that `is_shown`, by path and value.
fn write_toml(schema: &Json, values: &Table, path: &str, is_shown: &dyn Fn(&str, &Value) -> bool, text: &mut String) {
    for key in keys(schema, values) {
        let name = key.name;
        let here = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        if here == "channel.namespaces" {
            continue;
        }
        match key.value {
            Value::Table(inner) => {
                text.push('\n');
                comment(key.about, text);
                let _ = writeln!(text, "[{here}]");
                write_toml(key.schema, inner, &here, is_shown, text);
            }
            value if is_shown(&here, value) => {
                comment(key.about, text);
                let _ = writeln!(text, "{name} = {value}");
            }
            _ => {}
        }
    }
}

fn comment(about: &str, text: &mut String) {
    for line in wrap(&one_line(about), 100) {
        let _ = writeln!(text, "# {line}");
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a line");
        if !line.is_empty() && line.len() + word.len() >= width {
            lines.push(word.into());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// The reference of all keys.
pub fn markdown() -> String {
    let mut text = String::from(INTRODUCTION);
    let defaults = Table::try_from(Config::default()).expect("the configuration is a table");
    let schema = schema();
    write_markdown(&schema, &defaults, "", &mut text);
    let namespace = Table::try_from(Namespace::default()).expect("a namespace is a table");
    let items = &schema["properties"]["channel"]["properties"]["namespaces"]["items"];
    let shared = defaults["channel"]["without_namespace"].as_table().expect("the options are a table");
    let own: Vec<_> = keys(items, &namespace).into_iter().filter(|key| !shared.contains_key(key.name)).collect();
    text.push_str("\n## `[[channel.namespaces]]`\n\n");
    let about = items["description"].as_str().unwrap_or_default();
    let _ = write!(text, "{about} Every key of `[channel.without_namespace]` can stand here too.\n\n");
    table(&own, &mut text);
    text
}

const INTRODUCTION: &str = "# Configuration

Ringpost reads one TOML file (`ringpost serve --config FILE`); without it the defaults below hold. A key that it does
not know is refused at start with the nearest right name. `ringpost config init FILE` writes a file to start from, with
secrets of its own; `ringpost config default` prints one with every key, `ringpost config check --config FILE` looks a
file over, `ringpost config effective --config FILE` prints what a node would run with and where each key was given,
`ringpost config schema` prints a JSON schema for editors.

Every key can be overridden by an environment variable: `RINGPOST_`, then the path in capitals, sections joined by two
underscores: `RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY`. Lists are written with commas or in TOML's inline form, so
`RINGPOST_CHANNEL__NAMESPACES='[{ name = \"chat\", presence = true }]'` configures a namespace. Times are sums of
numbers with the units `ms`, `s`, `m`, `h` and `d`: `1h30m`.

`SIGHUP` reads the file again. What a running node cannot change (`name`, `shards`, `http_server`, `tcp_server`, `log`)
is kept until a restart, and the log says so.

This page is made from the comments in `src/config/`; a test keeps it true.
";

fn write_markdown(schema: &Json, defaults: &Table, path: &str, text: &mut String) {
    let keys = keys(schema, defaults);
    let (sections, plain): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| matches!(key.value, Value::Table(_)));
    let plain: Vec<_> = plain.into_iter().filter(|key| key.name != "namespaces").collect();
    if !plain.is_empty() {
        text.push('\n');
        table(&plain, text);
    }
    for key in sections {
        let here = if path.is_empty() { key.name.to_string() } else { format!("{path}.{}", key.name) };
        let Value::Table(inner) = key.value else { unreachable!("sections are tables") };
        let _ = write!(text, "\n## `[{here}]`\n\n{}\n", one_line(key.about));
        write_markdown(key.schema, inner, &here, text);
    }
}

fn table(keys: &[Key<'_>], text: &mut String) {
    text.push_str("| key | default | meaning |\n|---|---|---|\n");
    for key in keys {
        let about = one_line(key.about).replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | `{}` | {about} |", key.name, key.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_is_the_default_configuration() {
        let given: Config = toml::from_str(&default_toml()).unwrap();
        assert_eq!(given, Config::default());
    }

    #[test]
    fn the_default_file_names_every_key() {
        let written: Table = default_toml().parse().unwrap();
        let mut defaults = Table::try_from(Config::default()).unwrap();
        defaults["channel"].as_table_mut().unwrap().remove("namespaces");
        assert_eq!(written, defaults);
    }

    #[test]
    fn the_namespace_at_the_end_of_the_default_file_is_right_when_it_is_used() {
        let text = default_toml();
        let (before, example) = text.split_once("# [[channel.namespaces]]").unwrap();
        let text = format!("{before}[[channel.namespaces]]{}", example.replace("\n# ", "\n"));
        let config = Config::parse(&text, std::iter::empty(), false).unwrap();
        assert_eq!(config.channel.namespaces[0].name, "chat");
    }

    /// A value that is `None` by default would be missing from the file, the reference and the known keys.
    #[test]
    fn every_key_of_the_schema_has_a_comment_and_a_default() {
        fn look(schema: &Json, defaults: &Value, path: &str) {
            let Some(properties) = schema["properties"].as_object() else { return };
            for (name, schema) in properties {
                let here = format!("{path}.{name}");
                let default = defaults.get(name).unwrap_or_else(|| panic!("{here} has no default"));
                assert!(schema["description"].as_str().is_some_and(|about| !about.is_empty()), "{here}");
                look(schema, default, &here);
            }
        }
        let schema = schema();
        look(&schema, &Value::try_from(Config::default()).unwrap(), "");
        let namespaces = &schema["properties"]["channel"]["properties"]["namespaces"];
        look(&namespaces["items"], &Value::try_from(Namespace::default()).unwrap(), "namespaces");
    }

    /// What the schema of a section says of a value: the part of JSON Schema that ours is made of.
    fn violations(schema: &Json, value: &Json, path: &str, found: &mut Vec<String>) {
        let kind = schema["type"].as_str().or(schema["enum"].is_array().then_some("string"));
        let fits = match kind {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.as_i64().is_some_and(|value| {
                schema["minimum"].as_i64().is_none_or(|least| least <= value)
                    && schema["maximum"].as_i64().is_none_or(|most| value <= most)
            }),
            _ => schema["oneOf"].as_array().is_some_and(|one_of| one_of.iter().any(|one| one["const"] == *value)),
        };
        let pattern = schema["pattern"].as_str().map(|pattern| regex::Regex::new(pattern).unwrap());
        if !fits || pattern.is_some_and(|pattern| !pattern.is_match(value.as_str().unwrap_or_default())) {
            found.push(path.to_owned());
        }
        for (key, value) in value.as_object().into_iter().flatten() {
            match schema["properties"].get(key) {
                Some(schema) => violations(schema, value, &format!("{path}.{key}"), found),
                None => found.push(format!("{path}.{key}")),
            }
        }
        for value in value.as_array().into_iter().flatten() {
            violations(&schema["items"], value, &format!("{path}[]"), found);
        }
    }

    #[test]
    fn the_schema_takes_the_defaults_and_those_of_development() {
        for config in [Config::default(), Config::dev()] {
            let mut found = Vec::new();
            violations(&schema(), &serde_json::to_value(&config).unwrap(), "", &mut found);
            assert_eq!(found, [""; 0]);
        }
    }

    #[test]
    fn the_schema_refuses_what_the_configuration_refuses() {
        let wrong = serde_json::json!({
            "clinet": {},
            "client": { "ping_interval": "25 sec", "pong_misses": 256 },
            "http_server": { "port": -1 },
            "log": { "format": "xml" },
            "channel": { "namespaces": [{ "name": "chat", "presense": true }] },
        });
        let mut found = Vec::new();
        violations(&schema(), &wrong, "", &mut found);
        found.sort();
        let expected = [
            ".channel.namespaces[].presense",
            ".client.ping_interval",
            ".client.pong_misses",
            ".clinet",
            ".http_server.port",
            ".log.format",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_schema_closes_every_section() {
        assert_eq!(schema()["additionalProperties"], false);
        assert_eq!(schema()["properties"]["client"]["properties"]["token"]["additionalProperties"], false);
    }

    #[test]
    fn the_reference_in_the_documentation_is_the_one_of_this_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIG.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == markdown(), "docs/CONFIG.md is old: run `make docs`");
    }
}
