//! The charts of a page. Of one run each shows all that belongs together; of several runs they are laid over each other,
//! a chart for each figure and a line for each run.

use std::fmt::Write as _;

use super::chart::{Axis, Chart, Scale, Series, WIDTH};
use super::text::{count, escape};
use super::unit::{Unit, seconds_step};
use super::{distribution, ramp};
use crate::measure::{Measure, Summary};
use crate::record::{Record, Second};

/// What is drawn of each run.
struct Plot<'a> {
    title: &'a str,
    scale: Scale,
    unit: Unit,
    below: Axis,
    series: &'a dyn Fn(&Record) -> Vec<Series>,
}

/// Runs, and what is written of them.
struct Plots<'a> {
    records: &'a [Record],
    names: &'a [String],
    html: String,
    number: usize,
}

/// All charts of runs that have something to be drawn, each with its table.
pub(super) fn of(records: &[Record], names: &[String]) -> String {
    let mut plots = Plots { records, names, html: String::new(), number: 0 };
    plots.ramps();
    for measure in Measure::ALL.into_iter().filter(|measure| *measure != Measure::Lateness) {
        plots.measure(measure);
    }
    plots.costs();
    plots.html
}

impl Plots<'_> {
    /// The latency and the processor time of each rate, where rates were raised.
    fn ramps(&mut self) {
        let mut ticks: Vec<_> =
            self.records.iter().filter_map(|record| record.ramp.as_ref()).flat_map(ramp::ticks).collect();
        ticks.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let below = Axis { name: "due per s, logarithmic".into(), ticks, place: |at| count(10f64.powf(at).round()) };
        let latency = |record: &Record| record.ramp.as_ref().map(ramp::latency).unwrap_or_default();
        let (scale, unit) = (Scale::Logarithmic, Unit::Nanoseconds);
        self.draw(&Plot { title: "Latency by rate", scale, unit, below: below.clone(), series: &latency });
        let cores = |record: &Record| record.ramp.as_ref().map(ramp::cores).unwrap_or_default();
        let (scale, unit) = (Scale::Linear, Unit::Cores);
        self.draw(&Plot { title: "Processor time by rate, cores", scale, unit, below, series: &cores });
    }

    /// Latency over time and whole, and throughput.
    fn measure(&mut self, measure: Measure) {
        let (name, scale, unit) = (measure.name(), Scale::Logarithmic, Unit::Nanoseconds);
        let over_time = |record: &Record| percentiles_over_time(record, measure);
        let title = format!("Latency, {name}");
        self.draw(&Plot { title: &title, scale, unit, below: self.seconds(), series: &over_time });
        let curve = |record: &Record| vec![distribution::line(name, record, measure)];
        let title = format!("Latency, {name}: share within");
        self.draw(&Plot { title: &title, scale, unit, below: distribution::axis(name), series: &curve });
        let rate = |record: &Record| vec![line(record, name, |second| Some(second.measures.get(&measure)?.per_s))];
        let title = format!("Throughput, {name} per s");
        let (scale, unit) = (Scale::Linear, Unit::Count);
        self.draw(&Plot { title: &title, scale, unit, below: self.seconds(), series: &rate });
    }

    /// Processor time and memory.
    fn costs(&mut self) {
        let cores = |record: &Record| {
            vec![
                line(record, "server", |second| second.server_cores),
                line(record, "load generator, at work", |second| Some(second.busy)),
            ]
        };
        let (scale, unit) = (Scale::Linear, Unit::Cores);
        self.draw(&Plot { title: "Processor time, cores", scale, unit, below: self.seconds(), series: &cores });
        let memory = |record: &Record| {
            vec![line(record, "server", |second| second.server_resident_bytes.map(|bytes| bytes as f64))]
        };
        let (title, unit) = ("Memory of the server", Unit::Bytes);
        self.draw(&Plot { title, scale, unit, below: self.seconds(), series: &memory });
    }

    fn draw(&mut self, plot: &Plot<'_>) {
        let of_each: Vec<_> = self.records.iter().map(plot.series).collect();
        if let [series] = &of_each[..] {
            return self.write(plot, plot.title, series.clone());
        }
        let lines = of_each.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..lines {
            let name = of_each.iter().find_map(|series| Some(&series.get(line)?.name)).map_or("", String::as_str);
            let title = if lines > 1 { format!("{}: {name}", plot.title) } else { plot.title.to_owned() };
            let of_run = |(run, series): (&String, &Vec<Series>)| {
                let points = series.get(line).map(|series| series.points.clone()).unwrap_or_default();
                Series { name: run.clone(), points }
            };
            self.write(plot, &title, self.names.iter().zip(&of_each).map(of_run).collect());
        }
    }

    fn write(&mut self, plot: &Plot<'_>, title: &str, series: Vec<Series>) {
        let Plot { scale, unit, below, .. } = plot;
        let chart = Chart { title, scale: *scale, unit: *unit, below: below.clone(), series, width: WIDTH };
        if chart.is_empty() {
            return;
        }
        self.number += 1;
        let _ = write!(
            self.html,
            "<figure>{}<details><summary>{} as a table</summary>{}</details></figure>",
            chart.svg(self.number),
            escape(title),
            chart.table()
        );
    }

    /// Time from the beginning of the measuring to the end of the longest run.
    fn seconds(&self) -> Axis {
        let seconds = self.records.iter().map(|record| record.seconds.len()).max().unwrap_or(0);
        let text =
            |at: usize| if at > 0 && at.is_multiple_of(60) { format!("{} min", at / 60) } else { format!("{at} s") };
        let ticks = (0..=seconds).step_by(seconds_step(seconds)).map(|at| (at as f64, text(at))).collect();
        Axis { name: "since the measuring began".into(), ticks, place: |at| format!("{at:.0} s") }
    }
}

/// A value of each second that has one.
fn line(record: &Record, name: &str, value: impl Fn(&Second) -> Option<f64>) -> Series {
    let points = record.seconds.iter().filter_map(|second| Some((second.at_s, value(second)?))).collect();
    Series { name: name.into(), points }
}

fn percentiles_over_time(record: &Record, measure: Measure) -> Vec<Series> {
    type Read = fn(&Summary) -> u64;
    let shown: [(&str, Read); 4] = [
        ("p50", |summary| summary.p50_ns),
        ("p99", |summary| summary.p99_ns),
        ("p99.9", |summary| summary.p99_9_ns),
        ("max", |summary| summary.max_ns),
    ];
    let of = |(name, read): (&str, Read)| {
        line(record, name, |second| second.measures.get(&measure).map(|summary| read(summary) as f64))
    };
    shown.map(of).to_vec()
}
