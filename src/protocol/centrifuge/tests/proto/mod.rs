//! The messages of `client.proto` for `prost` and `serde`: another implementation in both encodings. Messages
//! that have the same fields share a type.

mod command;
mod reply;

pub(crate) use command::*;
pub(crate) use reply::*;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// In JSON a `bytes` field is the JSON value itself.
mod raw {
    use serde::de::Deserializer;
    use serde::ser::Serializer;
    use serde::{Deserialize, Serialize};
    use serde_json::value::RawValue;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let json = String::from_utf8(bytes.to_vec()).expect("JSON is UTF-8");
        RawValue::from_string(json).expect("a JSON value").serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| raw.get().as_bytes().to_vec())
    }
}
