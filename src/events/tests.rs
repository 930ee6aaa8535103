use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor};
use serde_json::Value;

use super::data;
use super::*;
use crate::model::{Payload, PayloadKind};

/// Whether the struct, docs/events.proto and docs/EVENTS.md say the same of a schema; every field of the example is set.
fn agrees<E: Event + PartialEq>(message: &str, example: &E) {
    let descriptor = published().get_message_by_name(&format!("ringpost.events.{message}")).expect(message);
    let json: Value = serde_json::from_slice(&encode(example, Format::Json)).unwrap();
    has_names(&json, &descriptor, message);

    // An independent implementation reads every field by the published numbers and types, and writes the same.
    let bytes = encode(example, Format::Protobuf);
    let read = DynamicMessage::decode(descriptor.clone(), &*bytes).unwrap();
    assert_eq!(read.unknown_fields().count(), 0, "{message} has fields that docs/events.proto does not have");
    assert!(descriptor.fields().all(|field| read.has_field(&field)), "{message}: not every field is set");
    assert_eq!(decode::<E>(Some(b"application/protobuf"), &read.encode_to_vec()).unwrap(), *example);
    assert_eq!(decode::<E>(None, &encode(example, Format::Json)).unwrap(), *example);

    is_told::<E>(&descriptor);
}

fn published() -> DescriptorPool {
    let docs = docs();
    let files = protox::compile([docs.join("events.proto")], [docs]).expect("docs/events.proto can be compiled");
    DescriptorPool::from_file_descriptor_set(files).unwrap()
}

fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// An object has the names of a message's fields, all the way down.
fn has_names(object: &Value, message: &MessageDescriptor, path: &str) {
    let fields = object.as_object().unwrap_or_else(|| panic!("{path} is no object"));
    let (in_json, in_proto): (BTreeSet<_>, BTreeSet<_>) =
        (fields.keys().cloned().collect(), message.fields().map(|field| field.name().to_owned()).collect());
    assert_eq!(in_json, in_proto, "{path}");
    for field in message.fields().filter(|field| !field.is_map()) {
        let (value, path) = (&fields[field.name()], format!("{path}.{}", field.name()));
        if let Kind::Message(inner) = field.kind() {
            let first = value.as_array().map_or(value, |list| &list[0]);
            has_names(first, &inner, &path);
        }
    }
}

/// docs/EVENTS.md has a section with a row for each field, and an example that is one.
fn is_told<E: Event>(message: &MessageDescriptor) {
    let text = std::fs::read_to_string(docs().join("EVENTS.md")).unwrap();
    let head = format!("\n## `{}`\n", E::SCHEMA);
    let (_, section) = text.split_once(&head).unwrap_or_else(|| panic!("docs/EVENTS.md has no section {}", E::SCHEMA));
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<_> = section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0)).collect();
    let fields: Vec<_> = message.fields().map(|field| field.name().to_owned()).collect();
    assert_eq!(rows, fields, "the rows of {} in docs/EVENTS.md", E::SCHEMA);
    let (_, example) = section.split_once("```json\n").unwrap_or_else(|| panic!("{} has no example", E::SCHEMA));
    let example = example.split("```").next().unwrap();
    decode::<E>(None, example.as_bytes()).unwrap_or_else(|error| panic!("the example of {}: {error}", E::SCHEMA));
    let shown: Value = serde_json::from_str(example).unwrap();
    for name in shown.as_object().unwrap().keys() {
        assert!(fields.contains(name), "the example of {} has {name}", E::SCHEMA);
    }
}

fn login() -> UserLogin {
    UserLogin {
        id: "7e6c1f9a-5b0e-4f0c-9a3e-2f1d8c7b6a50".into(),
        kind: LoginKind::Disconnected.as_str().into(),
        at_unix_ms: 1_764_183_000_123,
        node: "edge-1".into(),
        incarnation: u64::MAX,
        slot: 3,
        user: "42".into(),
        client: "0b7a1d52-3f0e-4f5c-8f4e-6f7a1c2d3e4f".into(),
        device: Some(LoginDevice { id: "pixel-9".into(), kind: "phone".into() }),
        address: "203.0.113.7".into(),
        transport: "websocket".into(),
        sdk: Some(LoginSdk { name: "chat".into(), version: "2.1.0".into() }),
        code: 3005,
        reason: "connection \"expired\"\n".into(),
        connected_ms: 65_000,
        cause: "disconnect".into(),
    }
}

