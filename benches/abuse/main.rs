//! What a quiet client waits beside those who ask a node for too much: `cargo bench -p ringpost-loadgen --bench abuse`.
//!
//! The node runs on core 0. On core 1 ten quiet clients ping it by a schedule, while a crowd of another process first does
//! nothing and then what it is there for: on core 2, or where there is none with the quiet clients, by a policy that yields to them.
//! Each such pair of runs has a node of its own. The figure is the 99th percentile of the pings. Beside it: how late they
//! left their own core, the node's ticks, and the most memory that it took.

#[path = "../node/binary.rs"]
mod binary;
mod crowd;
#[path = "../node/load.rs"]
mod load;
#[path = "../node/server.rs"]
mod server;
mod ticks;

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
use self::ticks::Ticks;

/// The core of the node.
const SERVER_CORE: usize = 0;

/// How many times longer a quiet client may wait: the design's goal.
const GOAL: f64 = 2.0;

const ABOUT: &str = "How long ten quiet clients wait for the answers to their pings, without and beside a crowd that asks for \
                     too much; the node on one core, the quiet clients on another, the crowd on a third where there is one. What \
                     left late waited for its own core, which the kernel may keep for the crowd. Each pair of runs has a \
                     node of its own. Medians of the pairs.";

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
        ("node, core", SERVER_CORE.to_string()),
        ("node, flood between shards", format!("three shards, cores {}", cores(3).0)),
        ("quiet clients, core", CLIENT_CORE.to_string()),
        ("crowd, core", crowd::core().to_string()),
        ("pairs", options.pairs.to_string()),
        ("seconds each", options.secs.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// A pair of runs beside a crowd, against a node of their own.
fn measure(node: &Path, kind: Kind, secs: u64, command: &str) -> anyhow::Result<Pair> {
    let (server, url, metrics_url) = start(node, crowd::shards(kind))?;
    let mut crowd = Crowd::start(kind, &url)?;
    let process = Process::new(server.pid())?;
    let side = |name: &str| -> anyhow::Result<Side> {
        // From here on the peak is that of this run.
        std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5")?;
        let name = format!("{}, {name}", crowd::name(kind));
        let before = Ticks::of(&metrics_url)?;
        let record = load(vec![server.pid()], std::slice::from_ref(&url), Some(SECRET), name, pings(secs)?, command)?;
        let tick_p999_ns = Ticks::of(&metrics_url)?.since(&before).p999_ns();
        let peak_bytes = process.status()?.vmhwm.unwrap_or(0) * 1024;
        Ok(Side { peak_bytes, tick_p999_ns, record })
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

/// Where so many shards run, and how many on each core: each on one of its own behind that of the crowd, or where there are
/// too few all on the first.
fn cores(shards: u32) -> (String, u32) {
    let of_own: Vec<_> = (crowd::core() + 1..).take(shards as usize - 1).collect();
    if of_own.iter().all(|core| crowd::has_core(*core)) {
        let cores: Vec<_> = [SERVER_CORE].into_iter().chain(of_own).map(|core| core.to_string()).collect();
        return (cores.join(","), 1);
    }
    (SERVER_CORE.to_string(), shards)
}

/// Starts a node with so many shards; where clients find it, and its metrics.
fn start(node: &Path, shards: u32) -> anyhow::Result<(Server, String, String)> {
    let address = free_address()?;
    let mut command = Command::new(node);
    command.arg("serve").envs(NODE);
    command.env("RINGPOST_HTTP_SERVER__PORT", address.port().to_string());
    command.env("RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY", SECRET);
    let (cores, per_core) = cores(shards);
    command.env("RINGPOST_SHARDS__CORES", cores).env("RINGPOST_SHARDS__PER_CORE", per_core.to_string());
    // A process inherits the core of the thread that starts it; its shards go to theirs.
    pin(SERVER_CORE)?;
    let server = Server::start(command, address);
    pin(CLIENT_CORE)?;
    Ok((server?, format!("ws://{address}/connection/websocket"), format!("http://{address}/metrics")))
}
