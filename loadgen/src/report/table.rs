//! The table at the end of a run, and runs side by side.

use std::fmt::Write as _;

use super::grid::grid;
use super::particulars::{self, Figure};
use super::ramp;
use super::text::{bytes, count, duration, percent};
use crate::advice::advice;
use crate::measure::Measure;
use crate::record::Record;

/// What came of a run.
pub fn of(record: &Record) -> String {
    let mut text = format!("{}: {}\n", record.name, about(record));
    for (name, value) in setting(record) {
        let _ = writeln!(text, "  {name:<18} {value}");
    }
    text.push('\n');
    text.push_str(&latencies(record));
    for (name, value) in particulars::of(record).into_iter().chain(costs(record)) {
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
    let figure = |name: &str, value: String| (name.to_owned(), value);
    let version = if record.server_version.is_empty() { "of no version" } else { &record.server_version };
    vec![
        figure("command", record.command.clone()),
        figure("server", format!("{}, {version}", record.url)),
        figure("messages", format!("{}, {} bytes of data", run.encoding, run.payload_bytes)),
        figure("clients", count(record.clients as f64)),
        figure("measured", {
            let interrupted = if record.is_interrupted { ", then interrupted" } else { "" };
            format!("{:.1} s after {} s of warm-up{interrupted}", record.measured_s, run.warm_up_s)
        }),
        figure("machine", {
            let machine = &record.machine;
            format!("{} cores, {}, {}", machine.cores, machine.processor, machine.kernel)
        }),
    ]
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
    let mut figure = |name: &str, value: String| figures.push((name.to_owned(), value));
    for (counted, number) in &record.counts {
        let (number, per_s) = (*number as f64, *number as f64 / record.measured_s);
        figure(counted.name(), format!("{}, {} per s", count(number), count(per_s)));
    }
    if let Some(server) = &record.server {
        figure("server: cores in use", format!("{:.2}, {} in user mode", server.cores, percent(server.user_share)));
        for (measure, ns) in &server.cpu_ns_per {
            if let Some(each) = each(*measure) {
                figure(&format!("server: CPU per {each}"), duration(*ns as u64));
            }
        }
        if let Some(ns) = server.cpu_ns_per_client {
            figure("server: CPU per client that came", duration(ns as u64));
        }
        if let Some(per_client) = server.bytes_per_client {
            figure("server: memory per client", bytes(per_client));
        }
        figure("server: memory", bytes(server.resident_bytes as f64));
        figure("server: context switches per s", {
            let (voluntary, involuntary) = (server.voluntary_switches_per_s, server.involuntary_switches_per_s);
            format!("{} voluntary, {} not", count(voluntary), count(involuntary))
        });
    }
    for (measure, ns) in &record.cpu_ns_per {
        if let Some(each) = each(*measure) {
            figure(&format!("load generator: CPU per {each}"), duration(*ns as u64));
        }
    }
    figure("load generator: at work", {
        let by_process: Vec<_> = record.busy_by_process.iter().map(|busy| percent(*busy)).collect();
        match by_process.len() {
            0 | 1 => percent(record.busy),
            processes => format!("{}, of {processes} processes {}", percent(record.busy), by_process.join(", ")),
        }
    });
    figures
}

/// One of what is measured, where its costs are told.
fn each(measure: Measure) -> Option<&'static str> {
    match measure {
        Measure::Connect => Some("new client"),
        Measure::Delivery => Some("delivery"),
        Measure::Reply => Some("message"),
        // A client that comes back is a new client; a delivery to some costs what one to any does. Joins and questions
        // come beside messages.
        Measure::Reconnect | Measure::SlowDelivery | Measure::Join | Measure::Presence | Measure::Lateness => None,
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

/// Every figure of a run that can be compared.
pub(super) fn figures(record: &Record) -> Vec<Figure> {
    // The command is left out: it is long, and says what the other settings say.
    let mut figures = setting(record).split_off(1);
    for (measure, whole) in &record.whole {
        let name = measure.name();
        figures.push((format!("{name} per s"), count(whole.summary.per_s)));
        let percentiles = whole.summary.percentiles();
        figures.extend(percentiles.map(|(percentile, ns)| (format!("{name} {percentile}"), duration(ns))));
    }
    figures.extend(particulars::of(record));
    figures.extend(costs(record));
    figures.push(("faults".to_owned(), count(record.faults.counts().map(|(_, number)| number).sum::<u64>() as f64)));
    figures.push(("behind".to_owned(), count(record.behind as f64)));
    figures
}

/// The figures of all runs, in the order in which they first come: name, and a value of each run.
pub(super) fn compared(records: &[Record]) -> Vec<(String, Vec<String>)> {
    let of_each: Vec<_> = records.iter().map(figures).collect();
    let mut names = Vec::new();
    for (name, _) in of_each.iter().flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let value = |figures: &Vec<Figure>, name: &str| {
        figures.iter().find(|(known, _)| known == name).map_or("–".to_owned(), |(_, value)| value.clone())
    };
    let row = |name: String| {
        let values = of_each.iter().map(|figures| value(figures, &name)).collect();
        (name, values)
    };
    names.into_iter().map(row).collect()
}

/// Runs side by side, under the names that are given.
pub fn side_by_side(records: &[Record], names: &[String]) -> String {
    let mut rows = vec![[String::new()].iter().chain(names).cloned().collect()];
    rows.extend(compared(records).into_iter().map(|(name, values)| [vec![name], values].concat()));
    grid(&rows)
}

#[cfg(test)]
pub(crate) mod tests;
