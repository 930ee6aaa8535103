//! The tables of a result, in Markdown.

use std::fmt::Write as _;

use super::row::{PLAIN, median, servers, spread};
use super::{Bound, Curve, Goal, Head, Pairing, Part, Raw, Row, Side};
use crate::report::text::{bytes, count, duration, percent};

/// The whole of it.
pub(super) fn of(head: &Head, raw: &Raw) -> String {
    let mut text = format!("# {}, {}\n", head.name, head.date);
    text.push_str(&overview(head, raw));
    if !raw.rows.is_empty() {
        text.push_str("\n## Latency and spread\nOf the round in the middle, at the load that it took.\n\n");
        details(&mut text, &raw.rows);
    }
    if raw.parts.iter().any(|part| !part.median().facts.is_empty()) {
        text.push_str("\n## What else was seen of parts\nOf the reading in the middle.\n\n");
        facts(&mut text, &raw.parts);
    }
    setting(&mut text, head);
    text
}

/// What was measured on what, and the tables.
fn overview(head: &Head, raw: &Raw) -> String {
    let machine = &head.machine;
    let trial = if head.is_trial { "A trial: " } else { "" };
    let mut text = format!(
        "{}\n\n{trial}{}, commit {}, `{}`. {} cores of {}, {}, {}.\n",
        head.about,
        head.date,
        &head.commit[..12.min(head.commit.len())],
        head.command,
        machine.cores,
        machine.processor,
        bytes(machine.memory_bytes as f64),
        machine.kernel
    );
    if !raw.rows.is_empty() {
        text.push('\n');
        rows(&mut text, &raw.rows);
    }
    if !raw.pairings.is_empty() {
        text.push('\n');
        pairings(&mut text, &raw.pairings);
    }
    if !raw.parts.is_empty() {
        text.push('\n');
        parts(&mut text, &raw.parts);
    }
    for curve in &raw.curves {
        text.push('\n');
        points(&mut text, curve);
    }
    text
}

/// A line for each kind of work, a column for each server.
fn rows(text: &mut String, rows: &[Row]) {
    let servers = servers(rows);
    line(text, ["work", "unit"].into_iter().chain(servers.iter().copied()).chain(["goal", ""]));
    line(text, vec!["---"; 4 + servers.len()]);
    for row in rows {
        let mut cells = vec![row.work.clone(), row.unit.clone()];
        for server in &servers {
            let ratio = row.ratio(server).filter(|_| *server != row.beside);
            let ratio = ratio.map_or(String::new(), |ratio| format!(" ({ratio:.2}×)"));
            cells.push(row.cost(server).map_or(String::new(), |cost| count(cost.round()) + &ratio));
        }
        cells.push(row.goal.as_ref().map_or(String::new(), goal));
        cells.push(row.excess().map_or(String::new(), verdict));
        line(text, &cells);
    }
    let _ = writeln!(
        text,
        "\nIn brackets: the multiple of the floor.{}",
        if servers.contains(&PLAIN) { PLAINLY } else { "" }
    );
}

/// What the column of plainer work is.
const PLAINLY: &str = " Where there is a figure under *plain*, of that: the node at the same work without what the row \
                       names.";

fn goal(goal: &Goal) -> String {
    match goal {
        Goal::Ratio(ratio) => format!("≤ {ratio}×"),
        Goal::Peer { server, ratio } => format!("≤ {ratio}× {server}"),
        Goal::Cost(cost) => format!("≤ {}", count(*cost)),
    }
}

pub(super) fn verdict(excess: f64) -> String {
    if excess <= 0.0 { "reached".into() } else { format!("missed by {}", percent(excess)) }
}

