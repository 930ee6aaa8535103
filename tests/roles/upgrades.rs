//! Processes of two versions over one Redis and one Kafka: the real binary, and that of an earlier version.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Process, Session, World, wait};
use crate::nodes::connect;
use crate::process::before;

/// Users who come and go all the time.
const USERS: usize = 12;
/// Users of a node that is killed.
const CONNECTED: usize = 4;

/// A version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Before,
    Now,
}

impl Version {
    fn start(self, world: &World, name: &str, roles: &str) -> Process {
        let binary = match self {
            Self::Before => before(),
            Self::Now => env!("CARGO_BIN_EXE_ringpost").into(),
        };
        world.start_of(Command::new(binary), name, roles, |config| {
            // An earlier version may not know these.
            let grpc = "[grpc_api]\nenabled = true\naddress = \"127.0.0.1\"\nport = 0\n";
            let config = config.replace(grpc, "").replace("calls = \"\"\n", "");
            // Clients of these tests answer no pings.
            config.replace("[client.token]", "[client]\nping_interval = \"0s\"\n[client.token]")
        })
    }
}

/// The revision of the Functions that are there.
fn revision(world: &World) -> u64 {
    world.redis.cli(&["--raw", "FCALL", "ringpost_state_1_revision", "0"]).trim().parse().unwrap_or(0)
}

/// Their source.
fn source(world: &World) -> String {
    let list = ["--raw", "FUNCTION", "LIST", "LIBRARYNAME", "ringpost_state_1", "WITHCODE"];
    let told = world.redis.cli(&list);
    let (_, source) = told.split_once("#!lua").expect("it is there");
    format!("#!lua{source}")
}

/// That of this version.
fn revision_now() -> u64 {
    let source = include_str!("../../src/roles/state/library.lua");
    let (_, rest) = source.split_once("local REVISION = ").expect("it has one");
    rest.split_once('\n').and_then(|(revision, _)| revision.parse().ok()).expect("it is a number")
}

/// Users who come and go one after the other, until they are to stop: each is online, and then is not.
struct Traffic<'w> {
    world: &'w World,
    users: Vec<String>,
    /// How often all have come and gone.
    rounds: AtomicUsize,
    ends: AtomicBool,
}

impl<'w> Traffic<'w> {
    fn of(world: &'w World) -> Self {
        let users = (0..USERS).map(|user| format!("user-{user}")).collect();
        Self { world, users, rounds: AtomicUsize::new(0), ends: AtomicBool::new(false) }
    }

