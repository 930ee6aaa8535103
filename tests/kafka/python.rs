//! Records as a backend in Python writes them: compressed, in transactions, and with beside them what nobody expects.
#![allow(dead_code, reason = "each test takes of it what it needs")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::kafka::Kafka;

/// Where tests/packages puts Python with what the program imports.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");

/// Every way in which records can be compressed.
pub(crate) const COMPRESSIONS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// Records that are written together.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    compression: &'static str,
    /// `commit`, `abort` or `none`, of one in a transaction.
    end: Option<&'static str>,
    records: Vec<Value>,
}

impl Batch {
    /// One that is not compressed, and in no transaction.
    pub(crate) fn of(records: Vec<Value>) -> Self {
        Self { compression: "none", end: None, records }
    }

    /// One in a transaction, whose end is `commit`, `abort`, or `none`: it stays open until Kafka ends it, seconds later.
    pub(crate) fn in_a_transaction(end: &'static str, records: Vec<Value>) -> Self {
        Self { end: Some(end), ..Self::of(records) }
    }

    /// Each of these in a batch of its own for every way to compress, alone and in a transaction that is committed; and one in a
    /// transaction that is called off.
    pub(crate) fn all(record: impl Fn(&str) -> Value) -> Vec<Self> {
        let mut all = Vec::new();
        for compression in COMPRESSIONS {
            for end in [None, Some("commit"), Some("abort")] {
                let name = format!("{compression}-{}", end.unwrap_or("alone"));
                all.push(Self { compression, end, records: vec![record(&name)] });
            }
        }
        all
    }

    /// What is there of [`Batch::all`], in its order.
    pub(crate) fn all_that_count() -> impl Iterator<Item = String> {
        COMPRESSIONS.into_iter().flat_map(|of| [format!("{of}-alone"), format!("{of}-commit")])
    }
}

/// A record with a value that shrinks when it is compressed: what does not is written as it is..
pub(crate) fn padded(key: &str, value: &Value) -> Value {
    json!({"key": key, "value": format!("{value}{}", " ".repeat(4_000))})
}

/// How a topic is set in which a record's time is its producer's to say.
pub(crate) const PRODUCERS_TIME: (&str, &str) = ("message.timestamp.type", "CreateTime");

/// Records with a value that is good, each with something beside it that is not usual: of these names.
pub(crate) const ODD: [&str; 5] =
    ["many headers", "another schema", "an empty header", "a time to come", "a time long ago"];

/// See [`ODD`].
pub(crate) fn odd(key: Option<&str>, value: impl Fn(&str) -> Value) -> Vec<Value> {
    let many: Vec<_> = (0..100).map(|at| json!([format!("h{at}"), "x".repeat(4_000)])).collect();
    let record = |name: &str, more: Value| {
        let mut record = json!({"key": key, "value": value(name).to_string()});
        record.as_object_mut().expect("it is one").extend(more.as_object().expect("it is one").clone());
        record
    };
    vec![
        record("many headers", json!({ "headers": many })),
        record("another schema", json!({"headers": [["ringpost-schema", "orders/9"]]})),
        record("an empty header", json!({"headers": [["traceparent", null], ["", ""]]})),
        record("a time to come", json!({"in_s": 3_000})),
        record("a time long ago", json!({"in_s": -4_000_000})),
    ]
}

/// Records of which nobody can make anything.
pub(crate) fn useless(key: Option<&str>) -> Vec<Value> {
    let record = |value: Value, headers: Value| json!({"key": key, "value": value, "headers": headers});
    vec![
        // One that has a key is a tombstone.
        record(Value::Null, json!([])),
        json!({"key": null, "value": null}),
        record(json!(""), json!([])),
        record(json!("null"), json!([])),
        record(json!("[]"), json!([])),
        record(json!("\u{0}"), json!([])),
        record(json!("{\"a\":".repeat(1_000)), json!([])),
        record(json!("{}"), json!([["content-type", "application/protobuf"]])),
        record(json!("{}"), json!([["content-type", null]])),
        record(json!("x".repeat(900_000)), json!([])),
    ]
}

/// Has the program write them, one batch after the other.
pub(crate) fn writes(kafka: &Kafka, topic: &str, batches: &[Batch]) {
    let batches: Vec<_> = batches
        .iter()
        .map(|batch| json!({"compression": batch.compression, "end": batch.end, "records": batch.records}))
        .collect();
    let told = json!({"brokers": kafka.address(), "topic": topic, "batches": batches}).to_string();
    let mut python = Command::new(PYTHON);
    let mut child = python.args(["-c", include_str!("writer.py")]).stdin(Stdio::piped()).spawn();
    let child = child.as_mut().expect("tests/packages installs it");
    child.stdin.take().expect("it reads").write_all(told.as_bytes()).expect("it reads all");
    assert!(child.wait().expect("it ends").success(), "it has failed");
}
