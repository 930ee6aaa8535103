//! The role `notify` over a Redis that is more than one server: what it keeps of users is shared by a Cluster's servers, and goes on
//! after a failover.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::app::App;
use crate::groups::{Sentinel, cluster, move_slots, replicate, section};
use crate::harness::{Process, World, wait};
use crate::server::{Kind, Place, Server};

const USERS: usize = 60;

fn users() -> Vec<String> {
    (0..USERS).map(|user| format!("user-{user}")).collect()
}

/// The users whose badges a server keeps.
fn kept(server: &Server) -> BTreeSet<String> {
    let keys = server.cli(&["--scan", "--pattern", "ringpost:notify:{b*}:badge:*"]);
    keys.lines().filter_map(|key| Some(key.rsplit_once(":badge:")?.1.to_owned())).collect()
}

/// Has users told of a message in a channel of their own, each.
fn push_to(world: &World, users: &[String], offset: u64) {
    users.iter().for_each(|user| world.push(&format!("inbox:{user}"), offset, &[user]));
}

/// Waits until the newest notification of each user says so much.
fn wait_badges(world: &World, users: &[String], badge: u64) {
    let mut badges = BTreeMap::<String, u64>::new();
    wait("all are told", || {
        for told in world.app.taken() {
            let user = told["user"].as_str().expect("it is for somebody").to_owned();
            badges.insert(user, told["badge"].as_u64().expect("it tells the badge"));
        }
        users.iter().all(|user| badges.get(user) == Some(&badge))
    });
}

fn badge(process: &Process, user: &str) -> Value {
    process.api("badge_get", &json!({ "user": user }))["result"]["badge"].clone()
}

#[test]
fn a_cluster_shares_badges_and_mutes_among_its_servers_and_they_go_on_while_slots_move() {
    let mut servers = cluster(3, 0, &[]);
    let section = section(&servers);
    let (first, others) = (servers.remove(0), servers);
    let world = World::over(2, App::willing(), first, section);
    let process = world.start("notify-1");
    let users = users();
    assert_eq!(process.api("mute_set", &json!({"user": "muted", "channel": "inbox:muted"})), json!({"result": {}}));
    push_to(&world, &["muted".into()], 4);
    push_to(&world, &users, 1);
    wait_badges(&world, &users, 1);
    let parts: Vec<_> = [&world.redis].into_iter().chain(&others).map(kept).collect();
    assert!(parts.iter().all(|part| part.len() > USERS / 10), "each has some: {parts:?}");
    assert_eq!(parts.iter().map(BTreeSet::len).sum::<usize>(), USERS + 1, "none has another's");
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| (2..=5).for_each(|offset| push_to(&world, &users, offset)));
        move_slots(&world.redis, &others[0], 5000);
        pushing.join().expect("all is written");
    });
    wait_badges(&world, &users, 5);
    assert!(users.iter().all(|user| badge(&process, user) == 5));
    assert!(world.app.taken().iter().all(|told| told["user"] != "muted"));
    assert_eq!(badge(&process, "muted"), 4, "it counts all the same");
    let listed = process.api("mute_list", &json!({"user": "muted"}));
    assert_eq!(listed["result"]["mutes"], json!([{"channel": "inbox:muted"}]));
    for user in &users {
        assert_eq!(process.api("badge_reset", &json!({ "user": user })), json!({"result": {"badge": 0}}));
    }
    assert!(users.iter().all(|user| badge(&process, user) == 0));
}

#[test]
fn after_a_failover_by_a_sentinel_badges_and_mutes_are_as_they_were() {
    let primary = Server::start(Kind::Redis, &[]);
    let replica = Server::start(Kind::Redis, &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let sentinel = Sentinel::start(&Place::here(), &primary, 500);
    let mut world = World::over(1, App::willing(), primary, sentinel.section());
    let process = world.start("notify-1");
    let users = users();
    assert_eq!(process.api("mute_set", &json!({"user": "muted"})), json!({"result": {}}));
    push_to(&world, &users, 2);
    wait_badges(&world, &users, 2);
    replicate(&world.redis, &replica);
    world.redis.kill();
    push_to(&world, &["muted".into()], 1);
    push_to(&world, &users, 3);
    wait_badges(&world, &users, 3);
    assert!(world.app.taken().iter().all(|told| told["user"] != "muted"), "what was muted before is muted after");
    assert_eq!(kept(&replica).len(), USERS + 1);
    assert!(users.iter().all(|user| badge(&process, user) == 3));
}

#[test]
fn what_nobody_receives_is_told_by_webhooks_once_whichever_node_of_a_cluster_sees_to_it() {
    let mut servers = cluster(3, 0, &[]);
    let section = section(&servers);
    let (first, _others) = (servers.remove(0), servers);
    let world = World::over(2, App::willing(), first, section);
    let nodes = ["one", "two"].map(|name| world.start_with(name, r#""edge", "notify""#, ""));
    let users = users();
    for (at, user) in users.iter().enumerate() {
        let channel = format!("mail:{user}");
        let added = nodes[at % 2].api("members_add", &json!({ "channel": channel, "users": [user] }));
        assert_eq!(added, json!({"result": {}}));
        let published = nodes[(at + 1) % 2].api("publish", &json!({ "channel": channel, "data": at }));
        assert_eq!(published["result"]["offset"], 1, "{published}");
    }
    wait_badges(&world, &users, 1);
    let mut told: Vec<_> = world.app.taken().iter().map(|told| told["message"]["channel"].clone()).collect();
    told.sort_by_key(Value::to_string);
    let mut expected: Vec<_> = users.iter().map(|user| json!(format!("mail:{user}"))).collect();
    expected.sort_by_key(Value::to_string);
    assert_eq!(told, expected, "each once, whichever node has seen to it");
}
