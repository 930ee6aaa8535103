//! A page with tables and charts, of one run or of several. It needs no other file and no network.

use std::fmt::Write as _;

use super::chart::{Axis, Chart, Scale, Series, WIDTH, range};
use super::table::{about, compared, verdict};
use super::text::{bytes, count, duration, escape};
use super::{distribution, ramp};
use crate::measure::{Measure, Summary};
use crate::record::{Record, Second};

const STYLE: &str = concat!(include_str!("style.css"), include_str!("chart.css"));

/// The page of runs, each under its name.
///
/// # Panics
/// When there are not as many names as runs.
pub fn of(records: &[Record], names: &[String]) -> String {
    assert_eq!(records.len(), names.len(), "a name for each run");
    let title = escape(&names.join(", "));
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} – ringpost-loadgen</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\
         <header><h1>{title}</h1><p>{}</p></header><main>",
        escape(&records.first().map(|record| record.program.clone()).unwrap_or_default())
    );
    page.push_str("<section class=\"runs\">");
    for (record, name) in records.iter().zip(names) {
        let class = if record.is_good() { "good" } else { "bad" };
        let _ = write!(
            page,
            "<article class=\"{class}\"><h2>{}</h2><p>{}</p><pre>{}</pre><pre>{}</pre><pre class=\"verdict\">{}</pre></article>",
            escape(name),
            escape(&about(record)),
            escape(&record.command),
            escape(&record.ramp.as_ref().map(ramp::table).unwrap_or_default()),
            escape(&verdict(record))
        );
    }
    page.push_str("</section>");
    charts(&mut page, records);
    figures(&mut page, records, names);
    settings(&mut page, records);
    page.push_str("</main></body></html>\n");
    page
}

/// One run's charts side by side; of several runs, a column for each, with the same scale in a row.
fn charts(page: &mut String, records: &[Record]) {
    let columns = match records.len() {
        1 => String::new(),
        runs => format!(" style=\"grid-template-columns: repeat({runs}, minmax(20rem, 1fr))\""),
    };
    let _ = write!(page, "<section class=\"charts\"{columns}>");
    let nanoseconds = |value: f64| duration(value as u64);
    ramps(page, records, &nanoseconds);
    for measure in Measure::ALL.into_iter().filter(|measure| *measure != Measure::Lateness) {
        let name = measure.name();
        let over_time = |record: &Record| percentiles_over_time(record, measure);
        row(page, records, &format!("Latency, {name}"), Scale::Logarithmic, &nanoseconds, &seconds, &over_time);
        let curve = |record: &Record| vec![distribution::line(name, record, measure)];
        let title = format!("Latency, {name}: share within");
        row(page, records, &title, Scale::Logarithmic, &nanoseconds, &|_| distribution::axis(name), &curve);
        let rate = |record: &Record| vec![line(record, name, |second| Some(second.measures.get(&measure)?.per_s))];
        row(page, records, &format!("Throughput, {name} per s"), Scale::Linear, &count, &seconds, &rate);
    }
    let cores = |record: &Record| {
        vec![
            line(record, "server, cores", |second| second.server_cores),
            line(record, "load generator, share at work", |second| Some(second.busy)),
        ]
    };
    row(page, records, "Processor time", Scale::Linear, &two_decimals, &seconds, &cores);
    let memory =
        |record: &Record| vec![line(record, "server", |second| second.server_resident_bytes.map(|bytes| bytes as f64))];
    row(page, records, "Memory of the server", Scale::Linear, &bytes, &seconds, &memory);
    page.push_str("</section>");
}

/// The latency and the processor time of each rate, where rates were raised.
fn ramps(page: &mut String, records: &[Record], nanoseconds: &dyn Fn(f64) -> String) {
    let rates = |record: &Record| Axis {
        name: "due per s".into(),
        ticks: record.ramp.as_ref().map(ramp::ticks).unwrap_or_default(),
    };
    let latency = |record: &Record| record.ramp.as_ref().map(ramp::latency).unwrap_or_default();
    row(page, records, "Latency by rate", Scale::Logarithmic, nanoseconds, &rates, &latency);
    let cores = |record: &Record| record.ramp.as_ref().map(ramp::cores).unwrap_or_default();
    row(page, records, "Processor time by rate", Scale::Linear, &two_decimals, &rates, &cores);
}

fn two_decimals(value: f64) -> String {
    format!("{value:.2}")
}

fn row(
    page: &mut String,
    records: &[Record],
    title: &str,
    scale: Scale,
    value: &dyn Fn(f64) -> String,
    below: &dyn Fn(&Record) -> Axis,
    series: &dyn Fn(&Record) -> Vec<Series>,
) {
    let of_each: Vec<_> = records.iter().map(series).collect();
    if of_each.iter().flatten().all(|series| series.points.is_empty()) {
        return;
    }
    let range = range(of_each.iter().flatten());
    for (record, series) in records.iter().zip(of_each) {
        let svg = Chart { title, scale, value, below: below(record), series, range, width: WIDTH }.svg();
        let _ = write!(page, "<figure>{svg}</figure>");
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

/// About five places in time.
fn seconds(record: &Record) -> Axis {
    let step = record.seconds.len().div_ceil(6).max(1);
    let places = record.seconds.iter().skip(step - 1).step_by(step);
    let ticks = places.map(|second| (second.at_s, format!("{:.0} s", second.at_s))).collect();
    Axis { name: "since the measuring began".into(), ticks }
}

fn figures(page: &mut String, records: &[Record], names: &[String]) {
    page.push_str("<section><h2>Figures</h2><table>");
    if records.len() > 1 {
        let names = names.iter().map(|name| format!("<th>{}</th>", escape(name)));
        let _ = write!(page, "<tr><th></th>{}</tr>", names.collect::<String>());
    }
    for (name, values) in compared(records) {
        let values = values.iter().map(|value| format!("<td>{}</td>", escape(value)));
        let _ = write!(page, "<tr><th>{}</th>{}</tr>", escape(&name), values.collect::<String>());
    }
    page.push_str("</table></section>");
}

/// What the server says about itself, and every setting.
fn settings(page: &mut String, records: &[Record]) {
    page.push_str("<section class=\"runs\">");
    for record in records {
        let metrics = record.server_metrics.iter().filter(|(_, value)| **value != 0.0);
        let metrics: String = metrics.map(|(name, value)| format!("{name} {value}\n")).collect();
        let scenario = toml::to_string(&record.scenario).unwrap_or_default();
        let _ = write!(page, "<article><h2>Settings</h2><pre>{}</pre>", escape(&scenario));
        if !metrics.is_empty() {
            let _ = write!(page, "<h2>The server's metrics</h2><pre>{}</pre>", escape(&metrics));
        }
        page.push_str("</article>");
    }
    page.push_str("</section>");
}

#[cfg(test)]
mod tests;
