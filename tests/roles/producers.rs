//! The login log, and what producers of other programs write there.

use serde_json::{Value, json};

use crate::harness::{Session, World, now_ms, wait};
use crate::python::{Batch, ODD, PRODUCERS_TIME, odd, padded, useless, writes};

fn connected(user: &str) -> Value {
    json!({"kind": "connected", "user": user, "client": Session::of(user).client, "at_unix_ms": now_ms()})
}

#[test]
fn sessions_are_known_however_their_records_are_compressed_and_those_of_a_transaction_when_it_commits() {
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    writes(&world.kafka, &world.topic("login"), &Batch::all(|name| padded(name, &connected(name))));
    wait("all are online", || Batch::all_that_count().all(|user| process.is_online(&user)));
    assert_eq!(world.told().len(), Batch::all_that_count().count(), "nobody of a transaction that was called off");
    world.tell("connected", &Session::of("last"));
    assert_eq!(world.wait_told("last", true)["cause"], "login");
}

/// Behind the last record lies the end of a transaction, which is an offset and no record.
#[test]
fn a_state_is_built_from_a_topic_that_ends_with_a_transaction() {
    let world = World::new(1);
    for end in ["commit", "abort"] {
        let batch = Batch::in_a_transaction(end, vec![padded(end, &connected(end))]);
        writes(&world.kafka, &world.topic("login"), &[batch]);
        let mut process = world.start("state-1", r#""state""#);
        wait("it is built", || process.metric("ringpost_state_rebuilds_total") == 1);
        assert!(process.is_online("commit"));
        assert_eq!(world.wait_told("commit", true)["cause"], "rebuilt");
        assert!(process.end().success());
        // The next one begins with nothing.
        world.redis.cli(&["FLUSHALL"]);
    }
    assert_eq!(world.told().len(), 1, "the other transaction was called off");
}

#[test]
fn what_lies_beside_a_record_changes_nothing_and_what_is_none_is_counted() {
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    world.kafka.set(&world.topic("login"), PRODUCERS_TIME);
    let none = [useless(None), useless(Some("ann"))].concat();
    let users = |key: Option<&str>| odd(key, |name| connected(&format!("{name} {}", key.unwrap_or_default())));
    writes(&world.kafka, &world.topic("login"), &[none.clone(), users(None), users(Some("k"))].map(Batch::of));
    wait("all are online", || world.told().len() == 2 * ODD.len());
    let count = |outcome: &str| process.metric(&format!("ringpost_state_records_total{{outcome=\"{outcome}\"}}"));
    wait("the others are counted", || count("unusable") + count("passed") == none.len() as u64);
    assert!(count("unusable") >= none.len() as u64 - 4, "what is an object of nothing says nothing");
    world.tell("connected", &Session::of("last"));
    assert_eq!(world.wait_told("last", true)["cause"], "login");
}
