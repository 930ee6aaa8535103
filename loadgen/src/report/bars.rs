//! Bars of ratios: each begins where a server costs as much as the one beside it, on a logarithmic axis, so that twice as much
//! and half as much are equally long. The axis is written above and below; each bar has its ratio and what was measured.

use std::fmt::Write as _;

use super::sheet::Drawing;
use super::text::escape;
use super::unit::{lines_by_factors, plain};

/// A kind of work.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// What is done.
    pub(crate) name: String,
    /// The servers that did it.
    pub(crate) bars: Vec<Bar>,
    /// The ratio that is wanted.
    pub(crate) goal: Option<f64>,
}

/// A bar: a server and its figure.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    /// Its name.
    pub(crate) name: String,
    /// Its cost by that of the one beside it.
    pub(crate) ratio: f64,
    /// Its cost, as the group's name says what it is.
    pub(crate) cost: String,
    /// The colour of its bars.
    pub(crate) series: usize,
}

const LEFT: f64 = 96.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 44.0;
const NAME: f64 = 20.0;
const BAR: f64 = 18.0;
const GAP: f64 = 8.0;
/// Room for the text of a line of the axis.
const TICK: f64 = 40.0;

/// The drawing of all groups, one below the other, with a word about what the ratios are; nothing without groups.
pub(crate) fn of(title: &str, ratios: &str, groups: &[Group], width: f64) -> Option<Drawing> {
    if groups.is_empty() {
        return None;
    }
    let (low, high) = range(groups);
    let x = |ratio: f64| LEFT + (ratio / low).ln() / (high / low).ln() * (width - LEFT - RIGHT);
    let heights = groups.iter().map(|group| NAME + BAR * group.bars.len() as f64 + GAP);
    let bottom = TOP + heights.sum::<f64>();
    let mut svg = format!("<text class=\"title\" x=\"0\" y=\"16\">{}</text>", escape(title));
    let ticks: Vec<_> = ticks(low, high).into_iter().map(|ratio| (ratio, x(ratio))).collect();
    let mut free = f64::NEG_INFINITY;
    for (ratio, x) in &ticks {
        if *x < free {
            continue;
        }
        free = x + TICK;
        for y in [TOP - 8.0, bottom + 16.0] {
            let _ = write!(svg, "<text text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y}\">{}×</text>", plain(*ratio));
        }
    }
    let _ = write!(
        svg,
        "<text text-anchor=\"middle\" x=\"{:.1}\" y=\"{}\">{}, logarithmic; dashed: the goal; beside a bar: the multiple, and \
         what was measured</text>",
        width / 2.0,
        bottom + 34.0,
        escape(ratios)
    );
    let mut y = TOP;
    for group in groups {
        for (ratio, x) in &ticks {
            let class = if *ratio == 1.0 { "base" } else { "grid" };
            let (top, bottom) = (y + NAME - 2.0, y + NAME + BAR * group.bars.len() as f64);
            let _ = write!(svg, "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>");
        }
        draw(&mut svg, group, y, &x);
        y += NAME + BAR * group.bars.len() as f64 + GAP;
    }
    let alternative = format!("{title}, {ratios}: {}", groups.iter().map(told).collect::<Vec<_>>().join("; "));
    Some(Drawing { width, height: bottom + BOTTOM, elements: svg, alternative })
}

/// A group in words.
fn told(group: &Group) -> String {
    let bars: Vec<_> = group.bars.iter().map(|bar| format!("{} {:.2}×", bar.name, bar.ratio)).collect();
    let goal = group.goal.map_or(String::new(), |goal| format!(", goal {goal:.2}×"));
    format!("{}: {}{goal}", group.name, bars.join(", "))
}