fn session() -> SessionUpdate {
    SessionUpdate {
        user: "42".into(),
        online: true,
        at_unix_ms: 1_764_183_000_123,
        last_seen_unix_ms: 1_764_183_000_122,
        devices: 2,
        sequence: 18,
        cause: SessionCause::Login.as_str().into(),
    }
}

fn push() -> PushOffline {
    PushOffline {
        id: "4f8e52a1-6d5c-8b1e-9c3a-7d2e1f0a9b8c".into(),
        kind: PushKind::Offline.as_str().into(),
        channel: "chat:7".into(),
        epoch: "f3Qk".into(),
        offset: 181,
        time_unix_ms: 1_764_182_990_000,
        sender: "17".into(),
        data: r#"{"text":"are you there?","big":12345678901234567890123}"#.into(),
        b64data: vec![0, 255, 10].into(),
        truncated: true,
        tags: [("thread".to_owned(), "9".to_owned())].into(),
        users: vec![PushUser { user: "42".into(), unread: 3, reason: PushReason::Away.as_str().into() }],
    }
}

fn call() -> Call {
    Call {
        method: "publish".into(),
        params: r#"{"channel":"chat:42","data":{"text":"hello"}}"#.into(),
        idempotency_key: "row 17".into(),
    }
}

fn publication() -> Publication {
    let Publish { channel, data, b64data, tags, info, .. } = publish();
    let epoch = "f3Qk".into();
    Publication { channel, epoch, offset: u64::MAX, time_unix_ms: 1_764_183_000_123, data, b64data, tags, info }
}

