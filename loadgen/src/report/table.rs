//! The table at the end of a run.

use std::fmt::Write as _;

use super::figure::Figure;
use super::grid::grid;
use super::text::{count, duration, percent};
use super::unit::Unit;
use super::{particulars, ramp};
use crate::advice::advice;
use crate::measure::{Measure, Summary};
use crate::nodes::NodeUse;
use crate::record::{Record, Second, ServerUse};

/// What came of a run.
pub fn of(record: &Record) -> String {
    let mut text = format!("{}: {}\n", record.name, about(record));
    for Figure { name, text: value, .. } in setting(record) {
        let _ = writeln!(text, "  {name:<18} {value}");
    }
    text.push('\n');
    text.push_str(&latencies(record));
    for Figure { name, text: value, .. } in particulars::of(record).into_iter().chain(costs(record)) {
        let _ = writeln!(text, "  {name:<34} {value}");
    }
    if let Some(climb) = &record.ramp {
        text.push('\n');
        text.push_str(&ramp::table(climb));
    }
    text.push('\n');
    text.push_str(&verdict(record));
    text
}

/// What was done, in a sentence: the scenario's own, and what was set otherwise.
pub(super) fn about(record: &Record) -> String {
    let about = &record.scenario.about;
    match &record.changed[..] {
        [] => about.clone(),
        changed => format!("{about}, but with {}", changed.join(", ")),
    }
}

/// Where and how it ran.
pub(super) fn setting(record: &Record) -> Vec<Figure> {
    let run = &record.scenario.run;
    let mut figures = vec![Figure::told("command", record.command.clone())];
    figures.extend(servers(record));
    figures.extend([
        Figure::told("messages", format!("{}, {} bytes of data", run.encoding, run.payload_bytes)),
        Figure::told("clients", count(record.clients as f64)),
        Figure::told("measured", {
            let interrupted = if record.is_interrupted { ", then interrupted" } else { "" };
            format!("{:.1} s after {} s of warm-up{interrupted}", record.measured_s, run.warm_up_s)
        }),
        Figure::told("machine", {
            let machine = &record.machine;
            format!("{} cores, {}, {}", machine.cores, machine.processor, machine.kernel)
        }),
    ]);
    figures
}

/// Where the server was; of several nodes each, with its clients.
fn servers(record: &Record) -> Vec<Figure> {
    let at =
        |url: &str, version: &str| format!("{url}, {}", if version.is_empty() { "of no version" } else { version });
    if record.nodes.len() < 2 {
        return vec![Figure::told("server", at(&record.url, &record.server_version))];
    }
    let nodes = (0..).zip(&record.nodes).map(|(number, NodeUse { url, version, clients, came, ended })| {
        let [clients, came, ended] = [clients, came, ended].map(|number| count(*number as f64));
        let told = format!("{}; {clients} clients, then {came} came, {ended} ended by it", at(url, version));
        Figure::told(&format!("node {number}"), told)
    });
    nodes.collect()
}

/// A line for each measure.
fn latencies(record: &Record) -> String {
    let mut rows =
        vec![["", "count", "per s", "p50", "p90", "p99", "p99.9", "p99.99", "max"].map(str::to_owned).to_vec()];
    for (measure, whole) in &record.whole {
        let summary = &whole.summary;
        let mut row = vec![measure.name().to_owned(), count(summary.count as f64), count(summary.per_s)];
        row.extend(summary.percentiles().map(|(_, ns)| duration(ns)));
        rows.push(row);
    }
    if rows.len() == 1 { String::new() } else { grid(&rows) + "\n" }
}

/// What it took.
pub(super) fn costs(record: &Record) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (counted, number) in &record.counts {
        let (number, per_s) = (*number as f64, *number as f64 / record.measured_s);
        let told = format!("{}, {} per s", count(number), count(per_s));
        figures.push(Figure::number(counted.name(), number, Unit::Count).in_words(told));
    }
    figures.extend(record.server.as_ref().map(|server| server_costs(record, server)).unwrap_or_default());
    for (measure, ns) in &record.cpu_ns_per {
        if let Some(each) = each(*measure) {
            figures.push(Figure::number(&format!("load generator: CPU per {each}"), *ns, Unit::Nanoseconds));
        }
    }
    let by_process: Vec<_> = record.busy_by_process.iter().map(|busy| percent(*busy)).collect();
    let told = match by_process.len() {
        0 | 1 => percent(record.busy),
        processes => format!("{}, of {processes} processes {}", percent(record.busy), by_process.join(", ")),
    };
    let at_work = Figure::number("load generator: at work", record.busy, Unit::Cores).in_words(told);
    figures.push(at_work.by_second(record.seconds.iter().map(|second| second.busy).collect()));
    figures
}

