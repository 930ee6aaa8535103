//! A message as the JSON that the HTTP API takes.
//!
//! Fields have the names of the `.proto` file. Bytes are application data: what is JSON stands as it is; what is none
//! goes to the field's twin in base64 (`b64data` of `data`), where it has one. What a message does not say is left out, but for
//! truth values: in Protobuf a `false` that is said and one that is not are the same.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value};

use crate::model::as_json;

/// Bytes that must be JSON are none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} must be JSON")]
pub(super) struct NotJson(String);

/// Writes a message as a JSON object.
///
/// # Errors
/// A field of bytes is no JSON, and has no twin in base64.
pub(super) fn json(message: &DynamicMessage) -> Result<String, NotJson> {
    let mut json = Vec::new();
    write_message(message, &mut json)?;
    Ok(String::from_utf8(json).expect("texts and JSON are UTF-8"))
}

fn write_message(message: &DynamicMessage, out: &mut Vec<u8>) -> Result<(), NotJson> {
    out.push(b'{');
    let mut is_first = true;
    for field in message.descriptor().fields() {
        let is_truth_value = matches!(field.kind(), Kind::Bool) && !field.is_list() && !field.supports_presence();
        if !is_truth_value && !message.has_field(&field) {
            continue;
        }
        let value = message.get_field(&field);
        let twin = twin(message, &field, &value);
        if let Twin::Given = twin {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        match (twin, &*value) {
            (Twin::Takes(name), Value::Bytes(bytes)) => {
                write_text(name.name(), out);
                out.push(b':');
                write_text(&STANDARD.encode(bytes), out);
            }
            (_, value) => {
                write_text(field.name(), out);
                out.push(b':');
                write_value(value, field.name(), out)?;
            }
        }
    }
    out.push(b'}');
    Ok(())
}

/// Where bytes of a field go.
enum Twin {
    /// They are JSON, or no bytes, or the field has no twin.
    None,
    /// Into this field, in base64.
    Takes(FieldDescriptor),
    /// Nowhere: the twin has something already, which wins.
    Given,
}

fn twin(message: &DynamicMessage, field: &FieldDescriptor, value: &Value) -> Twin {
    let Value::Bytes(bytes) = value else { return Twin::None };
    if as_json(bytes).is_some() {
        return Twin::None;
    }
    match message.descriptor().get_field_by_name(&format!("b64{}", field.name())) {
        Some(twin) if message.has_field(&twin) => Twin::Given,
        Some(twin) => Twin::Takes(twin),
        None => Twin::None,
    }
}

fn write_value(value: &Value, name: &str, out: &mut Vec<u8>) -> Result<(), NotJson> {
    let written = match value {
        Value::Bool(value) => write!(out, "{value}"),
        Value::I32(value) | Value::EnumNumber(value) => write!(out, "{value}"),
        Value::I64(value) => write!(out, "{value}"),
        Value::U32(value) => write!(out, "{value}"),
        Value::U64(value) => write!(out, "{value}"),
        Value::F32(value) => serde_json::to_writer(&mut *out, value).map_err(Into::into),
        Value::F64(value) => serde_json::to_writer(&mut *out, value).map_err(Into::into),
        Value::String(text) => {
            write_text(text, out);
            Ok(())
        }
        Value::Bytes(bytes) => {
            let json = as_json(bytes).ok_or_else(|| NotJson(name.to_owned()))?;
            out.extend_from_slice(json.as_bytes());
            Ok(())
        }
        Value::Message(message) => return write_message(message, out),
        Value::List(items) => return write_list(items, name, out),
        Value::Map(entries) => return write_map(entries.iter(), name, out),
    };
    written.expect("memory takes it");
    Ok(())
}

fn write_list(items: &[Value], name: &str, out: &mut Vec<u8>) -> Result<(), NotJson> {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_value(item, name, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_map<'a>(
    entries: impl Iterator<Item = (&'a MapKey, &'a Value)>,
    name: &str,
    out: &mut Vec<u8>,
) -> Result<(), NotJson> {
    out.push(b'{');
    for (at, (key, value)) in entries.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match key {
            MapKey::String(key) => write_text(key, out),
            MapKey::Bool(key) => write_text(&key.to_string(), out),
            MapKey::I32(key) => write_text(&key.to_string(), out),
            MapKey::I64(key) => write_text(&key.to_string(), out),
            MapKey::U32(key) => write_text(&key.to_string(), out),
            MapKey::U64(key) => write_text(&key.to_string(), out),
        }
        out.push(b':');
        write_value(value, name, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("memory takes it");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use proptest::sample::Index;
    use prost::Message;
    use serde_json::json;

    use super::*;
    use crate::control::grpc::proto;

    /// `PublishRequest`, as `prost` knows it.
    #[derive(Clone, PartialEq, Message)]
    struct Publish {
        #[prost(string, tag = "1")]
        channel: String,
        #[prost(bytes = "vec", tag = "2")]
        data: Vec<u8>,
        #[prost(string, tag = "3")]
        b64data: String,
        #[prost(bool, tag = "4")]
        skip_history: bool,
        #[prost(btree_map = "string, string", tag = "5")]
        tags: BTreeMap<String, String>,
        #[prost(uint64, tag = "8")]
        version: u64,
    }

    fn read(method: &str, bytes: &[u8]) -> Result<serde_json::Value, NotJson> {
        let rpcs = proto::rpcs(&proto::pool());
        let rpc = rpcs.iter().find(|rpc| rpc.path.ends_with(method)).unwrap();
        let json = json(&DynamicMessage::decode(rpc.request.clone(), bytes).unwrap())?;
        Ok(serde_json::from_str(&json).unwrap())
    }

    fn publish(data: &[u8], b64data: &str) -> serde_json::Value {
        let message = Publish { data: data.into(), b64data: b64data.into(), ..Publish::default() };
        read("CentrifugoApi/Publish", &message.encode_to_vec()).unwrap()
    }

    #[test]
    fn data_that_is_json_stands_as_it_is_and_other_bytes_go_to_base64_unless_there_is_some() {
        let bare = json!({ "skip_history": false, "delta": false });
        let with = |field: &str, value: serde_json::Value| {
            let mut message = bare.clone();
            message[field] = value;
            message
        };
        assert_eq!(publish(b"", ""), bare);
        assert_eq!(publish(b" {\"a\": [1]} ", ""), with("data", json!({ "a": [1] })));
        assert_eq!(publish(b"null", ""), with("data", json!(null)));
        assert_eq!(publish(b"{", ""), with("b64data", json!("ew==")));
        assert_eq!(publish(b"\"\xff\"", ""), with("b64data", json!("Iv8i")), "it is no UTF-8");
        assert_eq!(publish(b"1 2", ""), with("b64data", json!("MSAy")), "they are two values");
        assert_eq!(publish(b"{", "AA=="), with("b64data", json!("AA==")));
    }

    #[test]
    fn bytes_that_must_be_json_and_have_no_twin_are_refused_by_name() {
        // `info` of `RefreshRequest`: field 5, or 6 of the node's own.
        assert_eq!(read("CentrifugoApi/Refresh", b"\x2a\x01{"), Err(NotJson("info".into())));
        assert_eq!(read("RingpostApi/Refresh", b"\x32\x01{"), Err(NotJson("info".into())));
    }

    /// A field with a number, a wire type and what belongs to it.
    fn field() -> impl Strategy<Value = Vec<u8>> {
        let lengths = vec(any::<u8>(), 0..12).prop_map(|bytes| [&[bytes.len() as u8][..], &bytes].concat());
        let varint = any::<u64>().prop_map(|number| {
            let mut bytes = Vec::new();
            prost::encoding::encode_varint(number, &mut bytes);
            bytes
        });
        let value = prop_oneof![lengths.prop_map(|bytes| (2, bytes)), varint.prop_map(|bytes| (0, bytes))];
        (1_u8..16, value).prop_map(|(number, (kind, bytes))| [vec![number << 3 | kind], bytes].concat())
    }

    proptest! {
        #[test]
        fn what_prost_writes_is_what_is_read(
            channel in ".{0,8}",
            data in vec(any::<u8>(), 0..8),
            skip_history: bool,
            tags in btree_map(".{0,4}", ".{0,4}", 0..3),
            version: u64,
        ) {
            let message = Publish { channel, data, skip_history, tags, version, ..Publish::default() };
            let read = read("CentrifugoApi/Publish", &message.encode_to_vec()).unwrap();
            prop_assert_eq!(read["channel"].as_str().unwrap_or_default(), &message.channel);
            prop_assert_eq!(read["version"].as_u64().unwrap_or_default(), message.version);
            prop_assert_eq!(&read["skip_history"], message.skip_history);
            let tags = read.get("tags").cloned().unwrap_or_else(|| json!({}));
            prop_assert_eq!(tags, json!(message.tags));
            match serde_json::from_slice::<serde_json::Value>(&message.data) {
                Ok(data) => prop_assert_eq!(&read["data"], &data),
                Err(_) if message.data.is_empty() => prop_assert!(read.get("data").is_none()),
                Err(_) => {
                    let read = STANDARD.decode(read["b64data"].as_str().unwrap()).unwrap();
                    prop_assert_eq!(read, message.data);
                }
            }
        }

        #[test]
        fn any_message_is_read_into_an_object_or_refused(fields in vec(field(), 0..6), at: Index) {
            let rpcs = proto::rpcs(&proto::pool());
            let request = at.get(&rpcs).request.clone();
            if let Ok(message) = DynamicMessage::decode(request, &fields.concat()[..])
                && let Ok(json) = json(&message)
            {
                let read: serde_json::Value = serde_json::from_str(&json).unwrap();
                prop_assert!(read.is_object());
            }
        }
    }
}
