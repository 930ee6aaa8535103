//! Drawings on a sheet: an SVG file that stands alone. It brings its own card, so that it can be read on a light page
//! and on a dark one.

use std::fmt::Write as _;

use super::text::escape;

const STYLE: &str = include_str!("chart.css");

/// A part of a sheet.
#[derive(Clone, Debug)]
pub(crate) struct Drawing {
    /// How wide it is.
    pub(crate) width: f64,
    /// How high it is.
    pub(crate) height: f64,
    /// SVG, from 0, 0.
    pub(crate) elements: String,
    /// What it shows, in words.
    pub(crate) alternative: String,
}

/// How wide what stands in one row may be together: a page of GitHub shows it at about its own size.
pub(crate) const WIDTH: f64 = 840.0;
const MARGIN: f64 = 20.0;
const HEAD: f64 = 44.0;

/// The SVG of drawings in rows, below a title and a line that says what they are of.
///
/// # Panics
/// When a row is too wide.
pub(crate) fn of(title: &str, note: &str, rows: &[Vec<Drawing>]) -> String {
    let told: Vec<_> = rows.iter().flatten().map(|drawing| drawing.alternative.as_str()).collect();
    let mut elements = String::new();
    let mut y = MARGIN + HEAD;
    for row in rows {
        let mut x = MARGIN;
        for drawing in row {
            let _ = write!(elements, "<g transform=\"translate({x} {y})\">{}</g>", drawing.elements);
            x += drawing.width;
        }
        assert!(x <= MARGIN + WIDTH, "a row has room for {WIDTH}");
        y += row.iter().map(|drawing| drawing.height).fold(0.0, f64::max);
    }
    let (width, height) = (WIDTH + 2.0 * MARGIN, y + MARGIN);
    let (title, note, told) = (escape(title), escape(note), escape(&told.join(". ")));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"t d\">\n<title id=\"t\">{title}</title><desc id=\"d\">{told}</desc>\n<style>\n{STYLE}</style>\n\
         <rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\
         <text class=\"title\" x=\"{MARGIN}\" y=\"32\">{title}</text>\
         <text x=\"{MARGIN}\" y=\"50\">{note}</text>\n{elements}\n</svg>\n",
        width - 1.0,
        height - 1.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_below_each_other_and_drawings_side_by_side() {
        let drawing = |width, height, elements: &str| {
            let alternative = format!("{width} wide");
            Drawing { width, height, elements: elements.into(), alternative }
        };
        let rows =
            [vec![drawing(300.0, 50.0, "<a/>"), drawing(300.0, 70.0, "<b/>")], vec![drawing(840.0, 100.0, "<c/>")]];
        let svg = of("t & u", "n", &rows);
        for (x, y, elements) in [(20, 64, "<a/>"), (320, 64, "<b/>"), (20, 134, "<c/>")] {
            assert!(svg.contains(&format!("<g transform=\"translate({x} {y})\">{elements}</g>")), "{svg}");
        }
        assert!(svg.contains("<desc id=\"d\">300 wide. 300 wide. 840 wide</desc>"), "{svg}");
        assert!(svg.contains("viewBox=\"0 0 880 254\"") && svg.contains("t &amp; u"), "{svg}");
    }
}
