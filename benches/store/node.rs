//! A whole node: what is published and answered with the log on disk, beside the same with the log in memory.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use ringpost_loadgen::engine::pin;
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::record::Record;
use ringpost_loadgen::results::row::{NODE, PLAIN};
use ringpost_loadgen::results::{Goal, Measured, Round, Row};
use ringpost_loadgen::scenario::{Scenario, find, read, set};

use crate::binary;
use crate::run::{CLIENT_CORE, NODE as SHARED, SECRET, load};
use crate::server::{Server, free_address};

/// The core of the node.
const CORE: usize = 0;

/// The time between two publishes beside that in memory: the design's goal, half as many.
const GOAL: f64 = 2.0;

/// Namespaces that differ by where the log is.
const NAMESPACES: &str = "[{ name = \"disk\", log = \"disk\", history_size = 300, history_ttl = \"5m\", \
                          allow_publish_for_client = true }, \
                          { name = \"memory\", history_size = 300, history_ttl = \"5m\", allow_publish_for_client = true }]";

/// What the node is told, but for its port, its key and its folder.
fn variables() -> impl Iterator<Item = (&'static str, String)> {
    let own = [
        ("RINGPOST_SHARDS__CORES", CORE.to_string()),
        ("RINGPOST_CLIENT__WORK_LIMIT", "0s".into()),
        ("RINGPOST_CLIENT__USER_WORK_LIMIT", "0s".into()),
        ("RINGPOST_CHANNEL__NAMESPACES", NAMESPACES.into()),
    ];
    let shared = SHARED.into_iter().filter(|(key, _)| *key != "RINGPOST_CHANNEL__NAMESPACES");
    shared.map(|(key, value)| (key, value.into())).chain(own)
}

/// How it is configured.
pub(super) fn settings() -> String {
    variables().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

/// Both in turn, so many times, each started anew on a folder of its own.
pub(super) fn row(folder: &Path, secs: u64, rounds: u64, command: &str) -> anyhow::Result<Row> {
    let program = binary::node()?;
    let mut row = Row {
        work: "a whole node: publishes of 200 bytes, answered, as many as go".into(),
        unit: "ns between two".into(),
        goal: Some(Goal::Ratio(GOAL)),
        beside: PLAIN.into(),
        servers: [NODE, PLAIN].map(|name| Measured { server: name.into(), rounds: Vec::new() }).into(),
    };
    for _ in 0..rounds {
        for (measured, prefix) in row.servers.iter_mut().zip(["disk:", "memory:"]) {
            let record = measure(&program, folder, prefix, secs, command)?;
            let per_s = record.whole.get(&Measure::Reply).context("nothing was answered")?.summary.per_s;
            eprintln!("  {prefix} {per_s:.0} a second");
            measured.rounds.push(Round { cost: 1e9 / per_s, records: vec![record] });
        }
    }
    Ok(row)
}

fn measure(program: &Path, folder: &Path, prefix: &str, secs: u64, command: &str) -> anyhow::Result<Record> {
    let store = tempfile::Builder::new().prefix("node-").tempdir_in(folder)?;
    let address = free_address()?;
    let mut serve = Command::new(program);
    serve.arg("serve").envs(variables()).env("RINGPOST_STORE__PATH", store.path());
    serve.env("RINGPOST_HTTP_SERVER__PORT", address.port().to_string());
    serve.env("RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY", SECRET);
    // A process inherits the core of the thread that starts it.
    pin(CORE)?;
    let server = Server::start(serve, address);
    pin(CLIENT_CORE)?;
    let server = server?;
    let url = format!("ws://{address}/connection/websocket");
    let name = format!("publish, {prefix}");
    load(vec![server.pid()], &[url], Some(SECRET), name, scenario(prefix, secs)?, command)?.good()
}

fn scenario(prefix: &str, secs: u64) -> anyhow::Result<Scenario> {
    let settings = [
        "outstanding=128".into(),
        "burst=32".into(),
        "payload_bytes=200".into(),
        format!("channel_prefix={prefix}"),
        format!("duration_s={secs}"),
        format!("warm_up_s={}", secs as f64 / 2.0),
    ];
    settings.iter().try_fold(read(&find("publish")?)?, |scenario, setting: &String| set(&scenario, setting))
}
