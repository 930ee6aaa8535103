//! What came of a crash trial: a table at the terminal, and a chart that stands alone.

use std::fmt::Write as _;

use super::chart::{Axis, Chart, Scale, Series};
use super::grid::grid;
use super::sheet;
use super::text::{count, duration};
use super::unit::Unit;
use crate::crash::{Life, Told, Wrong};

/// The table: a line for each life of the node, then all of them together.
pub fn table(told: &Told) -> String {
    let mut text = format!("crash: {}\n  {:<18} {}\n", about(told), "command", told.command);
    let _ = writeln!(text, "  {:<18} {}\n", "node", told.version);
    let head = [
        "life",
        "start",
        "clients back",
        "recovered",
        "kept though unanswered",
        "missing",
        "acknowledged",
        "unanswered",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend((1..).zip(&told.lives).map(|(number, life)| row(number, life)));
    text.push_str(&grid(&rows));
    let total = told.total();
    text.push('\n');
    let figures = [
        ("acknowledged", total.acknowledged),
        ("unanswered when it was killed", total.unanswered),
        ("of those kept", total.unanswered_kept),
        ("refused", total.refused),
    ];
    let wrong = Wrong::ALL.map(|wrong| (wrong.to_string(), total.of(wrong)));
    for (name, number) in figures.map(|(name, number)| (name.to_owned(), number)).into_iter().chain(wrong) {
        let _ = writeln!(text, "  {name:<34} {}", count(number as f64));
    }
    text.push('\n');
    text.push_str(&verdict(told));
    text
}

fn about(told: &Told) -> String {
    let kills = told.kills();
    let times = if kills == 1 { "once".to_owned() } else { format!("{kills} times") };
    let interrupted = if told.is_interrupted { ", then interrupted" } else { "" };
    format!("a node that was killed {times} under load{interrupted}")
}

/// What its clients found when they came back is of the life before; what they sent is of this one.
fn row(number: usize, life: &Life) -> Vec<String> {
    let Life { start_ns, back_ns, counts, .. } = life;
    let counted =
        [counts.recovered, counts.unanswered_kept, counts.of(Wrong::Missing), counts.acknowledged, counts.unanswered];
    let times = [number.to_string(), duration(*start_ns), duration(*back_ns)];
    times.into_iter().chain(counted.map(|number| count(number as f64))).collect()
}

fn verdict(told: &Told) -> String {
    if told.is_good() {
        return "good: all that was acknowledged, and all that anybody was shown, is there\n".into();
    }
    let total = told.total();
    let mut text = String::from("FAILED:\n");
    if total.acknowledged == 0 {
        text.push_str("  nothing was acknowledged, so that nothing is known\n");
    }
    for (wrong, number) in &total.wrong {
        let _ = writeln!(text, "  {}: {wrong}", count(*number as f64));
    }
    told.examples.iter().for_each(|example| text.push_str(&format!("    {example}\n")));
    text
}

/// The chart: what was acknowledged and what was missed in each life, and how long the node took to be back.
pub fn chart(told: &Told) -> String {
    let line = |name: &str, value: &dyn Fn(&Life) -> u64| Series {
        name: name.into(),
        points: (1..).zip(&told.lives).map(|(number, life)| (f64::from(number), value(life) as f64)).collect(),
    };
    let chart = |title, unit, series| Chart {
        title,
        scale: Scale::Linear,
        unit,
        below: Axis {
            name: "life of the node".into(),
            ticks: (1..=told.lives.len()).map(|number| (number as f64, number.to_string())).collect(),
            place: |number| format!("life {number}"),
        },
        series,
        width: sheet::WIDTH / 2.0,
    };
    let messages = vec![
        line("acknowledged", &|life| life.counts.acknowledged),
        line("unanswered", &|life| life.counts.unanswered),
        line("missing", &|life| life.counts.of(Wrong::Missing)),
    ];
    let times = vec![
        line("until it takes connections", &|life| life.start_ns),
        line("until all clients have all", &|life| life.start_ns + life.back_ns),
    ];
    let charts =
        [chart("Messages", Unit::Count, messages), chart("From the start of the node", Unit::Nanoseconds, times)];
    let drawings = charts.iter().filter_map(Chart::drawing).collect();
    let missing = count(told.total().of(Wrong::Missing) as f64);
    sheet::of(&format!("Acknowledged and missing: {missing}"), &about(told), &[drawings])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::Counts;

    fn told(missing: u64) -> Told {
        let wrong = (missing > 0).then_some((Wrong::Missing, missing)).into_iter().collect();
        let counts = Counts { acknowledged: 1234, unanswered: 5, wrong, ..Counts::default() };
        let life = Life { start_ns: 20_000_000, back_ns: 3_000_000, load_ns: 1_000_000_000, counts };
        let command = "ringpost-loadgen crash".into();
        Told { command, lives: vec![life.clone(), life, Life::default()], ..Told::default() }
    }

    #[test]
    fn a_table_has_a_line_for_each_life_and_says_whether_all_is_there() {
        let text = table(&told(0));
        assert!(text.starts_with("crash: a node that was killed 2 times under load\n"), "{text}");
        assert!(text.contains("2,468") && text.contains("20.0 ms"), "{text}");
        assert!(text.ends_with("is there\n"), "{text}");
    }

    #[test]
    fn what_is_missing_is_told_first() {
        let text = table(&Told { examples: vec!["message 7 is gone".into()], ..told(3) });
        assert!(text.contains("FAILED:\n  6: acknowledged and missing\n    message 7 is gone\n"), "{text}");
        assert!(table(&Told::default()).contains("nothing was acknowledged"));
    }

    #[test]
    fn a_chart_stands_alone_and_says_how_much_is_missing() {
        let svg = chart(&told(3));
        assert!(svg.starts_with("<svg") && svg.contains("Acknowledged and missing: 6"), "{svg}");
        assert!(svg.contains("until it takes connections"), "{svg}");
    }
}
