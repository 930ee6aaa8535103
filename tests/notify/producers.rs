//! The topics that the role reads, and what producers of other programs write there.

use serde_json::{Value, json};

use crate::app::App;
use crate::harness::{World, now_ms, wait};
use crate::python::{Batch, ODD, PRODUCERS_TIME, odd, padded, useless, writes};

fn push(user: &str) -> Value {
    let users = json!([{"user": user, "unread": 1, "reason": "away"}]);
    json!({"id": user, "kind": "offline", "channel": "inbox:a", "epoch": "e", "offset": 1, "time_unix_ms": now_ms(), "data": 1, "users": users})
}

/// Waits until all of these are told, and nobody else is.
fn wait_told(world: &World, users: Vec<String>) {
    let told = world.wait_taken(users.len());
    let mut told: Vec<_> = told.iter().map(|one| one["user"].as_str().expect("it is of a user").to_owned()).collect();
    let mut users = users;
    told.sort();
    users.sort();
    assert_eq!(told, users);
}

#[test]
fn pushes_are_told_however_their_records_are_compressed_and_those_of_a_transaction_when_it_commits() {
    let world = World::new(1, App::willing());
    let process = world.start("notify-1");
    process.wait_member("notify");
    writes(&world.kafka, &world.topic("push"), &Batch::all(|name| padded("inbox:a", &push(name))));
    world.push("inbox:a", 2, &["last"]);
    wait_told(&world, Batch::all_that_count().chain(["last".into()]).collect());
    let last = world.read("push", Batch::all_that_count().count() + 1).pop().expect("it is the last").offset;
    wait("the position goes on", || world.committed() == last + 1);
}

#[test]
fn what_lies_beside_a_push_changes_nothing_and_what_is_none_lies_with_the_dead() {
    let world = World::new(1, App::willing());
    world.kafka.set(&world.topic("push"), PRODUCERS_TIME);
    let process = world.start("notify-1");
    let none = [useless(None), useless(Some("inbox:a"))].concat();
    let users = |key: Option<&str>| odd(key, |name| push(&format!("{name} {}", key.unwrap_or_default())));
    writes(&world.kafka, &world.topic("push"), &[none.clone(), users(None), users(Some("inbox:a"))].map(Batch::of));
    let name = |name: &str| ["", "inbox:a"].map(|key| format!("{name} {key}"));
    let [in_time @ .., _] = ODD;
    wait_told(&world, in_time.into_iter().flat_map(name).collect());
    // Of the last nobody wants to hear any more.
    assert_eq!(process.metric("ringpost_notify_too_late_total"), 2);
    let dead = world.read("dead", none.len());
    assert!(dead.len() == none.len() && dead.iter().all(|one| one.header("ringpost-reason").is_some()), "{dead:?}");
    wait("the position goes on", || world.committed() == (none.len() + 2 * ODD.len()) as i64);
}

#[test]
fn changes_of_sessions_are_told_however_their_records_lie_and_what_is_none_lies_with_the_dead() {
    let world = World::new(1, App::willing());
    let _process = world.start_with("notify-1", r#""notify""#, "session_channel = \"sessions:\"");
    let update = |user: &str| json!({"user": user, "online": true, "at_unix_ms": now_ms(), "last_seen_unix_ms": 0, "devices": 1, "sequence": 7, "cause": "login"});
    let none = [useless(None), useless(Some("ann"))].concat();
    let batches = [
        Batch::all(|name| padded(name, &update(name))),
        [none.clone(), odd(None, update), odd(Some("k"), update)].map(Batch::of).into(),
    ];
    writes(&world.kafka, &world.topic("session"), &batches.concat());
    let told = Batch::all_that_count().count() + 2 * ODD.len();
    let written = world.read("publish", told);
    assert!(written.len() == told && written.iter().all(|one| one.json()["version"] == 7), "{written:?}");
    let dead = world.read("dead", none.len());
    assert!(dead.len() == none.len() && dead.iter().all(|one| one.header("ringpost-reason").is_some()), "{dead:?}");
}
