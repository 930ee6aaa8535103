//! All figures of a result, with the record of every run that they come from.

use serde::{Deserialize, Serialize};

use super::{Curve, Pairing, Part, Row};
use crate::results::row::Round;

/// All figures of a result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Raw {
    /// Work beside the floor.
    pub rows: Vec<Row>,
    /// Costs as something grows.
    pub curves: Vec<Curve>,
    /// Latency beside those who ask for too much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairings: Vec<Pairing>,
    /// What parts of the node do by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

impl Raw {
    /// Each figure's rounds, with what it is called.
    fn figures(&self) -> Vec<(String, &[Round])> {
        let of_row = |row: &'_ Row, number: usize| format!("{} ({})", row.work, row.servers[number].server);
        let mut figures = Vec::new();
        for row in &self.rows {
            let rounds = row.servers.iter().enumerate();
            figures.extend(rounds.map(|(number, measured)| (of_row(row, number), &measured.rounds[..])));
        }
        for curve in &self.curves {
            for line in &curve.lines {
                let name = |at| format!("{} ({at} {})", line.work, curve.by);
                figures.extend(line.points.iter().map(|point| (name(point.at), &point.rounds[..])));
            }
        }
        figures
    }

    /// What it lacks to be a result's.
    pub(super) fn lacks(&self) -> Vec<String> {
        let mut lacks = Vec::new();
        let Self { rows, curves, pairings, parts } = self;
        if rows.is_empty() && curves.is_empty() && pairings.is_empty() && parts.is_empty() {
            lacks.push("figures".to_owned());
        }
        let empty_rows = self.rows.iter().filter(|row| row.servers.is_empty()).map(|row| &row.work);
        let is_empty = |curve: &&Curve| curve.lines.is_empty() || curve.lines.iter().any(|line| line.points.is_empty());
        let empty_curves = self.curves.iter().filter(is_empty).map(|curve| &curve.by);
        lacks.extend(empty_rows.chain(empty_curves).map(|name| format!("figures of {name}")));
        let unpaired = self.pairings.iter().filter(|pairing| !pairing.is_measured());
        lacks.extend(unpaired.map(|pairing| format!("a pair of runs beside {}", pairing.abuse)));
        let unmeasured = self.parts.iter().filter(|part| !part.is_measured());
        lacks.extend(unmeasured.map(|part| format!("figures of {}", part.work)));
        for (name, rounds) in self.figures() {
            if rounds.is_empty() || rounds.iter().any(|round| round.records.is_empty()) {
                lacks.push(format!("a run of {name}"));
            }
            if rounds.iter().any(|round| !round.cost.is_finite()) {
                lacks.push(format!("a number that is the cost of {name}"));
            }
            if let Some(bad) = rounds.iter().flat_map(|round| &round.records).find(|record| !record.is_good()) {
                let fault = bad.faults.examples.first().map_or("", String::as_str);
                lacks.push(format!("runs without faults of {name}: {fault}"));
            }
        }
        lacks
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::results::curve::tests::curve;
    use crate::results::pairing::tests::pairing;
    use crate::results::part::tests::part;
    use crate::results::row::tests::row;
    use crate::results::{Bound, Goal};

    pub(crate) fn raw() -> Raw {
        Raw {
            rows: vec![row(&[360.0], &[300.0], Goal::Ratio(1.25))],
            curves: vec![curve()],
            pairings: vec![pairing(&[(100, 150)])],
            parts: vec![part(Bound::AtLeast(200.0), &[(300.0, 0.0)])],
        }
    }

    #[test]
    fn figures_need_runs_that_went_well() {
        assert_eq!(raw().lacks(), Vec::<String>::new());
        assert_eq!(Raw::default().lacks(), ["figures"]);
        let (mut without_runs, mut without_cost, mut failed, mut unpaired) = (raw(), raw(), raw(), raw());
        let mut unread = raw();
        unread.parts[0].readings.clear();
        unpaired.pairings[0].pairs.clear();
        without_runs.curves[0].lines[1].points[2].rounds.clear();
        without_cost.rows[0].servers[0].rounds[0].cost = f64::NAN;
        let faults = &mut failed.rows[0].servers[1].rounds[0].records[0].faults;
        faults.note(Fault::Lost, || "client 3 heard nothing".into());
        for (raw, expected) in [
            (unread, "figures of the store alone"),
            (unpaired, "a pair of runs beside a flood"),
            (without_runs, "a run of publish (18000 idle connections)"),
            (without_cost, "a number that is the cost of fan-out <1 to 1,000> (node)"),
            (failed, "runs without faults of fan-out <1 to 1,000> (floor): client 3 heard nothing"),
        ] {
            assert_eq!(raw.lacks(), [expected]);
        }
    }
}
