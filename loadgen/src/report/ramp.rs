//! The steps of a ramp: a table, a chart, and what they come to.

use super::chart::Series;
use super::grid::grid;
use super::text::{count, duration, percent};
use crate::climb::{Climb, Step};
use crate::measure::Summary;

/// From the lowest rate to the highest.
fn by_rate(climb: &Climb) -> Vec<&Step> {
    let mut steps: Vec<_> = climb.steps.iter().collect();
    steps.sort_by(|one, other| one.rate_per_s.total_cmp(&other.rate_per_s));
    steps
}

/// A head, and a line for each rate.
pub(super) fn rows(climb: &Climb) -> [Vec<Vec<String>>; 2] {
    let head =
        ["due per s", "latency", "p50", "p99", "max", "server cores", "at work", "outcome"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    for step in by_rate(climb) {
        let worst = step.worst();
        let of_worst = |read: fn(&Summary) -> u64| worst.map_or("–".into(), |(_, summary)| duration(read(summary)));
        rows.push(vec![
            count(step.rate_per_s),
            worst.map_or("–", |(measure, _)| measure.name()).to_owned(),
            of_worst(|summary| summary.p50_ns),
            of_worst(|summary| summary.p99_ns),
            of_worst(|summary| summary.max_ns),
            step.server_cores.map_or("–".into(), |cores| format!("{cores:.2}")),
            percent(step.busy),
            step.broke.as_ref().map_or("held", |_| "broke").to_owned(),
        ]);
    }
    [vec![head], rows]
}

/// The same as text.
pub(super) fn table(climb: &Climb) -> String {
    grid(&rows(climb).concat())
}

/// What the steps come to.
pub(super) fn verdict(climb: &Climb, is_interrupted: bool) -> String {
    let knee = climb.knee();
    let mut text = match knee {
        Some(knee) => format!("The knee is at {} per s.\n", count(knee.rate_per_s)),
        None => "FAILED: no rate held. Begin with a lower one (`--set rate_per_s=…`), or allow a longer `p99_ms`.\n"
            .to_owned(),
    };
    for step in by_rate(climb) {
        for (fault, number) in step.faults.counts().filter(|(fault, _)| !fault.may_come_of_overload()) {
            text.push_str(&format!("FAILED: {} {fault} at {} per s.\n", count(number as f64), count(step.rate_per_s)));
        }
    }
    let above = |step: &&&Step| knee.is_none_or(|knee| step.rate_per_s > knee.rate_per_s);
    match by_rate(climb).iter().find(above) {
        Some(broken) => {
            let why = broken.broke.as_deref().unwrap_or_default();
            text.push_str(&format!("{} per s broke: {why}.\n", count(broken.rate_per_s)));
            if broken.busy > 0.9 {
                text.push_str("There the load generator had hardly a moment's rest: the limit may be its own.\n");
            }
        }
        None if is_interrupted => text.push_str("No rate broke until it was interrupted.\n"),
        None => text.push_str("No rate broke: the limit is higher, allow more steps (`--set steps_max=20`).\n"),
    }
    text
}

/// The latency of each rate.
pub(super) fn latency(climb: &Climb) -> Vec<Series> {
    type Read = fn(&Summary) -> u64;
    let shown: [(&str, Read); 3] =
        [("p50", |summary| summary.p50_ns), ("p99", |summary| summary.p99_ns), ("max", |summary| summary.max_ns)];
    let of =
        |(name, read): (&str, Read)| line(climb, name, |step| step.worst().map(|(_, summary)| read(summary) as f64));
    shown.map(of).to_vec()
}

/// The processor time of each rate.
pub(super) fn cores(climb: &Climb) -> Vec<Series> {
    vec![
        line(climb, "server", |step| step.server_cores),
        line(climb, "load generator, at work", |step| Some(step.busy)),
    ]
}

/// Rates grow by factors, so their axis is one of factors too.
fn line(climb: &Climb, name: &str, value: impl Fn(&Step) -> Option<f64>) -> Series {
    let points = by_rate(climb).into_iter().filter_map(|step| Some((step.rate_per_s.log10(), value(step)?)));
    Series { name: name.into(), points: points.collect() }
}

/// The rates, where they stand.
pub(super) fn ticks(climb: &Climb) -> Vec<(f64, String)> {
    by_rate(climb).into_iter().map(|step| (step.rate_per_s.log10(), count(step.rate_per_s.round()))).collect()
}
