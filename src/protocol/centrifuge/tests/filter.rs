//! Filters over tags: what they mean, and what is none.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;

use super::{commands, proto};
use crate::limits::{FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_NODES_MAX, FILTER_VALUES_MAX};
use crate::model::{BadFilter, Tags, TagsFilter};
use crate::protocol::Format;
use crate::protocol::word::Verb;

/// What the node reads of a filter in both encodings, which must agree.
fn read(node: &proto::FilterNode) -> Result<TagsFilter, BadFilter> {
    let subscribe = proto::SubscribeRequest { channel: "c".into(), tf: Some(node.clone()), ..Default::default() };
    let command = proto::Command { id: 1, subscribe: Some(subscribe), ..Default::default() };
    let in_json = read_from(Format::TcpJson, &serde_json::to_vec(&command).expect("commands are JSON"));
    let in_protobuf = read_from(Format::TcpProtobuf, &command.encode_length_delimited_to_vec());
    assert_eq!(in_json, in_protobuf);
    in_json
}

fn read_from(format: Format, frame: &[u8]) -> Result<TagsFilter, BadFilter> {
    match commands(format, frame).remove(0).verb {
        Verb::Subscribe(subscribe) => subscribe.filter.expect("the command has a filter"),
        verb => panic!("{verb:?}"),
    }
}

fn leaf(key: &str, cmp: &str, val: &str, vals: &[&str]) -> proto::FilterNode {
    let vals = vals.iter().map(|value| value.to_string()).collect();
    proto::FilterNode { key: key.into(), cmp: cmp.into(), val: val.into(), vals, ..Default::default() }
}

fn op(op: &str, nodes: &[proto::FilterNode]) -> proto::FilterNode {
    proto::FilterNode { op: op.into(), nodes: nodes.to_vec(), ..Default::default() }
}

fn tags(pairs: &BTreeMap<String, String>) -> Option<Tags> {
    let pairs = pairs.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into()));
    Some(pairs.collect::<Tags>()).filter(|tags| !tags.is_empty())
}

/// The rules as the reference has them, without a thought for speed.
fn holds(node: &proto::FilterNode, tags: &BTreeMap<String, String>) -> bool {
    let value = tags.get(&node.key);
    let number = |text: &str| text.parse::<f64>().ok();
    let numbers = value.and_then(|value| number(value).zip(number(&node.val)));
    match (node.op.as_str(), node.cmp.as_str()) {
        ("and", _) => node.nodes.iter().all(|node| holds(node, tags)),
        ("or", _) => node.nodes.iter().any(|node| holds(node, tags)),
        ("not", _) => !holds(&node.nodes[0], tags),
        (_, "eq") => value == Some(&node.val),
        (_, "neq") => value != Some(&node.val),
        (_, "in") => node.vals.contains(value.unwrap_or(&String::new())),
        (_, "nin") => !node.vals.contains(value.unwrap_or(&String::new())),
        (_, "ex") => value.is_some(),
        (_, "nex") => value.is_none(),
        (_, "sw") => value.is_some_and(|value| value.starts_with(&node.val)),
        (_, "ew") => value.is_some_and(|value| value.ends_with(&node.val)),
        (_, "ct") => value.is_some_and(|value| value.contains(&node.val)),
        (_, "gt") => numbers.is_some_and(|(value, other)| value > other),
        (_, "gte") => numbers.is_some_and(|(value, other)| value >= other),
        (_, "lt") => numbers.is_some_and(|(value, other)| value < other),
        (_, "lte") => numbers.is_some_and(|(value, other)| value <= other),
        (op, cmp) => unreachable!("{op} {cmp}"),
    }
}

fn values() -> impl Strategy<Value = String> {
    select(vec!["", "a", "ab", "ba", "1", "-1.5", "01.0", "10", "9.75", "é"]).prop_map(String::from)
}