/// A line for each thing that asks for too much, with what the quiet client beside it waits.
fn pairings(text: &mut String, pairings: &[Pairing]) {
    let names = ["beside", "p99, quiet", "p99, abused", "multiple", "max, quiet", "max, abused"];
    let whose = [
        "left late, p99, quiet",
        "left late, p99, abused",
        "node's ticks, p99.9, quiet",
        "node's ticks, p99.9, abused",
    ];
    let more = ["peak memory, quiet", "peak memory, abused", "faults, abused", "goal", ""];
    line(text, names.into_iter().chain(whose).chain(more));
    line(text, vec!["---"; names.len() + whose.len() + more.len()]);
    let tick = |side: &Side| side.tick_p999_ns.unwrap_or_default();
    for pairing in pairings {
        let of_quiet = |read: fn(&Side) -> u64| pairing.median(|pair| read(&pair.quiet) as f64);
        let of_abused = |read: fn(&Side) -> u64| pairing.median(|pair| read(&pair.abused) as f64);
        let ratio = pairing.ratio();
        line(
            text,
            [
                pairing.abuse.clone(),
                duration(of_quiet(Side::p99_ns) as u64),
                duration(of_abused(Side::p99_ns) as u64),
                format!("{ratio:.2}×"),
                duration(of_quiet(Side::max_ns) as u64),
                duration(of_abused(Side::max_ns) as u64),
                duration(of_quiet(Side::late_p99_ns) as u64),
                duration(of_abused(Side::late_p99_ns) as u64),
                format!("≤ {}", duration(of_quiet(tick) as u64)),
                format!("≤ {}", duration(of_abused(tick) as u64)),
                bytes(of_quiet(|side| side.peak_bytes)),
                bytes(of_abused(|side| side.peak_bytes)),
                count(of_abused(Side::faults)),
                format!("≤ {}×", pairing.goal),
                verdict(ratio / pairing.goal - 1.0),
            ],
        );
    }
}

/// A line for each part.
fn parts(text: &mut String, parts: &[Part]) {
    let names = ["part", "unit", "median", "lowest to highest", "beside it", "multiple", "goal", ""];
    line(text, names);
    line(text, vec!["---"; names.len()]);
    let number = |value: f64| count(if value < 100.0 { value } else { value.round() });
    for part in parts {
        let (median, (low, high)) = (part.median(), part.spread());
        line(
            text,
            [
                part.work.clone(),
                part.unit.clone(),
                number(median.value),
                format!("{} to {}", number(low), number(high)),
                median.beside.map_or(String::new(), number),
                median.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}×")),
                part.goal.as_ref().map_or(String::new(), bound),
                part.excess().map_or(String::new(), verdict),
            ],
        );
    }
}

fn bound(bound: &Bound) -> String {
    match bound {
        Bound::AtLeast(least) => format!("≥ {}", count(*least)),
        Bound::AtMost(most) => format!("≤ {}", count(*most)),
        Bound::Beside(times) => format!("≤ {times}×"),
    }
}

/// A line for each fact of each part.
fn facts(text: &mut String, parts: &[Part]) {
    line(text, ["part", "what", "value"]);
    line(text, vec!["---"; 3]);
    for part in parts {
        for (name, value) in &part.median().facts {
            line(text, [&part.work, name, &count(*value)]);
        }
    }
}

/// A line for each point, two columns for each kind of cost.
fn points(text: &mut String, curve: &Curve) {
    let names = curve.lines.iter().flat_map(|line| [format!("{}, {}", line.work, line.unit), "of the first".into()]);
    line(text, [curve.by.clone()].into_iter().chain(names));
    line(text, vec!["---"; 1 + 2 * curve.lines.len()]);
    let mut places: Vec<_> = curve.lines.iter().flat_map(|line| &line.points).map(|point| point.at).collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        let mut cells = vec![count(place as f64)];
        for of in &curve.lines {
            let point = of.points.iter().zip(of.growth()).find(|(point, _)| point.at == place);
            cells.extend(match point {
                Some((point, growth)) => {
                    let (low, high) = spread(&point.rounds);
                    let spread =
                        format!("{} ({} to {})", count(point.cost().round()), count(low.round()), count(high.round()));
                    [spread, format!("{growth:.2}")]
                }
                None => [String::new(), String::new()],
            });
        }
        line(text, &cells);
    }
}

/// A line for each kind of work and server.
fn details(text: &mut String, rows: &[Row]) {
    let names = ["work", "server", "cost, lowest to highest", "measured", "per s"];
    line(text, names.into_iter().chain(["p50", "p90", "p99", "p99.9", "p99.99", "max", "load generator at work"]));
    line(text, vec!["---"; 12]);
    for row in rows {
        for measured in &row.servers {
            let round = median(&measured.rounds);
            let (low, high) = spread(&measured.rounds);
            let costs = format!("{} to {}", count(low.round()), count(high.round()));
            let mut cells = vec![row.work.clone(), measured.server.clone(), costs];
            match round.latency() {
                Some((measure, summary)) => {
                    cells.extend([measure.name().to_owned(), count(summary.per_s.round())]);
                    cells.extend(summary.percentiles().map(|(_, ns)| duration(ns)));
                }
                None => cells.extend(vec![String::new(); 8]),
            }
            cells.push(percent(round.records.last().map_or(0.0, |record| record.busy)));
            line(text, &cells);
        }
    }
}

