//! Rows: a kind of work, and what it cost each of several servers.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::measure::{Measure, Summary};
use crate::record::Record;

/// The server that the others are measured by.
pub const FLOOR: &str = "floor";
/// The server that goals are about.
pub const NODE: &str = "node";
/// The node as well, at the same work without what a row names.
pub const PLAIN: &str = "plain";

/// A kind of work, done by several servers in turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The name of the cell.
    pub work: String,
    /// What the cost counts, such as `ns CPU per delivery`.
    pub unit: String,
    /// What the node's cost should be.
    pub goal: Option<Goal>,
    /// The server that the others are measured by.
    #[serde(default = "floor")]
    pub beside: String,
    /// What was measured, by server.
    pub servers: Vec<Measured>,
}

fn floor() -> String {
    FLOOR.into()
}

/// What the node's cost should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// At most so many times that of the server that stands beside it.
    Ratio(f64),
    /// At most so many times a peer's, where that is measured too.
    Peer {
        /// Its name.
        server: Cow<'static, str>,
        /// How many times.
        ratio: f64,
    },
    /// At most so much, in the row's unit.
    Cost(f64),
}

/// What was measured of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Its name.
    pub server: String,
    /// One after the other.
    pub rounds: Vec<Round>,
}

/// A figure, and the runs that it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// What it cost; less is better.
    pub cost: f64,
    /// All that was measured; the latency of the last run counts.
    pub records: Vec<Record>,
}

/// The round in the middle, by cost.
///
/// # Panics
/// Without rounds.
pub fn median(rounds: &[Round]) -> &Round {
    assert!(!rounds.is_empty(), "a figure has rounds");
    let mut order: Vec<_> = rounds.iter().collect();
    order.sort_by(|one, other| one.cost.total_cmp(&other.cost));
    order[order.len() / 2]
}

/// The lowest and the highest cost.
pub fn spread(rounds: &[Round]) -> (f64, f64) {
    let costs = rounds.iter().map(|round| round.cost);
    costs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), cost| (low.min(cost), high.max(cost)))
}

/// All servers of some work: the node, those beside it, the others.
pub fn servers(rows: &[Row]) -> Vec<&str> {
    let mut servers = vec![NODE, FLOOR, PLAIN];
    for measured in rows.iter().flat_map(|row| &row.servers) {
        if !servers.contains(&measured.server.as_str()) {
            servers.push(&measured.server);
        }
    }
    servers.retain(|server| rows.iter().any(|row| row.of(server).is_some()));
    servers
}

impl Round {
    /// What its latency is that of: what the work is for, where several things were measured.
    pub fn latency(&self) -> Option<(Measure, &Summary)> {
        let chief = [Measure::Delivery, Measure::Reply, Measure::Connect];
        let whole = &self.records.last()?.whole;
        chief.into_iter().find_map(|measure| Some((measure, &whole.get(&measure)?.summary)))
    }
}

impl Row {
    /// What was measured of a server.
    pub fn of(&self, server: &str) -> Option<&Measured> {
        self.servers.iter().find(|measured| measured.server == server)
    }

    /// The median cost of a server.
    pub fn cost(&self, server: &str) -> Option<f64> {
        Some(median(&self.of(server)?.rounds).cost)
    }

    /// That cost as a multiple of the one that stands beside.
    pub fn ratio(&self, server: &str) -> Option<f64> {
        Some(self.cost(server)? / self.cost(&self.beside)?)
    }

    /// The goal as a cost, where what it is a multiple of was measured.
    fn goal_cost(&self) -> Option<f64> {
        match self.goal.as_ref()? {
            Goal::Ratio(ratio) => Some(ratio * self.cost(&self.beside)?),
            Goal::Peer { server, ratio } => Some(ratio * self.cost(server)?),
            Goal::Cost(cost) => Some(*cost),
        }
    }

    /// The goal as a multiple of the cost that stands beside.
    pub fn goal_ratio(&self) -> Option<f64> {
        Some(self.goal_cost()? / self.cost(&self.beside)?)
    }

    /// By how much the node's cost is above its goal, as a share of that; below 0 where the goal is reached.
    pub fn excess(&self) -> Option<f64> {
        Some(self.cost(NODE)? / self.goal_cost()? - 1.0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::table::tests::record;

    pub(crate) fn rounds(costs: &[f64]) -> Vec<Round> {
        costs.iter().map(|cost| Round { cost: *cost, records: vec![record()] }).collect()
    }

    pub(crate) fn row(node: &[f64], floor: &[f64], goal: Goal) -> Row {
        let measured = |server: &str, costs| Measured { server: server.into(), rounds: rounds(costs) };
        Row {
            work: "fan-out <1 to 1,000>".into(),
            unit: "ns CPU per delivery".into(),
            goal: Some(goal),
            beside: FLOOR.into(),
            servers: vec![measured(NODE, node), measured(FLOOR, floor)],
        }
    }

    #[test]
    fn the_median_counts_and_stands_beside_the_floor_and_the_goal() {
        let row = row(&[400.0, 300.0, 330.0], &[300.0, 900.0, 100.0], Goal::Ratio(1.0));
        assert_eq!((row.cost(NODE), row.ratio(NODE), row.ratio("nobody")), (Some(330.0), Some(1.1), None));
        assert!((row.excess().unwrap() - 0.1).abs() < 1e-9);
        assert_eq!(spread(&row.servers[0].rounds), (300.0, 400.0));
    }

    #[test]
    fn a_row_of_before_stands_beside_the_floor() {
        let old = r#"{"work": "w", "unit": "u", "goal": {"ratio": 2.0}, "servers": []}"#;
        assert_eq!(serde_json::from_str::<Row>(old).unwrap().beside, FLOOR);
    }

    #[test]
    fn the_node_may_stand_beside_itself_at_plainer_work() {
        let mut row = row(&[360.0], &[300.0], Goal::Ratio(1.25));
        row.beside = PLAIN.into();
        assert_eq!((row.ratio(NODE), row.excess()), (None, None), "the floor is not what it is measured by");
        row.servers[1].server = PLAIN.into();
        assert_eq!((row.ratio(NODE), row.goal_ratio()), (Some(1.2), Some(1.25)));
    }

    #[test]
    fn a_goal_beside_a_peer_is_judged_where_the_peer_was_measured() {
        let goal = Goal::Peer { server: "peer".into(), ratio: 1.5 };
        let mut row = row(&[300.0], &[100.0], goal);
        assert_eq!((row.excess(), row.goal_ratio()), (None, None));
        row.servers.push(Measured { server: "peer".into(), rounds: rounds(&[400.0]) });
        assert_eq!((row.excess(), row.goal_ratio()), (Some(-0.5), Some(6.0)));
    }

    #[test]
    fn a_goal_may_be_a_cost() {
        let row = row(&[900.0], &[300.0], Goal::Cost(1200.0));
        assert_eq!((row.goal_ratio(), row.excess()), (Some(4.0), Some(-0.25)));
    }
}
