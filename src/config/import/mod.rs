//! A configuration of Centrifugo, version 5 or 6, as one of ours.
//!
//! What means the same here is taken over. What would mean something else, or nothing, is not, and a note says why. Values that
//! hold there by default and are others here are written out, so that nothing changes by being left out. Secrets come along;
//! notes name keys and never tell a value.

mod names;
mod read;
#[cfg(test)]
mod tests;
mod value;

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};
use strsim::damerau_levenshtein;
use toml::{Table, Value};

pub use self::read::Format;

use super::describe::{changed_toml, find};
use super::{Config, Namespace};

/// What has become of a configuration.
#[derive(Debug, Default)]
pub struct Import {
    /// A file for `ringpost serve`, with the notes as comments.
    pub toml: String,
    /// What is not taken over: the keys, and why.
    pub notes: Vec<String>,
    /// What `ringpost config check` will say of the file; empty where it is fine.
    pub problems: Vec<String>,
}

const HEAD: &str =
    "# Ringpost configuration, made by `ringpost config import`. It may hold secrets: keep it from others.
# Keys that are not here have their defaults: `ringpost config default` prints all of them.
";

/// Reads the text of a configuration file of Centrifugo.
///
/// # Errors
/// Where and why it is not of the format.
pub fn import(text: &str, format: Format) -> Result<Import, String> {
    let mut taking = Taking::new();
    for (key, value) in format.read(text)? {
        let is_option = taking.options.contains_key(&key) && key != "name";
        let path = names::path_of(&key, value.is_object(), is_option);
        taking.take(path, &value);
    }
    Ok(taking.finish())
}

/// What has been taken over so far.
struct Taking {
    /// Our defaults; what is taken over replaces them.
    table: Table,
    /// The keys of a namespace with their defaults.
    options: Table,
    namespaces: Vec<Value>,
    /// Paths of ours that the file gave.
    given: Vec<String>,
    /// Why keys are left out, and which, in the order in which they came.
    left_out: Vec<(String, Vec<String>)>,
    is_api_disabled: bool,
}

impl Taking {
    fn new() -> Self {
        Self {
            table: Table::try_from(Config::default()).expect("the configuration is a table"),
            options: Table::try_from(Namespace::default()).expect("a namespace is a table"),
            namespaces: Vec::new(),
            given: Vec::new(),
            left_out: Vec::new(),
            is_api_disabled: false,
        }
    }

    fn leave_out(&mut self, path: String, why: impl Into<String>) {
        let why = why.into();
        match self.left_out.iter_mut().find(|(other, _)| *other == why) {
            Some((_, paths)) => paths.push(path),
            None => self.left_out.push((why, vec![path])),
        }
    }

    /// Takes a key by its path in version 6.
    fn take(&mut self, path: String, value: &Json) {
        match (path.as_str(), value) {
            ("channel.namespaces", Json::Array(namespaces)) => {
                namespaces.iter().for_each(|namespace| self.take_namespace(namespace));
            }
            ("http_api.disabled", _) => self.is_api_disabled = value::as_ours(value, &false.into()) == Ok(true.into()),
            (_, Json::Object(keys)) if self.has_keys_of(&path) || names::why_not(&path).is_none() => {
                keys.iter().for_each(|(key, value)| self.take(format!("{path}.{key}"), value));
            }
            (_, Json::Null) => {}
            _ => self.take_leaf(path, value),
        }
    }

    /// Whether something of a section can be taken over.
    fn has_keys_of(&self, section: &str) -> bool {
        let within = |path: &str| path.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
        find(&self.table, section).is_some_and(Value::is_table) || names::MOVED.iter().any(|(there, _)| within(there))
    }

    fn take_leaf(&mut self, path: String, value: &Json) {
        let moved = names::MOVED.iter().find(|(there, _)| *there == path);
        let ours = moved.map_or(path.as_str(), |(_, ours)| ours).to_owned();
        let Some(slot) = place(&mut self.table, &ours) else {
            return match names::why_not(&path) {
                Some(_) if value::is_off(value) => {}
                Some(why) => self.leave_out(path, why),
                None => {
                    let why = unknown(path.rsplit('.').next().unwrap_or(&path), siblings(&self.table, &path));
                    self.leave_out(path, why);
                }
            };
        };
        match value::as_ours(&spelt(&ours, value), slot) {
            // An empty address means every address there.
            Ok(Value::String(text)) if text.is_empty() && ours.ends_with(".address") => {}
            Ok(value) => {
                *slot = value;
                self.given.push(ours);
            }
            Err(why) => self.leave_out(path, format!("the value {why}")),
        }
    }

