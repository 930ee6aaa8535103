//! Several processes with the role `state`: they share the work, and any may die.

use rustix::process::Signal;

use crate::harness::{Process, Session, World, wait};

/// Users, and how often each comes and goes.
const USERS: usize = 24;
const ROUNDS: usize = 6;

#[test]
fn two_processes_share_the_work_and_when_one_is_killed_nothing_is_missing_and_nothing_told_twice() {
    let world = World::new(4);
    let mut first = world.start("state-1", r#""state""#);
    // Whoever is online before it begins is told of as rebuilt: let it begin with nobody.
    wait("it has begun", || first.metric(r#"ringpost_role_well{role="state"}"#) == 1 && has_begun(&world, &first));
    let second = world.start("state-2", r#""state""#);
    let users: Vec<String> = (0..USERS).map(|user| format!("user-{user}")).collect();
    for round in 0..ROUNDS {
        let sessions: Vec<_> = users.iter().map(|user| Session::of(user)).collect();
        sessions.iter().for_each(|session| world.tell("connected", session));
        if round == ROUNDS / 2 {
            first.kill();
        }
        sessions.iter().for_each(|session| world.tell("disconnected", session));
    }
    let is_told = || {
        let told = world.told();
        users.iter().all(|user| told.get(user).is_some_and(|told| told.len() >= 2 * ROUNDS))
    };
    // What the first one had is the second's after its session with the group has run out.
    wait("all is told", is_told);
    let told = world.told();
    for user in &users {
        let online: Vec<_> = told[user].iter().map(|update| update["online"].as_bool().unwrap()).collect();
        let expected: Vec<_> = (0..2 * ROUNDS).map(|at| at % 2 == 0).collect();
        assert_eq!(online, expected, "{user}: {:?}", told[user]);
        assert!(!second.is_online(user));
    }
    assert!(second.metric(r#"ringpost_state_records_total{outcome="applied"}"#) > 0);
}

/// It wakes with what it had read, and with calls to Redis and Kafka half made.
#[test]
fn a_process_that_stood_still_until_another_had_its_work_changes_nothing_of_what_was_done_since() {
    let world = World::new(1);
    // Partitions are given by the names of the members: the second waits.
    let mut first = world.start("state-1", r#""state""#);
    wait("it has begun", || {
        world.tell("connected", &Session::of("probe"));
        first.is_online("probe")
    });
    let second = world.start("state-2", r#""state""#);
    let users: Vec<String> = (0..USERS).map(|user| format!("user-{user}")).collect();
    let turn = || {
        let sessions: Vec<_> = users.iter().map(|user| Session::of(user)).collect();
        sessions.iter().for_each(|session| world.tell("connected", session));
        sessions.iter().for_each(|session| world.tell("disconnected", session));
    };
    std::thread::scope(|scope| {
        let telling = scope.spawn(|| (0..3).for_each(|_| turn()));
        std::thread::sleep(std::time::Duration::from_millis(300));
        first.signal(Signal::STOP);
        telling.join().expect("all is written");
    });
    let is_told = |turns: usize| {
        let told = world.told();
        users.iter().all(|user| told.get(user).is_some_and(|told| told.len() >= 2 * turns))
    };
    wait("the other has its work", || is_told(3));
    first.signal(Signal::CONT);
    turn();
    wait("all is told", || is_told(4));
    // Long enough for whatever it had left to do.
    std::thread::sleep(std::time::Duration::from_secs(2));
    turn();
    wait("all is told", || is_told(5));
    let told = world.told();
    for user in &users {
        let online: Vec<_> = told[user].iter().map(|update| update["online"].as_bool().unwrap()).collect();
        assert!(online.iter().copied().eq((0..10).map(|at| at % 2 == 0)), "{user}: {:?}", told[user]);
        assert!(!second.is_online(user));
    }
    assert!(first.end().success(), "it is well");
}

/// Whether a process has read something to its end, and tells at once.
fn has_begun(world: &World, process: &Process) -> bool {
    world.tell("connected", &Session::of("probe"));
    world.tell("connected", &Session::of("probe"));
    process.metric("ringpost_state_rebuilds_total") >= 4
}
