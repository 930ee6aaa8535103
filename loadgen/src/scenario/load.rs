//! Where scenarios come from: the built-in files, files of the user, and settings on the command line.

use std::fs;

use anyhow::{Context as _, bail};
use toml::{Table, Value};

use super::Scenario;

/// The built-in scenarios: name and file.
pub const BUILT_IN: [(&str, &str); 28] = [
    ("idle", include_str!("../../scenarios/idle.toml")),
    ("idle-many", include_str!("../../scenarios/idle-many.toml")),
    ("connect", include_str!("../../scenarios/connect.toml")),
    ("connect-storm", include_str!("../../scenarios/connect-storm.toml")),
    ("reconnect-storm", include_str!("../../scenarios/reconnect-storm.toml")),
    ("recovery-storm", include_str!("../../scenarios/recovery-storm.toml")),
    ("restart", include_str!("../../scenarios/restart.toml")),
    ("ping", include_str!("../../scenarios/ping.toml")),
    ("publish", include_str!("../../scenarios/publish.toml")),
    ("publish-pipelined", include_str!("../../scenarios/publish-pipelined.toml")),
    ("fanout", include_str!("../../scenarios/fanout.toml")),
    ("fanout-rooms", include_str!("../../scenarios/fanout-rooms.toml")),
    ("fanout-zipf", include_str!("../../scenarios/fanout-zipf.toml")),
    ("slow", include_str!("../../scenarios/slow.toml")),
    ("slow-pause", include_str!("../../scenarios/slow-pause.toml")),
    ("fanin", include_str!("../../scenarios/fanin.toml")),
    ("direct", include_str!("../../scenarios/direct.toml")),
    ("durable", include_str!("../../scenarios/durable.toml")),
    ("inbox", include_str!("../../scenarios/inbox.toml")),
    ("chat", include_str!("../../scenarios/chat.toml")),
    ("cluster", include_str!("../../scenarios/cluster.toml")),
    ("failover", include_str!("../../scenarios/failover.toml")),
    ("rolling", include_str!("../../scenarios/rolling.toml")),
    ("kafka", include_str!("../../scenarios/kafka.toml")),
    ("kafka-failover", include_str!("../../scenarios/kafka-failover.toml")),
    ("ramp-publish", include_str!("../../scenarios/ramp-publish.toml")),
    ("ramp-fanout", include_str!("../../scenarios/ramp-fanout.toml")),
    ("ramp-direct", include_str!("../../scenarios/ramp-direct.toml")),
];

/// The file of a built-in scenario, or the file at a path that ends with `.toml`.
///
/// # Errors
/// When there is no such scenario, with the nearest name, or no such file.
pub fn find(name: &str) -> anyhow::Result<String> {
    if name.ends_with(".toml") {
        return fs::read_to_string(name).with_context(|| format!("the scenario file {name} cannot be read"));
    }
    if let Some((_, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
        return Ok((*text).to_owned());
    }
    let hint = nearest(name, BUILT_IN.iter().map(|(name, _)| *name));
    bail!("there is no scenario `{name}`{hint}; `list` shows them all, and a file of your own ends with .toml")
}

/// Reads a scenario's file.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(text: &str) -> anyhow::Result<Scenario> {
    toml::from_str(text).map_err(|error| anyhow::anyhow!("the scenario cannot be read: {}", error.to_string().trim()))
}

/// Changes one setting, written as `key=value`. A key may stand for itself where it is the only one of its name,
/// or be written out: `work.pace.rate_per_s=200`.
///
/// # Errors
/// When there is no such setting, with the nearest name, or the value does not fit.
pub fn set(scenario: &Scenario, setting: &str) -> anyhow::Result<Scenario> {
    let (key, value) =
        setting.split_once('=').with_context(|| format!("`{setting}` is no setting: write key=value"))?;
    let (key, value) = (key.trim(), value.trim());
    let mut table = Table::try_from(scenario).context("a scenario can always be written")?;
    let keys = keys(&table, "");
    let matches: Vec<_> = keys.iter().filter(|known| *known == key || known.ends_with(&format!(".{key}"))).collect();
    let path = match matches[..] {
        [path] => path,
        [] => {
            let names = keys.iter().map(|known| known.rsplit('.').next().unwrap_or(known));
            bail!("this scenario has no setting `{key}`{}; it has {}", nearest(key, names), keys.join(", "));
        }
        _ => bail!("`{key}` is not clear: write one of {}", keys.join(", ")),
    };
    *entry(&mut table, path).context("the key was just found")? = parse(value);
    let changed: Result<Scenario, _> = table.try_into();
    changed.map_err(|error| anyhow::anyhow!("`{setting}` does not fit: {}", error.message()))
}

/// The settings that differ between a scenario and what it was made of, as [`set`] takes them.
///
/// # Errors
/// When a scenario cannot be written, which all can.
pub fn changed(own: &Scenario, scenario: &Scenario) -> anyhow::Result<Vec<String>> {
    let (own, scenario) = (Table::try_from(own)?, Table::try_from(scenario)?);
    let keys = keys(&scenario, "");
    let mut changed = Vec::new();
    for path in &keys {
        let value = value(&scenario, path);
        if value == self::value(&own, path) {
            continue;
        }
        let name = path.rsplit('.').next().unwrap_or(path);
        let is_clear = keys.iter().filter(|key| key.rsplit('.').next() == Some(name)).count() == 1;
        let text = value.map_or(String::new(), |value| value.as_str().map_or(value.to_string(), str::to_owned));
        changed.push(format!("{}={text}", if is_clear { name } else { path }));
    }
    Ok(changed)
}

fn value<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        Some((head, rest)) => value(table.get(head)?.as_table()?, rest),
        None => table.get(path),
    }
}

/// A TOML value, or else a string without quotes.
fn parse(text: &str) -> Value {
    let table: Option<Table> = toml::from_str(&format!("value = {text}")).ok();
    table.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// All keys that hold values, written out.
fn keys(table: &Table, prefix: &str) -> Vec<String> {
    let path = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    let below = |(key, value): (&String, &Value)| match value {
        Value::Table(table) => keys(table, &path(key)),
        _ => vec![path(key)],
    };
    table.iter().flat_map(below).collect()
}

fn entry<'a>(table: &'a mut Table, path: &str) -> Option<&'a mut Value> {
    match path.split_once('.') {
        Some((head, rest)) => entry(table.get_mut(head)?.as_table_mut()?, rest),
        None => table.get_mut(path),
    }
}

/// `: did you mean …?`, where a name is near.
fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = names.map(|name| (strsim::damerau_levenshtein(wrong, name), name)).min();
    near.filter(|(distance, _)| *distance <= 3).map_or(String::new(), |(_, name)| format!(": did you mean `{name}`?"))
}
