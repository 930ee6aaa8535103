//! Application data in a record: the fields `data` and `b64data`, of which one is there. `data` is a JSON value: itself in JSON,
//! its text in Protobuf. `b64data` is any bytes: in base64 in JSON, as they are in Protobuf.

use std::borrow::Cow;

use bytes::Bytes;

use crate::model::{Payload, PayloadKind, as_json};
use crate::protocol::centrifuge::json::one_line;

/// What a payload is in the two fields, `data` and `b64data`. Bytes that are JSON are `data`, if they come back as they are.
pub fn split(payload: &Payload) -> (Bytes, Bytes) {
    match payload.kind == PayloadKind::Json || comes_back(&payload.bytes) {
        true => (payload.bytes.clone(), Bytes::new()),
        false => (Bytes::new(), payload.bytes.clone()),
    }
}

/// What the two fields of a stranger's record hold; `None` where both are empty. Bytes win where both are there. A `data` that is
/// no JSON, as Protobuf lets it be, is taken as bytes.
pub fn payload(data: &Bytes, b64data: &Bytes) -> Option<Payload> {
    if !b64data.is_empty() {
        return Some(Payload::binary(b64data.clone()));
    }
    if data.is_empty() {
        return None;
    }
    let Some(json) = as_json(data) else { return Some(Payload::binary(data.clone())) };
    Some(match one_line(json.trim_ascii().as_bytes()) {
        Cow::Borrowed(line) => Payload::json(data.slice_ref(line)),
        Cow::Owned(line) => Payload::json(line),
    })
}

/// Whether bytes are JSON that is written as it is: on one line, with nothing around it.
fn comes_back(bytes: &[u8]) -> bool {
    as_json(bytes).is_some_and(|json| one_line(json.trim_ascii().as_bytes()) == bytes)
}

/// `data`, for serde: a JSON value within JSON.
pub mod json {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
    use serde_json::value::RawValue;

    /// Writes the value. What is no JSON, as Protobuf lets it be, is written as a string in base64.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(data: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_slice::<&RawValue>(data) {
            Ok(value) => value.serialize(serializer),
            Err(_) => STANDARD.encode(data).serialize(serializer),
        }
    }

    /// Reads any value; null is one, too.
    ///
    /// # Errors
    /// Malformed JSON.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let value = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Bytes::from(Box::<str>::from(value).into_string().into_bytes()))
    }
}

/// `b64data`, for serde: bytes in base64 within JSON.
pub mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    /// Writes the bytes.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        STANDARD.encode(bytes).serialize(serializer)
    }

    /// Reads the bytes; null is none.
    ///
    /// # Errors
    /// What is no base64, or no string.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        STANDARD.decode(text).map(Bytes::from).map_err(D::Error::custom)
    }
}
