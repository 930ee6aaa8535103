//! The curve of a latency distribution: how long so large a share took at most.

use super::chart::{Axis, Series};
use super::unit::plain;
use crate::measure::Measure;
use crate::record::Record;

/// How many nines a share has: the axis of a latency distribution.
fn nines(share: f64) -> f64 {
    -(1.0 - share).log10()
}

/// The share at a place of that axis.
fn share(nines: f64) -> String {
    format!("{} %", plain(((1.0 - 10f64.powf(-nines)) * 1e6).round() / 1e4))
}

/// The line of a run; without points where there was nothing to measure.
pub(crate) fn line(name: &str, record: &Record, measure: Measure) -> Series {
    let curve = record.whole.get(&measure).map(|whole| whole.curve.as_slice()).unwrap_or_default();
    Series { name: name.into(), points: curve.iter().map(|(share, ns)| (nines(*share), *ns as f64)).collect() }
}

/// The axis below, of latencies that are called so.
pub(crate) fn axis(name: &str) -> Axis {
    let ticks = [0.0, 0.9, 0.99, 0.999, 0.9999].map(nines).map(|at| (at, share(at))).to_vec();
    Axis { name: format!("{name}: share that took at most so long"), ticks, place: share }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_with_all_its_nines() {
        let shares = [0.0, 0.25, 0.9, 0.999, 0.99999, 0.999999];
        assert_eq!(shares.map(|of| share(nines(of))), ["0 %", "25 %", "90 %", "99.9 %", "99.999 %", "99.9999 %"]);
    }
}
