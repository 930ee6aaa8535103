//! Redis has lost the state, or some of it: it is built anew.

use crate::harness::{Session, World, wait};

#[test]
fn a_state_that_redis_has_lost_is_built_from_the_topic_and_its_sequences_go_on() {
    let world = World::new(2);
    let process = world.start("state-1", r#""state""#);
    let (ann, ben) = (Session::of("ann"), Session::of("ben"));
    world.tell("connected", &ann);
    world.tell("connected", &ben);
    wait("both are online", || process.is_online("ann") && process.is_online("ben"));
    world.tell("disconnected", &ben);
    let before = (world.wait_told("ann", true), world.wait_told("ben", false));
    world.redis.cli(&["FLUSHALL"]);
    world.redis.cli(&["FUNCTION", "FLUSH"]);
    wait("ann is online again", || process.is_online("ann"));
    let sequence = |update: &serde_json::Value| update["sequence"].as_u64().unwrap();
    wait("it is told anew", || {
        let (ann, ben) = (world.last_told("ann").unwrap(), world.last_told("ben").unwrap());
        sequence(&ann) > sequence(&before.0) && sequence(&ben) > sequence(&before.1)
    });
    let (ann, ben) = (world.last_told("ann").unwrap(), world.last_told("ben").unwrap());
    assert_eq!((&ann["online"], &ann["cause"]), (&true.into(), &"rebuilt".into()), "{ann}");
    assert_eq!((&ben["online"], &ben["cause"]), (&false.into(), &"rebuilt".into()), "{ben}");
    assert_eq!(world.told()["ann"].len(), 2, "what was before is not told again: {:?}", world.told()["ann"]);
    assert!(process.metric("ringpost_state_rebuilds_total") >= 4, "two partitions, twice");
}

#[test]
fn a_state_that_was_lost_while_no_process_ran_is_built_as_well() {
    let world = World::new(1);
    let mut process = world.start("state-1", r#""state""#);
    let ann = Session::of("ann");
    world.tell("connected", &ann);
    wait("ann is online", || process.is_online("ann"));
    assert!(process.end().success());
    world.redis.cli(&["FLUSHALL"]);
    let process = world.start("state-2", r#""state""#);
    wait("ann is online again", || process.is_online("ann"));
    world.tell("disconnected", &ann);
    wait("ann is offline", || !process.is_online("ann"));
    assert_eq!(world.wait_told("ann", false)["cause"], "logout");
}

#[test]
fn while_redis_is_away_the_position_waits_and_then_nothing_is_missing() {
    let mut world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    let ann = Session::of("ann");
    world.tell("connected", &ann);
    wait("ann is online", || process.is_online("ann"));
    world.redis.kill();
    world.tell("disconnected", &ann);
    wait("it has trouble", || process.get("/metrics").contains("ringpost_state_errors_total"));
    // Without its data: what it had is built anew.
    world.redis.restart();
    wait("ann is offline", || world.last_told("ann").is_some_and(|last| last["online"] == false));
    assert!(!process.is_online("ann"));
}

#[test]
fn a_loss_in_one_partition_costs_no_other_a_record() {
    const USERS: usize = 300;
    let world = World::new(2);
    let process = world.start("state-1", r#""state""#);
    let users: Vec<_> = (0..USERS).map(|number| format!("user-{number}")).collect();
    let forget_first =
        "for _, key in ipairs(redis.call('KEYS', '*:state:1:{b*}:p')) do redis.call('HDEL', key, '0') end";
    for some in users.chunks(10) {
        some.iter().for_each(|user| world.tell("connected", &Session::of(user)));
        world.redis.cli(&["EVAL", forget_first, "0"]);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    wait("all are online", || users.iter().all(|user| process.is_online(user)));
    assert!(process.metric("ringpost_state_rebuilds_total") > 2, "something was lost");
}
