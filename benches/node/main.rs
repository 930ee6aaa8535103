//! The node and the floor, measured in turn on one machine: `cargo bench --bench node`.
//!
//! The servers run on core 0, this client on core 1. Every cell is measured A B A B: the node, then the smallest
//! server that does the same socket work (`floor.rs`). The figure is the server's CPU time per message, which
//! survives a noisy machine; the ratio of the two says what the node costs beyond the kernel.

mod cells;
mod client;
mod floor;
mod process;
mod table;

use std::time::Duration;

use clap::Parser;

use self::process::Server;
use self::table::{Row, print};

/// Measures the node beside the floor.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds per measurement.
    #[arg(long, default_value_t = 2)]
    secs: u64,
    /// Measurements of each server per cell; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only cells whose name contains this.
    #[arg(default_value = "")]
    filter: String,
    /// Connections of the idle cell.
    #[arg(long, default_value_t = 5000)]
    idle: usize,
    /// Serve the floor on this port instead (the bench starts itself so).
    #[arg(long, hide = true)]
    floor: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.floor {
        return floor::serve();
    }
    ringpost::doctor::raise_limits()?;
    let length = Duration::from_secs(options.secs);
    let mut rows = Vec::new();
    for cell in cells::ALL.iter().filter(|cell| cell.name.contains(&options.filter)) {
        let (mut node, mut floor) = (Vec::new(), Vec::new());
        for round in 0..options.rounds {
            eprintln!("{} {}/{}", cell.name, round + 1, options.rounds);
            node.push((cell.measure)(&Server::node()?, length, options.idle)?);
            floor.push((cell.floor)(&Server::floor()?, length, options.idle)?);
        }
        rows.push(Row::new(cell, node, floor));
    }
    print(&rows);
    Ok(())
}