fn publish() -> Publish {
    let (json, bytes) = (|| Bytes::from_static(br#"{"a":[1,null]}"#), || Bytes::from(vec![0, 255, 10]));
    Publish {
        channel: "orders:42".into(),
        data: json(),
        b64data: bytes(),
        tags: [("kind".to_owned(), "state".to_owned())].into(),
        idempotency_key: "order-42-shipped".into(),
        version: u64::MAX,
        version_epoch: "2026".into(),
        skip_history: true,
        ttl_ms: 60_000,
        exclude_client: "0b7a1d52-3f0e-4f5c-8f4e-6f7a1c2d3e4f".into(),
        info: Some(Publisher {
            user: "42".into(),
            client: "0b7a1d52-3f0e-4f5c-8f4e-6f7a1c2d3e4f".into(),
            conn_info: json(),
            b64conn_info: bytes(),
            chan_info: json(),
            b64chan_info: bytes(),
        }),
        message_id: "m1".into(),
    }
}

#[test]
fn structs_and_what_is_published_of_them_agree() {
    agrees("UserLogin", &login());
    agrees("SessionUpdate", &session());
    agrees("PushOffline", &push());
    agrees("Call", &call());
    agrees("Publish", &publish());
    agrees("Publication", &publication());
}

#[test]
fn a_record_says_what_it_is_and_how_it_lies() {
    let headers_of = |format| headers::<UserLogin>(format).map(|(name, value)| (name, str::from_utf8(value).unwrap()));
    let schema = ("ringpost-schema", "user.login.log/1");
    assert_eq!(headers_of(Format::Json), [("content-type", "application/json"), schema]);
    assert_eq!(headers_of(Format::Protobuf), [("content-type", "application/protobuf"), schema]);
}

#[test]
fn a_strangers_record_is_read_by_its_header_and_without_one_as_json() {
    let (json, protobuf) = (encode(&login(), Format::Json), encode(&login(), Format::Protobuf));
    for said in [None, Some("application/json"), Some("Application/JSON; charset=utf-8")] {
        assert_eq!(decode::<UserLogin>(said.map(str::as_bytes), &json).unwrap(), login(), "{said:?}");
    }
    for said in ["application/protobuf", "application/x-protobuf"] {
        assert_eq!(decode::<UserLogin>(Some(said.as_bytes()), &protobuf).unwrap(), login(), "{said}");
    }
    let read = |said: &[u8], value: &[u8]| decode::<UserLogin>(Some(said), value).unwrap_err();
    assert!(matches!(read(b"text/plain", &json), Unreadable::ContentType(said) if said == "text/plain"));
    assert!(matches!(read(&[0xff; 1000], &json), Unreadable::ContentType(said) if said.chars().count() == 100));
    assert!(matches!(read(b"application/json", &protobuf), Unreadable::Json(_)));
    assert!(matches!(read(b"application/protobuf", &json), Unreadable::Protobuf(_)));
}

#[test]
fn what_backends_write_as_null_is_left_out_but_for_data() {
    let null = r#"{"channel":null,"data":null,"b64data":null,"tags":null,"idempotency_key":null,"version":null,"version_epoch":null,
        "skip_history":null,"ttl_ms":null,"exclude_client":null,"info":null,"message_id":null}"#;
    let read: Publish = decode(None, null.as_bytes()).unwrap();
    assert_eq!(read, Publish { data: "null".into(), ..Publish::default() });
    let by_nobody = br#"{"info":{"user":null,"client":null,"b64conn_info":null,"b64chan_info":null}}"#;
    assert_eq!(decode::<Publish>(None, by_nobody).unwrap().info, Some(Publisher::default()));
    let call: Call = decode(None, br#"{"method":null,"params":{},"idempotency_key":null}"#).unwrap();
    assert_eq!(call, Call { params: "{}".into(), ..Call::default() });
}

#[test]
fn what_a_later_version_adds_is_read_past() {
    let read = decode::<SessionUpdate>(None, br#"{"user":"42","sequence":7,"mood":{"of":[1,2]}}"#).unwrap();
    assert_eq!(read, SessionUpdate { user: "42".into(), sequence: 7, ..SessionUpdate::default() });
    let mut bytes = encode(&session(), Format::Protobuf);
    // Field 1,000, of bytes.
    bytes.extend_from_slice(&[0xc2, 0x3e, 3, b'n', b'e', b'w']);
    assert_eq!(decode::<SessionUpdate>(Some(b"application/protobuf"), &bytes).unwrap(), session());
    assert_eq!((LoginKind::of("connected"), LoginKind::of("moved")), (Some(LoginKind::Connected), None));
    assert_eq!((SessionCause::of("node_lost"), SessionCause::of("")), (Some(SessionCause::NodeLost), None));
    assert_eq!((PushKind::of("withdrawn"), PushReason::of("asleep")), (Some(PushKind::Withdrawn), None));
    assert_eq!(PushReason::of("background"), Some(PushReason::Background));
}

#[test]
fn application_data_is_a_json_value_or_bytes() {
    let there_and_back = |payload: &Payload| {
        let (data, b64data) = data::split(payload);
        assert!(data.is_empty() != b64data.is_empty(), "one of the two");
        let event = PushOffline { data, b64data, ..PushOffline::default() };
        for format in [Format::Json, Format::Protobuf] {
            let read = decode::<PushOffline>(Some(format.content_type().as_bytes()), &encode(&event, format)).unwrap();
            assert_eq!(read, event);
        }
        data::payload(&event.data, &event.b64data).unwrap()
    };
    for json in ["{\"a\": [1, null]}", "null", "\"\u{1F600}\"", "1e400"] {
        assert_eq!(there_and_back(&Payload::json(json)), Payload::json(json));
        assert_eq!(there_and_back(&Payload::binary(json)), Payload::json(json), "bytes that are JSON");
    }
    // Bytes come back as they were: what would be written on one line, without spaces around it, is not taken for JSON.
    for bytes in [&[0, 1, 255][..], b"\"\xff\"", b"[1,\n2]", b" 1", b"1\n"] {
        let bytes = Payload::binary(bytes);
        assert_eq!(there_and_back(&bytes), bytes);
    }
    assert_eq!(data::payload(&Bytes::new(), &Bytes::new()), None);
}

#[test]
fn a_strangers_data_is_one_line_and_where_it_is_no_json_bytes() {
    let lines = data::payload(&" {\r\n\"a\": 1 }\n".into(), &Bytes::new()).unwrap();
    assert_eq!(lines, Payload::json("{  \"a\": 1 }"));
    let no_json = data::payload(&"{".into(), &Bytes::new()).unwrap();
    assert_eq!((no_json.kind, &*no_json.bytes), (PayloadKind::Binary, &b"{"[..]));
    let no_text = data::payload(&b"\"\xff\""[..].into(), &Bytes::new()).unwrap();
    assert_eq!(no_text.kind, PayloadKind::Binary, "JSON is UTF-8, as the frames are in which it goes");
    let both = data::payload(&"1".into(), &"x".into()).unwrap();
    assert_eq!(both, Payload::binary("x"), "bytes win");
    // What Protobuf lets be there can be written as JSON.
    let event = PushOffline { data: "{".into(), ..PushOffline::default() };
    let json: Value = serde_json::from_slice(&encode(&event, Format::Json)).unwrap();
    assert_eq!(json["data"], "ew==");
}
