//! The node, the floor and peers, measured in turn on one machine: `cargo bench -p ringpost-loadgen --bench node`.
//!
//! The servers run on core 0, the load generator on core 1. Every cell is measured A B A B: the node, then the smallest
//! server that does the same socket work (`floor.rs`), then the peers if they are asked for. The figure is the server's
//! CPU time per message, which survives a noisy machine; the ratio to the floor says what a server costs beyond the
//! kernel. What is promised (history, presence, …) is measured beside the node at the same work without the promise.

mod binary;
mod cells;
mod contenders;
mod floor;
mod load;
mod server;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Parser;
use ringpost_loadgen::record::Record;
use ringpost_loadgen::results::row::{FLOOR, NODE, PLAIN};
use ringpost_loadgen::results::{Bench, Measured, Raw, ResultOptions, Round, Row};

use self::cells::{Beside, Cell, Extent, Wire, Work};
use self::contenders::Contender;
use self::load::{CLIENT_CORE, load};

/// The core of the servers.
const SERVER_CORE: usize = 0;
const ABOUT: &str = "One core for the server, another for the load generator. The floor is the smallest io_uring server that \
                     does the same socket work, in the same run. Medians.";

/// Measures the node beside the floor.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds per measurement.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    secs: u64,
    /// Measurements of each server per cell; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Only cells whose name contains this, of all kinds.
    #[arg(default_value = "")]
    filter: String,
    /// Measure what is promised, and latency below saturation, instead of plain work.
    #[arg(long)]
    promises: bool,
    /// Connections of the idle cell; with half of them, all buffers that servers receive into have been used.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(5000..))]
    idle: u32,
    /// Measure the peers too, those that are installed.
    #[arg(long)]
    peers: bool,
    /// The node's binary; it is built if not given. Not for a result, which is of the checkout.
    #[arg(long, value_name = "PATH", conflicts_with = "result")]
    node: Option<PathBuf>,
    #[command(flatten)]
    result: ResultOptions,
    /// Serve the floor there instead (the bench starts itself so).
    #[arg(long, hide = true)]
    floor: Option<SocketAddr>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ringpost::doctor::raise_limits()?;
    if let Some(address) = options.floor {
        return floor::serve(address, None);
    }
    let node = options.node.clone().map_or_else(binary::node, Ok)?;
    let peers = if options.peers { Contender::peers() } else { Vec::new() };
    let cells: Vec<_> = cells::ALL.into_iter().filter(|cell| options.wants(cell)).collect();
    ensure!(!cells.is_empty(), "no cell's name contains `{}`", options.filter);
    let bench = bench(&node, &peers, &options)?;
    let command = bench.command();
    let taking = bench.begin(&options.result)?;
    let (started, total) = (Instant::now(), cells.len());
    let mut raw = Raw::default();
    for (number, cell) in (1..).zip(&cells) {
        eprintln!("{number} of {total} ({} s): {}", started.elapsed().as_secs(), cell.name);
        let row = measure(cell, &contenders(cell, &node, &peers)?, &options, &command)?;
        let tail = cells::tail(cell, &row);
        raw.rows.extend([Some(row), tail].into_iter().flatten());
    }
    print!("{}", taking.end(&raw)?);
    Ok(())
}

impl Options {
    fn wants(&self, cell: &Cell) -> bool {
        let is_promise = ["promise: ", "latency: "].iter().any(|kind| cell.name.starts_with(kind));
        let is_asked = if self.filter.is_empty() { is_promise == self.promises } else { true };
        is_asked && cell.name.contains(&self.filter)
    }
}

