//! What becomes of the login log itself: made anew, and given more partitions.

use crate::harness::{Session, World, wait};
use crate::python::{Batch, padded, writes};

#[test]
fn a_login_log_that_is_made_anew_while_the_role_runs_is_read_from_its_beginning() {
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    let (ann, ben) = (Session::of("ann"), Session::of("ben"));
    (0..20).for_each(|_| world.tell("connected", &Session::of("before")));
    world.tell("connected", &ann);
    wait("all is applied", || world.committed() == 21);
    let login = world.topic("login");
    world.kafka.delete(&login);
    world.kafka.topic(&login, 1);
    world.tell("connected", &ben);
    wait("what lies there is read", || process.is_online("ben"));
    // Where the group stood in the old one is of no meaning.
    world.tell("disconnected", &ben);
    world.tell("disconnected", &ann);
    assert_eq!(world.wait_told("ben", false)["cause"], "logout");
    assert_eq!(world.wait_told("ann", false)["cause"], "logout", "what was known is known");
    wait("the group stands behind all", || world.committed() == 3);
}

#[test]
fn partitions_that_the_login_log_is_given_while_the_role_runs_are_read() {
    const USERS: usize = 40;
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    world.tell("connected", &Session::of("before"));
    wait("it consumes", || process.is_online("before"));
    world.kafka.grow(&world.topic("login"), 4);
    let users: Vec<_> = (0..USERS).map(|user| format!("user-{user}")).collect();
    let record = |user: &String| padded(user, &world.record("connected", &Session::of(user)));
    writes(&world.kafka, &world.topic("login"), &[Batch::of(users.iter().map(record).collect())]);
    wait("all are online", || users.iter().all(|user| process.is_online(user)));
    assert!(process.is_online("before"));
    let mut told = world.told();
    wait("all are told of", || {
        told = world.told();
        users.iter().all(|user| told.contains_key(user))
    });
    assert!(users.iter().all(|user| told[user].len() == 1), "{told:?}");
}
