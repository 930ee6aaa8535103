//! Values as Centrifugo's files have them, in the types that our keys have.
//!
//! Its reader takes a number or a switch in quotes, too, and a list in one string.

use serde_json::Value as Json;
use toml::Value;

use crate::config::Duration;

/// Whether nothing is set: what is off there need not be told to be missing here.
pub(super) fn is_off(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::String(text) => text.is_empty() || text == "memory",
        Json::Array(items) => items.is_empty(),
        Json::Object(keys) => keys.get("enabled").map_or_else(|| keys.values().all(is_off), is_off),
        _ => false,
    }
}

/// The value in the type of `default`.
///
/// # Errors
/// What it should be instead.
pub(super) fn as_ours(given: &Json, default: &Value) -> Result<Value, &'static str> {
    match default {
        Value::Boolean(_) => boolean(given).map(Value::Boolean).ok_or("is neither true nor false"),
        Value::Integer(_) => integer(given).map(Value::Integer).ok_or("is no whole number"),
        Value::Array(_) => list(given).map(Value::Array).ok_or("is no list of names"),
        Value::String(text) if Duration::parse(text).is_some() => {
            let duration = given.as_str().and_then(duration).ok_or("is no time with a unit, such as 25s")?;
            Ok(Value::String(duration.to_string()))
        }
        _ => string(given).map(Value::String).ok_or("is no text"),
    }
}

fn boolean(given: &Json) -> Option<bool> {
    given.as_bool().or_else(|| given.as_str()?.parse().ok())
}

fn integer(given: &Json) -> Option<i64> {
    given.as_i64().or_else(|| given.as_str()?.parse().ok())
}

fn string(given: &Json) -> Option<String> {
    match given {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn list(given: &Json) -> Option<Vec<Value>> {
    match given {
        Json::String(text) => Some(text.split_whitespace().map(|word| Value::String(word.into())).collect()),
        Json::Array(items) => items.iter().map(|item| string(item).map(Value::String)).collect(),
        _ => None,
    }
}

/// Go's times: sums of decimal numbers with the units `ns`, `us`, `ms`, `s`, `m` and `h`. Negative ones switch off, as 0 does
/// here; parts of a millisecond count as one.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text == "0" || text == "-1" {
        return Some(Duration::default());
    }
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut millis = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(rest.len());
        millis += number
            * match &rest[..letters] {
                "ns" => 1e-6,
                "us" | "µs" => 1e-3,
                "ms" => 1.0,
                "s" => 1e3,
                "m" => 60e3,
                "h" => 3_600e3,
                _ => return None,
            };
        rest = &rest[letters..];
    }
    Some(if is_negative { Duration::default() } else { Duration::from_millis(millis.ceil() as u64) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_go_are_times_of_ours() {
        let millis = |text| duration(text).map(Duration::as_millis);
        assert_eq!(millis("25s"), Some(25_000));
        assert_eq!(millis("1h30m"), Some(5_400_000));
        assert_eq!(millis("1.5s"), Some(1500));
        assert_eq!(millis("1000ms"), Some(1000));
        assert_eq!(millis("100us"), Some(1));
        assert_eq!(millis("720h"), Some(30 * 86_400_000));
        assert_eq!(millis("-1s"), Some(0));
        for wrong in ["", "-", "25", "s", "1d", "1s2", ".", "1..5s"] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_switches_and_lists_may_stand_in_quotes() {
        let value = |given: Json, default: Value| as_ours(&given, &default);
        assert_eq!(value("8000".into(), Value::Integer(0)), Ok(Value::Integer(8000)));
        assert_eq!(value("true".into(), Value::Boolean(false)), Ok(Value::Boolean(true)));
        assert_eq!(value(7.into(), Value::String(String::new())), Ok(Value::String("7".into())));
        let origins = Value::Array(vec!["https://a".into(), "https://b".into()]);
        assert_eq!(value("https://a https://b".into(), Value::Array(Vec::new())), Ok(origins));
        assert!(value(25.into(), Value::String("30s".into())).is_err());
    }
}
