//! Several processes with the role `state`: they share the work, and any may die.

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

/// Whether a process has read something to its end, and tells at once.
fn has_begun(world: &World, process: &Process) -> bool {
    world.tell("connected", &Session::of("probe"));
    world.tell("connected", &Session::of("probe"));
    process.metric("ringpost_state_rebuilds_total") >= 4
}
