//! The node, the floor and peers, measured in turn on one machine: `cargo bench -p ringpost-loadgen --bench node`.
//!
//! The servers run on core 0, the load generator on core 1. Every cell is measured A B A B: the node, then the smallest
//! server that does the same socket work (`floor.rs`), then the peers if they are asked for. The figure is the server's
//! CPU time per message, which survives a noisy machine; the ratio to the floor says what a server costs beyond the
//! kernel.

mod binary;
mod cells;
mod contenders;
mod floor;
mod load;
mod server;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Parser;
use ringpost_loadgen::results::{Bench, Measured, Raw, ResultOptions, Round, Row};

use self::cells::{Cell, Extent};
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
    /// Only cells whose name contains this.
    #[arg(default_value = "")]
    filter: String,
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
        return floor::serve(address);
    }
    let node = options.node.clone().map_or_else(binary::node, Ok)?;
    let mut contenders = vec![Contender::node(node)?, Contender::floor()?];
    if options.peers {
        contenders.extend(Contender::peers());
    }
    let cells: Vec<_> = cells::ALL.iter().filter(|cell| cell.name.contains(&options.filter)).collect();
    ensure!(!cells.is_empty(), "no cell's name contains `{}`", options.filter);
    let bench = bench(&contenders, &options);
    let command = bench.command();
    let taking = bench.begin(&options.result)?;
    let rows = cells.into_iter().map(|cell| measure(cell, &contenders, &options, &command));
    let raw = Raw { rows: rows.collect::<anyhow::Result<_>>()?, curves: Vec::new() };
    print!("{}", taking.end(&raw)?);
    Ok(())
}

/// What is known before the first run.
fn bench(contenders: &[Contender], options: &Options) -> Bench {
    let others = contenders.iter().filter(|contender| contender.is_of_others());
    let servers = contenders.iter().map(|contender| (contender.name.to_owned(), contender.settings()));
    let settings = [
        ("cores", format!("servers {SERVER_CORE}, load generator {CLIENT_CORE}")),
        ("rounds", options.rounds.to_string()),
        ("seconds each", options.secs.to_string()),
        ("idle connections", options.idle.to_string()),
    ];
    Bench {
        target: "node",
        about: ABOUT.into(),
        settings: settings.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(servers).collect(),
        versions: others.map(|contender| (contender.name.to_owned(), contender.version.clone())).collect(),
    }
}

/// Every contender in turn, as often as was asked.
fn measure(cell: &Cell, contenders: &[Contender], options: &Options, command: &str) -> anyhow::Result<Row> {
    let servers = contenders.iter().map(|contender| Measured { server: contender.name.into(), rounds: Vec::new() });
    let (work, unit, goal) = (cell.name.into(), cell.unit.into(), cell.goal);
    let mut row = Row { work, unit, goal, servers: servers.collect() };
    let extent = Extent { secs: options.secs, idle: options.idle };
    for round in 1..=options.rounds {
        for contender in contenders {
            let mut servers = row.servers.iter_mut();
            let Some(measured) = servers.find(|measured| measured.server == contender.name) else { continue };
            eprintln!("{}, {} {round}/{}", cell.name, contender.name, options.rounds);
            match measure_once(cell, contender, extent, command) {
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

fn measure_once(cell: &Cell, contender: &Contender, extent: Extent, command: &str) -> anyhow::Result<Round> {
    let is_floor = contender.is_floor();
    let scenarios = cell.scenarios(is_floor, extent)?;
    let records = scenarios.into_iter().map(|scenario| {
        let server = contender.start()?;
        load(&server, &contender.url(), contender.secret, cell.name.into(), scenario, command)
            .with_context(|| format!("{} did it wrong", contender.name))
    });
    let records: Vec<_> = records.collect::<anyhow::Result<_>>()?;
    Ok(Round { cost: cell.cost(is_floor, &records)?, records })
}