/// What it took of the server.
fn server_costs(record: &Record, server: &ServerUse) -> Vec<Figure> {
    let by_second =
        |value: &dyn Fn(&Second) -> Option<f64>| record.seconds.iter().filter_map(value).collect::<Vec<_>>();
    let told = format!("{:.2}, {} in user mode", server.cores, percent(server.user_share));
    let cores = Figure::number("server: cores in use", server.cores, Unit::Cores).in_words(told);
    let mut figures = vec![cores.by_second(by_second(&|second| second.server_cores))];
    for (measure, ns) in &server.cpu_ns_per {
        if let Some(each) = each(*measure) {
            let of_second = |second: &Second| Some(second.server_cores? / second.measures.get(measure)?.per_s * 1e9);
            let cost = Figure::number(&format!("server: CPU per {each}"), *ns, Unit::Nanoseconds);
            figures.push(cost.by_second(by_second(&of_second)));
        }
    }
    if let Some(ns) = server.cpu_ns_per_client {
        figures.push(Figure::number("server: CPU per client that came", ns, Unit::Nanoseconds));
    }
    if let Some(per_client) = server.bytes_per_client {
        figures.push(Figure::number("server: memory per client", per_client, Unit::Bytes));
    }
    let memory = Figure::number("server: memory", server.resident_bytes as f64, Unit::Bytes);
    figures.push(memory.by_second(by_second(&|second| second.server_resident_bytes.map(|bytes| bytes as f64))));
    let (voluntary, involuntary) = (server.voluntary_switches_per_s, server.involuntary_switches_per_s);
    let told = format!("{} voluntary, {} not", count(voluntary), count(involuntary));
    let switches = Figure::number("server: context switches per s", voluntary + involuntary, Unit::Count);
    figures.push(switches.in_words(told));
    figures
}

/// One of what is measured, where its costs are told.
fn each(measure: Measure) -> Option<&'static str> {
    match measure {
        Measure::Connect => Some("new client"),
        Measure::Delivery => Some("delivery"),
        Measure::Reply => Some("message"),
        // A client that comes back is a new client; a delivery to some costs what one to any does. Joins and questions
        // come beside messages, and so does what devices say.
        Measure::Reconnect
        | Measure::SlowDelivery
        | Measure::Join
        | Measure::Presence
        | Measure::Received
        | Measure::Lateness => None,
    }
}

/// Whether it went well, and what did not.
pub(super) fn verdict(record: &Record) -> String {
    let mut text = String::new();
    if record.faults.is_empty() {
        let is_cut = record.slow.as_ref().is_some_and(|slow| !slow.cut.is_empty());
        let exception = if is_cut { ", but to those who were cut off" } else { "" };
        let _ =
            writeln!(text, "Every message came once, in order and unchanged{exception}; every command was answered.");
    } else {
        text.push_str("FAILED\n");
        for (fault, number) in record.faults.counts() {
            let _ = writeln!(text, "  {:>12} {fault}", count(number as f64));
        }
        text.push_str("The first of them:\n");
        for example in &record.faults.examples {
            let _ = writeln!(text, "  {example}");
        }
        let advice = record.faults.examples.first().map_or("", |first| advice(first)).trim_start();
        if !advice.is_empty() {
            let _ = writeln!(text, "{advice}");
        }
    }
    if record.is_interrupted {
        text.push_str("Interrupted: what was measured until then is above.\n");
    }
    if record.behind > 0 {
        let behind = count(record.behind as f64);
        let _ =
            writeln!(text, "Overload: {behind} were due and not sent, since too much was under way. Lower the rate.");
    }
    if record.busy > 0.9 {
        text.push_str("The load generator had hardly a moment's rest: what was measured may be its own limit.\n");
    }
    if let Some(climb) = &record.ramp {
        text.push_str(&ramp::verdict(climb, record.is_interrupted));
    }
    text
}

/// Every figure of a run that stands beside that of another.
pub(super) fn figures(record: &Record) -> Vec<Figure> {
    // The command is left out: it is long, and says what the other settings say.
    let mut figures = setting(record).split_off(1);
    for (measure, whole) in &record.whole {
        let name = measure.name();
        let by_second = |value: &dyn Fn(&Summary) -> f64| -> Vec<f64> {
            record.seconds.iter().filter_map(|second| second.measures.get(measure)).map(value).collect()
        };
        let rate = Figure::number(&format!("{name} per s"), whole.summary.per_s, Unit::Count);
        figures.push(rate.by_second(by_second(&|summary| summary.per_s)));
        for (at, (percentile, ns)) in whole.summary.percentiles().into_iter().enumerate() {
            let latency = Figure::number(&format!("{name} {percentile}"), ns as f64, Unit::Nanoseconds);
            figures.push(latency.by_second(by_second(&|summary| summary.percentiles()[at].1 as f64)));
        }
    }
    figures.extend(particulars::of(record));
    figures.extend(costs(record));
    let faults = record.faults.counts().map(|(_, number)| number).sum::<u64>();
    figures.push(Figure::number("faults", faults as f64, Unit::Count));
    figures.push(Figure::number("behind", record.behind as f64, Unit::Count));
    figures
}

#[cfg(test)]
pub(crate) mod tests;
