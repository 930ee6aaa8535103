//! Who is measured: the node with its log on disk and in memory, the floor, and what others use where nothing may be lost.
//! How each is started on a folder of its own, and what it must be told before it takes publishes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use ringpost_loadgen::engine::pin;
use ringpost_loadgen::results::row::{FLOOR, NODE as NODE_NAME};
use tempfile::TempDir;

use crate::SERVER_CORE;
use crate::load::{CLIENT_CORE, NODE, SECRET};
use crate::prepare;
use crate::server::{Server, free_address};

/// What stands in commands and files for a server's folder, its port, and another port of its own.
const FOLDER: &str = "FOLDER";
const PORT: &str = "PORT";
const SECOND_PORT: &str = "SECOND";

/// The node's namespaces: the same, but for where the log is.
const NAMESPACES: &str = "[{ name = \"disk\", log = \"disk\", history_size = 300, history_ttl = \"5m\", \
                          allow_publish_for_client = true }, \
                          { name = \"memory\", history_size = 300, history_ttl = \"5m\", allow_publish_for_client = true }]";

/// What JetStream is to keep.
const STREAM: &str =
    r#"{"name":"durable","subjects":["durable.>"],"storage":"file","retention":"limits","max_msgs_per_subject":300}"#;

/// A server that can be measured.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// What it says that it is.
    version: String,
    words: Vec<String>,
    variables: Vec<(&'static str, String)>,
    /// A file in its folder: name and text.
    file: Option<(&'static str, &'static str)>,
    /// What is run before it is started.
    before: Vec<String>,
    /// What it is told once it takes connections.
    told: Told,
    /// How its URL begins, and what follows host and port.
    url: (&'static str, &'static str),
    /// What tokens are signed with, where it checks some.
    pub(crate) secret: Option<&'static str>,
    /// What channel names begin with.
    pub(crate) prefix: &'static str,
}

/// What a server must be told before it takes publishes.
#[derive(Clone, Debug)]
enum Told {
    Nothing,
    /// JetStream: to keep what is published to `durable.…`.
    Stream,
    /// Kafka: to have the topic `durable`.
    Topic,
}

/// A server with its folder, both gone when this is dropped.
pub(crate) struct Started {
    /// Dropped first.
    pub(crate) server: Server,
    pub(crate) url: String,
    _folder: TempDir,
}

impl Contender {
    /// Those that are on this machine. Others are left out, with a word.
    pub(crate) fn all(node: PathBuf) -> Vec<Self> {
        let node = node.display().to_string();
        let own = [Self::node(NODE_NAME, &node, "disk:"), Self::node("node, memory", &node, "memory:"), Self::floor()];
        let jetstream = [("JetStream, always", "always"), ("JetStream, default", "2m")]
            .map(|(name, sync)| Self::jetstream(name, sync));
        let others = jetstream.into_iter().chain([Self::redis(), Self::kafka()]);
        own.into_iter().chain(others.flatten()).collect()
    }

    fn node(name: &'static str, program: &str, prefix: &'static str) -> Self {
        let own = [
            ("RINGPOST_SHARDS__CORES", SERVER_CORE.to_string()),
            ("RINGPOST_HTTP_SERVER__PORT", PORT.into()),
            ("RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY", SECRET.into()),
            ("RINGPOST_STORE__PATH", FOLDER.into()),
            ("RINGPOST_CLIENT__WORK_LIMIT", "0s".into()),
            ("RINGPOST_CLIENT__USER_WORK_LIMIT", "0s".into()),
            ("RINGPOST_CHANNEL__NAMESPACES", NAMESPACES.into()),
        ];
        let shared = NODE.into_iter().filter(|(key, _)| *key != "RINGPOST_CHANNEL__NAMESPACES");
        Self {
            version: ringpost::VERSION.into(),
            variables: shared.map(|(key, value)| (key, value.into())).chain(own).collect(),
            url: ("ws", "/connection/websocket"),
            secret: Some(SECRET),
            prefix,
            ..Self::of(name, &[program, "serve"])
        }
    }

    /// In this program.
    fn floor() -> Self {
        let this = std::env::current_exe().map(|program| program.display().to_string()).unwrap_or_default();
        let address = format!("127.0.0.1:{PORT}");
        Self { url: ("floor", ""), ..Self::of(FLOOR, &[&this, "--floor", &address, &format!("{FOLDER}/log")]) }
    }

    fn jetstream(name: &'static str, sync: &str) -> Option<Self> {
        let program = find("nats-server", name)?;
        let file = match sync {
            "always" => include_str!("../peers/jetstream-always.conf"),
            _ => include_str!("../peers/jetstream.conf"),
        };
        Some(Self {
            version: version(&program, "--version"),
            file: Some(("nats.conf", file)),
            variables: vec![("GOMAXPROCS", "1".into())],
            told: Told::Stream,
            url: ("nats+jetstream", ""),
            prefix: "durable.",
            ..Self::of(name, &[&program, "--config", &format!("{FOLDER}/nats.conf")])
        })
    }

