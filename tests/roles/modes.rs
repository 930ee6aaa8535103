//! The role `state` over a Redis that is more than one server: a Cluster, whose servers share its users, and one behind a Sentinel.

use std::collections::BTreeSet;

use crate::groups::{Sentinel, cluster, info, move_slots, replicate, section};
use crate::harness::{Process, Session, World, wait};
use crate::server::{Kind, Place, Server};

/// Some users, by names of which each bucket has several.
fn users() -> Vec<String> {
    (0..96).map(|user| format!("user-{user}")).collect()
}

/// The users that a server keeps.
fn kept(server: &Server) -> BTreeSet<String> {
    let keys = server.cli(&["--scan", "--pattern", "ringpost:state:1:{b*}:u:*"]);
    keys.lines().filter_map(|key| Some(key.rsplit_once(":u:")?.1.to_owned())).collect()
}

fn online(process: &Process, users: &[String]) -> usize {
    let answer = process.api("users_state", &serde_json::json!({ "users": users }));
    let states = answer["result"]["users"].as_object().into_iter().flatten();
    states.filter(|(_, state)| state["online"] == true).count()
}

/// Told of each user: online, offline, and so on by turns, however often.
fn assert_told_by_turns(world: &World, users: &[String], times: usize) {
    let told = world.told();
    for user in users {
        let online: Vec<_> = told[user].iter().map(|update| update["online"] == true).collect();
        assert!(online.iter().enumerate().all(|(at, online)| *online == (at % 2 == 0)), "{user}: {:?}", told[user]);
        assert_eq!(online.len(), times, "{user}: {:?}", told[user]);
    }
}

#[test]
fn a_cluster_shares_the_users_among_its_servers_and_nothing_is_missing_while_slots_move() {
    let mut servers = cluster(3, 0, &[]);
    let section = section(&servers);
    let (first, others) = (servers.remove(0), servers);
    let world = World::over(2, first, section);
    let process = world.start("state-1", r#""state""#);
    let users = users();
    let sessions: Vec<_> = users.iter().map(|user| Session::of(user)).collect();
    sessions.iter().for_each(|session| world.tell("connected", session));
    wait("all are online", || online(&process, &users) == users.len());
    let parts: Vec<_> = [&world.redis].into_iter().chain(&others).map(kept).collect();
    assert!(parts.iter().all(|part| part.len() > users.len() / 10), "each has some: {parts:?}");
    assert_eq!(parts.iter().map(BTreeSet::len).sum::<usize>(), users.len(), "none has another's");

    // Slots leave while half of the users leave and come back.
    let (half, _) = sessions.split_at(sessions.len() / 2);
    std::thread::scope(|scope| {
        let telling = scope.spawn(|| {
            for session in half {
                world.tell("disconnected", session);
                world.tell("connected", &Session::of(&session.user));
            }
        });
        move_slots(&world.redis, &others[0], 5000);
        telling.join().expect("all is told");
    });
    wait("who left and came back is told of", || {
        let told = world.told();
        half.iter().all(|session| told.get(&session.user).is_some_and(|told| told.len() == 3))
    });
    assert_eq!(online(&process, &users), users.len());
    let left: Vec<_> = users[..half.len()].to_vec();
    assert_told_by_turns(&world, &left, 3);
    assert_told_by_turns(&world, &users[half.len()..], 1);
    assert!(kept(&world.redis).len() < parts[0].len(), "some of its users have moved");
}

#[test]
fn when_a_primary_of_a_cluster_dies_its_users_are_known_by_its_replica() {
    let mut servers = cluster(3, 1, &["--cluster-node-timeout", "1000"]);
    let section = section(&servers);
    let (first, others) = (servers.remove(0), servers);
    let port = first.port.to_string();
    let is_its = |server: &&Server| info(server, "replication", "master_port").as_deref() == Some(&port);
    let replica = others.iter().find(is_its).expect("it has a replica");
    let mut world = World::over(2, first, section);
    let processes = ["state-1", "state-2"].map(|name| world.start(name, r#""state""#));
    let users = users();
    let sessions: Vec<_> = users.iter().map(|user| Session::of(user)).collect();
    sessions.iter().for_each(|session| world.tell("connected", session));
    wait("all are online", || online(&processes[0], &users) == users.len());
    assert!(!kept(&world.redis).is_empty());
    replicate(&world.redis, replica);
    world.redis.kill();
    sessions.iter().for_each(|session| world.tell("disconnected", session));
    wait("all are told to be offline", || {
        let told = world.told();
        users.iter().all(|user| told.get(user).and_then(|told| told.last()).is_some_and(|last| last["online"] == false))
    });
    for process in &processes {
        wait("it knows", || online(process, &users) == 0);
    }
    assert_told_by_turns(&world, &users, 2);
}

#[test]
fn after_a_failover_by_a_sentinel_the_state_goes_on() {
    let primary = Server::start(Kind::Redis, &[]);
    let replica = Server::start(Kind::Redis, &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let sentinel = Sentinel::start(&Place::here(), &primary, 500);
    let mut world = World::over(1, primary, sentinel.section());
    let process = world.start("state-1", r#""state""#);
    let users = users();
    let sessions: Vec<_> = users.iter().map(|user| Session::of(user)).collect();
    sessions.iter().for_each(|session| world.tell("connected", session));
    wait("all are online", || online(&process, &users) == users.len());
    replicate(&world.redis, &replica);
    world.redis.kill();
    sessions.iter().for_each(|session| world.tell("disconnected", session));
    wait("all are told to be offline", || {
        let told = world.told();
        users.iter().all(|user| told.get(user).and_then(|told| told.last()).is_some_and(|last| last["online"] == false))
    });
    assert_eq!(online(&process, &users), 0);
    assert_eq!(kept(&replica).len(), users.len());
    assert_told_by_turns(&world, &users, 2);
}
