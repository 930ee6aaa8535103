//! What was measured, for a person: a Markdown table and the machine that it was measured on.

use crate::cells::{Cell, Figure};
use crate::process::{CLIENT_CORE, SERVER_CORE};

/// One cell's medians.
pub(crate) struct Row {
    name: &'static str,
    unit: &'static str,
    node: Figure,
    floor: Figure,
}

impl Row {
    /// Takes the medians by the figure that counts.
    pub(crate) fn new(cell: &Cell, node: Vec<Figure>, floor: Vec<Figure>) -> Self {
        Self { name: cell.name, unit: cell.unit, node: median(node), floor: median(floor) }
    }
}

fn median(mut figures: Vec<Figure>) -> Figure {
    figures.sort_by(|one, other| one.cost.total_cmp(&other.cost));
    figures.swap_remove(figures.len() / 2)
}

/// Prints the table.
pub(crate) fn print(rows: &[Row]) {
    let system = rustix::system::uname();
    println!("machine: {} {}", system.machine().to_string_lossy(), cpu_model());
    println!("kernel: {}", system.release().to_string_lossy());
    println!("cores: server {SERVER_CORE}, client {CLIENT_CORE}");
    println!("commit: {}\n", commit());
    println!("| work | unit | node | floor | ratio | node p50 µs | node p99 µs | floor p50 µs | floor p99 µs |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for Row { name, unit, node, floor } in rows {
        let ratio = node.cost / floor.cost;
        let latency = |figure: &Figure| match &figure.latency {
            None => "| |".into(),
            Some(latency) => {
                let at = |quantile| latency.value_at_quantile(quantile) as f64 / 1e3;
                format!("{:.0} | {:.0} |", at(0.5), at(0.99))
            }
        };
        println!(
            "| {name} | {unit} | {:.0} | {:.0} | {ratio:.2} | {} {}",
            node.cost,
            floor.cost,
            latency(node),
            latency(floor)
        );
    }
}

fn cpu_model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "unknown processor".into(), |(_, model)| model.trim().into())
}

fn commit() -> String {
    let git = std::process::Command::new("git").args(["describe", "--always", "--dirty"]).output();
    git.map_or_else(|_| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().into())
}
