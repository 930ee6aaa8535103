//! What a message costs as idle connections, channels and shards grow in number: `cargo bench --bench curves`.
//!
//! Each point is run against a fresh node, all points in turn and then again, so that what else goes on on the machine
//! does not bend a curve. The figure is the node's CPU time per message. The load generator runs on core 1; where the
//! node has a shard there too they share it, which takes time from both but adds to neither's CPU time.

#[path = "../node/binary.rs"]
mod binary;
mod growth;
#[path = "../node/load.rs"]
mod load;
#[path = "../node/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::Parser;
use ringpost_loadgen::results::{Bench, Curve, Line, Point, Raw, ResultOptions, Round};

use self::growth::{GROWTHS, Growth, Shards, WORKS, Work};
use self::load::{CLIENT_CORE, NODE, SECRET, load};
use self::server::{Server, free_address};

const ABOUT: &str = "CPU time of the node per message, as something beside the messages grows. Each point is the median \
                     of its rounds, in brackets the lowest and the highest.";

/// Measures what a message costs as something grows.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds per measurement.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    secs: u64,
    /// Measurements of each point; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Only what is grown whose name contains this.
    #[arg(default_value = "")]
    filter: String,
    /// Leave out the points with more than this.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    at_most: u64,
    #[command(flatten)]
    result: ResultOptions,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ringpost::doctor::raise_limits()?;
    let bench =
        Bench { target: "curves", about: ABOUT.into(), settings: settings(&options), versions: BTreeMap::new() };
    let command = bench.command();
    let taking = bench.begin(&options.result)?;
    let grown = GROWTHS.iter().filter(|growth| growth.by.contains(&options.filter));
    let mut curves: Vec<_> = grown.filter_map(|growth| Some((growth, empty(growth, options.at_most)?))).collect();
    ensure!(!curves.is_empty(), "nothing that grows has `{}` in its name, and a point", options.filter);
    fill(&mut curves, &binary::node()?, &options, &command)?;
    let raw = Raw { curves: curves.into_iter().map(|(_, curve)| curve).collect(), ..Raw::default() };
    print!("{}", taking.end(&raw)?);
    Ok(())
}

/// The curve of a growth before anything is measured; nothing where no point is small enough.
fn empty(growth: &Growth, at_most: u64) -> Option<Curve> {
    let points = growth.points.iter().filter(|at| **at <= at_most);
    let points: Vec<_> = points.map(|at| Point { at: *at, rounds: Vec::new() }).collect();
    let line = |work: &Work| Line { work: work.name.into(), unit: work.unit.into(), points: points.clone() };
    (!points.is_empty()).then(|| Curve { by: growth.by.into(), lines: WORKS.iter().map(line).collect() })
}

/// Measures all points in turn, as often as was asked.
fn fill(curves: &mut [(&Growth, Curve)], node: &Path, options: &Options, command: &str) -> anyhow::Result<()> {
    let points = curves.iter_mut().flat_map(|(growth, curve)| {
        let (growth, lines) = (*growth, WORKS.iter().zip(&mut curve.lines));
        lines.flat_map(move |(work, line)| line.points.iter_mut().map(move |point| (growth, work, point)))
    });
    let mut points: Vec<_> = points.collect();
    let total = points.len() as u64 * options.rounds;
    let mut done = 0;
    for _ in 0..options.rounds {
        for (growth, work, point) in &mut points {
            done += 1;
            eprintln!("{done} of {total}: {}, {} {}", work.name, point.at, growth.by);
            point.rounds.push(measure(node, growth, work, point.at, options.secs, command)?);
        }
    }
    Ok(())
}

fn settings(options: &Options) -> BTreeMap<String, String> {
    let node: Vec<_> = NODE.iter().map(|(key, value)| format!("{key}={value}")).collect();
    [
        ("node", node.join(" ")),
        ("node, shards", "one on core 0; in the curve of shards so many, spread over the cores 0 and 1".into()),
        ("load generator, core", CLIENT_CORE.to_string()),
        ("rounds", options.rounds.to_string()),
        ("seconds each", options.secs.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// One point, once.
fn measure(node: &Path, growth: &Growth, work: &Work, at: u64, secs: u64, command: &str) -> anyhow::Result<Round> {
    let (server, url) = start(node, &(growth.node)(at))?;
    let name = format!("{}, {at} {}", work.name, growth.by);
    let scenario = work.scenario(growth, at, secs)?;
    let record = load(vec![server.pid()], &[url], Some(SECRET), name, scenario, command)?.good()?;
    let cost = record.server.as_ref().and_then(|server| server.cpu_ns_per.get(&work.per).copied());
    Ok(Round { cost: cost.with_context(|| format!("nothing was measured of {}", record.name))?, records: vec![record] })
}

/// Starts a node; where clients find it.
fn start(node: &Path, shards: &Shards) -> anyhow::Result<(Server, String)> {
    let address = free_address()?;
    let mut command = Command::new(node);
    // One publisher saturates a shard here, which no client of a node in production may.
    command
        .arg("serve")
        .envs(NODE)
        .env("RINGPOST_CLIENT__WORK_LIMIT", "0s")
        .env("RINGPOST_CLIENT__USER_WORK_LIMIT", "0s");
    command.env("RINGPOST_HTTP_SERVER__PORT", address.port().to_string());
    command.env("RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY", SECRET);
    command.env("RINGPOST_SHARDS__CORES", shards.cores).env("RINGPOST_SHARDS__PER_CORE", shards.per_core.to_string());
    Ok((Server::start(command, address)?, format!("ws://{address}/connection/websocket")))
}
