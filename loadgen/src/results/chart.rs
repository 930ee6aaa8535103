//! The chart of a result: ratios to the floor as bars, latency as curves, costs as lines.

use super::row::{median, servers};
use super::{Curve, Head, Line, Pairing, Part, Raw, Row};
use crate::report::bars::{self, Bar, Group};
use crate::report::chart::{Axis, Chart, Scale, Series};
use crate::report::distribution;
use crate::report::sheet::{self, Drawing};
use crate::report::text::{count, duration, short_count};
use crate::report::unit::Unit;

/// An SVG file; without anything drawn where there are no figures.
pub(super) fn of(head: &Head, raw: &Raw) -> String {
    let mut rows = Vec::new();
    let servers = servers(&raw.rows);
    let groups: Vec<_> = raw.rows.iter().filter_map(|row| group(row, &servers)).collect();
    let title = "Beside the floor, or beside plainer work";
    rows.extend(bars::of(title, "multiple of that", &groups, sheet::WIDTH).map(|drawing| vec![drawing]));
    let groups: Vec<_> = raw.pairings.iter().map(pair).collect();
    let title = "What a quiet client waits beside those who ask for too much: 99th percentile";
    rows.extend(bars::of(title, "multiple of without them", &groups, sheet::WIDTH).map(|drawing| vec![drawing]));
    let groups: Vec<_> = raw.parts.iter().filter_map(by_goal).collect();
    let title = "Parts by themselves, beside their goals: above 1 a goal is missed";
    rows.extend(bars::of(title, "share of what the goal allows", &groups, sheet::WIDTH).map(|drawing| vec![drawing]));
    let latencies = raw.rows.iter().filter_map(|row| latency(row, &servers));
    let lines = raw.curves.iter().flat_map(|curve| curve.lines.iter().filter_map(|line| cost(curve, line)));
    let charts: Vec<_> = latencies.chain(lines).collect();
    rows.extend(charts.chunks(2).map(<[Drawing]>::to_vec));
    let machine = &head.machine;
    let mut note =
        format!("commit {:.12}, {} cores of {}, {}", head.commit, machine.cores, machine.processor, machine.kernel);
    if head.is_trial {
        note.push_str(", a trial");
    }
    sheet::of(&format!("{}, {}", head.name, head.date), &note, &rows)
}

/// The bar of a pairing.
fn pair(pairing: &Pairing) -> Group {
    let waited_ns = pairing.median(|pair| pair.abused.p99_ns() as f64);
    let bar = Bar { name: "abused".into(), ratio: pairing.ratio(), cost: duration(waited_ns as u64), series: 0 };
    Group { name: pairing.abuse.clone(), bars: vec![bar], goal: Some(pairing.goal) }
}

/// The bar of a part that has a goal.
fn by_goal(part: &Part) -> Option<Group> {
    let ratio = part.share_of_goal().filter(|share| share.is_finite() && *share > 0.0)?;
    let bar = Bar { name: "node".into(), ratio, cost: count(part.median().value.round()), series: 0 };
    Some(Group { name: format!("{} ({})", part.work, part.unit), bars: vec![bar], goal: Some(1.0) })
}

/// The bars of a kind of work: all servers but the one that the others are measured by, in the colours that they have everywhere.
fn group(row: &Row, servers: &[&str]) -> Option<Group> {
    let bar = |(series, server): (usize, &&str)| {
        // Ratios to nothing cannot be drawn.
        let ratio = row.ratio(server).filter(|ratio| ratio.is_finite() && *ratio > 0.0)?;
        let cost = count(row.cost(server)?.round());
        Some(Bar { name: (*server).to_owned(), ratio, cost, series })
    };
    let others = servers.iter().enumerate().filter(|(_, server)| **server != row.beside);
    let bars: Vec<_> = others.filter_map(bar).collect();
    let goal = row.goal_ratio().filter(|goal| goal.is_finite());
    let name = format!("{} ({})", row.work, row.unit);
    (!bars.is_empty()).then_some(Group { name, bars, goal })
}

/// The latency of a kind of work, of all servers that were measured by the same.
fn latency(row: &Row, servers: &[&str]) -> Option<Drawing> {
    let round = |server: &&str| row.of(server).map(|measured| median(&measured.rounds));
    let (measure, _) = servers.iter().find_map(round)?.latency()?;
    let line = |server: &&str| {
        let alike = round(server).filter(|round| round.latency().is_some_and(|(other, _)| other == measure));
        let record = alike.and_then(|round| round.records.last());
        let nothing = || Series { name: (*server).to_owned(), points: Vec::new() };
        record.map_or_else(nothing, |record| distribution::line(server, record, measure))
    };
    let series: Vec<_> = servers.iter().map(line).collect();
    let (scale, unit, below) = (Scale::Logarithmic, Unit::Nanoseconds, distribution::axis(measure.name()));
    Chart { title: &row.work, scale, unit, below, series, width: sheet::WIDTH / 2.0 }.drawing()
}

/// A kind of cost as something grows.
fn cost(curve: &Curve, line: &Line) -> Option<Drawing> {
    // By powers of ten: from a hundred to a thousand is as far as from a thousand to ten thousand.
    let place = |at: u64| (at.max(1) as f64).log10();
    let ticks = line.points.iter().map(|point| (place(point.at), short_count(point.at as f64))).collect();
    let name = format!("{}, logarithmic", curve.by);
    let below = Axis { name, ticks, place: |at| count(10f64.powf(at).round()) };
    let points = line.points.iter().map(|point| (place(point.at), point.cost())).collect();
    let series = vec![Series { name: line.unit.clone(), points }];
    let unit = if line.unit.starts_with("ns ") { Unit::Nanoseconds } else { Unit::Count };
    let (title, scale) = (format!("{}, by {}", line.work, curve.by), Scale::Linear);
    Chart { title: &title, scale, unit, below, series, width: sheet::WIDTH / 2.0 }.drawing()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Goal;
    use crate::results::head::tests::head;
    use crate::results::raw::tests::raw;
    use crate::results::row::tests::row;

    #[test]
    fn a_chart_has_a_bar_a_latency_curve_and_a_line_for_each_cost() {
        let svg = of(&head(), &raw());
        for expected in [
            "1.20×",
            "the store alone (records a second)",
            "delivery: share that took",
            "fan-out, by idle connections",
            "publish, by idle connections",
            ">18k<",
            "class=\"goal\"",
        ] {
            assert!(svg.contains(expected), "{expected} in {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn costs_of_nothing_are_left_out() {
        let raw = Raw { rows: vec![row(&[5.0], &[0.0], Goal::Cost(9.0))], ..Raw::default() };
        let svg = of(&head(), &raw);
        assert!(!svg.contains("×") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
