//! Fields that are read as they lie in a JSON frame.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::protocol::centrifuge::json::shape::{Pairs, Text};

/// A JSON value as it lies in the frame.
pub(super) fn opaque<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<&'a [u8], D::Error> {
    <&RawValue>::deserialize(deserializer).map(|raw| raw.get().as_bytes())
}

pub(super) fn text<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, str>, D::Error> {
    Text::deserialize(deserializer).map(|text| text.0)
}

pub(super) fn pairs<'de: 'a, 'a, D, T>(deserializer: D) -> Result<Vec<(Cow<'a, str>, T)>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + 'a,
{
    Pairs::deserialize(deserializer).map(|pairs| pairs.0)
}
