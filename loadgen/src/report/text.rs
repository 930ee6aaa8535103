//! Numbers as people read them, and text within HTML.

/// Nanoseconds with three digits and a unit.
pub fn duration(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} µs", three_digits(value / 1e3)),
        1_000_000..1_000_000_000 => format!("{} ms", three_digits(value / 1e6)),
        _ => format!("{} s", three_digits(value / 1e9)),
    }
}

/// Bytes with three digits and a unit.
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let unit = UNITS.iter().enumerate().rposition(|(power, _)| bytes >= 1024f64.powi(power as i32)).unwrap_or(0);
    let value = bytes / 1024f64.powi(unit as i32);
    if unit == 0 { format!("{value:.0} B") } else { format!("{} {}", three_digits(value), UNITS[unit]) }
}

/// A number with commas between thousands; below 100 with one decimal, if it has any.
pub fn count(value: f64) -> String {
    if value.abs() < 100.0 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number in few characters, as axes want it: thousands as k, millions as M.
pub fn short_count(value: f64) -> String {
    match value {
        1e6.. => format!("{}M", count(value / 1e6)),
        1e3.. => format!("{}k", count(value / 1e3)),
        _ => count(value),
    }
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Text within HTML or SVG.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn three_digits(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        let texts = [0, 999, 1_000, 12_345, 999_000, 1_500_000, 2_000_000_000, 600_000_000_000].map(duration);
        assert_eq!(texts, ["0 ns", "999 ns", "1.00 µs", "12.3 µs", "999 µs", "1.50 ms", "2.00 s", "600 s"]);
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!([0.0, 271.0, 1024.0, 36.5 * 1048576.0].map(bytes), ["0 B", "271 B", "1.00 KiB", "36.5 MiB"]);
    }

    #[test]
    fn axes_get_short_counts() {
        assert_eq!([1.0, 100.0, 1500.0, 18_000.0, 1e6].map(short_count), ["1", "100", "1.5k", "18k", "1M"]);
    }

    #[test]
    fn large_counts_have_commas_and_small_ones_decimals() {
        assert_eq!([0.0, 99.5, 100.4, 1000.0, 1234567.0].map(count), ["0", "99.5", "100", "1,000", "1,234,567"]);
    }
}