fn nodes() -> impl Strategy<Value = proto::FilterNode> {
    let some = || values().prop_filter("not empty", |value| !value.is_empty());
    let key = || select(vec!["k", "l", "m"]);
    let one = select(vec!["eq", "neq", "sw", "ew", "ct", "gt", "gte", "lt", "lte"]);
    let leaf = prop_oneof![
        (key(), one, some()).prop_map(|(key, cmp, val)| leaf(key, cmp, &val, &[])),
        (key(), select(vec!["in", "nin"]), vec(values(), 1..4))
            .prop_map(|(key, cmp, vals)| { proto::FilterNode { vals, ..leaf(key, cmp, "", &[]) } }),
        (key(), select(vec!["ex", "nex"])).prop_map(|(key, cmp)| leaf(key, cmp, "", &[])),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (select(vec!["and", "or"]), vec(inner.clone(), 1..4)).prop_map(|(name, nodes)| op(name, &nodes)),
            inner.prop_map(|node| op("not", &[node])),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_decides_as_the_rules_read(node in nodes(), pairs in btree_map("[klm]", values(), 0..3)) {
        let filter = read(&node).unwrap();
        prop_assert_eq!(filter.passes(tags(&pairs).as_ref()), holds(&node, &pairs), "{:?} {:?}", node, pairs);
    }
}

#[test]
fn a_filter_that_is_none_is_told_and_the_command_still_read() {
    let good = leaf("k", "eq", "v", &[]);
    for (node, why) in [
        (proto::FilterNode::default(), "cmp is none of"),
        (leaf("k", "is", "v", &[]), "cmp is none of"),
        (leaf("", "eq", "v", &[]), "needs a key"),
        (leaf("k", "eq", "", &[]), "others val"),
        (leaf("k", "eq", "v", &["w"]), "others val"),
        (leaf("k", "in", "", &[]), "others val"),
        (leaf("k", "in", "v", &["w"]), "others val"),
        (leaf("k", "ex", "v", &[]), "others val"),
        (op("xor", std::slice::from_ref(&good)), "op is and"),
        (op("and", &[]), "needs nodes"),
        (op("not", &[good.clone(), good.clone()]), "one node"),
        (op("or", &[good, proto::FilterNode::default()]), "cmp is none of"),
    ] {
        let refused = read(&node).expect_err("it is no filter");
        assert!(refused.0.contains(why), "{node:?}: {refused}");
    }
    for tf in ["7", "[]", "\"k\"", r#"{"key":7}"#, r#"{"nodes":{}}"#, r#"{"nodes":[7]}"#, r#"{"key":"a","key":"b"}"#] {
        let frame = format!(r#"{{"id":1,"subscribe":{{"channel":"c","tf":{tf}}}}}"#);
        read_from(Format::TcpJson, frame.as_bytes()).expect_err(tf);
    }
}

#[test]
fn a_filter_beyond_its_bounds_is_refused_before_it_takes_memory() {
    let leaf_of = |length: usize| leaf("k", "eq", &"v".repeat(length), &[]);
    let deep = |depth: u32| (1..depth).fold(leaf_of(1), |node, _| op("not", &[node]));
    let wide = |nodes: u32| op("or", &vec![leaf_of(1); nodes as usize - 1]);
    let listed = |values: u32| {
        let vals = (0..values).map(|value| value.to_string()).collect();
        proto::FilterNode { vals, ..leaf("k", "in", "", &[]) }
    };
    read(&deep(FILTER_DEPTH_MAX)).expect("as deep as may be");
    read(&wide(FILTER_NODES_MAX)).expect("as many nodes as may be");
    read(&listed(FILTER_VALUES_MAX)).expect("as many values as may be");
    assert!(read(&deep(FILTER_DEPTH_MAX + 1)).is_err());
    assert!(read(&deep(1_000)).is_err(), "however deep");
    assert!(read(&wide(FILTER_NODES_MAX + 1)).is_err());
    assert!(read(&listed(FILTER_VALUES_MAX + 1)).is_err());
    assert_eq!(read(&leaf_of(FILTER_BYTES_MAX)), Err(BadFilter("it is too long")));
}

#[test]
fn filters_that_say_the_same_are_one() {
    let listed = |vals: &[&str]| read(&leaf("k", "in", "", vals)).unwrap();
    assert_eq!(listed(&["b", "a", "b"]), listed(&["a", "b"]));
    assert_ne!(listed(&["a"]), listed(&["b"]));
}
