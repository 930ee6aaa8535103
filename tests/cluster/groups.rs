//! Servers that belong together: a primary with its replica, a Sentinel that looks after them, a Cluster.

use std::fs;
use std::process::{Child, Stdio};

use ringpost::cluster::redis::keys::Keys;
use ringpost::config::RedisConfig;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::BUCKETS;
use crate::server::{Kind, Place, Server, cli_at, free_port, wait};

/// What a server says of itself under this name.
pub(crate) fn info(server: &Server, section: &str, name: &str) -> Option<String> {
    let info = server.cli(&["INFO", section]);
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map(|value| value.trim().to_owned())
}

/// Whether a server is a primary now.
pub(crate) fn is_primary(server: &Server) -> bool {
    info(server, "replication", "role").as_deref() == Some("master")
}

/// Waits until a replica has all that its primary has.
pub(crate) fn replicate(primary: &Server, replica: &Server) {
    wait("nothing is on its way to the replica", || {
        let of = |server, name| info(server, "replication", name);
        let [sent, had] = [of(primary, "master_repl_offset"), of(replica, "slave_repl_offset")];
        of(replica, "master_link_status").as_deref() == Some("up") && sent.is_some() && sent == had
    });
}

/// A server's process: one that stands still does not tell it.
pub(crate) fn process_of(server: &Server) -> Pid {
    let pid = info(server, "server", "process_id").and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    pid.expect("it tells its number")
}

/// Sends a server's process a signal: one that stands still keeps its connections.
pub(crate) fn signal(process: Pid, signal: Signal) {
    kill_process(process, signal).expect("it is there");
}

/// A primary, its replica, and a Sentinel that takes the primary for dead after so many milliseconds.
pub(crate) fn behind_a_sentinel(down_after_ms: u32) -> (Server, Server, Sentinel) {
    let primary = Server::start(Kind::Redis, &[]);
    let replica = Server::start(Kind::Redis, &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let sentinel = Sentinel::start(&Place::here(), &primary, down_after_ms);
    (primary, replica, sentinel)
}

/// A Sentinel that looks after one primary.
pub(crate) struct Sentinel {
    child: Child,
    place: Place,
    port: u16,
    _folder: TempDir,
}

impl Sentinel {
    /// Waits until it knows a replica. It takes the primary for dead after so many milliseconds.
    pub(crate) fn start(place: &Place, primary: &Server, down_after_ms: u32) -> Self {
        let (folder, port) = (TempDir::new().expect("a folder can be made"), free_port());
        let file = folder.path().join("sentinel.conf");
        let (of, of_port) =
            primary.address().rsplit_once(':').map(|(of, port)| (of.to_owned(), port.to_owned())).unwrap();
        let config = format!(
            "port {port}\nbind {}\nprotected-mode no\ndir {}\nsentinel monitor main {of} {of_port} 1\n\
             sentinel down-after-milliseconds main {down_after_ms}\nsentinel failover-timeout main 2000\n",
            place.address,
            folder.path().display(),
        );
        fs::write(&file, config).expect("the file is written");
        let child = place.command("redis-server").arg(&file).arg("--sentinel").stdout(Stdio::null()).spawn();
        let child = child.expect("tests/packages installs it");
        let this = Self { child, place: place.clone(), port, _folder: folder };
        wait("the Sentinel knows the replica", || {
            this.cli(&["SENTINEL", "master", "main"]).contains("num-slaves\n1\n")
        });
        this
    }

    /// What `redis-cli` says.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        cli_at(&self.place.address, self.port, arguments)
    }

    /// The section of a node's configuration that names it.
    pub(crate) fn section(&self) -> String {
        let address = format!("{}:{}", self.place.address, self.port);
        format!("addresses = [\"{address}\"]\nmode = \"sentinel\"\nsentinel_service = \"main\"\n")
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Cluster of so many primaries, and as many replicas of each; primaries come first.
pub(crate) fn cluster(primaries: usize, replicas: usize, options: &[&str]) -> Vec<Server> {
    let options = [&["--cluster-enabled", "yes"][..], options].concat();
    let servers: Vec<_> = (0..primaries * (1 + replicas)).map(|_| Server::start(Kind::Redis, &options)).collect();
    let addresses: Vec<_> = servers.iter().map(Server::address).collect();
    let replicas = replicas.to_string();
    let mut create = vec!["--cluster", "create"];
    create.extend(addresses.iter().map(String::as_str));
    create.extend(["--cluster-replicas", &replicas, "--cluster-yes"]);
    wait("the Cluster is made", || {
        servers[0].cli(&create);
        servers.iter().all(|server| server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"))
    });
    let (primaries, replicas): (Vec<_>, Vec<_>) = servers.into_iter().partition(is_primary);
    primaries.into_iter().chain(replicas).collect()
}

/// The section of a node's configuration that names a Cluster.
pub(crate) fn section(servers: &[Server]) -> String {
    let addresses: Vec<_> = servers.iter().map(|server| format!("\"{}\"", server.address())).collect();
    format!("addresses = [{}]\nmode = \"cluster\"\n", addresses.join(", "))
}

/// Where the keys lie that nodes use.
pub(crate) fn keys() -> Keys {
    Keys::new(&RedisConfig { buckets: BUCKETS, ..RedisConfig::default() })
}

/// Whether a primary of a Cluster has the slot of a key.
pub(crate) fn has_slot(server: &Server, key: &str) -> bool {
    let slot: u32 = server.cli(&["CLUSTER", "KEYSLOT", key]).trim().parse().expect("it is a number");
    let nodes = server.cli(&["CLUSTER", "NODES"]);
    let own = nodes.lines().find(|line| line.contains("myself")).expect("it knows itself");
    own.split(' ').skip(8).any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        matches!((first.parse::<u32>(), last.parse::<u32>()), (Ok(first), Ok(last)) if (first..=last).contains(&slot))
    })
}

/// So many slots of a Cluster move from one primary to another.
pub(crate) fn move_slots(from: &Server, to: &Server, count: u32) {
    let [giver, taker] = [from, to].map(|server| server.cli(&["CLUSTER", "MYID"]).trim().to_owned());
    let (address, count) = (from.address(), count.to_string());
    let ends = ["--cluster-from", &giver, "--cluster-to", &taker];
    let said = from
        .cli(&[&["--cluster", "reshard", &address], &ends[..], &["--cluster-slots", &count, "--cluster-yes"]].concat());
    assert!(said.contains("Moving slot") && !said.contains("[ERR]"), "{said}");
}
