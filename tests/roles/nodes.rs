//! The state of users whose sessions are on real nodes: nodes that die, and sessions of which no record tells.

use ringpost::auth::mint::hs256;
use serde_json::json;

use crate::client::LineClient;
use crate::harness::{Process, SECRET, Session, World, wait};

fn connect(node: &Process, user: &str) -> (LineClient, String) {
    let mut client = LineClient::silent(node.tcp());
    client.tell(json!({"connect": {"token": hs256(SECRET, &json!({"sub": user}))}}));
    let reply = client.word();
    let id = reply["connect"]["client"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned();
    (client, id)
}

#[test]
fn users_of_a_node_that_is_killed_go_offline_once() {
    let world = World::new(2);
    let mut edge = world.start("edge-1", r#""edge""#);
    let states = [world.start("state-1", r#""state""#), world.start("state-2", r#""state""#)];
    let clients: Vec<_> = (0..8).map(|user| connect(&edge, &format!("user-{user}"))).collect();
    wait("all are online", || (0..8).all(|user| states[0].is_online(&format!("user-{user}"))));
    let lives = world.start("edge-2", r#""edge""#);
    let (_stays, _) = connect(&lives, "user-0");
    wait("the second session is seen", || states[0].state("user-0")["devices"] == 2);
    edge.kill();
    drop(clients);
    let is_told =
        || (1..8).all(|user| world.last_told(&format!("user-{user}")).is_some_and(|last| last["online"] == false));
    wait("it is told", is_told);
    for (user, told) in world.told() {
        let offline: Vec<_> = told.iter().filter(|update| update["online"] == false).collect();
        match user.as_str() {
            "user-0" => assert!(offline.is_empty(), "a session is on another node: {told:?}"),
            _ => {
                assert_eq!(offline.len(), 1, "{told:?}");
                assert_eq!(offline[0]["cause"], "node_lost");
            }
        }
    }
    assert_eq!(states[1].state("user-0")["devices"], 1);
}

#[test]
fn a_session_of_which_no_record_tells_is_taken_from_the_nodes_register_by_a_rebuild() {
    let world = World::new(1);
    let edge = world.start("edge-1", r#""edge""#);
    let (_client, _) = connect(&edge, "ann");
    let state = world.start("state-1", r#""state""#);
    wait("ann is online", || state.is_online("ann"));
    // The topic keeps nothing: all that is left is what nodes say.
    world.forget_login_log();
    world.redis.cli(&["FLUSHALL"]);
    world.tell("connected", &Session::of("ben"));
    wait("ben is online", || state.is_online("ben"));
    wait("ann is online again", || state.is_online("ann"));
}
