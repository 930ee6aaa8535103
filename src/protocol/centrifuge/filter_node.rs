//! A filter over tags as the protocol spells it: `FilterNode`, in both encodings, both ways.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::object::{Object, write_object, write_text};
use super::json::shape::{Object as OnlyObject, Text, or_default};
use super::wire_type::{Fields, PutField};
use crate::limits::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX};
use crate::model::{BadFilter, Condition, TagsFilter, Test};

const TOO_LONG: BadFilter = BadFilter("it is too long");
const NO_FILTER: BadFilter = BadFilter("its nodes have other fields, or other types");

/// A node without `op` is a comparison, one with it has others below it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FilterNode<'a> {
    #[serde(borrow)]
    op: Text<'a>,
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    cmp: Text<'a>,
    #[serde(borrow)]
    val: Text<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    vals: Vec<Text<'a>>,
    #[serde(borrow, deserialize_with = "or_default")]
    nodes: Vec<OnlyObject<FilterNode<'a>>>,
}

/// Reads a filter in JSON.
pub(super) fn from_json(raw: &RawValue) -> Result<TagsFilter, BadFilter> {
    if raw.get().len() > FILTER_BYTES_MAX {
        return Err(TOO_LONG);
    }
    let OnlyObject(node) = serde_json::from_str::<OnlyObject<FilterNode<'_>>>(raw.get()).map_err(|_| NO_FILTER)?;
    TagsFilter::new(node.condition()?)
}

/// Reads a filter in Protobuf.
pub(super) fn from_protobuf(message: &[u8]) -> Result<TagsFilter, BadFilter> {
    if message.len() > FILTER_BYTES_MAX {
        return Err(TOO_LONG);
    }
    TagsFilter::new(FilterNode::from_fields(message, 1)?.condition()?)
}

impl<'a> FilterNode<'a> {
    fn from_fields(message: &'a [u8], depth: u32) -> Result<Self, BadFilter> {
        if depth > FILTER_DEPTH_MAX {
            return Err(BadFilter("it is too deep"));
        }
        let mut node = Self::default();
        for field in Fields(message) {
            let (number, value) = field.map_err(|_| NO_FILTER)?;
            let text = || value.text().map(|text| Text(Cow::Borrowed(text))).map_err(|_| NO_FILTER);
            match number {
                1 => node.op = text()?,
                2 => node.key = text()?,
                3 => node.cmp = text()?,
                4 => node.val = text()?,
                5 => node.vals.push(text()?),
                6 => {
                    let below = value.bytes().map_err(|_| NO_FILTER)?;
                    node.nodes.push(OnlyObject(Self::from_fields(below, depth + 1)?));
                }
                _ => {}
            }
        }
        Ok(node)
    }

    fn condition(self) -> Result<Condition, BadFilter> {
        match &*self.op.0 {
            "" => self.comparison(),
            "and" => Ok(Condition::All(self.conditions()?)),
            "or" => Ok(Condition::Any(self.conditions()?)),
            "not" => {
                let [condition] = *<Box<[Condition; 1]>>::try_from(self.conditions()?)
                    .map_err(|_| BadFilter("not has one node below it"))?;
                Ok(Condition::Not(Box::new(condition)))
            }
            _ => Err(BadFilter("op is and, or, not, or nothing")),
        }
    }

    fn conditions(self) -> Result<Box<[Condition]>, BadFilter> {
        if self.nodes.is_empty() {
            return Err(BadFilter("op needs nodes below it"));
        }
        self.nodes.into_iter().map(|OnlyObject(node)| node.condition()).collect()
    }

