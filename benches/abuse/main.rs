//! What a quiet client waits beside those who ask a node for too much: `cargo bench -p ringpost-loadgen --bench abuse`.
//!
//! The node runs on core 0. On core 1 ten quiet clients ping it by a schedule, while a crowd of another process, whose
//! priority is the lowest, first does nothing and then what it is there for. Each such pair of runs has a node of its
//! own. The figure is the 99th percentile of the pings; the most memory that the node took stands beside it.

#[path = "../node/binary.rs"]
mod binary;
mod crowd;
#[path = "../node/load.rs"]
mod load;
#[path = "../node/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::ensure;
use clap::{Parser, ValueEnum as _};
use procfs::process::Process;
use ringpost_loadgen::abuse::Kind;
use ringpost_loadgen::engine::pin;
use ringpost_loadgen::results::{Bench, Pair, Pairing, Raw, ResultOptions, Side};
use ringpost_loadgen::scenario::{Scenario, find, read, set};

use self::crowd::Crowd;
use self::load::{CLIENT_CORE, NODE, SECRET, load};
use self::server::{Server, free_address};

/// The core of the node.
const SERVER_CORE: usize = 0;

/// How many times longer a quiet client may wait: the design's goal.
const GOAL: f64 = 2.0;

const ABOUT: &str = "How long ten quiet clients wait for the answers to their pings, without and beside a crowd that asks for \
                     too much; the node on one core, all clients on another. Each pair of runs has a node of its own. \
                     Medians of the pairs.";

/// Measures what a quiet client waits beside those who ask for too much.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds per measurement.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    secs: u64,
    /// Pairs of runs; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pairs: u64,
    /// Only what has this in its name.
    #[arg(default_value = "")]
    filter: String,
    #[command(flatten)]
    result: ResultOptions,
    /// Be the crowd of this kind at this URL instead (the bench starts itself so).
    #[arg(long, hide = true, num_args = 2)]
    crowd: Option<Vec<String>>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ringpost::doctor::raise_limits()?;
    if let Some([kind, url]) = options.crowd.as_deref() {
        return crowd::serve(kind, url);
    }
    let kinds: Vec<_> =
        Kind::value_variants().iter().filter(|kind| crowd::name(**kind).contains(&options.filter)).collect();
    ensure!(!kinds.is_empty(), "nothing that is done has `{}` in its name", options.filter);
    let bench = Bench { target: "abuse", about: ABOUT.into(), settings: settings(&options), versions: BTreeMap::new() };
    let command = bench.command();
    let taking = bench.begin(&options.result)?;
    let node = binary::node()?;
    let (started, total) = (Instant::now(), kinds.len());
    let mut raw = Raw::default();
    for (number, kind) in (1..).zip(kinds) {
        let name = crowd::name(*kind);
        let mut pairing = Pairing { abuse: crowd::about(*kind), goal: GOAL, pairs: Vec::new() };
        for pair in 1..=options.pairs {
            eprintln!("{number} of {total} ({} s): {name}, pair {pair}/{}", started.elapsed().as_secs(), options.pairs);
            pairing.pairs.push(measure(&node, *kind, options.secs, &command)?);
        }
        raw.pairings.push(pairing);
    }
    print!("{}", taking.end(&raw)?);
    Ok(())
}

fn settings(options: &Options) -> BTreeMap<String, String> {
    let node: Vec<_> = NODE.iter().map(|(key, value)| format!("{key}={value}")).collect();
    [
        ("node", node.join(" ")),
        ("node, shards", format!("one on core {SERVER_CORE}; three there for the flood between shards")),
        ("clients, core", CLIENT_CORE.to_string()),
        ("pairs", options.pairs.to_string()),
        ("seconds each", options.secs.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// A pair of runs beside a crowd, against a node of their own.
fn measure(node: &Path, kind: Kind, secs: u64, command: &str) -> anyhow::Result<Pair> {
    let (server, url) = start(node, crowd::shards(kind))?;
    let mut crowd = Crowd::start(kind, &url)?;
    let process = Process::new(server.pid())?;
    let side = |name: &str| -> anyhow::Result<Side> {
        // From here on the peak is that of this run.
        std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5")?;
        let name = format!("{}, {name}", crowd::name(kind));
        let record = load(&server, &url, Some(SECRET), name, pings(secs)?, command)?;
        let peak_bytes = process.status()?.vmhwm.unwrap_or(0) * 1024;
        Ok(Side { peak_bytes, record })
    };
    let quiet = side("quiet")?;
    crowd.act()?;
    let abused = side("abused")?;
    Ok(Pair { quiet, abused })
}

fn pings(secs: u64) -> anyhow::Result<Scenario> {
    let settings = ["rate_per_s=1000".into(), format!("duration_s={secs}"), "warm_up_s=0.3".into()];
    let scenario = read(&find("ping")?)?;
    settings.iter().try_fold(scenario, |scenario, setting: &String| set(&scenario, setting))
}

/// Starts a node with so many shards; where clients find it.
fn start(node: &Path, shards: u32) -> anyhow::Result<(Server, String)> {
    let address = free_address()?;
    let mut command = Command::new(node);
    command.arg("serve").envs(NODE);
    command.env("RINGPOST_HTTP_SERVER__PORT", address.port().to_string());
    command.env("RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY", SECRET);
    command.env("RINGPOST_SHARDS__CORES", SERVER_CORE.to_string());
    command.env("RINGPOST_SHARDS__PER_CORE", shards.to_string());
    // A process inherits the core of the thread that starts it.
    pin(SERVER_CORE)?;
    let server = Server::start(command, address);
    pin(CLIENT_CORE)?;
    Ok((server?, format!("ws://{address}/connection/websocket")))
}
