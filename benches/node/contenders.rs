//! Who is measured: the node, the floor, and peers that do the same work. How each is started, and where it is reached.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use ringpost_loadgen::engine::pin;
use ringpost_loadgen::results::row::{FLOOR, NODE as NODE_NAME, PLAIN};
use tempfile::TempDir;

use crate::SERVER_CORE;
use crate::cells::Wire;
use crate::load::{CLIENT_CORE, NODE, SECRET};
use crate::server::{Server, free_address};

/// A server that can be measured.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// What it says that it is.
    pub(crate) version: String,
    program: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    address: SocketAddr,
    /// How its URL begins, and what follows host and port.
    url: (&'static str, &'static str),
    /// What tokens are signed with, where it checks some.
    pub(crate) secret: Option<&'static str>,
    /// Whether it keeps something on disk, in a folder of its own each time that it is started.
    has_store: bool,
}

/// A server that was started, and the folder of its store; both gone when this is dropped.
pub(crate) struct Started {
    /// Dropped first.
    pub(crate) server: Server,
    _store: Option<TempDir>,
}

/// What stands in its settings for a store's folder.
const STORE: (&str, &str) = ("RINGPOST_STORE__PATH", "FOLDER");

/// Where stores are: on the disk of the checkout.
const STORES: &str = env!("CARGO_TARGET_TMPDIR");

/// The namespaces of a node with a store: the same, but for where the log is, and for what is promised to those who hear.
/// Devices say twice a second how far they are, and may have two thousand messages to say so of: half of that is more than comes
/// meanwhile.
fn kept_namespaces() -> String {
    let kept = "history_size = 2000, history_ttl = \"5m\", force_recovery = true, force_positioning = true, \
                allow_subscribe_for_client = true, allow_publish_for_client = true";
    let received = "delivery = \"at_least_once\", members_by_subscribing = true, max_unacked = 2000";
    let namespaces = [("memory", "memory"), ("disk", "disk")].map(|(name, log)| {
        let at_most_once = format!("{{ name = \"{name}\", log = \"{log}\", {kept} }}");
        format!("{at_most_once}, {{ name = \"{name}-received\", log = \"{log}\", {kept}, {received} }}")
    });
    format!("[{}]", namespaces.join(", "))
}

/// A peer: what it is called, its program, how that tells its version, the port in its file, and how it is spoken to.
struct Peer {
    name: &'static str,
    program: &'static str,
    version: &'static str,
    arguments: &'static [&'static str],
    port: u16,
    url: (&'static str, &'static str),
    secret: Option<&'static str>,
}

const PEERS: [Peer; 5] = [
    Peer {
        name: "nats",
        program: "nats-server",
        version: "--version",
        arguments: &["--config", "nats.conf"],
        port: 14_222,
        url: ("nats", ""),
        secret: None,
    },
    Peer {
        name: "mosquitto",
        program: "mosquitto",
        version: "-h",
        arguments: &["-c", "mosquitto.conf"],
        port: 11_883,
        url: ("mqtt", ""),
        secret: None,
    },
    Peer {
        name: "rumqttd",
        program: "rumqttd",
        version: "--version",
        arguments: &["--config", "rumqttd.toml"],
        port: 11_884,
        url: ("mqtt", ""),
        secret: None,
    },
    Peer {
        name: "centrifuge",
        program: "centrifuge-server",
        version: "-version",
        arguments: &["-port", "18000", "-secret", SECRET],
        port: 18_000,
        url: ("ws", "/connection/websocket"),
        secret: Some(SECRET),
    },
    Peer {
        name: "uWebSockets",
        program: "uwebsockets-server",
        version: "--version",
        arguments: &["18001"],
        port: 18_001,
        url: ("floor+ws", "/"),
        secret: None,
    },
];