    fn redis() -> Option<Self> {
        const NAME: &str = "Redis, always";
        let program = find("redis-server", NAME)?;
        let options = [
            "--port",
            PORT,
            "--protected-mode",
            "no",
            "--bind",
            "127.0.0.1",
            "--dir",
            FOLDER,
            "--save",
            "",
            "--appendonly",
            "yes",
        ];
        let sync = ["--appendfsync", "always"];
        Some(Self {
            version: version(&program, "--version"),
            url: ("redis", ""),
            ..Self::of(NAME, &[&[program.as_str()], &options[..], &sync].concat())
        })
    }

    fn kafka() -> Option<Self> {
        const NAME: &str = "Kafka, acks=all";
        let java = find("java", NAME)?;
        let jars = Path::new(JARS);
        if !jars.is_dir() {
            eprintln!("{NAME} is left out: its jars are not here; `make durable` installs them");
            return None;
        }
        let run = |class: &str, arguments: &[&str]| -> Vec<String> {
            let class_path = format!("{JARS}/*");
            let words = [&[java.as_str(), "-Xmx512m", "-cp", &class_path, class], arguments].concat();
            words.into_iter().map(str::to_owned).collect()
        };
        let properties = format!("{FOLDER}/server.properties");
        Some(Self {
            version: kafka_version(jars),
            file: Some(("server.properties", include_str!("../peers/kafka.properties"))),
            before: run("kafka.tools.StorageTool", &["format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", &properties]),
            told: Told::Topic,
            words: run("kafka.Kafka", &[&properties]),
            url: ("kafka", ""),
            ..Self::of(NAME, &[])
        })
    }

    fn of(name: &'static str, words: &[&str]) -> Self {
        Self {
            name,
            version: String::new(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            variables: Vec::new(),
            file: None,
            before: Vec::new(),
            told: Told::Nothing,
            url: ("", ""),
            secret: None,
            prefix: "durable:",
        }
    }

    /// Whether it is made elsewhere, with a version of its own.
    pub(crate) fn is_of_others(&self) -> bool {
        !self.version.is_empty() && self.version != ringpost::VERSION
    }

    /// Its name and version.
    pub(crate) fn told(&self) -> (String, String) {
        (self.name.to_owned(), self.version.clone())
    }

    /// How it is configured, without places on this machine.
    pub(crate) fn settings(&self) -> String {
        if self.name == FLOOR {
            return "benches/node/floor.rs, which writes and syncs".into();
        }
        let last = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
        let words = self.words.iter().map(|word| if word.starts_with('/') { last(word) } else { word.clone() });
        let variables = self.variables.iter().map(|(key, value)| format!("{key}={value}"));
        let file = self.file.map(|(name, text)| format!("; {name}: {}", text.replace('\n', " ")));
        let words: Vec<_> = variables.chain(words).collect();
        (words.join(" ") + &file.unwrap_or_default()).replace(SECRET, "…")
    }

    /// Starts it on the servers' core, with a folder of its own.
    pub(crate) fn start(&self, folder: &Path) -> anyhow::Result<Started> {
        let context = || format!("{} cannot be measured", self.name);
        let folder = tempfile::Builder::new().prefix("durable-").tempdir_in(folder).with_context(context)?;
        let (address, second) = (free_address()?, free_address()?);
        let filled = |text: &str| fill(text, folder.path(), address, second);
        let command = |words: &[String]| {
            let mut words = words.iter().map(|word| filled(word));
            let mut command = Command::new(words.next().unwrap_or_default());
            command.args(words);
            command
        };
        if let Some((name, text)) = self.file {
            std::fs::write(folder.path().join(name), filled(text))?;
        }
        if !self.before.is_empty() {
            done(command(&self.before)).with_context(context)?;
        }
        let mut server = command(&self.words);
        server.envs(self.variables.iter().map(|(key, value)| (key, filled(value))));
        // A process inherits the core of the thread that starts it.
        pin(SERVER_CORE)?;
        let server = Server::start(server, address);
        pin(CLIENT_CORE)?;
        let server = server.with_context(context)?;
        match &self.told {
            Told::Nothing => {}
            Told::Stream => prepare::create_stream(address, STREAM).with_context(context)?,
            Told::Topic => prepare::create_topic(address).with_context(context)?,
        }
        Ok(Started { server, url: format!("{}://{address}{}", self.url.0, self.url.1), _folder: folder })
    }
}

fn fill(text: &str, folder: &Path, address: SocketAddr, second: SocketAddr) -> String {
    text.replace(FOLDER, &folder.display().to_string())
        .replace(SECOND_PORT, &second.port().to_string())
        .replace(PORT, &address.port().to_string())
}

fn done(mut command: Command) -> anyhow::Result<()> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

/// Where `make durable` installs what is no package of the system.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers");

/// Where `tests/packages` puts the jars of Kafka.
const JARS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/kafka");

/// A program that was installed for this, or on the path, or where Debian puts servers.
fn find(program: &str, name: &str) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [Path::new(INSTALLED).join("bin")].into_iter().chain(std::env::split_paths(&path));
    let found = folders.chain(["/usr/sbin".into()]).map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        eprintln!("{name} is left out: {program} is not here; `make durable` installs it");
    }
    found.map(|file| file.display().to_string())
}

/// The first line that it says about itself.
fn version(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// As its jar is named.
fn kafka_version(jars: &Path) -> String {
    let names = std::fs::read_dir(jars).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("kafka_")).map(|name| name.replace(".jar", "")).next().unwrap_or_default()
}
