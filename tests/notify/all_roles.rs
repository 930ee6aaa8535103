//! One process that has all roles: from a client's connection to what the company and other clients hear of it.

use ringpost::auth::mint::hs256;
use serde_json::{Value, json};

use crate::app::App;
use crate::client::LineClient;
use crate::harness::{Process, TOKEN_SECRET, World, wait};

fn connect(process: &Process, user: &str) -> LineClient {
    let mut client = LineClient::silent(process.tcp());
    let reply = client.ask(json!({"connect": {"token": hs256(TOKEN_SECRET, &json!({ "sub": user }))}}));
    assert!(reply["connect"]["client"].is_string(), "{reply}");
    client
}

#[test]
fn one_process_does_the_work_of_all_roles() {
    let world = World::new(2, App::willing());
    let mut process = world.start_with("all", r#""edge", "state", "notify""#, "session_channel = \"sessions:\"");
    let mut watcher = connect(&process, "ben");
    wait("it is subscribed", || {
        watcher.ask(json!({"subscribe": {"channel": "sessions:ann"}}))["subscribe"].is_object()
    });
    let mut hears = |online: bool| {
        let (channel, _, data) = watcher.publication();
        assert_eq!((channel.as_str(), &data["user"], &data["online"]), ("sessions:ann", &json!("ann"), &json!(online)));
    };
    let client = connect(&process, "ann");
    hears(true);
    let state = |user: &str| -> Value {
        process.api("users_state", &json!({"users": [user]}))["result"]["users"][user].clone()
    };
    assert_eq!((&state("ann")["online"], &state("ann")["devices"]), (&json!(true), &json!(1)));
    drop(client);
    hears(false);
    assert!(state("ann")["online"] == false && state("ann")["last_seen_unix_ms"].is_i64());
    // Nobody receives it.
    let (channel, added) = ("mail:ann", json!({"channel": "mail:ann", "users": ["ann"]}));
    assert_eq!(process.api("members_add", &added), json!({"result": {}}));
    assert_eq!(process.api("publish", &json!({"channel": channel, "data": 1}))["result"]["offset"], 1);
    let told = world.wait_taken(1);
    assert_eq!(
        (&told[0]["user"], &told[0]["badge"], &told[0]["message"]["data"]),
        (&json!("ann"), &json!(1), &json!(1))
    );
    for role in ["state", "notify"] {
        assert_eq!(process.metric(&format!("ringpost_role_well{{role=\"{role}\"}}")), 1);
    }
    assert!(process.end().success(), "it drains");
}