    fn comparison(self) -> Result<Condition, BadFilter> {
        let Self { key: Text(key), cmp: Text(cmp), val: Text(val), vals, .. } = self;
        let (has_one, has_many) = (!val.is_empty(), !vals.is_empty());
        let one = || Box::from(&*val);
        let many = || vals.into_iter().map(|Text(value)| Box::from(&*value)).collect();
        let (test, takes) = match &*cmp {
            "eq" => (Test::Is(one()), (true, false)),
            "neq" => (Test::IsNot(one()), (true, false)),
            "in" => (Test::In(many()), (false, true)),
            "nin" => (Test::NotIn(many()), (false, true)),
            "ex" => (Test::Exists, (false, false)),
            "nex" => (Test::Missing, (false, false)),
            "sw" => (Test::StartsWith(one()), (true, false)),
            "ew" => (Test::EndsWith(one()), (true, false)),
            "ct" => (Test::Contains(one()), (true, false)),
            "gt" => (Test::Above(one()), (true, false)),
            "gte" => (Test::AtLeast(one()), (true, false)),
            "lt" => (Test::Below(one()), (true, false)),
            "lte" => (Test::AtMost(one()), (true, false)),
            _ => return Err(BadFilter("cmp is none of eq, neq, in, nin, ex, nex, sw, ew, ct, gt, gte, lt, lte")),
        };
        if (has_one, has_many) != takes {
            return Err(BadFilter("in and nin take vals, ex and nex nothing, others val"));
        }
        if key.is_empty() && !matches!(test, Test::Exists | Test::Missing) {
            return Err(BadFilter("a comparison needs a key"));
        }
        Ok(Condition::Tag { key: key.into(), test })
    }
}

/// How a condition is spelled: `op` and the nodes below, or `key`, `cmp` and its values.
enum Spelled<'a> {
    Op(&'static str, &'a [Condition]),
    One(&'a str, &'static str, &'a str),
    Many(&'a str, &'static str, Vec<&'a str>),
}

fn spell(condition: &Condition) -> Spelled<'_> {
    let (key, test) = match condition {
        Condition::All(conditions) => return Spelled::Op("and", conditions),
        Condition::Any(conditions) => return Spelled::Op("or", conditions),
        Condition::Not(condition) => return Spelled::Op("not", std::slice::from_ref(condition)),
        Condition::Tag { key, test } => (key, test),
    };
    match test {
        Test::Is(value) => Spelled::One(key, "eq", value),
        Test::IsNot(value) => Spelled::One(key, "neq", value),
        Test::In(values) => Spelled::Many(key, "in", values.iter().collect()),
        Test::NotIn(values) => Spelled::Many(key, "nin", values.iter().collect()),
        Test::Exists => Spelled::One(key, "ex", ""),
        Test::Missing => Spelled::One(key, "nex", ""),
        Test::StartsWith(value) => Spelled::One(key, "sw", value),
        Test::EndsWith(value) => Spelled::One(key, "ew", value),
        Test::Contains(value) => Spelled::One(key, "ct", value),
        Test::Above(value) => Spelled::One(key, "gt", value),
        Test::AtLeast(value) => Spelled::One(key, "gte", value),
        Test::Below(value) => Spelled::One(key, "lt", value),
        Test::AtMost(value) => Spelled::One(key, "lte", value),
    }
}

/// Writes the fields of a node in JSON.
pub(super) fn write_json(condition: &Condition, object: &mut Object<'_>) {
    match spell(condition) {
        Spelled::Op(op, conditions) => {
            object.text("op", op);
            write_list(object.key("nodes"), conditions, |condition, out| {
                write_object(out, |object| write_json(condition, object));
            });
        }
        Spelled::One(key, cmp, value) => {
            object.some_text("key", key);
            object.text("cmp", cmp);
            object.some_text("val", value);
        }
        Spelled::Many(key, cmp, values) => {
            object.text("key", key);
            object.text("cmp", cmp);
            write_list(object.key("vals"), &values, |value, out| write_text(value, out));
        }
    }
}

fn write_list<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

/// Writes the fields of a node in Protobuf.
pub(super) fn put_protobuf(condition: &Condition, out: &mut Vec<u8>) {
    match spell(condition) {
        Spelled::Op(op, conditions) => {
            out.put_text(1, op);
            conditions.iter().for_each(|condition| out.put_message(6, |out| put_protobuf(condition, out)));
        }
        Spelled::One(key, cmp, value) => {
            out.put_text(2, key);
            out.put_text(3, cmp);
            out.put_text(4, value);
        }
        Spelled::Many(key, cmp, values) => {
            out.put_text(2, key);
            out.put_text(3, cmp);
            // An empty value is one, too.
            values.iter().for_each(|value| out.put_message(5, |out| out.extend_from_slice(value.as_bytes())));
        }
    }
}
