//! Badges and mutes, as backends set them and as Redis keeps them.

use serde_json::{Value, json};

use crate::app::App;
use crate::harness::{BUCKETS, World, now_ms, wait};

#[test]
fn what_is_muted_is_not_told_and_counts_in_the_badge() {
    let world = World::new(1, App::willing());
    let process = world.start("notify-1");
    let result = |method: &str, body: Value| process.api(method, &body)["result"].clone();
    assert_eq!(result("mute_set", json!({"user": "ann", "channel": "inbox:loud"})), json!({}));
    assert_eq!(result("mute_set", json!({"user": "ben", "until_unix_ms": now_ms() + 600_000})), json!({}));
    assert_eq!(result("mute_set", json!({"user": "cid", "until_unix_ms": now_ms() + 5_000})), json!({}));
    world.push("inbox:loud", 5, &["ann", "ben"]);
    world.push("inbox:calm", 2, &["ann", "ben"]);
    let taken = world.wait_taken(1);
    assert_eq!((&taken[0]["user"], &taken[0]["message"]["channel"]), (&json!("ann"), &json!("inbox:calm")));
    assert_eq!((&taken[0]["count"], &taken[0]["badge"]), (&json!(1), &json!(7)), "{taken:?}");
    wait("the positions are committed", || world.committed() == 2);
    assert_eq!(process.metric("ringpost_notify_muted_total"), 3);
    // What cid has muted is over.
    wait("the time has passed", || result("mute_list", json!({"user": "cid"})) == json!({"mutes": []}));
    world.push("inbox:loud", 6, &["cid"]);
    assert_eq!(world.wait_taken(2)[1]["user"], "cid");

    let listed = result("mute_list", json!({"user": "ben"}));
    assert!(listed["mutes"][0]["until_unix_ms"].as_i64() > Some(now_ms()), "{listed}");
    assert_eq!(result("mute_list", json!({"user": "ann"})), json!({"mutes": [{"channel": "inbox:loud"}]}));
    for removed in [true, false] {
        let answer = result("mute_remove", json!({"user": "ann", "channel": "inbox:loud"}));
        assert_eq!(answer, json!({ "removed": removed }));
    }
    world.push("inbox:loud", 6, &["ann"]);
    let taken = world.wait_taken(3);
    assert_eq!((&taken[2]["user"], &taken[2]["badge"]), (&json!("ann"), &json!(8)), "{taken:?}");
}

#[test]
fn a_badge_is_what_channels_have_said_last_until_it_is_reset() {
    let world = World::new(1, App::willing());
    let process = world.start("notify-1");
    let badge = || process.api("badge_get", &json!({"user": "ann", "channels": true}))["result"].clone();
    assert_eq!(badge(), json!({"badge": 0}));
    world.push("inbox:a", 3, &["ann"]);
    world.push("inbox:b", 2, &["ann"]);
    wait("both count", || badge() == json!({"badge": 5, "channels": {"inbox:a": 3, "inbox:b": 2}}));
    world.withdraw("inbox:a", 3, &["ann"]);
    wait("one is read", || badge() == json!({"badge": 2, "channels": {"inbox:b": 2}}));
    world.push("inbox:a", 4, &["ann"]);
    wait("both count again", || badge()["badge"] == 6);
    let left = process.api("badge_reset", &json!({"user": "ann", "channel": "inbox:b"}));
    assert_eq!(left, json!({"result": {"badge": 4}}));
    assert_eq!(process.api("badge_reset", &json!({"user": "ann"})), json!({"result": {"badge": 0}}));
    assert_eq!(badge(), json!({"badge": 0}));
    assert_eq!(process.api("badge_get", &json!({"user": "ann"})), json!({"result": {"badge": 0}}));
    let keys = world.redis.cli(&["KEYS", "ringpost:notify:*"]);
    assert!(keys.lines().all(|key| !key.contains(":badge:")), "nothing is left of it: {keys}");
}

/// The key of something of a user.
fn key(kind: &str, user: &str) -> String {
    format!("ringpost:notify:{{b{}}}:{kind}:{user}", ringpost::model::bucket_of(user, BUCKETS))
}

