//! A Kafka that refuses the processes' user something while they run.

use std::thread::sleep;
use std::time::Duration;

use crate::harness::{Process, Session, World, wait};
use crate::kafka::Kafka;
use crate::kafka::rights::{PASSWORD, Thing, as_user};

const USERS: [&str; 4] = ["ann", "ben", "cid", "dan"];

fn faults(processes: &[Process], kind: &str) -> u64 {
    processes.iter().map(|process| process.metric(&format!("ringpost_state_errors_total{{kind=\"{kind}\"}}"))).sum()
}

/// All come and go once.
fn turn(world: &World) {
    for user in USERS {
        let session = Session::of(user);
        world.tell("connected", &session);
        world.tell("disconnected", &session);
    }
}

fn is_told(world: &World, turns: usize) -> bool {
    let told = world.told();
    USERS.iter().all(|user| told.get(*user).is_some_and(|told| told.len() == 2 * turns))
}

#[test]
#[ignore = "a Kafka of its own: make test-cluster"]
fn a_topic_or_group_that_is_refused_is_told_and_nothing_is_missing_once_it_is_not() {
    let world = World::with_kafka(4, Kafka::with_users(), as_user(PASSWORD));
    let processes = ["state-1", "state-2"].map(|name| world.start(name, r#""state""#));
    wait("all partitions are built", || {
        world.tell("connected", &Session::of("probe"));
        processes.iter().map(|process| process.metric("ringpost_state_rebuilds_total")).sum::<u64>() >= 4
    });
    wait("both are members", || processes.iter().all(|process| process.silence("state") < 8.0));
    turn(&world);
    wait("all is told", || is_told(&world, 1));
    let (login, session, group) = (world.topic("login"), world.topic("session"), world.topic("group.state"));
    let refused = [
        (Thing::Topic(&login), "READ", "kafka_read"),
        (Thing::Topic(&login), "ALL", "kafka_read"),
        (Thing::Topic(&session), "WRITE", "kafka_write"),
        (Thing::Group(&group), "READ", "kafka_read"),
    ];
    for ((thing, operation, kind), turns) in refused.into_iter().zip(2..) {
        let before = faults(&processes, kind);
        world.kafka.refuse(thing, operation);
        sleep(Duration::from_secs(1));
        turn(&world);
        wait(&format!("{thing:?} is told by the metrics"), || faults(&processes, kind) > before);
        let is_silent = |process: &Process| process.silence("state") > 12.0;
        wait(&format!("{thing:?} is told by the health"), || processes.iter().any(is_silent));
        if operation == "ALL" {
            // After a minute.
            wait("it is stalled", || processes.iter().any(|process| process.get("/health/ready").contains("503")));
        }
        assert!(
            processes.iter().all(|process| process.state("ann")["since_unix_ms"].is_i64()),
            "what is known is told"
        );
        if kind == "kafka_write" {
            assert!(!is_told(&world, turns), "{thing:?}");
        }
        world.kafka.restore(thing, operation);
        wait(&format!("all is told after {thing:?}"), || is_told(&world, turns));
        wait(&format!("all are well after {thing:?}"), || {
            processes.iter().all(|process| process.silence("state") < 8.0)
        });
        for (user, told) in world.told().iter().filter(|(user, _)| USERS.contains(&user.as_str())) {
            assert!(told.iter().map(|told| told["online"] == true).eq((0..2 * turns).map(|at| at % 2 == 0)), "{user}");
        }
    }
    assert!(processes.iter().all(|process| process.get("/health/ready").contains("200")));
}
