use super::*;

fn chart_of(scale: Scale, unit: Unit, points: Vec<(f64, f64)>) -> String {
    let series = vec![Series { name: "a <b>".into(), points }];
    let below = Axis { name: "time".into(), ticks: vec![(0.0, "start".into())], place: |at| format!("at {at}") };
    let chart = Chart { title: "t", scale, unit, below, series, width: WIDTH };
    format!("{}{}", chart.svg(7), if chart.is_empty() { String::new() } else { chart.table() })
}

fn chart(scale: Scale, points: Vec<(f64, f64)>) -> String {
    chart_of(scale, Unit::Count, points)
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
    let svg = chart_of(Scale::Logarithmic, Unit::Nanoseconds, vec![(0.0, 20.0), (1.0, 50_000.0)]);
    for line in ["10 ns", "100 ns", "1 µs", "10 µs", "100 µs"] {
        assert!(svg.contains(&format!(">{line}</text>")), "{line} in {svg}");
    }
    assert_eq!(svg.matches("class=\"grid\"").count(), 5);
}

#[test]
fn legends_and_titles_that_are_too_long_take_another_line() {
    let height = |title: &str, names: &[&str]| {
        let series = names.iter().map(|name| Series { name: (*name).into(), points: vec![(0.0, 1.0)] }).collect();
        let below = Axis { name: "time".into(), ticks: Vec::new(), place: |at| at.to_string() };
        let (scale, unit) = (Scale::Linear, Unit::Count);
        Chart { title, scale, unit, below, series, width: 300.0 }.drawing().unwrap().height
    };
    assert_eq!(height("t", &["one", "two"]), HEIGHT);
    assert_eq!(height("t", &["a long name of a line", "another long name"]), HEIGHT + LINE);
    assert_eq!(height("a title that is longer than the chart is wide", &["one"]), HEIGHT + LINE);
}

#[test]
fn texts_below_that_have_no_room_are_left_out() {
    let ticks = (0..40).map(|at| (f64::from(at), format!("{at} seconds"))).collect();
    let below = Axis { name: "time".into(), ticks, place: |at| at.to_string() };
    let series = vec![Series { name: "a".into(), points: vec![(0.0, 1.0), (39.0, 1.0)] }];
    let svg = Chart { title: "t", scale: Scale::Linear, unit: Unit::Count, below, series, width: WIDTH }.svg(0);
    assert!((2..6).contains(&svg.matches(" seconds</text>").count()), "{svg}");
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
fn a_chart_is_told_in_words_and_as_a_table() {
    let svg = chart_of(Scale::Linear, Unit::Nanoseconds, vec![(1.0, 2_000.0), (2.0, 5_000_000.0)]);
    for expected in [
        "role=\"img\" aria-labelledby=\"t7 d7\"",
        "<title id=\"t7\">t</title><desc id=\"d7\">a &lt;b&gt; from 2.00 µs to 5.00 ms</desc>",
        "<tr><th scope=\"row\">at 1</th><td>2.00 µs</td></tr>",
    ] {
        assert!(svg.contains(expected), "{expected} in {svg}");
    }
    let many = chart(Scale::Linear, (0..1000).map(|at| (f64::from(at), 1.0)).collect());
    assert!(many.matches("<tr>").count() <= 41, "of many places some are told");
}

#[test]
fn names_cannot_break_the_page() {
    let svg = chart(Scale::Linear, vec![(0.0, 1.0)]);
    assert!(svg.contains("a &lt;b&gt;") && !svg.contains("<b>"), "{svg}");
}
