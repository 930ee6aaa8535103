//! A Kafka of one broker, and topics there.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use ringpost_loadgen::engine::pin;
use tempfile::TempDir;

use crate::load::CLIENT_CORE;
use crate::server::{Server, free_address};

/// Where `tests/packages` puts the jars.
const JARS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/kafka");

/// As other benches have it, but what was deleted goes at once: a run writes some hundred megabytes.
const PROPERTIES: &str = concat!(include_str!("../peers/kafka.properties"), "log.segment.delete.delay.ms=1000\n");

/// Partitions of the topic that is measured.
pub(crate) const PARTITIONS: i32 = 4;

/// How long it may take to do one thing.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker that runs, with its folder.
pub(crate) struct Broker {
    /// Dropped first.
    server: Server,
    pub(crate) address: SocketAddr,
    topics: Cell<u32>,
    _folder: TempDir,
}

/// Topics that nobody else has, deleted with this.
pub(crate) struct Topics<'a> {
    broker: &'a Broker,
    /// How their names begin.
    pub(crate) prefix: String,
}

impl Broker {
    /// Starts one on a core.
    pub(crate) fn start(core: usize, folder: &Path) -> anyhow::Result<Self> {
        ensure!(Path::new(JARS).is_dir(), "the jars of Kafka are not here: `tests/packages` installs them");
        let folder = tempfile::Builder::new().prefix("kafka-").tempdir_in(folder)?;
        let (address, second) = (free_address()?, free_address()?);
        let properties = PROPERTIES.replace("FOLDER", &folder.path().display().to_string());
        let properties = properties.replace("SECOND", &second.port().to_string());
        let file = folder.path().join("server.properties");
        std::fs::write(&file, properties.replace("PORT", &address.port().to_string()))?;
        let mut format = java("kafka.tools.StorageTool");
        format.args(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c"]).arg(&file);
        let status = format.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        ensure!(status.context("java does not start")?.success(), "Kafka cannot make its folder");
        let mut run = java("kafka.Kafka");
        run.arg(&file);
        // A process inherits the core of the thread that starts it.
        pin(core)?;
        let server = Server::start(run, address);
        pin(CLIENT_CORE)?;
        Ok(Self { server: server?, address, topics: Cell::new(0), _folder: folder })
    }

    /// How it is configured, without places on this machine.
    pub(crate) fn settings() -> String {
        let lines = PROPERTIES.lines().filter(|line| !line.starts_with('#'));
        let words = java("kafka.Kafka");
        let words = words.get_args().map(|word| word.to_string_lossy().replace(JARS, "…"));
        ["java".to_owned()].into_iter().chain(words).chain(lines.map(str::to_owned)).collect::<Vec<_>>().join(" ")
    }

    /// As its jar is named.
    pub(crate) fn version() -> String {
        let names = std::fs::read_dir(JARS).into_iter().flatten().flatten();
        let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.find(|name| name.starts_with("kafka_")).map(|name| name.replace(".jar", "")).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> i32 {
        self.server.pid()
    }

    /// Makes the topics that a node needs; a bare producer takes that of the way up.
    pub(crate) fn topics(&self) -> anyhow::Result<Topics<'_>> {
        let topics = Topics { broker: self, prefix: format!("bench-{}.", self.topics.replace(self.topics.get() + 1)) };
        let names = topics.names();
        let made = names.iter().map(|(name, partitions)| NewTopic::new(name, *partitions, TopicReplication::Fixed(1)));
        let made: Vec<_> = made.collect();
        let made = block_on(self.admin()?.create_topics(&made, &options()))?;
        ensure!(made.iter().all(Result::is_ok), "no topics can be made: {made:?}");
        Ok(topics)
    }

    fn admin(&self) -> anyhow::Result<AdminClient<DefaultClientContext>> {
        let mut client = ClientConfig::new();
        Ok(client.set("bootstrap.servers", self.address.to_string()).create()?)
    }
}

impl Topics<'_> {
    /// The topic of the way up.
    pub(crate) fn publish(&self) -> String {
        format!("{}publish", self.prefix)
    }

    fn names(&self) -> [(String, i32); 3] {
        let name = |of: &str| format!("{}{of}", self.prefix);
        [(self.publish(), PARTITIONS), (name("publish.dead"), 1), (name("deliver"), 8)]
    }
}

impl Drop for Topics<'_> {
    fn drop(&mut self) {
        let names = self.names();
        let names: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
        // Where it cannot, they go with the broker's folder.
        if let Ok(admin) = self.broker.admin() {
            let _ = block_on(admin.delete_topics(&names, &options()));
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

fn java(class: &str) -> Command {
    let mut java = Command::new("java");
    java.args(["-Xmx512m", "-cp", &format!("{JARS}/*"), class]);
    java
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the host gives what a runtime takes").block_on(future)
}
