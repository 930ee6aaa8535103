//! The state of users whose sessions are on real nodes: nodes that die, and sessions of which no record tells.

use ringpost::auth::mint::hs256;
use serde_json::json;

use crate::client::LineClient;
use crate::groups::keys;
use crate::harness::{Process, SECRET, Session, World, now_ms, wait};

/// A client of a user, and its session.
pub(crate) fn connect(node: &Process, user: &str) -> (LineClient, String) {
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
    // Nothing tells of it, and its bucket may be the last that is looked at.
    wait("its session there has ended", || states[1].state("user-0")["devices"] == 1);
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

#[test]
fn what_no_record_told_of_is_found_by_comparing_with_the_nodes_register() {
    let world = World::new(1);
    let edge = world.start("edge-1", r#""edge""#);
    let first = world.start("state-1", r#""state""#);
    // All are in the bucket that a process compares first, and the first process has.
    let mut names = (0..10_000).map(|user| format!("user-{user}")).filter(|user| keys().bucket_of(user) == 0);
    let [stays, gone, unheard] = std::array::from_fn(|_| names.next().expect("one in 32 is"));
    let key = |user: &str| format!("ringpost:state:1:{{b0}}:u:{user}");
    wait("the first process has compared it", || {
        world.redis.cli(&["EXISTS", "ringpost:state:1:{claims}:check:0"]).trim() == "1"
    });
    let (_client, stays_id) = connect(&edge, &stays);
    let (_other_client, _) = connect(&edge, &unheard);
    wait("both are online", || first.is_online(&stays) && first.is_online(&unheard));

    // One that this node has had, whose end it could not write.
    let session = world.redis.cli(&["HGET", &key(&stays), &format!("+{stays_id}")]);
    let owner = session.split(' ').next().and_then(|owner| owner.split_once('.')).expect("it has an owner");
    let (slot, incarnation) = (owner.0.parse().unwrap(), owner.1.parse().unwrap());
    let lost = Session { slot, incarnation, ..Session::of(&gone) };
    world.tell("connected", &lost);
    wait("it is online", || first.is_online(&gone));
    // Both were missed an hour ago; one is there.
    let then = now_ms() - 3_600_000;
    for (user, client) in [(&stays, &stays_id), (&gone, &lost.client)] {
        world.redis.cli(&["HSET", &key(user), &format!("?{client}"), &then.to_string()]);
    }
    // One of which nothing was heard.
    world.redis.cli(&["DEL", &key(&unheard)]);
    assert!(!first.is_online(&unheard));

    world.redis.cli(&["DEL", "ringpost:state:1:{claims}:check:0"]);
    let second = world.start("state-2", r#""state""#);
    let told = world.wait_told(&gone, false);
    assert_eq!((&told["cause"], &told["at_unix_ms"]), (&json!("rebuilt"), &json!(then)), "since it was missed: {told}");
    wait("it was taken up", || first.is_online(&unheard));
    assert!(!first.is_online(&gone) && first.is_online(&stays));
    assert_eq!(world.redis.cli(&["HEXISTS", &key(&stays), &format!("?{stays_id}")]).trim(), "0", "it is there");
    assert_eq!(second.metric("ringpost_state_ended_untold_total"), 1);
}

#[test]
fn a_session_that_nodes_do_not_have_is_noted_first_and_one_of_a_name_that_they_never_have_is_left() {
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    let long = "u".repeat(1_000);
    for user in ["ann", &long] {
        let session = Session { slot: 7, incarnation: 70, ..Session::of(user) };
        world.tell("connected", &session);
        wait("it is online", || process.is_online(user));
        let bucket = keys().bucket_of(user);
        let heads = [format!("ringpost:state:1:{{b{bucket}}}"), keys().head(bucket).to_owned()];
        let check = || {
            let function = ["FCALL", "ringpost_state_1_check", "2", &heads[0], &heads[1]];
            world.redis.cli(&[&function[..], &["7.70", "0", "64", "60000", "3600000", "254"]].concat())
        };
        for _ in 0..2 {
            assert!(check().contains('0'), "{}", check());
        }
        let noted = world.redis.cli(&["HEXISTS", &format!("{}:u:{user}", heads[0]), &format!("?{}", session.client)]);
        assert_eq!(noted.trim() == "1", user == "ann");
        assert!(process.is_online(user), "it was not missed for long");
    }
}