/// How it can be measured again.
fn setting(text: &mut String, head: &Head) {
    let Head { machine, command, commit, .. } = head;
    text.push_str("\n## How it was measured\n\n");
    line(text, ["", ""]);
    line(text, ["---", "---"]);
    line(text, ["command", &format!("`{command}`")]);
    line(text, ["commit", commit]);
    line(text, ["kernel", &machine.kernel]);
    line(text, ["processor", &format!("{}, {} cores", machine.processor, machine.cores)]);
    line(text, ["memory", &bytes(machine.memory_bytes as f64)]);
    for (name, version) in &head.versions {
        line(text, [name, version]);
    }
    for (name, value) in &head.settings {
        line(text, [name.as_str(), &format!("`{value}`")]);
    }
    text.push_str("\nWhat each run did and all that was measured is in `raw.json`.\n");
}

/// A line of a table.
fn line(text: &mut String, cells: impl IntoIterator<Item = impl AsRef<str>>) {
    text.push('|');
    for cell in cells {
        let _ = write!(text, " {} |", cell.as_ref().replace('|', "\\|"));
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Measured;
    use crate::results::head::tests::head;
    use crate::results::part::tests::part;
    use crate::results::raw::tests::raw;
    use crate::results::row::tests::{rounds, row};

    #[test]
    fn a_summary_tells_costs_ratios_goals_growth_and_how_to_measure_again() {
        let head = head();
        let summary = of(&head, &raw());
        for expected in [
            "| fan-out <1 to 1,000> | ns CPU per delivery | 360 (1.20×) | 300 | ≤ 1.25× | reached |",
            "| 18,000 | 270 (243 to 297) | 0.90 |",
            "| the store alone | records a second | 300 | 300 to 300 |  |  | ≥ 200 | reached |",
            "| the store alone | max, us | 7 |",
            "| fan-out <1 to 1,000> | node | 360 to 360 | delivery | 500 | 20.0 µs |",
            &format!("| commit | {} |", head.commit),
            &format!("| kernel | {} |", head.machine.kernel),
            "| command | `make bench` |",
            "| node | `1 shard` |",
        ] {
            assert!(summary.contains(expected), "{expected} in {summary}");
        }
    }

    #[test]
    fn a_goal_that_was_missed_says_by_how_much() {
        let mut text = String::new();
        rows(&mut text, &[row(&[1100.0], &[300.0], Goal::Cost(1000.0))]);
        assert!(text.contains("| ≤ 1,000 | missed by 10 % |"), "{text}");
    }

    #[test]
    fn a_part_beside_something_tells_its_multiple_and_by_how_much_its_goal_was_missed() {
        let mut text = String::new();
        parts(&mut text, &[part(Bound::Beside(3.0), &[(900.0, 250.0)]), part(Bound::AtLeast(500.0), &[(370.0, 0.0)])]);
        assert!(text.contains("| 900 | 900 to 900 | 250 | 3.60× | ≤ 3× | missed by 20 % |"), "{text}");
        assert!(text.contains("| 370 | 370 to 370 |  |  | ≥ 500 | missed by 26 % |"), "{text}");
    }

    #[test]
    fn a_server_that_did_not_do_all_of_the_work_leaves_cells_empty() {
        let (mut first, second) = (row(&[2.0], &[1.0], Goal::Ratio(3.0)), row(&[4.0], &[1.0], Goal::Ratio(3.0)));
        first.servers.push(Measured { server: "peer".into(), rounds: rounds(&[5.0]) });
        let mut text = String::new();
        rows(&mut text, &[first, second]);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("| work | unit | node | floor | peer | goal"), "{text}");
        assert!(lines[2].contains("| 2 (2.00×) | 1 | 5 (5.00×) |"), "{text}");
        assert!(lines[3].contains("| 4 (4.00×) | 1 |  |"), "{text}");
    }
}
