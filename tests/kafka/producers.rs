//! Calls as producers of other programs write them.

use serde_json::json;

use crate::calls::Calls;
use crate::harness::Node;
use crate::python::{Batch, ODD, PRODUCERS_TIME, odd, padded, useless, writes};
use crate::server::wait;

#[test]
fn calls_are_carried_out_however_they_are_compressed_and_those_of_a_transaction_when_it_commits() {
    let calls = Calls::shared(1);
    let node = Node::start("one", &calls.section(""));
    let call = |data: &str| json!({"method": "publish", "params": {"channel": "chat:a", "data": data}});
    writes(&calls.kafka, &calls.topic(), &Batch::all(|name| padded("a", &call(name))));
    calls.publish("chat:a", "last");
    let all = || Batch::all_that_count().chain(["last".into()]).map(serde_json::Value::from);
    wait("all are carried out", || node.history("chat:a").into_iter().eq(all()));
    let last = calls.kafka.read(&calls.topic(), all().count()).pop().expect("it is the last").offset;
    wait("the position goes on", || calls.committed() == last + 1);
}

#[test]
fn what_lies_beside_a_call_changes_nothing_and_what_is_none_lies_with_the_dead() {
    let calls = Calls::shared(1);
    calls.kafka.set(&calls.topic(), PRODUCERS_TIME);
    let node = Node::start("one", &calls.section(""));
    let call = |data: &str| json!({"method": "publish", "params": {"channel": "chat:a", "data": data}});
    let (without_key, useless) = (odd(None, call), [useless(None), useless(Some("a"))].concat());
    let batches = [odd(Some("a"), call), without_key, useless.clone(), odd(Some("a"), call)].map(Batch::of);
    writes(&calls.kafka, &calls.topic(), &batches);
    wait("all are carried out", || node.history("chat:a").len() == 3 * ODD.len());
    let dead = calls.dead(useless.len());
    assert!(dead.len() == useless.len() && dead.iter().all(|one| one.header("ringpost-reason").is_some()), "{dead:?}");
    let written = 3 * ODD.len() + useless.len();
    wait("the position goes on", || calls.committed() == written as i64);
    let times: Vec<_> = calls.kafka.read(&calls.topic(), written).iter().map(|one| one.at_unix_ms).collect();
    assert!(times.iter().max() > times.iter().min().map(|at| at + 4_000_000_000).as_ref(), "they are the producer's");
}

#[test]
fn a_transaction_that_nobody_ends_holds_up_its_partition_until_its_timeout_and_no_other() {
    let calls = Calls::shared(2);
    let node = Node::start("one", &calls.section(""));
    let to = |partition: i32, channel: &str, data: &str| {
        let call = json!({"method": "publish", "params": {"channel": channel, "data": data}}).to_string();
        json!({"partition": partition, "key": channel, "value": call})
    };
    let open = Batch::in_a_transaction("none", vec![to(0, "chat:a", "never")]);
    let rest = Batch::of(vec![to(0, "chat:b", "behind"), to(1, "chat:c", "beside")]);
    writes(&calls.kafka, &calls.topic(), &[open, rest]);
    wait("the other partition goes on", || node.history("chat:c") == ["beside"]);
    assert_eq!(node.history("chat:b"), [""; 0], "what lies behind it waits");
    wait("Kafka has ended it", || node.history("chat:b") == ["behind"]);
    assert_eq!(node.history("chat:a"), [""; 0], "it was never committed");
    wait("all is committed", || calls.committed() == 2 + 1);
}
