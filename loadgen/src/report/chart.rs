//! Line charts as SVG: no script, no font, no file beside the page. Each is told in words, too.

use std::fmt::Write as _;

use super::sheet::Drawing;
use super::text::escape;
use super::unit::{Unit, lines_by_factors};

/// How a vertical axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From 0, evenly.
    Linear,
    /// By factors.
    Logarithmic,
}

/// What lies below a chart, and how far it goes.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// What it counts.
    pub(crate) name: String,
    /// What stands where: place and text. Texts that have no room are left out.
    pub(crate) ticks: Vec<(f64, String)>,
    /// A place in words.
    pub(crate) place: fn(f64) -> String,
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
    /// How the vertical axis is divided.
    pub(crate) scale: Scale,
    /// What the vertical axis counts.
    pub(crate) unit: Unit,
    /// The horizontal axis.
    pub(crate) below: Axis,
    /// The lines.
    pub(crate) series: Vec<Series>,
    /// How wide it is; as high as [`HEIGHT`] and its title and legend.
    pub(crate) width: f64,
}

/// The width of a chart in a page: that of a phone, so that its texts can be read there.
pub(crate) const WIDTH: f64 = 400.0;
/// The height of a chart whose title and legend are one line each.
pub(crate) const HEIGHT: f64 = 276.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 50.0;
const LINE: f64 = 16.0;
/// About what a letter takes.
const LETTER: f64 = 6.6;
const TITLE_LETTER: f64 = 7.4;

/// Lowest and highest value of all lines.
fn range(series: &[Series]) -> (f64, f64) {
    let values = series.iter().flat_map(|series| &series.points).map(|(_, value)| *value);
    values.fold((f64::INFINITY, 0.0), |(low, high), value| (low.min(value), high.max(value)))
}

