//! Processes of two versions over one Redis, one Kafka and one application: the real binary, and that of an earlier version.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::app::App;
use crate::harness::{Process, World, wait};
use crate::process::before;

const USERS: usize = 4;

fn start(world: &World, is_new: bool, name: &str) -> Process {
    let binary = match is_new {
        true => env!("CARGO_BIN_EXE_ringpost").into(),
        false => before(),
    };
    let process = world.start_of(Command::new(binary), name, r#""notify""#, "retry_attempts = 5", |config| {
        // An earlier version may not know it.
        config.replace("calls = \"\"\n", "")
    });
    process.wait_member("notify");
    process
}

/// How often the application was told of each push.
fn told(world: &World) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for push in world.app.taken().iter().flat_map(|one| one["pushes"].as_array().expect("there are some")) {
        *told.entry(push.to_string()).or_default() += 1;
    }
    told
}

#[test]
#[ignore = "needs the binary of an earlier version: make test-upgrade"]
fn processes_of_the_role_notify_are_upgraded_one_after_the_other_and_back_and_each_push_is_told() {
    let world = World::new(4, App::willing());
    let mut processes = [start(&world, false, "notify-1"), start(&world, false, "notify-2")];
    let mut pushed = 0;
    let mut push = || {
        pushed += 1;
        for user in 0..USERS {
            world.push(&format!("inbox:{user}"), pushed, &[&format!("user-{user}")]);
        }
        pushed
    };
    let user = |process: &Process, method: &str, more: Value| {
        let mut body = json!({"user": "user-0"});
        body.as_object_mut().expect("it is one").extend(more.as_object().expect("they are fields").clone());
        process.api(method, &body)["result"].clone()
    };
    let muted = json!({"channel": "inbox:loud"});
    assert_eq!(user(&processes[0], "mute_set", muted.clone()), json!({}));
    // One after the other, and back.
    for (at, is_new) in [(0, true), (1, true), (0, false), (1, false), (1, true)] {
        push();
        assert!(processes[at].end().success());
        push();
        processes[at] = start(&world, is_new, &format!("notify-{}", at + 1));
        let all = push();
        world.push("inbox:loud", all, &["user-0"]);
        wait("all is told", || told(&world).len() == all as usize * USERS);
        for process in &processes {
            wait("both know what is unread", || {
                let badge = user(process, "badge_get", json!({"channels": true}));
                badge == json!({"badge": 2 * all, "channels": {"inbox:0": all, "inbox:loud": all}})
            });
            assert_eq!(
                user(process, "mute_list", json!({})),
                json!({"mutes": [&muted]}),
                "what is muted by one is by the other"
            );
        }
    }
    // What was told by one is withdrawn by the other.
    let last = push();
    wait("all is told", || told(&world).len() == last as usize * USERS);
    assert!(processes[0].end().success());
    world.withdraw("inbox:0", last, &["user-0"]);
    wait("it is withdrawn", || {
        let taken = world.app.taken();
        let of_user = taken.iter().rfind(|one| one["user"] == "user-0").expect("there is one");
        of_user["withdrawn"][0]["offset"] == last
    });
    let times = told(&world);
    assert!(times.values().all(|times| *times == 1), "who ends in order leaves nothing that is told again: {times:?}");
    wait("the positions are committed", || world.committed() as u64 == last * USERS as u64 + 5 + 1);
}
