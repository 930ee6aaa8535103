//! What a record asks for: an event `call/1`, whose method may be called.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

use super::outcome::Outcome;
use crate::cluster::kafka::taken::Taken;
use crate::config::CallMethod;
use crate::events;

/// A call that may be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Which method.
    pub(super) method: CallMethod,
    /// Its request, in JSON.
    pub(super) params: String,
}

impl Call {
    /// Reads a record of a topic, which may call these methods.
    ///
    /// # Errors
    /// Why it never can be carried out.
    pub(super) fn read(record: &Taken, topic: &str, allowed: &[CallMethod]) -> Result<Self, Outcome> {
        let written: events::Call = events::decode(record.content_type.as_deref(), &record.value)
            .map_err(|error| Outcome::Unreadable(error.to_string()))?;
        let Some(method) = CallMethod::named(&written.method).filter(|method| allowed.contains(method)) else {
            return Err(Outcome::NotAllowed(written.method));
        };
        let params = match &*written.params {
            b"" | b"null" => "{}",
            given => std::str::from_utf8(given).map_err(|error| Outcome::Unreadable(format!("params: {error}")))?,
        };
        if !method.has_key() {
            return Ok(Self { method, params: params.to_owned() });
        }
        let key = Some(written.idempotency_key).filter(|key| !key.is_empty()).unwrap_or_else(|| place(record, topic));
        let params = with_key(params, &key).map_err(|error| Outcome::Unreadable(format!("params: {error}")))?;
        Ok(Self { method, params })
    }
}

/// A request with this key, where it has none.
fn with_key(params: &str, key: &str) -> serde_json::Result<String> {
    const NAME: &str = "idempotency_key";
    let key = to_raw_value(key)?;
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(params)?;
    let has_one = fields.get(NAME).is_some_and(|given| !["null", "\"\""].contains(&given.get()));
    if !has_one {
        fields.insert(NAME.into(), &key);
    }
    serde_json::to_string(&fields)
}

/// What no other record has: where it lies, and when it was written, since a topic that is made anew counts anew.
fn place(record: &Taken, topic: &str) -> String {
    // An idempotency key has 255 bytes; a topic's name may have 249 of them.
    let topic = topic.get(topic.len().saturating_sub(180)..).unwrap_or(topic);
    format!("{topic}/{}/{}/{}", record.partition, record.offset, record.written_unix_ms.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn taken(value: &str) -> Taken {
        let (value, written_unix_ms) = (value.into(), Some(15));
        Taken { partition: 3, offset: 14, written_unix_ms, key: None, value, content_type: None }
    }

    fn read(value: &str) -> Result<Call, Outcome> {
        Call::read(&taken(value), "calls", &CallMethod::ALL)
    }

    fn params(value: &str) -> Value {
        serde_json::from_str(&read(value).unwrap().params).unwrap()
    }

    #[test]
    fn a_call_is_read_in_either_form_and_what_it_says_is_left_as_it_is() {
        let call = read(r#"{"method":"Publish","params":{"channel":"a","data":{"z": 1.50}},"idempotency_key":"k"}"#);
        let call = call.unwrap();
        assert_eq!(call.method, CallMethod::Publish);
        assert!(call.params.contains(r#""data":{"z": 1.50}"#), "{}", call.params);
        assert_eq!(params(r#"{"method":"disconnect","payload":{"user":"u"}}"#), json!({"user": "u"}));
        assert_eq!(params(r#"{"method":"disconnect","params":null,"more":1}"#), json!({}));
    }

    #[test]
    fn a_publish_has_a_key_its_own_or_that_of_the_record_or_the_place_of_it() {
        let key = |value: &str| params(value)["idempotency_key"].clone();
        let own = r#"{"method":"publish","params":{"idempotency_key":"own"},"idempotency_key":"record"}"#;
        assert_eq!(key(own), "own");
        let given = r#"{"method":"publish","params":{"idempotency_key":""},"idempotency_key":"record"}"#;
        assert_eq!(key(given), "record");
        assert_eq!(key(r#"{"method":"broadcast","params":{}}"#), "calls/3/14/15");
        assert_eq!(params(r#"{"method":"refresh","idempotency_key":"k"}"#), json!({}), "it takes none");
    }

    #[test]
    fn what_is_no_call_is_told_from_one_that_may_not_be_made() {
        for value in ["", "{", r#"{"method":1}"#, r#"{"method":"publish","params":[]}"#, "\u{0}"] {
            assert!(matches!(read(value), Err(Outcome::Unreadable(_))), "{value}: {:?}", read(value));
        }
        for value in ["{}", r#"{"method":"fly"}"#, r#"{"method":"batch","params":{"commands":[]}}"#] {
            assert!(matches!(read(value), Err(Outcome::NotAllowed(_))), "{value}: {:?}", read(value));
        }
        let mut protobuf = taken("\n\x07publish\x12\x02{}");
        protobuf.content_type = Some(b"application/protobuf".to_vec());
        assert_eq!(Call::read(&protobuf, "calls", &CallMethod::ALL).unwrap().method, CallMethod::Publish);
        let few = Call::read(&taken(r#"{"method":"disconnect"}"#), "calls", &[CallMethod::Publish]);
        assert_eq!(few, Err(Outcome::NotAllowed("disconnect".into())));
    }
}
