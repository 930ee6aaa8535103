//! Runs side by side: all their figures, and how much each differs from that of the first run.
//!
//! A difference is noise where the middle halves of the seconds of both runs overlap: then half of the seconds of the one
//! lie where half of the other's do. That is judged by what the seconds of a run differ by; what differs from run to run
//! shows only in more runs.

use super::figure::Figure;
use super::grid::grid;
use super::table::figures;
use crate::record::Record;

/// Fewer seconds say nothing about what seconds differ by.
const SECONDS_MIN: usize = 5;

/// What the marks behind differences mean.
pub(super) const LEGEND: &str = "Changes are from the first run. ~: within noise, since the middle halves of the seconds \
                                 of both runs overlap. ?: not judged, since seconds do not have it, or are fewer than 5. \
                                 What differs from run to run shows only in more runs.";

/// A figure of each run.
pub(super) struct Row {
    /// What it is.
    pub(super) name: String,
    /// By run; the change is from the first run's and the first has none.
    pub(super) cells: Vec<(String, Option<Change>)>,
}

/// How much a figure differs from the first run's.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// In per cent, with a mark where it is noise or not judged.
    pub(super) text: String,
    /// Whether it is within what seconds differ by; `None` where that is not known.
    pub(super) is_noise: Option<bool>,
}

/// The figures of all runs, in the order in which they first come.
pub(super) fn rows(records: &[Record]) -> Vec<Row> {
    let of_each: Vec<_> = records.iter().map(figures).collect();
    let mut names = Vec::<&str>::new();
    for Figure { name, .. } in of_each.iter().flatten() {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let row = |name: &str| {
        let figures: Vec<_> = of_each.iter().map(|of| of.iter().find(|figure| figure.name == name)).collect();
        let cell = |figure: &Option<&Figure>| {
            let text = figure.map_or("–".into(), |figure| figure.text.clone());
            (text, figure.zip(figures[0]).and_then(|(figure, first)| change(first, figure)))
        };
        let mut cells: Vec<_> = figures.iter().map(cell).collect();
        cells[0].1 = None;
        Row { name: name.to_owned(), cells }
    };
    names.into_iter().map(row).collect()
}

/// How much a figure differs; `None` where one of them is no number, or the first is 0.
fn change(first: &Figure, other: &Figure) -> Option<Change> {
    let (from, to) = first.number.zip(other.number)?;
    if from == to {
        return Some(Change { text: "same".into(), is_noise: None });
    }
    let percent = (from != 0.0).then(|| (to - from) / from * 100.0)?;
    let is_noise = is_noise(&first.by_second, &other.by_second);
    let mark = match is_noise {
        Some(true) => " ~",
        Some(false) => "",
        None => " ?",
    };
    Some(Change { text: format!("{percent:+.1} %{mark}"), is_noise })
}

/// Whether the middle halves of the seconds of two runs overlap; `None` where there are too few.
fn is_noise(one: &[f64], other: &[f64]) -> Option<bool> {
    let middle_half = |seconds: &[f64]| {
        let mut sorted = seconds.to_vec();
        sorted.sort_by(f64::total_cmp);
        (sorted[sorted.len() / 4], sorted[sorted.len() * 3 / 4])
    };
    let is_enough = one.len() >= SECONDS_MIN && other.len() >= SECONDS_MIN;
    is_enough.then(|| {
        let ((low, high), (other_low, other_high)) = (middle_half(one), middle_half(other));
        low <= other_high && other_low <= high
    })
}

/// Runs side by side, under the names that are given.
pub fn side_by_side(records: &[Record], names: &[String]) -> String {
    let head = names.iter().enumerate().flat_map(|(run, name)| match run {
        0 => vec![name.clone()],
        _ => vec![name.clone(), "change".into()],
    });
    let mut lines = vec![[String::new()].into_iter().chain(head).collect::<Vec<_>>()];
    for Row { name, cells } in rows(records) {
        let cells = cells.into_iter().enumerate().flat_map(|(run, (text, change))| match run {
            0 => vec![text],
            _ => vec![text, change.map_or(String::new(), |change| change.text)],
        });
        lines.push([name].into_iter().chain(cells).collect());
    }
    let legend = if records.len() > 1 { format!("\n{LEGEND}\n") } else { String::new() };
    grid(&lines) + &legend
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::table::tests::record;
    use crate::report::unit::Unit;

    fn figure(number: f64, by_second: &[f64]) -> Figure {
        Figure::number("f", number, Unit::Count).by_second(by_second.to_vec())
    }

    fn told(first: &Figure, other: &Figure) -> Option<String> {
        change(first, other).map(|change| change.text)
    }

    #[test]
    fn a_difference_is_noise_where_the_middle_halves_of_the_seconds_overlap() {
        let wide = [90.0, 95.0, 100.0, 105.0, 110.0];
        let high = [190.0, 195.0, 200.0, 205.0, 210.0];
        assert_eq!(told(&figure(100.0, &wide), &figure(104.0, &wide)).unwrap(), "+4.0 % ~");
        assert_eq!(told(&figure(100.0, &wide), &figure(200.0, &high)).unwrap(), "+100.0 %");
        assert_eq!(told(&figure(200.0, &high), &figure(100.0, &wide)).unwrap(), "-50.0 %");
        // One second out of its row is no half of them.
        let outlier = [90.0, 95.0, 100.0, 105.0, 900.0];
        assert_eq!(is_noise(&wide, &outlier), Some(true));
    }

    #[test]
    fn what_cannot_be_judged_or_compared_says_so() {
        assert_eq!(told(&figure(100.0, &[]), &figure(99.0, &[])).unwrap(), "-1.0 % ?");
        assert_eq!(told(&figure(0.0, &[]), &figure(0.0, &[])).unwrap(), "same");
        assert_eq!(told(&figure(0.0, &[]), &figure(5.0, &[])), None);
        assert_eq!(told(&Figure::told("f", "JSON".into()), &figure(5.0, &[])), None);
    }

    #[test]
    fn runs_stand_side_by_side_also_where_one_lacks_a_figure() {
        let mut other = record();
        other.whole.clear();
        let text = side_by_side(&[record(), other], &["one".into(), "two".into()]);
        let line = text.lines().find(|line| line.contains("delivery p50")).unwrap();
        assert!(line.contains("20.0 µs") && line.ends_with('–'), "{text}");
        assert!(text.lines().next().unwrap().ends_with("two  change"), "{text}");
        assert!(text.contains("within noise"), "{text}");
    }

    #[test]
    fn figures_that_are_equal_are_told_to_be_the_same() {
        let text = side_by_side(&[record(), record()], &["one".into(), "two".into()]);
        let line = text.lines().find(|line| line.contains("CPU per delivery")).unwrap();
        assert!(line.ends_with("same"), "{text}");
    }
}
