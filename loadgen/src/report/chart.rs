//! Line charts as SVG: no script, no font, no file beside the page.

use std::fmt::Write as _;

use super::sheet::Drawing;
use super::text::escape;

/// How a vertical axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From 0, evenly.
    Linear,
    /// By powers of ten.
    Logarithmic,
}

/// What lies below a chart, and how far it goes.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// What it counts.
    pub(crate) name: String,
    /// What stands where: place and text.
    pub(crate) ticks: Vec<(f64, String)>,
}

/// A line of a chart, by its points.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// For the legend.
    pub(crate) name: String,
    /// From left to right. A line without points keeps its place among the colours.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Lines over a common axis.
pub(crate) struct Chart<'a> {
    /// What it shows.
    pub(crate) title: &'a str,
    /// The vertical axis.
    pub(crate) scale: Scale,
    /// A value as people read it.
    pub(crate) value: &'a dyn Fn(f64) -> String,
    /// The horizontal axis.
    pub(crate) below: Axis,
    /// The lines.
    pub(crate) series: Vec<Series>,
    /// The lowest and the highest value to make room for, so that charts can be compared.
    pub(crate) range: (f64, f64),
    /// How wide it is; as high as [`HEIGHT`] and its legend.
    pub(crate) width: f64,
}

/// The width of a chart in a page.
pub(crate) const WIDTH: f64 = 640.0;
/// The height of a chart whose legend is one line.
pub(crate) const HEIGHT: f64 = 276.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 50.0;
const LEGEND_LINE: f64 = 16.0;

/// Lowest and highest value of all lines.
pub(crate) fn range<'a>(series: impl IntoIterator<Item = &'a Series>) -> (f64, f64) {
    let values = series.into_iter().flat_map(|series| &series.points).map(|(_, value)| *value);
    values.fold((f64::INFINITY, 0.0), |(low, high), value| (low.min(value), high.max(value)))
}

impl Chart<'_> {
    /// The chart as an SVG element; empty without points.
    pub(super) fn svg(&self) -> String {
        let Some(drawing) = self.drawing() else { return String::new() };
        let Drawing { width, height, elements } = drawing;
        format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\">{elements}</svg>")
    }

    /// What is within that element; nothing without points.
    pub(crate) fn drawing(&self) -> Option<Drawing> {
        if self.series.iter().all(|series| series.points.is_empty()) {
            return None;
        }
        let (legend, legend_lines) = self.legend();
        let (top, right) = (TOP + LEGEND_LINE * (legend_lines - 1.0), self.width - RIGHT);
        let height = HEIGHT + LEGEND_LINE * (legend_lines - 1.0);
        let mut svg = format!("<text class=\"title\" x=\"12\" y=\"16\">{}</text>{legend}", escape(self.title));
        let (lines, low, high) = self.grid_lines();
        let y = |value: f64| {
            let share = match self.scale {
                Scale::Linear => (value - low) / (high - low),
                Scale::Logarithmic => (value.max(low) / low).log10() / (high / low).log10(),
            };
            height - BOTTOM - share * (height - BOTTOM - top)
        };
        for value in lines {
            let (y, text) = (y(value), escape(&(self.value)(value)));
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"axis\" text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{text}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        let (first, last) = self.domain();
        let x = |at: f64| LEFT + (at - first) / (last - first) * (right - LEFT);
        let ticks = self.below.ticks.iter().map(|(at, text)| (x(*at), height - BOTTOM + 18.0, text.as_str()));
        for (x, y, text) in ticks.chain([((LEFT + right) / 2.0, height - BOTTOM + 38.0, self.below.name.as_str())]) {
            let text = escape(text);
            let _ = write!(svg, "<text class=\"axis\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y}\">{text}</text>");
        }
        self.draw_series(&mut svg, &x, &y);
        Some(Drawing { width: self.width, height, elements: svg })
    }

    /// The names of the lines, and how many lines of text they take.
    fn legend(&self) -> (String, f64) {
        let (mut svg, mut x, mut y) = (String::new(), LEFT, 30.0);
        let drawn = self.series.iter().enumerate().filter(|(_, series)| !series.points.is_empty());
        for (number, Series { name, .. }) in drawn {
            let width = 38.0 + 6.6 * name.chars().count() as f64;
            if x > LEFT && x + width > self.width {
                (x, y) = (LEFT, y + LEGEND_LINE);
            }
            let _ = write!(
                svg,
                "<line class=\"series s{number}\" x1=\"{x}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>\
                 <text class=\"axis\" x=\"{}\" y=\"{}\">{}</text>",
                x + 14.0,
                x + 19.0,
                y + 4.0,
                escape(name)
            );
            x += width;
        }
        (svg, 1.0 + (y - 30.0) / LEGEND_LINE)
    }

    fn draw_series(&self, svg: &mut String, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) {
        for (number, Series { name, points }) in self.series.iter().enumerate() {
            let class = format!("series s{number}");
            let path: Vec<_> = points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
            let _ = write!(svg, "<polyline class=\"{class}\" points=\"{}\"/>", path.join(" "));
            for (at, value) in points {
                let (x, y, text) = (x(*at), y(*value), escape(&(self.value)(*value)));
                let name = escape(name);
                let _ = write!(
                    svg,
                    "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"><title>{name}: {text}</title></circle>"
                );
            }
        }
    }

    /// Values with a line across, and the lowest and highest of the axis.
    fn grid_lines(&self) -> (Vec<f64>, f64, f64) {
        let (low, high) = self.range;
        match self.scale {
            Scale::Linear => {
                let step = nice_step(high / 4.0);
                let steps = (high / step).ceil().max(1.0);
                ((0..=steps as u32).map(|number| f64::from(number) * step).collect(), 0.0, steps * step)
            }
            Scale::Logarithmic => {
                let (first, last) = (low.max(1.0).log10().floor(), high.max(1.0).log10().ceil());
                let last = last.max(first + 1.0);
                let lines = (first as i32..=last as i32).map(|power| 10f64.powi(power)).collect();
                (lines, 10f64.powf(first), 10f64.powf(last))
            }
        }
    }

    fn domain(&self) -> (f64, f64) {
        let places = self.series.iter().flat_map(|series| &series.points).map(|(at, _)| *at);
        let places = places.chain(self.below.ticks.iter().map(|(at, _)| *at));
        let (first, last) =
            places.fold((f64::INFINITY, f64::NEG_INFINITY), |(first, last), at| (first.min(at), last.max(at)));
        (first, if last > first { last } else { first + 1.0 })
    }
}

