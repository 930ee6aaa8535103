//! Who comes online and goes offline, told to clients.

use serde_json::{Value, json};

use crate::app::App;
use crate::client::LineClient;
use crate::harness::{Process, World, wait};

const TELLS: &str = "session_channel = \"sessions:\"";

fn update(user: &str, online: bool, sequence: u64) -> Value {
    json!({
        "user": user, "online": online, "at_unix_ms": 1_790_000_000_000_i64 + sequence as i64,
        "last_seen_unix_ms": 1_790_000_000_000_i64, "devices": u32::from(online), "sequence": sequence, "cause": "login",
    })
}

/// What clients are told of it.
fn told(user: &str, online: bool, sequence: u64) -> Value {
    let mut told = update(user, online, sequence);
    told.as_object_mut().expect("it is one").remove("cause");
    told
}

fn write(world: &World, user: &str, sequence: u64) {
    world.write("session", user, update(user, sequence % 2 == 1, sequence).to_string().as_bytes());
}

#[test]
fn changes_of_sessions_are_written_for_the_users_channel_in_their_order() {
    let world = World::new(2, App::willing());
    let mut process = world.start_with("notify-1", r#""notify""#, TELLS);
    for sequence in 1..=30 {
        ["ann", "ben"].iter().for_each(|user| write(&world, user, sequence));
    }
    world.write("session", "ann", b"nonsense");
    let written = world.read("publish", 60);
    for user in ["ann", "ben"] {
        let channel = format!("sessions:{user}");
        let of_user: Vec<_> = written.iter().filter(|record| record.key.as_deref() == Some(&channel)).collect();
        assert_eq!(of_user.len(), 30);
        for (record, sequence) in of_user.iter().zip(1..) {
            let data = told(user, sequence % 2 == 1, sequence);
            assert_eq!(record.json(), json!({ "channel": channel, "data": data, "version": sequence }));
            assert_eq!(record.header("ringpost-schema"), Some("publish/1"));
        }
    }
    assert_eq!(world.read("dead", 1)[0].value, b"nonsense");
    assert!(process.end().success());
}

#[test]
fn a_client_hears_who_comes_and_goes_once_each() {
    let world = World::new(2, App::willing());
    let process: Process = world.start_with("node-1", r#""edge", "notify""#, TELLS);
    let mut client = LineClient::connect(process.tcp());
    wait("it is subscribed", || client.ask(json!({"subscribe": {"channel": "sessions:ann"}}))["subscribe"].is_object());
    // The second is told twice, as after a failure.
    for sequence in [1, 2, 2, 3] {
        write(&world, "ann", sequence);
    }
    for sequence in [1, 2, 3] {
        let (channel, _, data) = client.publication();
        assert_eq!((channel.as_str(), &data), ("sessions:ann", &told("ann", sequence % 2 == 1, sequence)));
    }
}
