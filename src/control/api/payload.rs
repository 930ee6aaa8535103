//! Application data on its way in and out: any JSON value, or bytes in base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize as _, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::model::Payload;
use crate::model::refusal::{Error, ErrorKind};
use crate::protocol::centrifuge::json::{one_line, write_payload};

/// What a pair of fields such as `data` and `b64data` holds; base64 wins where both are given.
///
/// # Errors
/// 107 for what is no base64; `field` names it.
pub(super) fn read(
    json: Option<&RawValue>,
    base64: Option<&str>,
    field: &'static str,
) -> Result<Option<Payload>, Error> {
    if let Some(base64) = base64.filter(|base64| !base64.is_empty()) {
        let wrong = |error| ErrorKind::BadRequest.because(format!("bad request: {field} is no base64: {error}"));
        return Ok(Some(Payload::binary(STANDARD.decode(base64).map_err(wrong)?)));
    }
    Ok(json.map(|json| Payload::json(one_line(json.get().as_bytes()).into_owned())))
}

/// Reads a field that may hold any JSON: null is a value, too, and another than none.
///
/// # Errors
/// Malformed JSON.
pub(super) fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// Application data in an answer: as clients that speak JSON see it; where the answer can hold bytes, as it was published.
#[derive(Debug)]
pub(super) struct Data(Payload);

impl From<&Payload> for Data {
    fn from(payload: &Payload) -> Self {
        Self(payload.clone())
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => write(&self.0).serialize(serializer),
            false => serializer.serialize_bytes(&self.0.bytes),
        }
    }
}

/// It is described as the JSON that it is among JSON.
impl JsonSchema for Data {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Box::<RawValue>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Box::<RawValue>::json_schema(generator)
    }
}

/// The payload as clients that speak JSON see it.
pub(super) fn write(payload: &Payload) -> Box<RawValue> {
    let mut json = Vec::with_capacity(payload.bytes.len());
    write_payload(&payload.bytes, payload.kind, &mut json);
    let json = String::from_utf8(json).expect("a payload is written as JSON");
    RawValue::from_string(json).expect("a payload is written as JSON")
}
