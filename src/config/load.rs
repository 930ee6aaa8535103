//! File, then environment, then a look at every key: an unknown one is refused with the nearest right name.

use std::fmt;
use std::path::Path;

use toml::{Table, Value};

use super::{Config, Namespace};

/// How environment variables begin that override a key. Sections are joined by two underscores:
/// `RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY`.
pub const ENV_PREFIX: &str = "RINGPOST_";

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
            write!(formatter, "\n  - {problem}")?;
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
        let text = match path {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| ConfigError::from(format!("{} cannot be read: {error}", path.display())))?,
        };
        Self::parse(&text, environment, dev)
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
        let mut given: Table = text.parse().map_err(|error| ConfigError::from(format!("{error}")))?;
        let defaults = if dev { Self::dev() } else { Self::default() };
        let known = Table::try_from(&defaults).expect("the configuration is a table");
        let mut problems = Vec::new();
        override_from(environment, &known, &mut given, &mut problems);
        check_keys(&given, &known, "", text, &mut problems);
        if !problems.is_empty() {
            return Err(ConfigError { problems });
        }
        let mut merged = known;
        merge(&mut merged, given);
        let mut config: Self = merged
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError::from(error.to_string().trim().to_string()))?;
        if config.name.is_empty() {
            config.name = host_name();
        }
        match config.check() {
            problems if problems.is_empty() => Ok(config),
            problems => Err(ConfigError { problems }),
        }
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Environment variables with the prefix become keys; lists and tables are written in TOML's inline form, lists
/// of plain words also with commas.
fn override_from(
    environment: impl Iterator<Item = (String, String)>,
    known: &Table,
    given: &mut Table,
    problems: &mut Vec<String>,
) {
    let mut variables: Vec<_> = environment.filter(|(name, _)| name.starts_with(ENV_PREFIX)).collect();
    variables.sort();
    for (name, text) in variables {
        let path: Vec<String> = name[ENV_PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        let Some(default) = find(known, &path) else {
            problems.push(format!("the environment variable {name} names no key{}", nearest_path(known, &path)));
            continue;
        };
        match value(&text, default) {
            Ok(value) => insert(given, &path, value),
            Err(expected) => {
                problems.push(format!("the environment variable {name} must be {expected}, not \"{text}\""))
            }
        }
    }
}

fn find<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = table.get(first)?;
    if rest.is_empty() { Some(value) } else { find(value.as_table()?, rest) }
}

fn insert(table: &mut Table, path: &[String], value: Value) {
    let (first, rest) = path.split_first().expect("paths are not empty");
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return;
    }
    let inner = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = inner {
        insert(inner, rest, value);
    }
}

fn value(text: &str, default: &Value) -> Result<Value, &'static str> {
    let inline = || format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    match default {
        Value::String(_) => Ok(Value::String(text.into())),
        Value::Integer(_) => text.trim().parse().map(Value::Integer).map_err(|_| "a number"),
        Value::Boolean(_) => match text.trim() {
            "true" | "1" => Ok(Value::Boolean(true)),
            "false" | "0" => Ok(Value::Boolean(false)),
            _ => Err("true or false"),
        },
        Value::Array(_) => match inline() {
            Some(list @ Value::Array(_)) => Ok(list),
            _ if text.trim_start().starts_with('[') => Err("a list in TOML, such as [\"a\", \"b\"]"),
            _ => Ok(Value::Array(text.split(',').map(|word| Value::String(word.trim().into())).collect())),
        },
        _ => inline().ok_or("a table in TOML, such as { key = \"value\" }"),
    }
}

fn nearest_path(known: &Table, path: &[String]) -> String {
    let mut table = known;
    for part in path {
        match table.get(part) {
            Some(Value::Table(inner)) => table = inner,
            Some(_) => return String::new(),
            None => return nearest(table.keys(), part),
        }
    }
    String::new()
}

fn nearest<'a>(keys: impl Iterator<Item = &'a String>, wrong: &str) -> String {
    let by_distance = keys.map(|key| (strsim::damerau_levenshtein(key, wrong), key));
    match by_distance.min() {
        Some((distance, key)) if distance <= wrong.len().div_ceil(2) => format!(": did you mean `{key}`?"),
        _ => String::new(),
    }
}

fn check_keys(given: &Table, known: &Table, path: &str, text: &str, problems: &mut Vec<String>) {
    for (key, value) in given {
        let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (known.get(key), value) {
            (None, _) => {
                let line = line_of(text, key).map_or_else(String::new, |line| format!(" (line {line})"));
                problems.push(format!("unknown key `{here}`{line}{}", nearest(known.keys(), key)));
            }
            (Some(Value::Table(known)), Value::Table(given)) => check_keys(given, known, &here, text, problems),
            (Some(Value::Array(_)), Value::Array(given)) if here == "channel.namespaces" => {
                let known = Table::try_from(Namespace::default()).expect("a namespace is a table");
                for (at, namespace) in given.iter().enumerate() {
                    if let Value::Table(namespace) = namespace {
                        check_keys(namespace, &known, &format!("{here}[{at}]"), text, problems);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Where a key stands, for the person who looks for it; the first place if there are several.
fn line_of(text: &str, key: &str) -> Option<usize> {
    text.lines()
        .position(|line| {
            let line = line.trim_start().trim_start_matches('[');
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', ']', '.']))
                || line.trim_end_matches(']').ends_with(&format!(".{key}"))
        })
        .map(|at| at + 1)
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
