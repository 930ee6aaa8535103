//! A look at every key that was given: is it known, and does its value fit? An unknown key is refused with the
//! nearest right name, whatever is wrong with where it stands, and all of it at once.

use std::collections::HashMap;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::{Config, ENV_PREFIX, Namespace};

/// Where each key was given: a line of the file or an environment variable.
#[derive(Debug, Default)]
pub(super) struct Origins(HashMap<String, String>);

impl Origins {
    /// The line of every key in a file.
    pub(super) fn of_file(text: &str) -> Result<Self, toml::de::Error> {
        let mut origins = Self::default();
        origins.add(text, "", DeTable::parse(text)?.get_ref());
        Ok(origins)
    }

    fn add(&mut self, text: &str, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let here = join(path, key.get_ref());
            let line = text[..key.span().start].matches('\n').count() + 1;
            self.set(here.clone(), format!("line {line}"));
            match value.get_ref() {
                DeValue::Table(inner) => self.add(text, &here, inner),
                DeValue::Array(items) => {
                    for (at, item) in items.iter().enumerate() {
                        if let DeValue::Table(inner) = item.get_ref() {
                            self.add(text, &format!("{here}[{at}]"), inner);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Notes where a key was given, over what was noted before.
    pub(super) fn set(&mut self, path: String, origin: String) {
        self.0.insert(path, origin);
    }

    /// Where a key was given itself, or in a table of an environment variable; `None` where it has its default.
    pub(super) fn of(&self, path: &str) -> Option<&str> {
        let is_variable = |origin: &&String| origin.starts_with(ENV_PREFIX);
        self.0.get(path).or_else(|| self.above(path).filter(is_variable)).map(String::as_str)
    }

    /// Where the nearest that a key stands in was given.
    fn above(&self, path: &str) -> Option<&String> {
        let ancestors = path.char_indices().filter(|(_, char)| ".[".contains(*char)).map(|(at, _)| &path[..at]);
        ancestors.rev().find_map(|above| self.0.get(above))
    }

    /// The key and where it was given; what stands in an environment variable is found at the variable.
    fn name(&self, path: &str) -> String {
        let origin = self.0.get(path).or_else(|| self.above(path));
        origin.map_or_else(|| format!("`{path}`"), |origin| format!("`{path}` ({origin})"))
    }
}

/// What is wrong with the keys themselves, one line each.
pub(super) fn check_keys(given: &Table, known: &Table, origins: &Origins) -> Vec<String> {
    let mut look = Look { root: known, origins, problems: Vec::new() };
    look.section("", given, known, &|alone| {
        let mut whole = known.clone();
        merge(&mut whole, alone);
        Config::deserialize(whole).map(drop)
    });
    look.problems
}

/// Reads a section as it stands in the whole, everything else being as by default.
type Fits<'a> = &'a dyn Fn(Table) -> Result<(), toml::de::Error>;

struct Look<'a> {
    root: &'a Table,
    origins: &'a Origins,
    problems: Vec<String>,
}

impl Look<'_> {
    fn section(&mut self, path: &str, given: &Table, known: &Table, fits: Fits<'_>) {
        for (key, value) in given {
            let here = join(path, key);
            match (known.get(key), value) {
                (None, _) => {
                    let nearest = self.nearest(known, path, key);
                    self.problems.push(format!("{} is no key{nearest}", self.origins.name(&here)));
                }
                (Some(Value::Table(known)), Value::Table(given)) => {
                    self.section(&here, given, known, &|inner| fits(alone(key, Value::Table(inner))));
                }
                (Some(_), Value::Array(items)) if here == "channel.namespaces" => self.namespaces(&here, items),
                // Each value is tried alone, so that one that does not fit cannot hide another.
                (Some(_), value) => {
                    if let Err(error) = fits(alone(key, value.clone())) {
                        self.problems.push(format!("{}: {}", self.origins.name(&here), in_words(error.message())));
                    }
                }
            }
        }
    }

    fn namespaces(&mut self, path: &str, items: &[Value]) {
        let known = Table::try_from(Namespace::default()).expect("a namespace is a table");
        for (at, item) in items.iter().enumerate() {
            let here = format!("{path}[{at}]");
            match item {
                Value::Table(given) => {
                    self.section(&here, given, &known, &|alone| Namespace::deserialize(alone).map(drop));
                }
                other => self.problems.push(format!(
                    "{}: a namespace is a table, such as {{ name = \"chat\" }}, not {other}",
                    self.origins.name(&here)
                )),
            }
        }
    }

    /// The right name as the end of a sentence: a similar one of the same section, or the same one elsewhere.
    fn nearest(&self, known: &Table, path: &str, wrong: &str) -> String {
        let by_distance = known.keys().map(|key| (strsim::damerau_levenshtein(key, wrong), key));
        if let Some((distance, key)) = by_distance.min()
            && distance <= wrong.len().div_ceil(3)
        {
            return format!(": did you mean `{}`?", join(path, key));
        }
        let mut places = Vec::new();
        elsewhere(self.root, "", wrong, &mut places);
        match places.len() {
            1..=4 => format!(" here: did you mean {}?", places.join(" or ")),
            _ => String::new(),
        }
    }
}

fn elsewhere(table: &Table, path: &str, wanted: &str, places: &mut Vec<String>) {
    for (key, value) in table {
        let here = join(path, key);
        if let Value::Table(inner) = value {
            elsewhere(inner, &here, wanted, places);
        }
        if key == wanted {
            places.push(format!("`{here}`"));
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.into() } else { format!("{path}.{key}") }
}

fn alone(key: &str, value: Value) -> Table {
    Table::from_iter([(key.to_owned(), value)])
}

/// An error of the deserializer without the names of Rust's types.
fn in_words(message: &str) -> String {
    let words = [
        ("u8", "a number from 0 to 255"),
        ("u16", "a number from 0 to 65535"),
        ("u32", "a number from 0 to 4294967295"),
        ("u64", "a number from 0 up"),
        ("usize", "a number from 0 up"),
        ("a boolean", "true or false"),
        ("a string", "a text in quotes"),
        ("a sequence", "a list in brackets"),
    ];
    match message.rsplit_once(", expected ") {
        Some((found, kind)) => match words.iter().find(|(name, _)| *name == kind) {
            Some((_, kind)) => format!("{found}, expected {kind}"),
            None if kind.starts_with("struct ") => format!("{found}, expected a section with keys"),
            None => message.into(),
        },
        None => message.into(),
    }
}

/// Puts keys over others, section by section.
pub(super) fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        Config::parse(text, std::iter::empty(), false).expect_err("the keys are refused").problems
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
        assert_eq!(
            problems("# a comment\n[client]\nping_intervall = \"25s\"\n"),
            ["`client.ping_intervall` (line 3) is no key: did you mean `client.ping_interval`?"]
        );
    }

    #[test]
    fn the_line_is_that_of_the_wrong_key_and_not_of_a_namesake() {
        assert_eq!(
            problems("[tcp_server]\nport = 9000\n\n[http_api]\nport = 9001\n"),
            ["`http_api.port` (line 5) is no key here: did you mean `grpc_api.port` or `http_server.port` or \
              `internal_server.port` or `tcp_server.port`?"]
        );
    }

    #[test]
    fn a_key_that_belongs_to_another_section_is_sent_there() {
        assert_eq!(
            problems("[client]\npresence = true\n"),
            ["`client.presence` (line 2) is no key here: did you mean `channel.without_namespace.presence`?"]
        );
    }

    #[test]
    fn a_key_like_no_other_is_refused_without_a_guess() {
        assert_eq!(problems("zebra = 1\n"), ["`zebra` (line 1) is no key"]);
    }

    #[test]
    fn keys_of_namespaces_are_looked_at_one_by_one() {
        let text = "[[channel.namespaces]]\nname = \"a\"\n[[channel.namespaces]]\nname = \"b\"\npresense = true\n\
                    history_size = -1\n";
        assert_eq!(
            problems(text),
            [
                "`channel.namespaces[1].history_size` (line 6): invalid value: integer `-1`, expected a number from 0 \
                 to 4294967295",
                "`channel.namespaces[1].presense` (line 5) is no key: did you mean \
                 `channel.namespaces[1].presence`?",
            ]
        );
    }

    #[test]
    fn a_namespace_that_is_no_table_is_refused() {
        let problems = problems("channel.namespaces = [\"chat\"]\n");
        assert!(problems[0].starts_with("`channel.namespaces[0]` (line 1): a namespace is a table"), "{problems:?}");
    }

    #[test]
    fn every_value_that_does_not_fit_is_told_in_plain_words() {
        let text = "client = { insecure = 1, ping_interval = \"soon\" }\nshards = 4\n[http_server]\nport = 70000\n\
                    [log]\nformat = \"xml\"\n";
        let problems = problems(text);
        let expected = [
            "`client.insecure` (line 1): invalid type: integer `1`, expected true or false",
            "`client.ping_interval` (line 1): invalid value: string \"soon\", expected a time such as \"25s\", \"300ms\" or \
             \"1h30m\"",
            "`http_server.port` (line 4): invalid value: integer `70000`, expected a number from 0 to 65535",
            "`log.format` (line 6): unknown variant `xml`, expected `text` or `json`",
            "`shards` (line 2): invalid type: integer `4`, expected a section with keys",
        ];
        assert_eq!(problems, expected);
    }
}