fn draw(svg: &mut String, group: &Group, y: f64, x: &dyn Fn(f64) -> f64) {
    let _ = write!(svg, "<text class=\"value\" x=\"0\" y=\"{}\">{}</text>", y + 14.0, escape(&group.name));
    let goal = group.goal.map(x);
    for (number, bar) in group.bars.iter().enumerate() {
        let y = y + NAME + BAR * number as f64;
        let (from, to) = (x(bar.ratio.min(1.0)), x(bar.ratio.max(1.0)));
        // The goal's line must not cross out the figures.
        let text = goal.filter(|goal| (to - 4.0..to + 110.0).contains(goal)).unwrap_or(to) + 6.0;
        let _ = write!(
            svg,
            "<text text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text>\
             <rect class=\"s{} bar\" x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\"/>\
             <text x=\"{text:.1}\" y=\"{}\"><tspan class=\"value\">{:.2}×</tspan> {}</text>",
            LEFT - 8.0,
            y + 12.0,
            escape(&bar.name),
            bar.series,
            y + 2.0,
            (to - from).max(1.0),
            BAR - 5.0,
            y + 12.0,
            bar.ratio,
            escape(&bar.cost)
        );
    }
    if let Some(goal) = goal {
        let (top, bottom) = (y + NAME - 1.0, y + NAME + BAR * group.bars.len() as f64 - 1.0);
        let _ = write!(svg, "<line class=\"goal\" x1=\"{goal:.1}\" x2=\"{goal:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>");
    }
}

/// From below the lowest ratio to above the highest, with the floor well within.
fn range(groups: &[Group]) -> (f64, f64) {
    let ratios = groups.iter().flat_map(|group| group.bars.iter().map(|bar| bar.ratio).chain(group.goal));
    let (low, high) = ratios.fold((1.0f64, 2.0f64), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
    (low / 1.25, high * 1.25)
}

/// 1, 2 and 5 times powers of ten, of many powers only those.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    // The lines of an axis begin at 1.
    let thousandths = lines_by_factors(low * 1e3, high * 1e3).into_iter().map(|line| line / 1e3);
    thousandths.filter(|ratio| (low..=high).contains(ratio)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(ratio: f64, goal: Option<f64>) -> Group {
        let bar = Bar { name: "node".into(), ratio, cost: "816 ns".into(), series: 0 };
        Group { name: "work".into(), bars: vec![bar], goal }
    }

    #[test]
    fn a_bar_reaches_from_the_floor_to_its_ratio_and_tells_both_figures() {
        let (low, high) = range(&[group(4.0, None)]);
        let drawing = of("t", "of", &[group(4.0, None)], 500.0).unwrap();
        let x = |ratio: f64| LEFT + (ratio / low).ln() / (high / low).ln() * (500.0 - LEFT - RIGHT);
        let bar = format!("x=\"{:.1}\" y=\"{}\" width=\"{:.1}\"", x(1.0), TOP + NAME + 2.0, x(4.0) - x(1.0));
        assert!(drawing.elements.contains(&bar), "{bar} in {}", drawing.elements);
        assert!(drawing.elements.contains(">4.00×</tspan> 816 ns</text>"), "{}", drawing.elements);
        assert_eq!(drawing.alternative, "t, of: work: node 4.00×");
    }

    #[test]
    fn the_axis_is_written_above_and_below_where_there_is_room() {
        for ratio in [4.0, 1165.0] {
            let svg = of("t", "of", &[group(ratio, None)], 500.0).unwrap().elements;
            let texts = svg.matches("text-anchor=\"middle\"").count();
            assert!(svg.matches(">1×</text>").count() == 2 && (5..=15).contains(&texts), "{svg}");
        }
    }

    #[test]
    fn what_costs_less_than_the_floor_is_drawn_to_its_left_and_none_is_invisible() {
        let width = |ratio| {
            let svg = of("t", "of", &[group(ratio, None)], 500.0).unwrap().elements;
            let width = svg.split("width=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
            width.unwrap().parse::<f64>().unwrap()
        };
        assert!(width(0.5) > 50.0);
        assert_eq!(width(1.0), 1.0);
    }

    #[test]
    fn the_axis_reaches_beyond_all_ratios_and_goals() {
        for (ratio, goal) in [(0.2, None), (30.0, Some(1.25)), (1.0, Some(15.0)), (1000.0, None)] {
            let (low, high) = range(&[group(ratio, goal)]);
            assert!(low < ratio && ratio < high && goal.is_none_or(|goal| goal < high));
            assert!(ticks(low, high).contains(&1.0));
        }
        assert!(of("t", "of", &[], 500.0).is_none());
    }
}