#[test]
fn what_somebody_else_has_put_there_is_left_alone_and_nothing_is_told_to_its_user_and_others_are_told() {
    let world = World::new(1, App::willing());
    let process = world.start("notify-1");
    let foreign = [
        ("ann", key("badge", "ann"), vec!["SET", "KEY", "no hash"]),
        ("ben", key("badge", "ben"), vec!["HSET", "KEY", "t", "many"]),
        ("cid", key("badge", "cid"), vec!["HSET", "KEY", "cinbox:a", "some"]),
        ("dan", key("mute", "dan"), vec!["HSET", "KEY", "a", "never"]),
        ("eve", key("mute", "eve"), vec!["RPUSH", "KEY", "no hash"]),
        ("fay", key("told", "fay"), vec!["SET", "KEY", "no hash"]),
    ];
    let dump = |key: &str| world.redis.cli(&["DUMP", key]);
    let before = foreign.each_ref().map(|(_, key, command)| {
        let command: Vec<_> = command.iter().map(|word| if *word == "KEY" { key.as_str() } else { word }).collect();
        world.redis.cli(&command);
        dump(key)
    });
    world.push("inbox:a", 3, &["ann", "ben", "cid", "dan", "eve", "fay", "guy"]);
    let taken = world.wait_taken(1);
    assert_eq!((&taken[0]["user"], &taken[0]["badge"]), (&json!("guy"), &json!(3)));
    let dead = world.read("dead", foreign.len());
    for ((user, key, _), before) in foreign.iter().zip(before) {
        let of_user = |body: &Value| body["data"]["notifications"][0]["user"] == *user;
        let lies = dead.iter().find(|dead| of_user(&dead.json())).expect("it lies with the dead");
        let reason = lies.header("ringpost-reason").expect("it has one");
        assert!(reason.ends_with(key.as_str()), "{user}: {reason}");
        let told = lies.json()["data"]["notifications"][0].clone();
        assert_eq!((told.get("badge"), &told["message"]["data"]), (None, &json!({"text": 3})), "{told}");
        assert_eq!(dump(key), before, "{user}");
    }
    wait("the positions are committed", || world.committed() == 1);
    assert_eq!(process.metric(r#"ringpost_notify_webhooks_total{outcome="foreign"}"#), 6);
    world.push("inbox:a", 4, &["ann"]);
    assert_eq!(world.read("dead", 7).len(), 7, "as long as it is there");
    // Who resets a badge has what is in its place taken away.
    let refused = process.api("badge_get", &json!({"user": "ann"}));
    assert!(refused["error"]["message"].as_str().is_some_and(|why| why.ends_with(&key("badge", "ann"))), "{refused}");
    assert_eq!(process.api("badge_reset", &json!({"user": "ann"})), json!({"result": {"badge": 0}}));
    world.push("inbox:a", 5, &["ann"]);
    assert_eq!(world.wait_taken(2)[1]["badge"], 5);
    for method in ["mute_list", "mute_remove", "mute_set"] {
        let refused = process.api(method, &json!({"user": "eve"}));
        assert!(
            refused["error"]["message"].as_str().is_some_and(|why| why.ends_with(&key("mute", "eve"))),
            "{refused}"
        );
    }
}

#[test]
fn a_push_with_more_tags_than_a_webhook_carries_is_told_without_them() {
    let world = World::new(1, App::willing());
    let _process = world.start("notify-1");
    let push = json!({
        "id": "1", "kind": "offline", "channel": "inbox:a", "epoch": "e", "offset": 1, "time_unix_ms": now_ms(),
        "data": {"text": "hello"}, "tags": {"large": "x".repeat(64 * 1024)},
        "users": [{"user": "ann", "unread": 1, "reason": "away"}],
    });
    world.write("push", "inbox:a", push.to_string().as_bytes());
    let message = &world.wait_taken(1)[0]["message"];
    assert_eq!((&message["data"], &message["lacks_tags"]), (&json!({"text": "hello"}), &json!(true)), "{message}");
    assert_eq!((message.get("tags"), message.get("truncated")), (None, None), "{message}");
}

#[test]
fn calls_that_cannot_be_meant_are_refused() {
    let world = World::new(1, App::willing());
    let process = world.start("notify-1");
    let code = |method: &str, body: Value| process.api(method, &body)["error"]["code"].clone();
    for method in ["mute_set", "mute_remove", "mute_list", "badge_get", "badge_reset"] {
        assert_eq!(code(method, json!({})), 107, "{method}");
        assert_eq!(code(method, json!({"user": "x".repeat(1025)})), 107, "{method}");
    }
    assert_eq!(code("mute_set", json!({"user": "ann", "until_unix_ms": now_ms() - 1})), 107);
    assert_eq!(code("mute_set", json!({"user": "ann", "channel": "x".repeat(1025)})), 107);
    for channel in 0..1000 {
        let mute = json!({"user": "ann", "channel": channel.to_string(), "until_unix_ms": now_ms() + 60_000});
        assert_eq!(process.api("mute_set", &mute), json!({"result": {}}), "{channel}");
    }
    assert_eq!(code("mute_set", json!({"user": "ann", "channel": "more"})), 106);
    let again = json!({"user": "ann", "channel": "7"});
    assert_eq!(process.api("mute_set", &again), json!({"result": {}}), "what is muted can be changed");
}
