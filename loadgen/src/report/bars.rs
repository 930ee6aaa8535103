//! Bars of ratios: each begins where a server costs as much as the one beside it, on a logarithmic axis, so that twice as much
//! and half as much are equally long.

use std::fmt::Write as _;

use super::sheet::Drawing;
use super::text::escape;

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
    /// The colour of its bars.
    pub(crate) series: usize,
}

const LEFT: f64 = 96.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;
const NAME: f64 = 20.0;
const BAR: f64 = 18.0;
const GAP: f64 = 8.0;

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
    let ticks: Vec<_> = ticks(low, high).map(|ratio| (ratio, x(ratio))).collect();
    for (ratio, x) in &ticks {
        let y = bottom + 16.0;
        let _ = write!(svg, "<text text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y}\">{ratio}×</text>");
    }
    let _ = write!(
        svg,
        "<text text-anchor=\"middle\" x=\"{:.1}\" y=\"{}\">{}, logarithmic; dashed: the goal</text>",
        (LEFT + width - RIGHT) / 2.0,
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
    Some(Drawing { width, height: bottom + BOTTOM, elements: svg })
}

fn draw(svg: &mut String, group: &Group, y: f64, x: &dyn Fn(f64) -> f64) {
    let _ = write!(svg, "<text class=\"value\" x=\"0\" y=\"{}\">{}</text>", y + 14.0, escape(&group.name));
    let goal = group.goal.map(x);
    for (number, bar) in group.bars.iter().enumerate() {
        let y = y + NAME + BAR * number as f64;
        let (from, to) = (x(bar.ratio.min(1.0)), x(bar.ratio.max(1.0)));
        // The goal's line must not cross out the figure.
        let text = goal.filter(|goal| (to - 4.0..to + 48.0).contains(goal)).unwrap_or(to) + 6.0;
        let _ = write!(
            svg,
            "<text text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text>\
             <rect class=\"s{}\" x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" stroke=\"none\"/>\
             <text class=\"value\" x=\"{text:.1}\" y=\"{}\">{:.2}×</text>",
            LEFT - 8.0,
            y + 12.0,
            escape(&bar.name),
            bar.series,
            y + 2.0,
            (to - from).max(1.0),
            BAR - 5.0,
            y + 12.0,
            bar.ratio
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

/// 1, 2 and 5 times powers of ten.
fn ticks(low: f64, high: f64) -> impl Iterator<Item = f64> {
    let steps = (-3..6).flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * 10f64.powi(power)));
    steps.filter(move |ratio| (low..=high).contains(ratio))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(ratio: f64, goal: Option<f64>) -> Group {
        Group { name: "work".into(), bars: vec![Bar { name: "node".into(), ratio, series: 0 }], goal }
    }

    #[test]
    fn a_bar_reaches_from_the_floor_to_its_ratio() {
        let (low, high) = range(&[group(4.0, None)]);
        let drawing = of("t", "of", &[group(4.0, None)], 500.0).unwrap();
        let x = |ratio: f64| LEFT + (ratio / low).ln() / (high / low).ln() * (500.0 - LEFT - RIGHT);
        let bar = format!("x=\"{:.1}\" y=\"56\" width=\"{:.1}\"", x(1.0), x(4.0) - x(1.0));
        assert!(drawing.elements.contains(&bar), "{bar} in {}", drawing.elements);
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
        for (ratio, goal) in [(0.2, None), (30.0, Some(1.25)), (1.0, Some(15.0))] {
            let (low, high) = range(&[group(ratio, goal)]);
            assert!(low < ratio && ratio < high && goal.is_none_or(|goal| goal < high));
            assert!(ticks(low, high).any(|tick| tick == 1.0));
        }
        assert!(of("t", "of", &[], 500.0).is_none());
    }
}
