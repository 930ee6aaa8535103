//! Line charts as SVG: no script, no font, no file beside the page.

use std::fmt::Write as _;

/// How a vertical axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From 0, evenly.
    Linear,
    /// By powers of ten.
    Logarithmic,
}

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// For the legend.
    pub(super) name: String,
    /// From left to right.
    pub(super) points: Vec<(f64, f64)>,
}

/// A chart.
pub(super) struct Chart<'a> {
    /// What it shows.
    pub(super) title: &'a str,
    /// The vertical axis.
    pub(super) scale: Scale,
    /// A value as people read it.
    pub(super) value: &'a dyn Fn(f64) -> String,
    /// What stands where below: place and text.
    pub(super) ticks: Vec<(f64, String)>,
    /// The lines.
    pub(super) series: Vec<Series>,
    /// The lowest and the highest value to make room for, so that charts can be compared.
    pub(super) range: (f64, f64),
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 34.0;

/// Lowest and highest value of all lines.
pub(super) fn range<'a>(series: impl IntoIterator<Item = &'a Series>) -> (f64, f64) {
    let values = series.into_iter().flat_map(|series| &series.points).map(|(_, value)| *value);
    values.fold((f64::INFINITY, 0.0), |(low, high), value| (low.min(value), high.max(value)))
}

impl Chart<'_> {
    /// The chart as an SVG element; empty without points.
    pub(super) fn svg(&self) -> String {
        if self.series.iter().all(|series| series.points.is_empty()) {
            return String::new();
        }
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><text class=\"title\" x=\"{LEFT}\" y=\"16\">{}</text>",
            escape(self.title)
        );
        let (lines, low, high) = self.grid_lines();
        let y = |value: f64| {
            let share = match self.scale {
                Scale::Linear => (value - low) / (high - low),
                Scale::Logarithmic => (value.max(low) / low).log10() / (high / low).log10(),
            };
            HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
        };
        for value in lines {
            let (y, right, text) = (y(value), WIDTH - RIGHT, escape(&(self.value)(value)));
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"axis\" text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{text}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        let (first, last) = self.domain();
        let x = |at: f64| LEFT + (at - first) / (last - first) * (WIDTH - LEFT - RIGHT);
        for (at, text) in &self.ticks {
            let (x, y, text) = (x(*at), HEIGHT - BOTTOM + 18.0, escape(text));
            let _ = write!(svg, "<text class=\"axis\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y}\">{text}</text>");
        }
        self.draw_series(&mut svg, &x, &y);
        svg.push_str("</svg>");
        svg
    }

    fn draw_series(&self, svg: &mut String, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) {
        let mut legend_x = LEFT;
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
            let _ = write!(
                svg,
                "<line class=\"{class}\" x1=\"{legend_x}\" x2=\"{}\" y1=\"30\" y2=\"30\"/>\
                 <text class=\"axis\" x=\"{}\" y=\"34\">{}</text>",
                legend_x + 14.0,
                legend_x + 19.0,
                escape(name)
            );
            legend_x += 38.0 + 6.6 * name.chars().count() as f64;
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
        let places = places.chain(self.ticks.iter().map(|(at, _)| *at));
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

/// Text within HTML or SVG.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale, points: Vec<(f64, f64)>) -> String {
        let series = vec![Series { name: "a <b>".into(), points }];
        let range = range(&series);
        let value = |value: f64| format!("{value}");
        Chart { title: "t", scale, value: &value, ticks: vec![(0.0, "start".into())], series, range }.svg()
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