    fn run(&self) {
        while !self.ends.load(Ordering::Relaxed) {
            for user in &self.users {
                let session = Session::of(user);
                self.world.tell("connected", &session);
                thread::sleep(Duration::from_millis(60));
                self.world.tell("disconnected", &session);
            }
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what happens from now on is told.
    fn goes_on(&self, step: &str) {
        let rounds = self.rounds.load(Ordering::Relaxed) + 2;
        wait(&format!("users come and go after {step}"), || self.rounds.load(Ordering::Relaxed) >= rounds);
        wait(&format!("all is told after {step}"), || self.is_told(rounds));
    }

    fn is_told(&self, rounds: usize) -> bool {
        let told = self.world.told();
        self.users.iter().all(|user| told.get(user).is_some_and(|told| told.len() >= 2 * rounds))
    }

    /// No transition is missing, none is there twice, none is another than it was.
    fn is_told_rightly(&self) {
        let rounds = self.rounds.load(Ordering::Relaxed);
        wait("all is told", || self.is_told(rounds));
        let told = self.world.told();
        for user in &self.users {
            let said: Vec<_> = told[user].iter().map(|update| (update["online"] == true, &update["cause"])).collect();
            let happened = (0..2 * rounds).map(|at| (at % 2 == 0, if at % 2 == 0 { "login" } else { "logout" }));
            assert!(
                said.iter().map(|(online, cause)| (*online, cause.as_str().unwrap_or(""))).eq(happened),
                "{user}: {said:?}"
            );
        }
    }
}

/// What it could not do that no rebalance and no machine with much else to do explains.
fn faults(process: &Process) -> Vec<String> {
    let kinds = ["garbled", "other", "foreign", "lost", "topic_anew"];
    let names = kinds.map(|kind| format!("ringpost_state_errors_total{{kind=\"{kind}\"}}"));
    let all = process.metrics();
    all.lines().filter(|line| names.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect()
}

#[test]
#[ignore = "needs the binary of an earlier version: make test-upgrade"]
fn processes_of_the_role_state_are_upgraded_one_after_the_other_and_back_and_no_transition_is_lost_or_told_wrongly() {
    use Version::{Before, Now};
    let world = World::new(4);
    let mut first = Before.start(&world, "state-1", r#""state""#);
    // Whoever is online before it begins is told of as rebuilt: let it begin with nobody.
    wait("all partitions are built", || {
        world.tell("connected", &Session::of("probe"));
        first.metric("ringpost_state_rebuilds_total") >= 4
    });
    let (before, now, source_before) = (revision(&world), revision_now(), source(&world));
    assert!(before > 0);
    let mut second = Before.start(&world, "state-2", r#""state""#);
    second.wait_member("state");
    let nodes = [Before.start(&world, "edge-1", r#""edge""#), Now.start(&world, "edge-2", r#""edge""#)];
    let _lives = Now.start(&world, "edge-3", r#""edge""#);
    let connected = |node: usize| (0..CONNECTED).map(move |user| format!("of-{node}-{user}"));
    let clients: Vec<_> =
        (0..2).map(|node| connected(node).map(|user| connect(&nodes[node], &user)).collect::<Vec<_>>()).collect();
    let [mut old_node, mut new_node] = nodes;
    let traffic = Traffic::of(&world);
    thread::scope(|scope| {
        // However it ends, those who come and go do so no more.
        struct Ends<'a>(&'a AtomicBool);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let ends = Ends(&traffic.ends);
        scope.spawn(|| traffic.run());
        traffic.goes_on("both began");
        // One after the other.
        assert!(first.end().success());
        first = Now.start(&world, "state-1", r#""state""#);
        first.wait_member("state");
        wait("the Functions are replaced", || revision(&world) == now.max(before));
        traffic.goes_on("the first is new");
        assert!(faults(&first).is_empty() && faults(&second).is_empty(), "{:?} {:?}", faults(&first), faults(&second));
        assert!(second.end().success());
        second = Now.start(&world, "state-2", r#""state""#);
        traffic.goes_on("the second is new");
        // And back, one beside the other.
        assert!(first.end().success());
        first = Before.start(&world, "state-1", r#""state""#);
        first.wait_member("state");
        traffic.goes_on("the first is of before again");
        assert_eq!(revision(&world), now.max(before), "the newest stay");
        assert!(faults(&first).is_empty() && faults(&second).is_empty(), "{:?} {:?}", faults(&first), faults(&second));
        // The last that is there is of before, and the Functions are not. A node of now dies.
        second.kill();
        traffic.goes_on("that of before is alone");
        new_node.kill();
        connected(1).for_each(|user| assert_eq!(world.wait_told(&user, false)["cause"], "node_lost"));
        assert!(faults(&first).is_empty(), "{:?}", faults(&first));
        // Killed beside one that has come. A node of before dies.
        second = Now.start(&world, "state-2", r#""state""#);
        second.wait_member("state");
        first.kill();
        traffic.goes_on("that of before was killed");
        old_node.kill();
        connected(0).for_each(|user| assert_eq!(world.wait_told(&user, false)["cause"], "node_lost"));
        first = Before.start(&world, "state-1", r#""state""#);
        first.wait_member("state");
        traffic.goes_on("both are there again");
        assert!(faults(&first).is_empty() && faults(&second).is_empty(), "{:?} {:?}", faults(&first), faults(&second));
        // As where somebody has taken them away, and that of before was the first to see it.
        world.redis.cli(&["FUNCTION", "LOAD", "REPLACE", &source_before]);
        wait("the newest are there again", || revision(&world) == now.max(before));
        traffic.goes_on("the Functions were of before");
        drop(ends);
    });
    traffic.is_told_rightly();
    drop(clients);
    for user in (0..2).flat_map(connected) {
        let online: Vec<_> = world.told()[&user].iter().map(|told| told["online"] == true).collect();
        assert_eq!(online, [true, false], "{user}");
    }
    last_sessions_are_known(&world, &traffic.users, [&first, &second]);
    assert_eq!(second.metric("ringpost_state_rebuilds_total"), 0, "nothing was lost");
}

/// Of some a session begins, of the others it ends: processes of both versions know the same.
fn last_sessions_are_known(world: &World, users: &[String], processes: [&Process; 2]) {
    let mut last = Vec::new();
    for (at, user) in users.iter().enumerate() {
        let session = Session::of(user);
        let stays = at % 2 == 0;
        let kinds = if stays { &["connected"][..] } else { &["connected", "disconnected"] };
        for kind in kinds {
            let record = world.record(kind, &session);
            world.write(user, record.to_string().as_bytes());
            if kinds.last() == Some(kind) {
                last.push((user, stays, record["at_unix_ms"].clone()));
            }
        }
    }
    for (user, stays, at) in last {
        for process in processes {
            let is_so = |state: &Value| {
                state["online"] == stays && state["since_unix_ms"] == at && state["last_seen_unix_ms"] == at
            };
            let mut state = Value::Null;
            wait("it is known", || {
                state = process.state(user);
                is_so(&state)
            });
        }
    }
}
