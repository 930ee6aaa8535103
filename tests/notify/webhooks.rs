//! What the application is told, and how often, when it is willing, slow, broken or gone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{Answer, App};
use crate::harness::{World, wait};

#[test]
fn pushes_of_a_user_within_the_time_are_one_notification_with_the_newest_and_the_number_of_all() {
    let world = World::new(2, App::willing());
    world.push("inbox:a", 1, &["ann", "ben"]);
    world.push("inbox:b", 4, &["ann"]);
    // It finds both at once.
    let mut process = world.start("notify-1");
    let taken = world.wait_taken(2);
    let of = |user: &str| taken.iter().find(|told| told["user"] == user).cloned().unwrap();
    let (ann, ben) = (of("ann"), of("ben"));
    assert_eq!((&ann["count"], &ann["badge"]), (&json!(2), &json!(5)), "{ann}");
    assert_eq!((&ben["count"], &ben["badge"]), (&json!(1), &json!(1)), "{ben}");
    let message = &ben["message"];
    let expected = json!({
        "channel": "inbox:a", "epoch": "e", "offset": 1, "time_unix_ms": message["time_unix_ms"], "sender": "bob",
        "data": {"text": 1}, "unread": 1, "reason": "away",
    });
    assert_eq!(*message, expected);
    let pushes: BTreeSet<_> = ann["pushes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(pushes.iter().eq(["inbox:a/1/offline", "inbox:b/4/offline"].iter()), "{pushes:?}");
    wait("the positions are committed", || world.committed() == 2);
    assert_eq!(process.metric("ringpost_notify_pushes_total"), 3);
    assert!(process.end().success(), "it drains");
}

#[test]
fn a_message_that_is_withdrawn_in_time_is_not_told_and_one_that_was_told_is_withdrawn() {
    let world = World::new(1, App::willing());
    world.push("inbox:a", 1, &["ann"]);
    world.withdraw("inbox:a", 1, &["ann"]);
    world.push("inbox:b", 1, &["ann"]);
    // It finds all at once.
    let _process = world.start("notify-1");
    let taken = world.wait_taken(1);
    assert_eq!((&taken[0]["message"]["channel"], &taken[0]["count"]), (&json!("inbox:b"), &json!(1)), "{taken:?}");
    assert_eq!((taken[0].get("withdrawn"), &taken[0]["badge"]), (None, &json!(1)), "never told: {taken:?}");
    world.withdraw("inbox:b", 1, &["ann"]);
    let taken = world.wait_taken(2);
    let told = &taken[1];
    assert_eq!(told["withdrawn"], json!([{"channel": "inbox:b", "epoch": "e", "offset": 1}]), "{told}");
    assert_eq!((told.get("message"), &told["count"], &told["badge"]), (None, &json!(0), &json!(0)), "{told}");
    world.withdraw("inbox:b", 1, &["ann"]);
    wait("the positions are committed", || world.committed() == 5);
    assert_eq!(world.app.taken().len(), 2, "what was withdrawn is not withdrawn again");
}

#[test]
fn what_is_not_taken_is_tried_again_with_the_same_id_and_pauses_that_grow() {
    let app = App::start(|number, _| Answer::now([500, 503, 429, 204][number.min(3)]));
    let world = World::new(1, app);
    let process = world.start("notify-1");
    world.push("inbox:a", 1, &["ann"]);
    world.wait_taken(1);
    let received = world.app.received();
    assert!(received.iter().map(|received| received.status).eq([500, 503, 429, 204]), "{received:?}");
    assert!(received.iter().all(|other| other.id == received[0].id && other.body == received[0].body));
    let pause = |at: usize| received[at + 1].at - received[at].at;
    // Half of 100, 200 and 400 ms at the least.
    for (at, least) in [50, 100, 200].into_iter().enumerate() {
        assert!(pause(at) >= Duration::from_millis(least), "{at}: {:?}", pause(at));
    }
    assert_eq!(process.metric("ringpost_notify_attempts_failed_total"), 3);
    wait("its answer is seen", || process.metric(r#"ringpost_notify_webhooks_total{outcome="taken"}"#) == 1);
}

#[test]
fn an_endpoint_gets_the_time_that_it_asks_for() {
    let later = Answer { status: 429, header: "retry-after: 2\r\n", body: 0, after: Duration::ZERO };
    let world = World::new(1, App::start(move |number, _| if number == 0 { later } else { Answer::now(200) }));
    let _process = world.start("notify-1");
    world.push("inbox:a", 1, &["ann"]);
    world.wait_taken(1);
    let received = world.app.received();
    assert!(received[1].at - received[0].at >= Duration::from_secs(2), "{received:?}");
}

#[test]
fn what_is_refused_or_redirected_or_never_answered_is_kept_as_dead_and_holds_nobody_up() {
    // Who is told what, by the user.
    let app = App::start(|_, body| match body["data"]["notifications"][0]["user"].as_str() {
        Some("gone") => Answer::now(410),
        Some("moved") => Answer { status: 302, header: "location: /elsewhere\r\n", body: 0, after: Duration::ZERO },
        Some("slow") => Answer { status: 200, header: "", body: 0, after: Duration::from_secs(3) },
        _ => Answer::now(200),
    });
    let world = World::new(1, app);
    let process = world.start("notify-1");
    for (at, user) in ["gone", "moved", "slow"].into_iter().enumerate() {
        world.push("inbox:a", 1 + at as u64, &[user]);
    }
    world.push("inbox:a", 4, &["ann"]);
    wait("others are told meanwhile", || {
        world.app.received().iter().any(|received| received.notifications()[0]["user"] == "ann")
    });
    let dead = world.read("dead", 3);
    for (user, attempts, said) in [("gone", 1, "410"), ("moved", 5, "302"), ("slow", 5, "given up after 5 attempts")] {
        let letter = dead.iter().find(|letter| letter.json()["data"]["notifications"][0]["user"] == user);
        let letter = letter.unwrap_or_else(|| panic!("{user}: {dead:?}"));
        let reason = letter.header("ringpost-reason").unwrap();
        assert!(reason.contains(said), "{user}: {reason}");
        let received = world.app.received();
        let of: Vec<_> = received.iter().filter(|received| received.notifications()[0]["user"] == user).collect();
        assert_eq!(of.len(), attempts, "{user}");
        assert!(of.iter().all(|received| Some(received.id.as_str()) == letter.header("webhook-id")));
    }
    wait("the positions are committed", || world.committed() == 4);
    assert_eq!(process.metric(r#"ringpost_notify_webhooks_total{outcome="refused"}"#), 1);
    assert_eq!(process.metric(r#"ringpost_notify_webhooks_total{outcome="given_up"}"#), 2);
}

#[test]
fn an_answer_of_many_bytes_and_one_that_never_ends_hold_nobody_up_and_count_by_their_status() {
    let app = App::start(|number, _| Answer { body: [64 << 20, 1 << 60, 0][number.min(2)], ..Answer::now(200) });
    let world = World::new(1, app);
    let process = world.start_with("notify-1", r#""notify""#, "concurrency = 1");
    let since = Instant::now();
    for (user, at) in ["ann", "ben", "cid"].into_iter().zip(1..) {
        world.push("inbox:a", at, &[user]);
        world.wait_taken(at as usize);
    }
    wait("the positions are committed", || world.committed() == 3);
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    assert_eq!(world.app.received().len(), 3, "each is told once");
    assert_eq!(process.metric(r#"ringpost_notify_webhooks_total{outcome="taken"}"#), 3);
}

#[test]
fn records_that_nothing_can_be_made_of_are_kept_as_dead_and_the_next_are_told() {
    let world = World::new(1, App::willing());
    let process = world.start("notify-1");
    let strange: [&[u8]; 4] = [
        b"{",
        br#"{"kind":"later","channel":"inbox:a","users":[{"user":"ann"}]}"#,
        br#"{"kind":"offline","channel":"","users":[{"user":"ann"}]}"#,
        br#"{"kind":"offline","channel":"inbox:a","users":[{"user":""}]}"#,
    ];
    strange.iter().for_each(|record| world.write("push", "inbox:a", record));
    world.push("inbox:a", 1, &["ann"]);
    world.wait_taken(1);
    let dead = world.read("dead", strange.len());
    for (at, record) in strange.iter().enumerate() {
        let letter = dead.iter().find(|letter| letter.value == *record).unwrap_or_else(|| panic!("{at}: {dead:?}"));
        assert_eq!(letter.header("ringpost-offset"), Some(at.to_string().as_str()));
        assert!(letter.key.as_deref() == Some("inbox:a") && letter.header("ringpost-reason").is_some());
    }
    wait("the positions are committed", || world.committed() == 5);
    assert_eq!(process.metric("ringpost_notify_unreadable_total"), 4);
}

#[test]
fn what_was_written_long_ago_is_not_told_but_counts() {
    const MAX_AGE: Duration = Duration::from_secs(15);
    let world = World::new(1, App::willing());
    world.push("inbox:a", 3, &["ann"]);
    std::thread::sleep(MAX_AGE + Duration::from_secs(1));
    let max_age = format!("max_age = \"{}s\"", MAX_AGE.as_secs());
    let process = world.start_with("notify-1", r#""notify""#, &max_age);
    world.push("inbox:b", 1, &["ann"]);
    let taken = world.wait_taken(1);
    assert_eq!((&taken[0]["message"]["channel"], &taken[0]["badge"]), (&json!("inbox:b"), &json!(4)), "{taken:?}");
    assert_eq!(process.metric("ringpost_notify_too_late_total"), 1);
}
