//! A Kafka that refuses the processes' user something while they run.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::app::App;
use crate::harness::{World, wait};
use crate::kafka::Kafka;
use crate::kafka::rights::{PASSWORD, Thing, as_user};

/// Pushes to some users of a message with this offset, and a change of their sessions.
struct Turns<'w> {
    world: &'w World,
    done: u64,
}

impl Turns<'_> {
    fn push(&mut self) {
        self.done += 1;
        for channel in 0..4 {
            self.world.push(&format!("inbox:{channel}"), self.done, &[&format!("user-{channel}")]);
        }
        for user in 0..4 {
            let update = json!({
                "user": format!("user-{user}"), "online": self.done % 2 == 1, "at_unix_ms": 5, "last_seen_unix_ms": 5, "devices": 1,
                "sequence": self.done, "cause": "login",
            });
            self.world.write("session", &format!("user-{user}"), update.to_string().as_bytes());
        }
    }

    /// How many messages the application was told of, each once.
    fn pushed(&self) -> u64 {
        let taken = self.world.app.taken();
        let mut pushes: Vec<_> =
            taken.iter().flat_map(|one| one["pushes"].as_array().expect("there are some")).collect();
        let all = pushes.len();
        pushes.sort_by_key(|push| push.to_string());
        pushes.dedup();
        assert_eq!(pushes.len(), all, "none is told twice");
        all as u64
    }

    /// How many changes of sessions clients are told, each once or more.
    fn published(&self) -> u64 {
        let mut told: Vec<_> = self.world.read("publish", 0).iter().map(|told| told.json()).collect();
        told.sort_by_key(|told| (told["channel"].to_string(), told["version"].as_u64()));
        told.dedup();
        told.len() as u64
    }
}

#[test]
#[ignore = "a Kafka of its own: make test-cluster"]
fn a_topic_or_group_that_is_refused_holds_up_what_needs_it_and_nothing_else_and_nothing_is_missing_once_it_is_not() {
    let world = World::with_kafka(4, App::willing(), Kafka::with_users(), as_user(PASSWORD));
    let more = "retry_attempts = 5\nsession_channel = \"sessions:\"";
    let processes = ["notify-1", "notify-2"].map(|name| world.start_with(name, r#""notify""#, more));
    processes.iter().for_each(|process| process.wait_member("notify"));
    let mut turns = Turns { world: &world, done: 0 };
    turns.push();
    wait("all is told", || turns.pushed() == 4 && turns.published() == 4);
    let (push, session, publish) = (world.topic("push"), world.topic("session"), world.topic("publish"));
    let [pushes, sessions] = ["notify", "sessions"].map(|group| world.topic(&format!("group.{group}")));
    let refused = [
        (Thing::Topic(&push), "READ", "notify"),
        (Thing::Topic(&session), "READ", "notify_sessions"),
        (Thing::Topic(&publish), "WRITE", "notify_sessions"),
        (Thing::Topic(&push), "ALL", "notify"),
        (Thing::Group(&pushes), "READ", "notify"),
        (Thing::Group(&sessions), "READ", "notify_sessions"),
    ];
    for (thing, operation, role) in refused {
        let (pushed, published) = (turns.pushed(), turns.published());
        world.kafka.refuse(thing, operation);
        sleep(Duration::from_secs(1));
        turns.push();
        wait(&format!("{thing:?} is told by the health"), || processes.iter().any(|of| of.silence(role) > 12.0));
        // What does not need it goes on.
        match role {
            "notify" => wait("sessions go on", || turns.published() == published + 4),
            _ => wait("pushes go on", || turns.pushed() == pushed + 4),
        }
        let other = if role == "notify" { "notify_sessions" } else { "notify" };
        assert!(processes.iter().all(|of| of.silence(other) < 12.0), "{thing:?}");
        // A group is asked now and then; what was assigned before is read until then.
        if let Thing::Topic(_) = thing {
            let is_held_up = if role == "notify" { turns.pushed() == pushed } else { turns.published() == published };
            assert!(is_held_up, "{thing:?}");
        }
        world.kafka.restore(thing, operation);
        wait(&format!("all is told after {thing:?}"), || {
            turns.pushed() == 4 * turns.done && turns.published() == 4 * turns.done
        });
        wait(&format!("all are well after {thing:?}"), || processes.iter().all(|of| of.silence(role) < 8.0));
    }
    assert_eq!(world.app.taken().last().expect("there is one")["badge"], turns.done);
}
