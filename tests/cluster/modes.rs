//! Nodes over a Redis that is more than one server: behind Sentinels, and a Cluster.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Node, publish_in_the_end, subscribe};
use crate::server::{Kind, Server, cli, free_port, wait};

/// A Sentinel that looks after one primary.
struct Sentinel {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Sentinel {
    fn start(primary: &Server) -> Self {
        let (folder, port) = (TempDir::new().expect("a folder can be made"), free_port());
        let file = folder.path().join("sentinel.conf");
        let config = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n",
            folder.path().display(),
            primary.port
        );
        fs::write(&file, config).expect("the file is written");
        let mut command = Command::new("redis-server");
        let child = command.arg(&file).arg("--sentinel").stdout(Stdio::null()).spawn();
        let this = Self { child: child.expect("tests/packages installs it"), port, _folder: folder };
        wait("the Sentinel knows the replica", || {
            cli(port, &["SENTINEL", "master", "main"]).contains("num-slaves\n1\n")
        });
        this
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_failover_by_sentinels_to_a_replica_that_has_all_goes_on_in_the_same_epoch() {
    let mut primary = Server::start(Kind::Redis, &[]);
    let port = primary.port.to_string();
    let replica = Server::start(Kind::Redis, &["--replicaof", "127.0.0.1", &port]);
    wait("the replica has what the primary has", || replica.cli(&["INFO", "replication"]).contains("link_status:up"));
    let sentinel = Sentinel::start(&primary);
    let section =
        format!("addresses = [\"127.0.0.1:{}\"]\nmode = \"sentinel\"\nsentinel_service = \"main\"\n", sentinel.port);
    let nodes = [Node::over("one", &section), Node::over("two", &section)];
    let mut listener = nodes[1].client();
    let begun = subscribe(&mut listener, "shared:room", None);
    for at in 1..=20 {
        assert_eq!(nodes[0].publish("shared:room", at)["result"]["offset"], at);
        assert_eq!(listener.publication().1, at);
    }
    let offset_of = |server: &Server, name: &str| {
        let info = server.cli(&["INFO", "replication"]);
        info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    wait("nothing is on its way to the replica", || {
        offset_of(&primary, "master_repl_offset:") == offset_of(&replica, "slave_repl_offset:")
    });
    primary.kill();
    let taken = publish_in_the_end(&nodes[0], "shared:room", "after");
    assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(21), &begun["epoch"]));
    assert_eq!(listener.publication().1, 21);
}

/// Three primaries of a Cluster.
fn cluster() -> [Server; 3] {
    let servers = [(); 3].map(|()| Server::start(Kind::Redis, &["--cluster-enabled", "yes"]));
    let addresses = servers.each_ref().map(Server::address);
    let mut create = vec!["--cluster", "create"];
    create.extend(addresses.iter().map(String::as_str));
    create.push("--cluster-yes");
    wait("the Cluster is made", || {
        cli(servers[0].port, &create);
        servers.iter().all(|server| server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"))
    });
    servers
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn nodes_over_a_cluster_have_one_order_in_every_channel_while_slots_move() {
    const CHANNELS: usize = 24;
    const EACH: usize = 20;
    let servers = cluster();
    let section = format!("addresses = [\"{}\"]\nmode = \"cluster\"\n", servers[0].address());
    let nodes = [Node::over("one", &section), Node::over("two", &section)];
    let mut listeners = nodes.each_ref().map(Node::client);
    let channels: Vec<_> = (0..CHANNELS).map(|at| format!("shared:{at}")).collect();
    for listener in &mut listeners {
        channels.iter().for_each(|channel| drop(subscribe(listener, channel, None)));
    }
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            for _ in 0..EACH {
                for (at, channel) in channels.iter().enumerate() {
                    publish_in_the_end(&nodes[at % 2], channel, "x");
                }
            }
        });
        let [from, to] = [&servers[0], &servers[1]].map(|server| server.cli(&["CLUSTER", "MYID"]).trim().to_owned());
        let address = servers[0].address();
        let mut reshard = vec!["--cluster", "reshard", &address, "--cluster-from", &from, "--cluster-to", &to];
        reshard.extend(["--cluster-slots", "2000", "--cluster-yes"]);
        let said = cli(servers[0].port, &reshard);
        assert!(said.contains("Moving slot") && !said.contains("[ERR]"), "{said}");
        publishing.join().expect("all is taken");
    });
    for listener in &mut listeners {
        let mut heard = BTreeMap::<String, u64>::new();
        for _ in 0..CHANNELS * EACH {
            let (channel, offset, _): (String, u64, Value) = listener.publication();
            let last = heard.entry(channel).or_default();
            assert_eq!(offset, *last + 1);
            *last = offset;
        }
        assert!(heard.values().all(|last| *last == EACH as u64) && heard.len() == CHANNELS);
    }
}
