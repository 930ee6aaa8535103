//! Processes that share the work, and die in the middle of it; Redis that is away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::app::{Answer, App};
use crate::harness::{World, wait};

#[test]
fn what_a_killed_process_had_on_its_way_is_told_by_the_next_one_with_the_same_id() {
    let is_well = Arc::new(AtomicBool::new(false));
    let well = is_well.clone();
    let world =
        World::new(1, App::start(move |_, _| Answer::now(if well.load(Ordering::Relaxed) { 200 } else { 500 })));
    let mut first = world.start_with("notify-1", r#""notify""#, "retry_attempts = 100");
    let users: Vec<_> = (0..20).map(|user| format!("user-{user}")).collect();
    for (at, user) in users.iter().enumerate() {
        world.push("inbox:a", 1 + at as u64, &[user]);
    }
    let ids = || {
        let received = world.app.received();
        let id = |told: &crate::app::Received| (told.notifications()[0]["user"].clone().to_string(), told.id.clone());
        received.iter().map(id).collect::<BTreeSet<_>>()
    };
    wait("all were tried", || ids().len() == users.len());
    first.kill();
    let tried = ids();
    is_well.store(true, Ordering::Relaxed);
    let _second = world.start_with("notify-1", r#""notify""#, "retry_attempts = 100");
    // What the first one had is the second's after its place in the group has run out.
    world.wait_taken(users.len());
    assert_eq!(ids(), tried, "the same has the same id");
    wait("the positions are committed", || world.committed() == 20);
}

#[test]
fn two_processes_share_the_work_and_when_one_is_killed_nothing_is_left_untold() {
    let app = App::start(|_, _| Answer { status: 200, header: "", body: 0, after: Duration::from_millis(20) });
    let world = World::new(4, app);
    let mut first = world.start("notify-1");
    first.wait_member("notify");
    let second = world.start("notify-2");
    second.wait_member("notify");
    let channels: Vec<_> = (0..16).map(|channel| format!("inbox:{channel}")).collect();
    let rounds = 12;
    for round in 1..=rounds {
        for channel in &channels {
            world.push(channel, round, &[&format!("of {channel}")]);
        }
        if round == rounds / 2 {
            wait("both work", || [&first, &second].iter().all(|one| one.metric("ringpost_notify_pushes_total") > 0));
            first.kill();
        }
    }
    let told = || {
        let mut told = BTreeMap::<String, BTreeSet<String>>::new();
        for one in world.app.taken() {
            let pushes = one["pushes"].as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned);
            told.entry(one["user"].as_str().unwrap().to_owned()).or_default().extend(pushes);
        }
        told
    };
    let is_all = |told: &BTreeMap<String, BTreeSet<String>>| {
        told.len() == channels.len() && told.values().all(|pushes| pushes.len() == rounds as usize)
    };
    wait("all is told", || is_all(&told()));
    wait("the positions are committed", || world.committed() == channels.len() as i64 * rounds as i64);
}

#[test]
fn what_waits_for_its_next_attempt_when_another_process_takes_it_over_is_that_ones() {
    let is_well = Arc::new(AtomicBool::new(false));
    let well = is_well.clone();
    let app = App::start(move |_, body| {
        let told = body["data"]["notifications"].as_array().expect("there are some");
        let tells = told.iter().any(|one| !one["message"].is_null());
        Answer::now(if tells && !well.load(Ordering::Relaxed) { 500 } else { 204 })
    });
    let world = World::new(1, app);
    let more = "retry_attempts = 100";
    let first = world.start_with("notify-2", r#""notify""#, more);
    world.push("inbox:a", 1, &["ann"]);
    wait("it was tried", || !world.app.received().is_empty());
    world.withdraw("inbox:a", 1, &["ann"]);
    wait("it is read", || first.metric("ringpost_notify_withdrawals_total") == 1);
    // Partitions are given by the names of the members: this one has it now.
    let _second = world.start_with("notify-1", r#""notify""#, more);
    let taken = world.wait_taken(1);
    assert_eq!((&taken[0]["count"], &taken[0]["withdrawn"][0]["offset"]), (&json!(0), &json!(1)));
    is_well.store(true, Ordering::Relaxed);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(world.app.taken().len(), 1, "nothing is told after it was withdrawn: {:?}", world.app.taken());
}

#[test]
fn what_a_process_tells_when_it_wakes_and_another_has_had_its_work_is_known_again_by_its_id() {
    let app = App::start(|_, _| Answer { status: 200, header: "", body: 0, after: Duration::from_millis(200) });
    let world = World::new(1, app);
    let more = "retry_attempts = 100\nconcurrency = 1";
    let first = world.start_with("notify-1", r#""notify""#, more);
    first.wait_member("notify");
    let second = world.start_with("notify-2", r#""notify""#, more);
    let users: Vec<_> = (0..20).map(|user| format!("user-{user}")).collect();
    for (user, at) in users.iter().zip(1..) {
        world.push("inbox:a", at, &[user]);
    }
    // One webhook is on its way, the others wait for it.
    wait("it tells", || !world.app.received().is_empty());
    first.signal(Signal::STOP);
    wait("the other has its work", || second.metric("ringpost_notify_pushes_total") > 0);
    world.wait_taken(users.len());
    for (user, at) in users.iter().zip(1..) {
        world.withdraw("inbox:a", at, &[user]);
    }
    let last_told = || {
        let mut last = BTreeMap::new();
        for one in world.app.taken() {
            last.insert(one["user"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap());
        }
        last
    };
    wait("all is withdrawn", || last_told().values().all(|count| *count == 0));
    first.signal(Signal::CONT);
    thread::sleep(Duration::from_secs(5));
    let told = last_told();
    assert!(told.len() == users.len() && told.values().all(|count| *count == 0), "{told:?}");
    assert_eq!(world.app.taken().len(), 2 * users.len(), "each of a message and its withdrawal is told under one id");
    wait("the positions are committed", || world.committed() == 40);
}

#[test]
fn a_process_that_ends_in_order_leaves_nothing_that_it_has_told_to_be_told_again() {
    let world = World::new(1, App::willing());
    let mut first = world.start("notify-1");
    (1..=10).for_each(|offset| world.push(&format!("inbox:{offset}"), offset, &[&format!("user-{offset}")]));
    world.wait_taken(10);
    assert!(first.end().success());
    let _second = world.start("notify-2");
    world.push("inbox:x", 1, &["last"]);
    let taken = world.wait_taken(11);
    assert_eq!((taken.len(), &taken[10]["user"]), (11, &json!("last")));
}

#[test]
fn while_redis_is_away_notifications_wait() {
    let mut world = World::new(1, App::willing());
    let process = world.start("notify-1");
    world.redis.kill();
    world.push("inbox:a", 1, &["ann"]);
    thread::sleep(Duration::from_secs(2));
    assert!(world.app.taken().is_empty());
    let away = process.api("badge_get", &json!({"user": "ann"}));
    assert_eq!(away["error"]["code"], 100, "{away}");
    world.redis.restart();
    assert_eq!(world.wait_taken(1)[0]["user"], "ann");
}
