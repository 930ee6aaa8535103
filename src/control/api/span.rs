//! Times in calls: whole seconds, or text such as `1h30m`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use crate::time::Duration;

/// A length of time in a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": u32::MAX },
                { "type": "string", "pattern": "^([0-9]{1,9}(ms|s|m|h|d)){1,4}$" },
            ]
        })
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("seconds, or a time like 25s, 300ms or 1h30m")
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Span, E> {
                let seconds =
                    u32::try_from(seconds).map_err(|_| E::invalid_value(Unexpected::Unsigned(seconds), &self))?;
                Ok(Span(Duration::from_secs(seconds.into())))
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Span, E> {
                u64::try_from(seconds)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(seconds), &self))
                    .and_then(|seconds| self.visit_u64(seconds))
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Span, E> {
                // JSON writes one number as 5, 5.0 and 5e0.
                let is_whole = seconds.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&seconds);
                if is_whole {
                    self.visit_u64(seconds as u64)
                } else {
                    Err(E::invalid_value(Unexpected::Float(seconds), &self))
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                Duration::parse(text).map(Span).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_seconds_or_a_text_with_units() {
        for (text, ms) in [("0", 0), ("5", 5_000), ("5.0", 5_000), ("\"1m30s\"", 90_000), ("\"300ms\"", 300)] {
            assert_eq!(serde_json::from_str::<Span>(text).ok(), Some(Span(Duration::from_millis(ms))), "{text}");
        }
        for text in ["-1", "1.5", "4294967296", "\"\"", "\"5\"", "\"5 s\"", "\"-1s\"", "true", "[]"] {
            assert!(serde_json::from_str::<Span>(text).is_err(), "{text}");
        }
    }
}