/// 1, 2 or 5 times a power of ten, not below the step that would be exact.
fn nice_step(exact: f64) -> f64 {
    if exact <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(exact.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| *step >= exact).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale, points: Vec<(f64, f64)>) -> String {
        let series = vec![Series { name: "a <b>".into(), points }];
        let range = range(&series);
        let value = |value: f64| format!("{value}");
        let below = Axis { name: "time".into(), ticks: vec![(0.0, "start".into())] };
        Chart { title: "t", scale, value: &value, below, series, range, width: WIDTH }.svg()
    }

    #[test]
    fn a_point_on_a_linear_axis_stands_at_its_share_of_the_height() {
        let svg = chart(Scale::Linear, vec![(0.0, 0.0), (1.0, 2.0), (2.0, 4.0)]);
        let (bottom, top) = (HEIGHT - BOTTOM, TOP);
        let middle = (bottom + top) / 2.0;
        let points = format!("points=\"{LEFT:.1},{bottom:.1} {:.1},{middle:.1} ", (LEFT + WIDTH - RIGHT) / 2.0);
        assert!(svg.contains(&points), "{svg}");
    }

    #[test]
    fn a_logarithmic_axis_has_a_line_at_each_power_of_ten() {
        let svg = chart(Scale::Logarithmic, vec![(0.0, 20.0), (1.0, 50_000.0)]);
        for line in ["10", "100", "1000", "10000", "100000"] {
            assert!(svg.contains(&format!(">{line}</text>")), "{line} in {svg}");
        }
        assert_eq!(svg.matches("class=\"grid\"").count(), 5);
    }

    #[test]
    fn a_legend_that_is_too_long_takes_another_line() {
        let series = |names: &[&str]| {
            names.iter().map(|name| Series { name: (*name).into(), points: vec![(0.0, 1.0)] }).collect()
        };
        let height = |names: &[&str]| {
            let (series, value) = (series(names), |value: f64| value.to_string());
            let (scale, range, below) = (Scale::Linear, (0.0, 1.0), Axis { name: "time".into(), ticks: Vec::new() });
            Chart { title: "t", scale, value: &value, below, series, range, width: 300.0 }.drawing().unwrap().height
        };
        assert_eq!(height(&["one", "two"]), HEIGHT);
        assert_eq!(height(&["a long name of a line", "another long name"]), HEIGHT + LEGEND_LINE);
    }

    #[test]
    fn nothing_and_a_single_point_and_zeros_can_be_drawn() {
        assert_eq!(chart(Scale::Linear, vec![]), "");
        for scale in [Scale::Linear, Scale::Logarithmic] {
            for points in [vec![(5.0, 7.0)], vec![(0.0, 0.0), (1.0, 0.0)]] {
                let svg = chart(scale, points);
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
    }

    #[test]
    fn names_cannot_break_the_page() {
        let svg = chart(Scale::Linear, vec![(0.0, 1.0)]);
        assert!(svg.contains("a &lt;b&gt;") && !svg.contains("<b>"), "{svg}");
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([0.0, 0.3, 1.0, 3.0, 70.0, 2000.0].map(nice_step), [1.0, 0.5, 1.0, 5.0, 100.0, 2000.0]);
    }
}
