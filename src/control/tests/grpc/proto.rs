//! The files in `proto/`: what is served is what they say, and they say what the HTTP API has.

use std::collections::BTreeSet;
use std::path::Path;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use super::client::{CENTRIFUGO, RINGPOST, compiled};
use crate::control::api_document;

#[test]
fn the_descriptors_are_those_of_the_files() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/descriptors.bin");
    let compiled = compiled().encode_file_descriptor_set();
    if std::env::var_os("WRITE_DESCRIPTORS").is_some() {
        std::fs::write(&path, &compiled).unwrap();
    }
    let kept = std::fs::read(&path).unwrap();
    assert!(kept == compiled, "proto/ has changed: `make docs` writes proto/descriptors.bin anew");
}

/// The description of what a schema stands for: behind references, without null, all variants of an enum together.
fn described(document: &Value, schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is nowhere"));
        return described(document, target);
    }
    let variants = ["oneOf", "anyOf", "allOf"].iter().find_map(|key| schema[key].as_array());
    let Some(variants) = variants else { return schema.clone() };
    let mut merged = schema.clone();
    for variant in variants.iter().filter(|variant| variant["type"] != "null") {
        let Value::Object(fields) = described(document, variant) else { continue };
        for (key, value) in fields {
            match (&mut merged[&key], value) {
                (Value::Object(known), Value::Object(more)) => known.extend(more),
                (known, value) => *known = value,
            }
        }
    }
    merged
}

fn properties(schema: &Value) -> Map<String, Value> {
    schema["properties"].as_object().cloned().unwrap_or_default()
}

/// Whether a message has the fields of a schema, of the same kinds; with `is_part` it may lack some.
fn compare(document: &Value, schema: &Value, message: &MessageDescriptor, is_part: bool) {
    let schema = described(document, schema);
    let properties = properties(&schema);
    let names: BTreeSet<_> = properties.keys().cloned().collect();
    // Centrifugo's deltas are taken and not made.
    let fields: BTreeSet<_> =
        message.fields().map(|field| field.name().to_owned()).filter(|name| name != "delta").collect();
    let differ: Vec<_> = match is_part {
        true => fields.difference(&names).collect(),
        false => fields.symmetric_difference(&names).collect(),
    };
    assert!(differ.is_empty(), "{}: {differ:?}", message.full_name());
    for field in message.fields().filter(|field| field.name() != "delta") {
        compare_field(document, &properties[field.name()], &field, is_part);
    }
}

fn compare_field(document: &Value, schema: &Value, field: &FieldDescriptor, is_part: bool) {
    let schema = described(document, schema);
    let types = |schema: &Value| match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(some) => some.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let is = |schema: &Value, name: &str| types(schema).iter().any(|kind| kind == name);
    let (kind, schema) = match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            (entry.map_entry_value_field().kind(), schema["additionalProperties"].clone())
        }
        kind if field.is_list() => {
            assert!(is(&schema, "array"), "{}: {schema}", field.full_name());
            (kind, schema["items"].clone())
        }
        kind => (kind, schema),
    };
    let schema = described(document, &schema);
    let fits = match kind {
        Kind::Message(of) => return compare(document, &schema, &of, is_part),
        // Any JSON.
        Kind::Bytes => !is(&schema, "string") && !is(&schema, "integer"),
        Kind::Bool => is(&schema, "boolean"),
        Kind::String => is(&schema, "string"),
        Kind::Double => is(&schema, "number"),
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => is(&schema, "integer"),
        other => panic!("{}: no field is {other:?}", field.full_name()),
    };
    assert!(fits, "{}: {schema}", field.full_name());
}

fn service(pool: &DescriptorPool, name: &str, is_part: bool) {
    let (document, mut missing) = (api_document(), Vec::new());
    let service = pool.get_service_by_name(name).unwrap();
    let mut described = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(method) = path.strip_prefix("/api/").filter(|_| item.get("post").is_some()) else { continue };
        let Some(rpc) = service.methods().find(|rpc| rpc.name().to_lowercase() == method.replace('_', "")) else {
            missing.push(method.to_owned());
            continue;
        };
        described += 1;
        let schema =
            |rest: &str| item.pointer(&format!("/post/{rest}/content/application~1json/schema")).unwrap().clone();
        compare(&document, &schema("requestBody"), &rpc.input(), is_part);
        compare(&document, &schema("responses/200"), &rpc.output(), is_part);
    }
    assert_eq!(service.methods().len(), described, "{name} has calls that are no method");
    assert!(is_part || missing.is_empty(), "proto/ringpost.proto has no calls for {missing:?}");
}

#[test]
fn every_method_has_a_call_with_its_fields() {
    service(&compiled().descriptor_pool(), RINGPOST, false);
}

#[test]
fn what_the_reference_calls_a_field_is_one() {
    service(&compiled().descriptor_pool(), CENTRIFUGO, true);
}
