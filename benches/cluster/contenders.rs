//! Who is measured: nodes over Redis, one node alone, and servers by the library that Centrifugo is made of, over Redis as well.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use ringpost_loadgen::engine::pin;
use ringpost_loadgen::results::row::{NODE as NODE_NAME, PLAIN};
use tempfile::TempDir;

use crate::SERVER_CORE;
use crate::load::{CLIENT_CORE, NODE, SECRET};
use crate::server::{Server, free_address};

/// What all of them keep of a channel.
const HISTORY: &str = "history_size = 300, history_ttl = \"5m\", force_recovery = true, force_positioning = true, \
                       allow_subscribe_for_client = true, allow_publish_for_client = true";
/// What channel names begin with.
pub(crate) const PREFIX: &str = "kept:";
/// By `benches/peers/install`.
const CENTRIFUGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers/bin/centrifuge-server");

/// A server of one node or several.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// What it says that it is.
    pub(crate) version: String,
    program: PathBuf,
    kind: Kind,
}

/// How its nodes know of each other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// By `log = "redis"`.
    Nodes,
    /// There is one, and no Redis.
    Alone,
    /// By the library's Redis broker.
    Centrifuge,
}

/// Nodes that run, and the Redis that they share; all gone when this is dropped.
pub(crate) struct Started {
    pub(crate) nodes: Vec<Server>,
    pub(crate) urls: Vec<String>,
    pub(crate) redis: Option<Server>,
    _folder: TempDir,
}

impl Contender {
    /// Those that are on this machine.
    pub(crate) fn all(node: &Path) -> Vec<Self> {
        let own = |name, kind| Self { name, version: ringpost::VERSION.into(), program: node.into(), kind };
        let mut all = vec![own(NODE_NAME, Kind::Nodes), own(PLAIN, Kind::Alone)];
        match Command::new(CENTRIFUGE).arg("--version").output() {
            Ok(told) => all.push(Self {
                name: "centrifuge",
                version: String::from_utf8_lossy(&told.stdout).trim().to_owned(),
                program: CENTRIFUGE.into(),
                kind: Kind::Centrifuge,
            }),
            Err(error) => eprintln!("centrifuge is left out: {error}; `benches/peers/install` installs it"),
        }
        all
    }

    /// Whether it has a Redis.
    pub(crate) fn shares(&self) -> bool {
        self.kind != Kind::Alone
    }

    /// Whether it is made elsewhere.
    pub(crate) fn is_of_others(&self) -> bool {
        self.kind == Kind::Centrifuge
    }

    /// How its nodes are configured, without places on this machine.
    pub(crate) fn settings(&self) -> String {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let command = self.command(0, address, self.shares().then_some(address));
        let variables = command.get_envs().filter_map(|(key, value)| Some((key, value?)));
        let variables = variables.map(|(key, value)| format!("{}={}", key.to_string_lossy(), value.to_string_lossy()));
        let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
        let program = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let all: Vec<_> = variables.chain([program]).chain(words).collect();
        all.join(" ").replace(SECRET, "…")
    }

    /// Starts so many nodes, and what they share, on the servers' core.
    pub(crate) fn start(&self, nodes: usize, folder: &Path) -> anyhow::Result<Started> {
        let folder = tempfile::Builder::new().prefix("cluster-").tempdir_in(folder)?;
        // A process inherits the core of the thread that starts it.
        pin(SERVER_CORE)?;
        let started = self.start_here(nodes, folder);
        pin(CLIENT_CORE)?;
        started
    }

    fn start_here(&self, count: usize, folder: TempDir) -> anyhow::Result<Started> {
        let mut shared = None;
        if self.shares() {
            let address = free_address()?;
            let mut command = Command::new("redis-server");
            command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]);
            command.arg(folder.path());
            shared = Some((Server::start(command, address)?, address));
        }
        let (mut nodes, mut urls) = (Vec::new(), Vec::new());
        for number in 0..count {
            let address = free_address()?;
            let redis = shared.as_ref().map(|(_, address)| *address);
            nodes.push(Server::start(self.command(number, address, redis), address)?);
            urls.push(format!("ws://{address}/connection/websocket"));
        }
        Ok(Started { nodes, urls, redis: shared.map(|(redis, _)| redis), _folder: folder })
    }

    fn command(&self, number: usize, address: SocketAddr, redis: Option<SocketAddr>) -> Command {
        let mut command = Command::new(&self.program);
        let (port, name) = (address.port().to_string(), format!("node-{number}"));
        if self.kind == Kind::Centrifuge {
            command.env("GOMAXPROCS", "1").args(["--port", &port, "--secret", SECRET]);
            command.args(redis.iter().flat_map(|redis| ["--redis".to_owned(), redis.to_string()]));
            return command;
        }
        let log = if redis.is_some() { "redis" } else { "memory" };
        let namespaces = format!("[{{ name = \"kept\", log = \"{log}\", {HISTORY} }}]");
        command.arg("serve").envs(NODE).envs([
            ("RINGPOST_NAME", name.as_str()),
            ("RINGPOST_SHARDS__CORES", &SERVER_CORE.to_string()),
            ("RINGPOST_HTTP_SERVER__PORT", &port),
            ("RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY", SECRET),
            ("RINGPOST_CLIENT__WORK_LIMIT", "0s"),
            ("RINGPOST_CLIENT__USER_WORK_LIMIT", "0s"),
            ("RINGPOST_CHANNEL__NAMESPACES", &namespaces),
        ]);
        if let Some(redis) = redis {
            command.env("RINGPOST_CLUSTER__REDIS__ADDRESSES", format!("[\"{redis}\"]"));
        }
        command
    }
}
