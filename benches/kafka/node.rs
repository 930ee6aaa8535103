//! A node by way of Kafka, with a Redis of its own, and a load for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use ringpost_loadgen::engine::pin;
use ringpost_loadgen::run::{Order, Progress, run};
use ringpost_loadgen::scenario::Scenario;
use ringpost_loadgen::server::Probe;
use ringpost_loadgen::target::Targets;
use tempfile::TempDir;

use crate::broker::PARTITIONS;
use crate::load::{CLIENT_CORE, NODE, SECRET};
use crate::parts::{CpuNs, Part, Parts, each};
use crate::server::{Server, free_address};
use crate::{Contenders, SERVER_CORE, Taken, redis_server};

/// How long the node may take to come to its partitions.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is published is answered by Kafka, kept, and told by it.
const NAMESPACES: &str = "[{ name = \"kafka\", log = \"redis\", acknowledge = \"kafka\", history_size = 300, \
                          history_ttl = \"5m\", force_recovery = true, force_positioning = true, \
                          allow_subscribe_for_client = true, allow_publish_for_client = true }]";

/// A node that runs, and its Redis; both gone when this is dropped.
struct Started {
    node: Server,
    redis: Server,
    address: SocketAddr,
    _folder: TempDir,
}

impl Started {
    /// Until the node has all partitions of the way up: what is published before waits for it, and would count.
    fn wait_for_mover(&self) -> anyhow::Result<()> {
        let (url, since) = (format!("http://{}/metrics", self.address), Instant::now());
        loop {
            let metrics = Probe::new(&[], Some(&url)).ok().and_then(|probe| probe.metrics()).unwrap_or_default();
            if metrics.get("ringpost_mover_partitions") == Some(&f64::from(PARTITIONS)) {
                return Ok(());
            }
            ensure!(since.elapsed() < PATIENCE, "the node does not come to its partitions of the way up");
            sleep(Duration::from_millis(50));
        }
    }
}

/// Makes a load for a node of its own, on topics of its own.
pub(crate) fn measure(contenders: &Contenders<'_>, scenario: &Scenario, folder: &Path) -> anyhow::Result<Taken> {
    let Contenders { broker, command, .. } = contenders;
    let topics = broker.topics()?;
    let folder = tempfile::Builder::new().prefix("node-").tempdir_in(folder)?;
    // A process inherits the core of the thread that starts it.
    pin(SERVER_CORE)?;
    let started = start(contenders, &topics.prefix, folder);
    pin(CLIENT_CORE)?;
    let started = started?;
    started.wait_for_mover()?;
    let pids = [(Part::Measured, started.node.pid()), (Part::Redis, started.redis.pid()), (Part::Broker, broker.pid())];
    let parts = Parts::new(&pids)?;
    let order = Order {
        name: "a node by way of Kafka".into(),
        scenario: scenario.clone(),
        targets: Targets::parse(&[format!("ws://{}/connection/websocket", started.address)])?,
        secret: Some(SECRET.into()),
        processes: Some(1),
        cores: vec![CLIENT_CORE],
        program: PathBuf::new(),
        pids: pids.iter().map(|(_, pid)| *pid).collect(),
        metrics_url: None,
        command: (*command).to_owned(),
    };
    // From the end of the first second that counts to the end of the last. A message is answered once, and delivered once.
    let (mut looks, mut messages) = (Vec::<CpuNs>::new(), 0);
    let record = run(&order, |progress| {
        if let Progress::Second { measured: true, summary, .. } = progress
            && let Ok(used) = parts.used()
        {
            messages += if looks.is_empty() { 0 } else { summary.count };
            looks.push(used);
        }
    })?
    .good()?;
    let (first, last) = looks.first().zip(looks.last()).context("no second was measured")?;
    Ok(Taken { cpu_ns: each(first, last, messages), record })
}

fn start(contenders: &Contenders<'_>, prefix: &str, folder: TempDir) -> anyhow::Result<Started> {
    let Contenders { node: program, broker, options, .. } = contenders;
    let address = free_address()?;
    let (redis, redis_address) = redis_server::start(folder.path())?;
    let addresses = [address, redis_address, broker.address];
    let node = Server::start(command(program, addresses, options, prefix), address)?;
    Ok(Started { node, redis, address, _folder: folder })
}

/// The node at the first address, with Redis at the second and Kafka at the third.
fn command(program: &Path, [address, redis, broker]: [SocketAddr; 3], options: &[String], prefix: &str) -> Command {
    let mut command = Command::new(program);
    let topic = |of: &str| format!("{prefix}{of}");
    command.arg("serve").envs(NODE).envs([
        ("RINGPOST_NAME", "node".to_owned()),
        ("RINGPOST_SHARDS__CORES", SERVER_CORE.to_string()),
        ("RINGPOST_HTTP_SERVER__PORT", address.port().to_string()),
        ("RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY", SECRET.into()),
        ("RINGPOST_CLIENT__WORK_LIMIT", "0s".into()),
        ("RINGPOST_CLIENT__USER_WORK_LIMIT", "0s".into()),
        ("RINGPOST_CHANNEL__NAMESPACES", NAMESPACES.into()),
        ("RINGPOST_CLUSTER__REDIS__ADDRESSES", format!("[\"{redis}\"]")),
        ("RINGPOST_CLUSTER__KAFKA__BROKERS", format!("[\"{broker}\"]")),
        ("RINGPOST_CLUSTER__KAFKA__OPTIONS", format!("{options:?}")),
        ("RINGPOST_CLUSTER__KAFKA__GROUP", topic("nodes")),
        ("RINGPOST_CLUSTER__KAFKA__TOPICS__PUBLISH", topic("publish")),
        ("RINGPOST_CLUSTER__KAFKA__TOPICS__PUBLISH_DEAD", topic("publish.dead")),
        ("RINGPOST_CLUSTER__KAFKA__TOPICS__DELIVER", topic("deliver")),
        // Beside the way through Kafka: archives and events.
        ("RINGPOST_CLUSTER__KAFKA__TOPICS__PUBLICATIONS", String::new()),
        ("RINGPOST_CLUSTER__KAFKA__TOPICS__LOGIN", String::new()),
        ("RINGPOST_CLUSTER__KAFKA__TOPICS__PUSH", String::new()),
    ]);
    command
}

/// How it is configured, without places on this machine.
pub(crate) fn settings(options: &[String]) -> String {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let command = command(Path::new("ringpost"), [nowhere; 3], options, "bench.");
    let variables = command.get_envs().filter_map(|(key, value)| Some((key, value?)));
    let variables = variables.map(|(key, value)| format!("{}={}", key.to_string_lossy(), value.to_string_lossy()));
    let all: Vec<_> = variables.chain(["ringpost serve".to_owned()]).collect();
    all.join(" ").replace(SECRET, "…")
}
