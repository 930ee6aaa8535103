//! The configuration told to people: JSON schema, commented TOML, Markdown; all from the structs' comments.

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::{Config, Namespace};

/// The JSON schema of the configuration.
pub fn schema() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}

/// One key with its documentation.
struct Key<'a> {
    name: &'a str,
    about: &'a str,
    default: &'a Value,
    schema: &'a Json,
}

fn keys<'a>(schema: &'a Json, defaults: &'a Table) -> Vec<Key<'a>> {
    // In the order of the structs, plain keys before sections, as TOML wants them.
    let properties = schema["properties"].as_object().expect("a section has properties");
    let key = |name: &'a String, schema: &'a Json| {
        let default = defaults.get(name)?;
        let about = schema["description"].as_str().unwrap_or_default();
        Some(Key { name, about, default, schema })
    };
    let mut keys: Vec<_> = properties.iter().filter_map(|(name, schema)| key(name, schema)).collect();
    keys.sort_by_key(|key| matches!(key.default, Value::Table(_)));
    keys
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every key with its default, commented: a file to start from.
pub fn default_toml() -> String {
    let mut text = String::from(
        "# Ringpost configuration: every key with its default.\n\
         # An environment variable overrides a key: RINGPOST_CLIENT__PING_INTERVAL=25s\n",
    );
    let defaults = Table::try_from(Config::default()).expect("the configuration is a table");
    write_toml(&schema(), &defaults, "", &mut text);
    text.push_str("\n# A namespace; every key of channel.without_namespace can stand here.\n");
    text.push_str("# [[channel.namespaces]]\n# name = \"chat\"\n# presence = true\n");
    text
}

fn write_toml(schema: &Json, defaults: &Table, path: &str, text: &mut String) {
    for key in keys(schema, defaults) {
        let name = key.name;
        let here = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        if here == "channel.namespaces" {
            continue;
        }
        match key.default {
            Value::Table(inner) => {
                let _ = write!(text, "\n# {}\n[{here}]\n", one_line(key.about));
                write_toml(key.schema, inner, &here, text);
            }
            value => {
                for line in wrap(&one_line(key.about), 100) {
                    let _ = writeln!(text, "# {line}");
                }
                let _ = writeln!(text, "{name} = {value}");
            }
        }
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
    text.push_str("\n## `[[channel.namespaces]]`\n\nA namespace: a name and the options of its channels.\n\n");
    table(&keys(items, &namespace), &mut text);
    text
}

const INTRODUCTION: &str = "# Configuration

Ringpost reads one TOML file (`ringpost serve --config FILE`); without it the defaults below hold. A key that it does
not know is refused at start with the nearest right name. `ringpost config default` prints a file with every key,
`ringpost config check --config FILE` looks a file over, `ringpost config schema` prints a JSON schema for editors.

Every key can be overridden by an environment variable: `RINGPOST_`, then the path in capitals, sections joined by two
underscores: `RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY`. Lists are written with commas or in TOML's inline form.

`SIGHUP` reads the file again. What a running node cannot change (`name`, `shards`, `http_server`, `tcp_server`, `log`)
is kept until a restart, and the log says so.

This page is made from the comments in `src/config/`; a test keeps it true.
";

fn write_markdown(schema: &Json, defaults: &Table, path: &str, text: &mut String) {
    let keys = keys(schema, defaults);
    let (sections, plain): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| matches!(key.default, Value::Table(_)));
    let plain: Vec<_> = plain.into_iter().filter(|key| key.name != "namespaces").collect();
    if !plain.is_empty() {
        text.push('\n');
        table(&plain, text);
    }
    for key in sections {
        let here = if path.is_empty() { key.name.to_string() } else { format!("{path}.{}", key.name) };
        let Value::Table(inner) = key.default else { unreachable!("sections are tables") };
        let _ = write!(text, "\n## `[{here}]`\n\n{}\n", one_line(key.about));
        write_markdown(key.schema, inner, &here, text);
    }
}

fn table(keys: &[Key<'_>], text: &mut String) {
    text.push_str("| key | default | meaning |\n|---|---|---|\n");
    for key in keys {
        let about = one_line(key.about).replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | `{}` | {about} |", key.name, key.default);
    }
}
