//! Times in the configuration: "25s", "1h30m", "300ms".

use std::fmt;
use std::str::FromStr;
use std::time;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time with the precision of a millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(u64);

impl Duration {
    /// A length of time, by milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A length of time, by seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1000)
    }

    /// The time in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Reads a sum of numbers with units `ms`, `s`, `m`, `h`, `d`; `0` needs none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        if rest == "0" {
            return Some(Self(0));
        }
        let mut total = 0u64;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let unit = match &rest[..letters] {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            };
            rest = &rest[letters..];
            total = total.checked_add(number.checked_mul(unit)?)?;
        }
        Some(Self(total))
    }
}

impl FromStr for Duration {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or("write a time like 25s, 300ms or 1h30m")
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        Self::from_millis(duration.0)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return formatter.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, millis) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
            if rest >= millis {
                write!(formatter, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Duration;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a time such as \"25s\", \"300ms\" or \"1h30m\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        Duration::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(0|([0-9]+(ms|s|m|h|d))+)$" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_add_up() {
        assert_eq!(Duration::parse("1d2h3m4s5ms"), Some(Duration::from_millis(93_784_005)));
        assert_eq!(Duration::parse(" 90s "), Some(Duration::from_secs(90)));
        assert_eq!(Duration::parse("0"), Some(Duration::default()));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "5", "s", "-1s", "1.5s", "1 s", "1y", "5s4", "é1s", "18446744073709551616ms", "213503982335d"]
        {
            assert_eq!(Duration::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_refused_with_an_example() {
        let error = toml::from_str::<std::collections::HashMap<String, Duration>>("time = 25").unwrap_err();
        assert!(error.message().ends_with("expected a time such as \"25s\", \"300ms\" or \"1h30m\""), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(millis: u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(Duration::parse(&duration.to_string()), Some(duration));
        }
    }
}
