//! The ways by Kafka, and what producers of other programs write there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::LineClient;
use crate::harness::subscribe;
use crate::python::{Batch, ODD, PRODUCERS_TIME, odd, padded, useless, writes};
use crate::rebalances::moves;
use crate::relays::cluster;
use crate::server::wait;

#[test]
fn records_of_backends_are_published_however_they_are_compressed_and_those_of_a_transaction_when_it_commits() {
    let (_redis, kafka, prefix, nodes) = cluster(["one", "two"]);
    wait("both move", || nodes.iter().all(moves));
    let mut listener = nodes[0].client();
    subscribe(&mut listener, "relayed:room", None);
    let up = format!("{prefix}publish");
    writes(&kafka, &up, &Batch::all(|name| padded("relayed:room", &json!({ "data": name }))));
    let (partition, last) = kafka.write(&up, Some("relayed:room"), br#"{"data": "last"}"#, &[]);
    for (name, at) in Batch::all_that_count().chain(["last".into()]).zip(1..) {
        let (_, offset, data) = listener.publication();
        assert_eq!((offset, data), (at, json!(name)));
    }
    wait("the group stands behind all", || {
        kafka.committed(&format!("{prefix}nodes.movers"), &up)[partition as usize] == last + 1
    });
}

#[test]
fn what_lies_beside_a_record_changes_nothing_and_what_is_none_lies_with_the_dead() {
    let (_redis, kafka, prefix, nodes) = cluster(["one", "two"]);
    let mut listener = nodes[0].client();
    subscribe(&mut listener, "relayed:room", None);
    let up = format!("{prefix}publish");
    kafka.set(&up, PRODUCERS_TIME);
    let (keyed, keyless) = (|name: &str| json!({ "data": name }), |_: &str| json!({"data": "x"}));
    let none = [useless(None), useless(Some("relayed:room")), odd(None, keyless)].concat();
    writes(&kafka, &up, &[none.clone(), odd(Some("relayed:room"), keyed)].map(Batch::of));
    for (name, at) in ODD.into_iter().zip(1..) {
        let (_, offset, data) = listener.publication();
        assert_eq!((offset, data), (at, json!(name)));
    }
    let dead = kafka.read(&format!("{prefix}publish.dead"), none.len());
    assert!(dead.len() == none.len() && dead.iter().all(|one| one.header("ringpost-reason").is_some()), "{dead:?}");
    let written: i64 = kafka.read(&up, none.len() + ODD.len()).len() as i64;
    wait("the group stands behind all", || {
        kafka.committed(&format!("{prefix}nodes.movers"), &up).into_iter().map(|at| at.max(0)).sum::<i64>() == written
    });
}

#[test]
fn a_transaction_that_nobody_ends_holds_up_its_partition_until_its_timeout_and_no_other() {
    let (_redis, kafka, prefix, nodes) = cluster(["one", "two"]);
    let up = format!("{prefix}publish");
    let to = |partition: i32, channel: &str, data: &str| json!({"partition": partition, "key": channel, "value": json!({ "data": data }).to_string()});
    let rooms = ["relayed:a", "relayed:b", "relayed:c"];
    let mut listeners = rooms.map(|room| {
        let mut listener = nodes[0].client();
        subscribe(&mut listener, room, None);
        listener
    });
    let open = Batch::in_a_transaction("none", vec![to(0, rooms[0], "never")]);
    let rest = Batch::of(vec![to(0, rooms[1], "behind"), to(1, rooms[2], "beside")]);
    let began = Instant::now();
    writes(&kafka, &up, &[open, rest]);
    let of = |listener: &mut LineClient| listener.publication().2;
    assert_eq!(of(&mut listeners[2]), json!("beside"));
    let beside = began.elapsed();
    assert_eq!(of(&mut listeners[1]), json!("behind"));
    let behind = began.elapsed();
    assert!(behind > beside + Duration::from_secs(1), "it waits, and the other does not: {behind:?}, {beside:?}");
    writes(&kafka, &up, &[Batch::of(vec![to(0, rooms[0], "after")])]);
    assert_eq!(of(&mut listeners[0]), json!("after"), "what was not committed never comes");
}

#[test]
fn what_somebody_else_writes_on_the_way_down_is_passed_over() {
    let (_redis, kafka, prefix, nodes) = cluster(["one", "two"]);
    let mut listeners = nodes.each_ref().map(|node| node.client());
    listeners.iter_mut().for_each(|listener| _ = subscribe(listener, "relayed:room", None));
    let mut number = 0;
    let mut tells = || {
        number += 1;
        assert_eq!(nodes[number % 2].publish("relayed:room", number)["result"], json!({}));
        for listener in &mut listeners {
            assert_eq!(listener.publication(), ("relayed:room".into(), number as u64, json!(number)));
        }
    };
    tells();
    let everywhere = |records: Vec<Value>| {
        let of = |partition: i32| records.iter().cloned().map(move |record| (partition, record));
        let all = (0..8).flat_map(of).map(|(partition, mut record)| {
            record["partition"] = partition.into();
            record
        });
        Batch::of(all.collect())
    };
    let strange = [useless(None), useless(Some("k")), odd(Some("k"), |name| json!({ "data": name }))].concat();
    let commits = Batch::all(|name| json!({"key": null, "value": name.repeat(500), "partition": 0}));
    writes(&kafka, &format!("{prefix}deliver"), &[vec![everywhere(strange)], commits].concat());
    (0..20).for_each(|_| tells());
}
