//! What was measured, as plain data.

use ringpost_loadgen::record::Record;

/// A kind of work, done by several servers in turn.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) work: String,
    /// What the cost counts.
    pub(crate) unit: String,
    /// What was measured, by server.
    pub(crate) servers: Vec<Measured>,
}

/// What was measured of a server.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Its name.
    pub(crate) server: String,
    /// One after the other.
    pub(crate) rounds: Vec<Round>,
}

/// A run, and the figure of it that counts.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// What it cost; less is better.
    pub(crate) cost: f64,
    /// All that was measured.
    pub(crate) record: Record,
}

impl Row {
    /// What was measured of a server, in the round in the middle by cost.
    pub(crate) fn median(&self, server: &str) -> Option<&Round> {
        let measured = self.servers.iter().find(|measured| measured.server == server)?;
        let mut rounds: Vec<_> = measured.rounds.iter().collect();
        rounds.sort_by(|one, other| one.cost.total_cmp(&other.cost));
        rounds.get(rounds.len() / 2).copied()
    }
}