/// What is known before the first run.
fn bench(node: &Path, peers: &[Contender], options: &Options) -> anyhow::Result<Bench> {
    let own = [Contender::node(node.to_owned(), NODE, 1, false)?, Contender::floor(Wire::Tcp)?];
    let servers = own.iter().chain(peers).map(|contender| (contender.name.to_owned(), contender.settings()));
    let settings = [
        ("cores", format!("servers {SERVER_CORE}, load generator {CLIENT_CORE}")),
        ("rounds", options.rounds.to_string()),
        ("seconds each", options.secs.to_string()),
        ("idle connections", options.idle.to_string()),
    ];
    Ok(Bench {
        target: "node",
        about: ABOUT.into(),
        settings: settings.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(servers).collect(),
        versions: peers.iter().map(|peer| (peer.name.to_owned(), peer.version.clone())).collect(),
    })
}

/// Who does a cell's work, and what each of them does.
fn contenders(cell: &Cell, node: &Path, peers: &[Contender]) -> anyhow::Result<Vec<(Contender, Work)>> {
    let own = |name, work: Work| -> anyhow::Result<_> {
        Ok((Contender::node(node.to_owned(), name, work.shards, work.has_store)?, work))
    };
    let mut all = vec![own(NODE, cell.work)?];
    match cell.beside {
        Beside::Floor(wire) => {
            all.push((Contender::floor(wire)?, cell.work));
            all.extend(peers.iter().map(|peer| (peer.clone(), cell.work)));
        }
        Beside::Plain(plain) => all.push(own(PLAIN, plain)?),
    }
    Ok(all)
}

/// Every contender in turn, as often as was asked.
fn measure(cell: &Cell, contenders: &[(Contender, Work)], options: &Options, command: &str) -> anyhow::Result<Row> {
    let servers =
        contenders.iter().map(|(contender, _)| Measured { server: contender.name.into(), rounds: Vec::new() });
    let beside = match cell.beside {
        Beside::Floor(_) => FLOOR,
        Beside::Plain(_) => PLAIN,
    };
    let (mut work, unit, goal) = (cell.name.to_owned(), cell.unit.into(), cell.goal.clone());
    let extent = Extent { secs: options.secs, idle: options.idle };
    let rate_per_s = saturate(cell, &contenders[0].0, extent, command)?;
    if let Some(rate_per_s) = rate_per_s {
        work.push_str(&format!(" ({rate_per_s} publishes a second)"));
    }
    let mut row = Row { work, unit, goal, beside: beside.into(), servers: servers.collect() };
    for round in 1..=options.rounds {
        for (contender, work) in contenders {
            let mut servers = row.servers.iter_mut();
            let Some(measured) = servers.find(|measured| measured.server == contender.name) else { continue };
            eprintln!("  {} {round}/{}", contender.name, options.rounds);
            match measure_once(&row.work, work, contender, extent, rate_per_s, command) {
                Ok(round) => measured.rounds.push(round),
                // What one of the others cannot do says nothing of the rest.
                Err(error) if contender.is_of_others() => {
                    eprintln!("{} has no figure here: {error:#}", contender.name);
                    row.servers.retain(|measured| measured.server != contender.name);
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(row)
}

/// The rate of a cell that is measured at a share of what the node can.
fn saturate(cell: &Cell, node: &Contender, extent: Extent, command: &str) -> anyhow::Result<Option<f64>> {
    let Some(scenario) = cell.work.saturating(extent) else { return Ok(None) };
    let started = node.start()?;
    let record =
        load(vec![started.server.pid()], &[node.url()], node.secret, cell.name.into(), scenario?, command)?.good()?;
    cell.work.rate_per_s(&record).map(Some)
}

fn measure_once(
    name: &str,
    work: &Work,
    contender: &Contender,
    extent: Extent,
    rate_per_s: Option<f64>,
    command: &str,
) -> anyhow::Result<Round> {
    let records = work.scenarios(extent, rate_per_s)?.into_iter().map(|scenario| {
        let started = contender.start()?;
        load(vec![started.server.pid()], &[contender.url()], contender.secret, name.into(), scenario, command)
            .and_then(Record::good)
            .with_context(|| format!("{} did it wrong", contender.name))
    });
    let records: Vec<_> = records.collect::<anyhow::Result<_>>()?;
    Ok(Round { cost: work.cost(&records)?, records })
}
