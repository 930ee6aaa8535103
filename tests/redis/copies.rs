//! Publications that are answered once a replica has them, against real servers.

use std::sync::Arc;

use ringpost::auth::{Revocation, Subject};
use ringpost::cluster::redis::copies::Copies;
use ringpost::cluster::redis::fault::Fault;
use ringpost::config::RedisConfig;
use ringpost::model::ledger::{Attach, Enlist, Happened};
use ringpost::time::Duration;
use rustix::process::{Pid, Signal, kill_process};

use crate::functions::{bodies, config, linked, node, one, publish};
use crate::inboxes::{ROOM, asks, both, floor, noted};
use crate::server::{Kind, Server, free_port, wait};

/// What a server says of itself under this name.
fn info(server: &Server, section: &str, name: &str) -> String {
    let info = server.cli(&["INFO", section]);
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map(|value| value.trim().to_owned()).unwrap_or_default()
}

/// How long is waited for a replica that follows, and for one that does not.
const PATIENT: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_millis(300);

fn copies(config: &RedisConfig, wait_timeout: Duration) -> Option<Arc<Copies>> {
    let config = RedisConfig { wait_replicas: 1, wait_timeout, ..config.clone() };
    Copies::new(&config).unwrap().map(Arc::new)
}

/// A replica that follows, and can be stopped: a server that stands still does not tell its number.
struct Replica {
    _server: Server,
    pid: Pid,
}

impl Replica {
    fn of(kind: Kind, primary: &Server) -> Self {
        let server = Server::start(kind, &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
        wait("it follows", || info(&server, "replication", "master_link_status") == "up");
        let pid = info(&server, "server", "process_id").parse().ok().and_then(Pid::from_raw).expect("it tells it");
        Self { _server: server, pid }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("it is there");
    }
}

#[test]
fn a_publication_is_answered_once_a_replica_has_it_and_a_repetition_no_sooner() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let primary = Server::start(kind, &[]);
        let replica = Replica::of(kind, &primary);
        let config = config(&[primary.address()]);
        crate::runtime().block_on(async {
            let link = linked(&config).await;
            let soon = copies(&config, SOON);
            let ann = || node(&link, &config, 1, 1).copied_by(soon.clone());
            let bob = node(&link, &config, 2, 2).copied_by(copies(&config, PATIENT));
            assert_eq!(one(&bob, publish("room", "0")).await.unwrap().offset, 1);
            replica.signal(Signal::STOP);
            assert_eq!(one(&ann(), publish("room", "1")).await, Err(Fault::Uncopied), "{kind:?}");
            // The same call once more, as after an answer that was lost: nothing is written, and no replica has what was.
            let again = ann();
            assert_eq!(one(&again, publish("room", "1")).await, Err(Fault::Uncopied), "{kind:?}");
            replica.signal(Signal::CONT);
            assert_eq!(one(&bob, publish("room", "2")).await.unwrap().offset, 3);
            assert_eq!(bodies(&again, "room").await.len(), 3, "the primary keeps all of them");
        });
    }
}

#[test]
fn a_primary_that_becomes_a_replica_while_a_publication_waits_for_one_leaves_nothing_in_the_wrong_place() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let primary = Server::start(kind, &[]);
        let replica = Replica::of(kind, &primary);
        let config = config(&[primary.address()]);
        crate::runtime().block_on(async {
            let link = linked(&config).await;
            let ann = node(&link, &config, 1, 1).copied_by(copies(&config, Duration::from_millis(1_000)));
            one(&ann, publish("room", "1")).await.unwrap();
            replica.signal(Signal::STOP);
            let demote = async {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                primary.cli(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
                primary.cli(&["REPLICAOF", "NO", "ONE"]);
            };
            let (waited, ()) = tokio::join!(one(&ann, publish("room", "2")), demote);
            let fault = waited.expect_err("no replica has it");
            assert!(fault.is_open(), "{kind:?}: {fault}");
            replica.signal(Signal::CONT);
            let third = one(&ann, publish("room", "3")).await;
            assert!(matches!(third, Ok(_) | Err(Fault::Uncopied)), "{kind:?}: {third:?}");
            let all = bodies(&ann, "room").await;
            assert_eq!(all, ["1", "2", "3"].map(|body| (body.parse().unwrap(), body.into())), "{kind:?}");
        });
    }
}

#[test]
fn all_that_is_acknowledged_is_answered_once_a_replica_has_it_and_who_comes_and_goes_is_not_held_up() {
    let primary = Server::start(Kind::Redis, &[]);
    let replica = Replica::of(Kind::Redis, &primary);
    let config = config(&[primary.address()]);
    crate::runtime().block_on(async {
        let link = linked(&config).await;
        let patient = node(&link, &config, 1, 1).copied_by(copies(&config, PATIENT));
        let soon = node(&link, &config, 2, 2).copied_by(copies(&config, SOON));
        let bucket = soon.keys().bucket_of(ROOM);
        let subscribes = Attach { enlist: Enlist::FromTop, ..asks("w", "a") };
        let member = asks("u", "a");
        let revocation = Revocation {
            subject: Subject::User("u".into()),
            issued_before_unix_s: i64::MAX,
            until_unix_s: 4_000_000_000,
        };
        for is_followed in [true, false, true] {
            replica.signal(if is_followed { Signal::CONT } else { Signal::STOP });
            let node = if is_followed { &patient } else { &soon };
            let expect = |what: &str, result: Result<(), Fault>| {
                assert_eq!(result, if is_followed { Ok(()) } else { Err(Fault::Uncopied) }, "{what}");
            };
            expect("publish", one(node, publish(ROOM, "x")).await.map(drop));
            let users = [("u", false)].into_iter();
            expect("add", node.ledger_add(bucket, ROOM, users, 100, 600_000).await.map(drop));
            expect("subscribe", node.ledger_attach(bucket, &[(ROOM, &subscribes)], &both()).await.map(drop));
            node.ledger_attach(bucket, &[(ROOM, &member)], &both()).await.expect("who is a member only arrives");
            let floor = noted(None, "u", "a", floor(1));
            expect("received", node.ledger_note(bucket, &[(ROOM, &floor)]).await.map(drop));
            let read = noted(None, "u", "", Happened::Read(1));
            expect("read", node.ledger_note(bucket, &[(ROOM, &read)]).await.map(drop));
            expect("requeue", node.letter_requeue(bucket, ROOM, 1).await.map(drop));
            expect("purge", node.letters_purge(bucket, ROOM, None).await.map(drop));
            expect("later", node.schedule_add(bucket, 60_000, &publish(ROOM, "later")).await.map(drop));
            expect("revoke", node.revoke(&revocation).await);
            expect("send away", node.send_away("u", 1_000, (3500, "go"), &[]).await);
            expect("remove members", node.ledger_remove(bucket, ROOM, ["x"].into_iter()).await);
            expect("remove", node.remove(bucket, ROOM).await.map(drop));
            node.ledger_detach(bucket, &[(ROOM, &member.name)]).await.expect("nobody waits for that");
        }
    });
}