impl Contender {
    /// The node, with so many shards on the servers' core, and with a store where it has to keep something; under the name of
    /// what it is beside, where it is beside itself.
    pub(crate) fn node(program: PathBuf, name: &'static str, shards: u32, has_store: bool) -> anyhow::Result<Self> {
        let address = free_address()?;
        let store = [(STORE.0, STORE.1.into()), ("RINGPOST_CHANNEL__NAMESPACES", kept_namespaces())];
        let own = [
            ("RINGPOST_SHARDS__CORES", SERVER_CORE.to_string()),
            ("RINGPOST_SHARDS__PER_CORE", shards.to_string()),
            ("RINGPOST_HTTP_SERVER__PORT", address.port().to_string()),
            ("RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY", SECRET.into()),
            // One publisher saturates a shard here, which no client of a node in production may.
            ("RINGPOST_CLIENT__WORK_LIMIT", "0s".into()),
            ("RINGPOST_CLIENT__USER_WORK_LIMIT", "0s".into()),
        ];
        let plain = own.into_iter().chain(NODE.map(|(key, value)| (key, value.into())));
        // Of two of a name the later one holds.
        let variables = plain.chain(store.into_iter().filter(|_| has_store));
        Ok(Self {
            name,
            version: ringpost::VERSION.into(),
            program,
            arguments: vec!["serve".into()],
            variables: variables.map(|(key, value)| (key.to_owned(), value)).collect(),
            address,
            url: ("ws", "/connection/websocket"),
            secret: Some(SECRET),
            has_store,
        })
    }

    /// The floor, which is in this program.
    pub(crate) fn floor(wire: Wire) -> anyhow::Result<Self> {
        let address = free_address()?;
        Ok(Self {
            name: FLOOR,
            version: ringpost::VERSION.into(),
            program: std::env::current_exe()?,
            arguments: vec!["--floor".into(), address.to_string()],
            variables: Vec::new(),
            address,
            url: match wire {
                Wire::Tcp => ("floor", ""),
                Wire::WebSocket => ("floor+ws", "/"),
            },
            // It checks none: over WebSocket a client's first message is as long as what it shows to the node.
            secret: Some(SECRET),
            has_store: false,
        })
    }

    /// The peers that are on this machine. Others are left out, with a word.
    pub(crate) fn peers() -> Vec<Self> {
        PEERS.iter().filter_map(Self::peer).collect()
    }

    fn peer(peer: &Peer) -> Option<Self> {
        let Some(program) = find(peer.program) else {
            eprintln!("{} is left out: {} is not here; `make peers` installs it", peer.name, peer.program);
            return None;
        };
        let directory = Path::new(PEERS_DIRECTORY);
        let argument = |argument: &&str| match directory.join(argument) {
            file if file.is_file() => file.display().to_string(),
            _ => (*argument).to_owned(),
        };
        Some(Self {
            name: peer.name,
            version: version(&program, peer.version),
            program,
            arguments: peer.arguments.iter().map(argument).collect(),
            // One core is what it gets.
            variables: vec![("GOMAXPROCS".into(), "1".into())],
            address: (Ipv4Addr::LOCALHOST, peer.port).into(),
            url: peer.url,
            secret: peer.secret,
            has_store: false,
        })
    }

    /// Whether it is made elsewhere, with a version of its own.
    pub(crate) fn is_of_others(&self) -> bool {
        ![NODE_NAME, FLOOR, PLAIN].contains(&self.name)
    }

    /// How it is configured, without places on this machine.
    pub(crate) fn settings(&self) -> String {
        if self.name == FLOOR {
            return "benches/node/floor.rs".into();
        }
        let program = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let variables = self.variables.iter().map(|(key, value)| format!("{key}={value}"));
        let words: Vec<_> = variables.chain([program]).chain(self.arguments.iter().cloned()).collect();
        words.join(" ").replace(PEERS_DIRECTORY, "benches/peers").replace(SECRET, "…")
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}{}", self.url.0, self.address, self.url.1)
    }

    /// Starts it on the servers' core.
    pub(crate) fn start(&self) -> anyhow::Result<Started> {
        let store = self.has_store.then(|| tempfile::tempdir_in(STORES)).transpose()?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.variables.iter().map(|(key, value)| (key, value)));
        if let Some(folder) = &store {
            command.env(STORE.0, folder.path());
        }
        // A process inherits the core of the thread that starts it.
        pin(SERVER_CORE)?;
        let server = Server::start(command, self.address);
        pin(CLIENT_CORE)?;
        let server = server.with_context(|| format!("{} cannot be measured", self.name))?;
        Ok(Started { server, _store: store })
    }
}

const PEERS_DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/peers");
/// Where `make peers` installs what is no package of the system.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers/bin");

/// A program on the path, or where Debian and `make peers` put servers.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), INSTALLED.into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The first line that it says about itself.
fn version(program: &Path, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}
