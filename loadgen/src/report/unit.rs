//! What an axis counts, and the steps in which people count it: 1, 2 and 5 times powers of ten; powers of two for bytes.

use super::text::{bytes, count, duration};

/// What an axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things.
    Count,
    /// Time, in nanoseconds.
    Nanoseconds,
    /// Memory.
    Bytes,
    /// Cores that are busy.
    Cores,
}

impl Unit {
    /// A value with as many digits as are worth telling.
    pub(crate) fn value(self, value: f64) -> String {
        match self {
            Self::Count => count(value),
            Self::Nanoseconds => duration(value as u64),
            Self::Bytes => bytes(value),
            Self::Cores => format!("{value:.2}"),
        }
    }

    /// What stands at a line of an axis: a round number and its unit.
    pub(crate) fn tick(self, value: f64) -> String {
        const KIB: f64 = 1024.0;
        let scales: &[(f64, &str)] = match self {
            Self::Count => &[(1.0, ""), (1e3, "k"), (1e6, "M")],
            Self::Nanoseconds => &[(1.0, " ns"), (1e3, " µs"), (1e6, " ms"), (1e9, " s")],
            Self::Bytes => &[(1.0, " B"), (KIB, " KiB"), (KIB * KIB, " MiB"), (KIB * KIB * KIB, " GiB")],
            Self::Cores => &[(1.0, "")],
        };
        if value == 0.0 {
            return "0".into();
        }
        let (divisor, name) = scales.iter().rev().find(|(divisor, _)| value >= *divisor).unwrap_or(&scales[0]);
        format!("{}{name}", plain(value / divisor))
    }

    /// Lines from 0 to above a value, evenly, a few of them.
    pub(crate) fn even_lines(self, high: f64) -> Vec<f64> {
        let step = match self {
            Self::Bytes => 2f64.powf((high / 4.0).max(1.0).log2().ceil()),
            Self::Count | Self::Nanoseconds | Self::Cores => nice_step(high / 4.0),
        };
        let steps = (high / step).ceil().max(1.0) as u32;
        (0..=steps).map(|number| f64::from(number) * step).collect()
    }
}

/// Lines from below a value to above another by factors: 1, 2 and 5 times powers of ten, of many powers only those.
pub(crate) fn lines_by_factors(low: f64, high: f64) -> Vec<f64> {
    const POWERS_MAX: f64 = 2.0;
    let (low, high) = (low.max(1.0), high.max(1.0));
    let factors: &[f64] = if (high / low).log10() > POWERS_MAX { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32 + 1);
    let steps = (first..=last).flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
    let mut lines: Vec<f64> = Vec::new();
    for step in steps {
        // Of those below, only the nearest; of those above, too.
        if step <= low {
            lines.clear();
        }
        lines.push(step);
        if step >= high && lines.len() > 1 {
            break;
        }
    }
    lines
}

/// 1, 2 or 5 times a power of ten, not below the step that would be exact.
fn nice_step(exact: f64) -> f64 {
    if exact <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(exact.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| *step >= exact).unwrap_or(10.0 * power)
}

/// A number without more decimals than it has, of six.
pub(crate) fn plain(value: f64) -> String {
    format!("{value:.6}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Every how many of so many seconds a time axis has a text: as clocks count, and at most six times.
pub(crate) fn seconds_step(seconds: usize) -> usize {
    const STEPS: [usize; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
    STEPS.into_iter().find(|step| seconds / step <= 6).unwrap_or_else(|| seconds.div_ceil(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(unit: Unit, high: f64) -> Vec<String> {
        unit.even_lines(high).into_iter().map(|line| unit.tick(line)).collect()
    }

    #[test]
    fn even_lines_are_round_and_all_different() {
        assert_eq!(told(Unit::Cores, 0.018), ["0", "0.005", "0.01", "0.015", "0.02"]);
        assert_eq!(told(Unit::Cores, 0.9), ["0", "0.5", "1"]);
        assert_eq!(told(Unit::Bytes, 9.54 * 1048576.0), ["0", "4 MiB", "8 MiB", "12 MiB"]);
        assert_eq!(told(Unit::Count, 103_000.0), ["0", "50k", "100k", "150k"]);
        assert_eq!(told(Unit::Nanoseconds, 3.2e9), ["0", "1 s", "2 s", "3 s", "4 s"]);
        assert_eq!(told(Unit::Count, 0.0), ["0", "1"]);
    }

    #[test]
    fn lines_by_factors_surround_what_is_drawn() {
        let told = |low, high| -> Vec<_> {
            lines_by_factors(low, high).into_iter().map(|line| Unit::Nanoseconds.tick(line)).collect()
        };
        assert_eq!(told(21_000.0, 78_000.0), ["20 µs", "50 µs", "100 µs"]);
        assert_eq!(told(300.0, 40e6), ["100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms"]);
        assert_eq!(told(1000.0, 1000.0), ["1 µs", "2 µs"]);
        assert_eq!(told(0.0, 0.0), ["1 ns", "2 ns"]);
    }

    #[test]
    fn time_is_told_as_clocks_count() {
        assert_eq!([1, 6, 10, 12, 20, 40, 100, 600, 86_400].map(seconds_step), [1, 1, 2, 2, 5, 10, 15, 120, 14_400]);
    }
}
