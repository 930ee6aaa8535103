//! A page with tables and charts, of one run or of several. It needs no other file and no network.

use std::fmt::Write as _;

use super::compare::{self, Change, Row};
use super::table::{about, verdict};
use super::text::escape;
use super::{plots, ramp};
use crate::climb::Climb;
use crate::record::Record;

const STYLE: &str = concat!(include_str!("style.css"), include_str!("chart.css"));

/// The page of runs, each under its name.
///
/// # Panics
/// When there are not as many names as runs.
pub fn of(records: &[Record], names: &[String]) -> String {
    assert_eq!(records.len(), names.len(), "a name for each run");
    let title = escape(&names.join(", "));
    let heading: Vec<_> = names.iter().map(|name| format!("<bdi>{}</bdi>", escape(name))).collect();
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} – ringpost-loadgen</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>{STYLE}</style></head><body>\
         <header><h1>{}</h1><p>{}</p></header><main>",
        heading.join(", "),
        escape(&records.first().map(|record| record.program.clone()).unwrap_or_default())
    );
    page.push_str("<section class=\"runs\">");
    for (record, name) in records.iter().zip(names) {
        run(&mut page, record, name);
    }
    let charts = plots::of(records, names);
    let _ = write!(page, "</section><section class=\"charts\">{charts}</section>");
    figures(&mut page, records, names);
    settings(&mut page, records);
    page.push_str("</main></body></html>\n");
    page
}

/// What a run was, and whether it went well.
fn run(page: &mut String, record: &Record, name: &str) {
    let class = if record.is_good() { "good" } else { "bad" };
    let _ = write!(
        page,
        "<article class=\"{class}\"><h2><bdi>{}</bdi></h2><p>{}</p><pre>{}</pre>{}<pre class=\"verdict\">{}</pre></article>",
        escape(name),
        escape(&about(record)),
        escape(&record.command),
        record.ramp.as_ref().map(steps).unwrap_or_default(),
        escape(&verdict(record))
    );
}

/// The steps of a ramp.
fn steps(climb: &Climb) -> String {
    let [head, steps] = ramp::rows(climb);
    let cells = |row: &[String], cell: &str| -> String {
        row.iter().map(|text| format!("<{cell}>{}</{}>", escape(text), &cell[..2])).collect()
    };
    let mut table = String::from("<table class=\"ramp\"><thead>");
    for row in &head {
        let _ = write!(table, "<tr>{}</tr>", cells(row, "th scope=\"col\""));
    }
    table.push_str("</thead><tbody>");
    for row in &steps {
        let _ = write!(table, "<tr>{}{}</tr>", cells(&row[..1], "th scope=\"row\""), cells(&row[1..], "td"));
    }
    table + "</tbody></table>"
}

fn figures(page: &mut String, records: &[Record], names: &[String]) {
    page.push_str("<section><h2>Figures</h2><table>");
    if records.len() > 1 {
        let column = |(run, name): (usize, &String)| {
            let change = if run == 0 { "" } else { "<th scope=\"col\" class=\"noise\">change</th>" };
            format!("<th scope=\"col\"><bdi>{}</bdi></th>{change}", escape(name))
        };
        let columns: String = names.iter().enumerate().map(column).collect();
        let _ = write!(page, "<thead><tr><td></td>{columns}</tr></thead>");
    }
    page.push_str("<tbody>");
    for Row { name, cells } in compare::rows(records) {
        let cells: String =
            cells.iter().enumerate().map(|(run, (text, change))| cell(run, text, change.as_ref())).collect();
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>{cells}</tr>", escape(&name));
    }
    page.push_str("</tbody></table>");
    if records.len() > 1 {
        let _ = write!(page, "<p>{}</p>", escape(compare::LEGEND));
    }
    page.push_str("</section>");
}

/// A figure of a run; of all but the first with its change.
fn cell(run: usize, text: &str, change: Option<&Change>) -> String {
    let value = format!("<td>{}</td>", escape(text));
    if run == 0 {
        return value;
    }
    let class = change.filter(|change| change.is_noise == Some(false)).map_or("noise", |_| "change");
    format!("{value}<td class=\"{class}\">{}</td>", escape(change.map_or("", |change| &change.text)))
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
