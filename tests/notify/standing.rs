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

#[test]
fn what_somebody_else_has_put_there_holds_nobody_up() {
    let world = World::new(1, App::willing());
    let _process = world.start("notify-1");
    for bucket in 0..BUCKETS {
        let key = |kind: &str| format!("ringpost:notify:{{b{bucket}}}:{kind}:ann");
        world.redis.cli(&["HSET", &key("badge"), "t", "many", "cinbox:a", "some"]);
        world.redis.cli(&["HSET", &key("mute"), "a", "never"]);
        world.redis.cli(&["SET", &key("told"), "no hash"]);
    }
    world.push("inbox:a", 3, &["ann"]);
    assert_eq!(world.wait_taken(1)[0]["badge"], 3);
    world.withdraw("inbox:a", 3, &["ann"]);
    let taken = world.wait_taken(2);
    assert_eq!((&taken[1]["badge"], &taken[1]["withdrawn"][0]["channel"]), (&json!(0), &json!("inbox:a")));
    wait("the positions are committed", || world.committed() == 2);
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