impl Chart<'_> {
    /// Whether there is nothing to be drawn.
    pub(crate) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.points.is_empty())
    }

    /// The chart as an SVG element that is told in words to those who do not see it; `number` is its own in the page.
    pub(super) fn svg(&self, number: usize) -> String {
        let Some(Drawing { width, height, elements, alternative }) = self.drawing() else { return String::new() };
        format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"t{number} d{number}\">\
             <title id=\"t{number}\">{}</title><desc id=\"d{number}\">{}</desc>{elements}</svg>",
            escape(self.title),
            escape(&alternative)
        )
    }

    /// What is within that element; nothing without points.
    pub(crate) fn drawing(&self) -> Option<Drawing> {
        if self.is_empty() {
            return None;
        }
        let title = wrapped(self.title, self.width - 12.0);
        let title_height = LINE * (title.len() - 1) as f64;
        let (legend, legend_lines) = self.legend(30.0 + title_height);
        let above = title_height + LINE * (legend_lines - 1.0);
        let (top, right, height) = (TOP + above, self.width - RIGHT, HEIGHT + above);
        let mut svg = String::new();
        for (line, y) in title.iter().zip(0..) {
            let y = 16.0 + LINE * f64::from(y);
            let _ = write!(svg, "<text class=\"title\" x=\"0\" y=\"{y}\">{}</text>", escape(line));
        }
        svg.push_str(&legend);
        let lines = self.grid_lines();
        let (low, high) = (lines[0], lines[lines.len() - 1]);
        let y = |value: f64| {
            let share = match self.scale {
                Scale::Linear => (value - low) / (high - low),
                Scale::Logarithmic => (value.max(low) / low).log10() / (high / low).log10(),
            };
            height - BOTTOM - share * (height - BOTTOM - top)
        };
        for value in lines {
            let (y, text) = (y(value), escape(&self.unit.tick(value)));
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
        self.write_below(&mut svg, &x, height - BOTTOM);
        self.draw_series(&mut svg, &x, &y);
        Some(Drawing { width: self.width, height, elements: svg, alternative: self.alternative() })
    }

    /// The horizontal axis: the texts that have room, and what they count.
    fn write_below(&self, svg: &mut String, x: &dyn Fn(f64) -> f64, bottom: f64) {
        let mut free = f64::NEG_INFINITY;
        let mut text = |x: f64, y: f64, text: &str| {
            let text = escape(text);
            let _ = write!(svg, "<text class=\"axis\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y}\">{text}</text>");
        };
        for (at, label) in &self.below.ticks {
            let half = LETTER * label.chars().count() as f64 / 2.0;
            if x(*at) - half > free {
                text(x(*at), bottom + 18.0, label);
                free = x(*at) + half + LETTER;
            }
        }
        text((LEFT + self.width - RIGHT) / 2.0, bottom + 38.0, &self.below.name);
    }

    /// The names of the lines, and how many lines of text they take.
    fn legend(&self, top: f64) -> (String, f64) {
        let (mut svg, mut x, mut y) = (String::new(), LEFT, top);
        let drawn = self.series.iter().enumerate().filter(|(_, series)| !series.points.is_empty());
        for (number, Series { name, .. }) in drawn {
            let width = 38.0 + LETTER * name.chars().count() as f64;
            if x > LEFT && x + width > self.width {
                (x, y) = (LEFT, y + LINE);
            }
            let _ = write!(
                svg,
                "<line class=\"series s{number}\" x1=\"{x}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>\
                 <text class=\"axis\" x=\"{}\" y=\"{}\">{}</text>",
                x + 20.0,
                x + 25.0,
                y + 4.0,
                escape(name)
            );
            x += width;
        }
        (svg, 1.0 + (y - top) / LINE)
    }

    fn draw_series(&self, svg: &mut String, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) {
        for (number, Series { name, points }) in self.series.iter().enumerate() {
            let class = format!("series s{number}");
            let path: Vec<_> = points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
            let _ = write!(svg, "<polyline class=\"{class}\" points=\"{}\"/>", path.join(" "));
            for (at, value) in points {
                let (x, y, text) = (x(*at), y(*value), escape(&self.unit.value(*value)));
                let name = escape(name);
                let _ = write!(
                    svg,
                    "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"><title>{name}: {text}</title></circle>"
                );
            }
        }
    }

    /// Values with a line across, from the lowest of the axis to the highest.
    fn grid_lines(&self) -> Vec<f64> {
        let (low, high) = range(&self.series);
        match self.scale {
            Scale::Linear => self.unit.even_lines(high),
            Scale::Logarithmic => lines_by_factors(low, high),
        }
    }

    fn domain(&self) -> (f64, f64) {
        let places = self.series.iter().flat_map(|series| &series.points).map(|(at, _)| *at);
        let places = places.chain(self.below.ticks.iter().map(|(at, _)| *at));
        let (first, last) =
            places.fold((f64::INFINITY, f64::NEG_INFINITY), |(first, last), at| (first.min(at), last.max(at)));
        (first, if last > first { last } else { first + 1.0 })
    }

    /// The chart in a few words: each line from its lowest value to its highest.
    fn alternative(&self) -> String {
        let told = self.series.iter().filter(|series| !series.points.is_empty()).map(|series| {
            let (low, high) = range(std::slice::from_ref(series));
            format!("{} from {} to {}", series.name, self.unit.value(low), self.unit.value(high))
        });
        told.collect::<Vec<_>>().join("; ")
    }

    /// The chart as a table: a row for each place, of many places only some.
    pub(super) fn table(&self) -> String {
        const ROWS_MAX: usize = 40;
        let mut places: Vec<_> = self.series.iter().flat_map(|series| &series.points).map(|(at, _)| *at).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let drawn: Vec<_> = self.series.iter().filter(|series| !series.points.is_empty()).collect();
        let names: String =
            drawn.iter().map(|series| format!("<th scope=\"col\">{}</th>", escape(&series.name))).collect();
        let mut table =
            format!("<table><thead><tr><th scope=\"col\">{}</th>{names}</tr></thead><tbody>", escape(&self.below.name));
        for place in places.iter().step_by(places.len().div_ceil(ROWS_MAX).max(1)) {
            let value = |series: &&Series| {
                let point = series.points.iter().find(|(at, _)| at == place);
                format!("<td>{}</td>", escape(&point.map_or("–".into(), |(_, value)| self.unit.value(*value))))
            };
            let values: String = drawn.iter().map(value).collect();
            let _ = write!(table, "<tr><th scope=\"row\">{}</th>{values}</tr>", escape(&(self.below.place)(*place)));
        }
        table + "</tbody></table>"
    }
}

/// A title in lines that have room in so much width; a word that is too long stands alone.
fn wrapped(title: &str, width: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in title.split(' ') {
        let line = lines.last_mut().expect("there is a first line");
        let letters = (line.chars().count() + word.chars().count() + 1) as f64;
        if line.is_empty() {
            line.push_str(word);
        } else if letters * TITLE_LETTER <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests;