    fn take_namespace(&mut self, namespace: &Json) {
        let empty = Map::new();
        let keys = namespace.as_object().unwrap_or(&empty);
        let name = keys.get("name").and_then(Json::as_str).unwrap_or_default();
        let mut taken = Table::new();
        for (key, value) in keys {
            let path = || format!("channel.namespaces.{name}.{key}");
            match (self.options.get(key), names::why_not_option(key)) {
                (Some(_), _) if value.is_null() => {}
                (Some(default), _) => match value::as_ours(value, default) {
                    Ok(value) => drop(taken.insert(key.clone(), value)),
                    Err(why) => self.leave_out(path(), format!("the value {why}")),
                },
                (None, Some(_)) if value::is_off(value) => {}
                (None, Some(why)) => self.leave_out(path(), why),
                (None, None) => {
                    let why = unknown(key, self.options.keys());
                    self.leave_out(path(), why);
                }
            }
        }
        self.namespaces.push(Value::Table(taken));
    }

    /// What the two servers do differently where a key is left out, or by several keys together.
    fn settle(&mut self) {
        for (path, value) in names::defaults() {
            if !self.given.iter().any(|given| given == path) {
                set(&mut self.table, path, value);
            }
        }
        let is_given = |path: &str| self.given.iter().any(|given| given == path);
        match (is_given("internal_server.address"), is_given("internal_server.port")) {
            (false, true) => set(&mut self.table, "internal_server.address", "0.0.0.0"),
            (true, false) => {
                set(&mut self.table, "internal_server.address", "");
                self.leave_out(
                    "http_server.internal_address".into(),
                    "give the internal port a number: `internal_server.port`",
                );
            }
            _ => {}
        }
        if self.is_api_disabled {
            set(&mut self.table, "http_api.key", "");
            set(&mut self.table, "http_api.insecure", false);
            self.leave_out(
                "http_api.disabled".into(),
                "the API is there, and without `http_api.key` it refuses every call",
            );
        }
    }

    fn finish(mut self) -> Import {
        self.settle();
        set(&mut self.table, "channel.namespaces", self.namespaces);
        let notes: Vec<String> =
            self.left_out.iter().map(|(why, paths)| format!("{}: {why}", paths.join(", "))).collect();
        let config: Config = match self.table.try_into() {
            Ok(config) => config,
            Err(error) => return Import { notes, problems: vec![error.to_string()], ..Import::default() },
        };
        let mut toml = String::from(HEAD);
        if !notes.is_empty() {
            toml.push_str("#\n# Not taken over:\n");
            for note in &notes {
                let _ = writeln!(toml, "# - {}", note.replace(char::is_control, " "));
            }
        }
        let shown: Vec<&str> = self.given.iter().map(String::as_str).collect();
        toml += &changed_toml(&config, &shown);
        let problems =
            Config::parse(&toml, std::iter::empty(), false).err().map_or_else(Vec::new, |error| error.problems);
        Import { toml, notes, problems }
    }
}

/// A key that is neither ours nor, as far as is known, Centrifugo's.
fn unknown<'a>(key: &str, known: impl IntoIterator<Item = &'a String>) -> String {
    let distance = |name: &&String| damerau_levenshtein(name, key);
    match known.into_iter().min_by_key(distance).filter(|name| distance(name) <= 2) {
        Some(name) => format!("no such key is known; perhaps it is `{name}`"),
        None => "no such key is known".into(),
    }
}

/// Values that are spelt in another way there.
fn spelt(path: &str, value: &Json) -> Json {
    match (path, value.as_str()) {
        ("log.level", Some("fatal")) => "error".into(),
        ("log.level", Some("none")) => "off".into(),
        ("http_server.address" | "internal_server.address", Some("localhost")) => "127.0.0.1".into(),
        _ => value.clone(),
    }
}

/// The place of a key that is no section.
fn place<'a>(table: &'a mut Table, path: &str) -> Option<&'a mut Value> {
    match path.split_once('.') {
        Some((section, rest)) => place(table.get_mut(section)?.as_table_mut()?, rest),
        None => table.get_mut(path).filter(|value| !value.is_table() && path != "namespaces"),
    }
}

/// The names that stand beside a key.
fn siblings<'a>(table: &'a Table, path: &str) -> Vec<&'a String> {
    match path.split_once('.') {
        Some((section, rest)) => {
            table.get(section).and_then(Value::as_table).map_or_else(Vec::new, |table| siblings(table, rest))
        }
        None => table.keys().collect(),
    }
}

fn set(table: &mut Table, path: &str, value: impl Into<Value>) {
    match path.split_once('.') {
        Some((section, rest)) => set(table[section].as_table_mut().expect("it is a section"), rest, value),
        None => drop(table.insert(path.into(), value.into())),
    }
}
