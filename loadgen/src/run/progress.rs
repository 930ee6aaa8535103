//! How far a run has come, for those who wait for it.

use crate::measure::{Measure, Summary};

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// One process may not have as many descriptors as this takes, or several processes were asked for.
    Shared {
        /// So many connections.
        connections: u64,
        /// So many load processes.
        processes: u32,
    },
    /// Clients come in.
    Gathering {
        /// So many are there.
        ready: u64,
        /// So many will be.
        total: u64,
    },
    /// A step of a ramp is over.
    Step {
        /// How many a second were due.
        rate_per_s: f64,
        /// Whether the server kept up.
        held: bool,
        /// The longest of the 99th percentiles, nanoseconds.
        p99_ns: Option<u64>,
    },
    /// The load is about to end before its time.
    Stopping,
    /// A second of load is over.
    Second {
        /// Whether it counted.
        measured: bool,
        /// Seconds since the load began.
        elapsed_s: f64,
        /// Seconds of load in all.
        total_s: f64,
        /// What the scenario is about.
        measure: Measure,
        /// What happened.
        summary: Summary,
    },
}
