//! What was measured, for a person: Markdown tables and the machine that it was measured on.

use std::fmt::Write as _;
use std::process::Command;

use ringpost_loadgen::measure::{Measure, Summary};
use ringpost_loadgen::record::Machine;

use crate::contenders::Contender;
use crate::row::{Round, Row};
use crate::{CLIENT_CORE, SERVER_CORE};

/// All of it.
pub(crate) fn of(rows: &[Row], contenders: &[Contender]) -> String {
    let Machine { kernel, processor, cores, .. } = Machine::this();
    let mut text = format!("machine: {cores} cores, {processor}\nkernel: {kernel}\n");
    text += &format!("cores: servers {SERVER_CORE}, load generator {CLIENT_CORE}\ncommit: {}\n", commit());
    for contender in contenders {
        text += &format!("{}: {}\n", contender.name, contender.version);
    }
    text.push('\n');
    beside_the_floor(rows, &mut text).and_then(|()| beside_the_peers(rows, contenders, &mut text)).expect("it is text");
    text
}

/// The node and the floor, with their latencies.
fn beside_the_floor(rows: &[Row], text: &mut String) -> std::fmt::Result {
    writeln!(text, "| work | unit | node | floor | ratio | node p50 µs | node p99 µs | floor p50 µs | floor p99 µs |")?;
    writeln!(text, "|---|---|---|---|---|---|---|---|---|")?;
    for row in rows {
        let (Some(node), Some(floor)) = (row.median("node"), row.median("floor")) else { continue };
        let ratio = node.cost / floor.cost;
        write!(text, "| {} | {} | {:.0} | {:.0} | {ratio:.2} |", row.work, row.unit, node.cost, floor.cost)?;
        writeln!(text, " {} | {} |", latency(node), latency(floor))?;
    }
    Ok(())
}

/// Each contender's cost, and how many times the floor's that is.
fn beside_the_peers(rows: &[Row], contenders: &[Contender], text: &mut String) -> std::fmt::Result {
    if contenders.len() <= 2 {
        return Ok(());
    }
    let names: Vec<_> = contenders.iter().map(|contender| contender.name).collect();
    writeln!(text, "\n| work | unit | {} |\n|---|---|{}", names.join(" | "), "---|".repeat(names.len()))?;
    for row in rows {
        let Some(floor) = row.median("floor") else { continue };
        write!(text, "| {} | {} |", row.work, row.unit)?;
        for round in names.iter().filter_map(|name| row.median(name)) {
            write!(text, " {:.0} ({:.2}) |", round.cost, round.cost / floor.cost)?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// Median and 99th percentile of what the work is about, where something is waited for.
fn latency(round: &Round) -> String {
    let chief = [Measure::Delivery, Measure::Reply, Measure::Connect];
    let whole = chief.into_iter().find_map(|measure| round.record.whole.get(&measure));
    let us = |ns: u64| ns as f64 / 1e3;
    whole.map_or("|".into(), |whole| {
        let Summary { p50_ns, p99_ns, .. } = whole.summary;
        format!("{:.0} | {:.0}", us(p50_ns), us(p99_ns))
    })
}

fn commit() -> String {
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    git.map_or_else(|_| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().into())
}
