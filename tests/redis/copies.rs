//! Publications that are answered once a replica has them, against real servers.

use std::sync::Arc;

use ringpost::cluster::redis::copies::Copies;
use ringpost::cluster::redis::fault::Fault;
use ringpost::config::RedisConfig;
use ringpost::time::Duration;
use rustix::process::{Pid, Signal, kill_process};

use crate::functions::{bodies, config, linked, node, one, publish};
use crate::server::{Kind, Server, wait};

/// What a server says of itself under this name.
fn info(server: &Server, section: &str, name: &str) -> String {
    let info = server.cli(&["INFO", section]);
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map(|value| value.trim().to_owned()).unwrap_or_default()
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
        let config = RedisConfig { wait_replicas: 1, wait_timeout: Duration::from_millis(300), ..config };
        crate::runtime().block_on(async {
            let link = linked(&config).await;
            let copies = Copies::new(&config).unwrap().map(Arc::new);
            let ann = || node(&link, &config, 1, 1).copied_by(copies.clone());
            let bob = node(&link, &config, 2, 2).copied_by(copies.clone());
            assert_eq!(one(&bob, publish("room", "0")).await.unwrap().offset, 1);
            replica.signal(Signal::STOP);
            assert_eq!(one(&ann(), publish("room", "1")).await, Err(Fault::Uncopied), "{kind:?}");
            // The same call once more, as after an answer that was lost: nothing is written, and no replica has what was.
            let again = ann();
            assert_eq!(one(&again, publish("room", "1")).await, Err(Fault::Uncopied), "{kind:?}");
            replica.signal(Signal::CONT);
            assert_eq!(one(&again, publish("room", "2")).await.unwrap().offset, 3);
            assert_eq!(bodies(&again, "room").await.len(), 3, "the primary keeps all of them");
        });
    }
}
