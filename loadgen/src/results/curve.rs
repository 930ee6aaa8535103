//! Curves: what a message costs as something beside it grows.

use serde::{Deserialize, Serialize};

use super::row::{Round, median};

/// Costs by how many of something there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// What there are more and more of, such as `idle connections`.
    pub by: String,
    /// What becomes dearer, or does not.
    pub lines: Vec<Line>,
}

/// A kind of cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The name of the cell.
    pub work: String,
    /// What the cost counts, such as `ns CPU per delivery`.
    pub unit: String,
    /// From few to many.
    pub points: Vec<Point>,
}

/// What it costs with so many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// How many there are.
    pub at: u64,
    /// One after the other, each against a fresh server.
    pub rounds: Vec<Round>,
}

impl Point {
    /// The median cost.
    pub fn cost(&self) -> f64 {
        median(&self.rounds).cost
    }
}

impl Line {
    /// The cost at each point as a multiple of that at the first one.
    pub fn growth(&self) -> Vec<f64> {
        let first = self.points.first().map(Point::cost);
        self.points
            .iter()
            .zip(std::iter::repeat(first))
            .filter_map(|(point, first)| Some(point.cost() / first?))
            .collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::results::row::tests::rounds;

    pub(crate) fn curve() -> Curve {
        let point = |(at, cost)| Point { at, rounds: rounds(&[cost, 1.1 * cost, 0.9 * cost]) };
        let points = [(100, 300.0), (1000, 330.0), (18_000, 270.0)].map(point).to_vec();
        let line = |work: &str| Line { work: work.into(), unit: "ns CPU per delivery".into(), points: points.clone() };
        Curve { by: "idle connections".into(), lines: vec![line("fan-out"), line("publish")] }
    }

    #[test]
    fn growth_is_by_the_first_point() {
        assert_eq!(curve().lines[0].growth(), [1.0, 1.1, 0.9]);
    }
}
