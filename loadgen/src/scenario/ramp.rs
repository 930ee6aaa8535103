//! A ramp: the same work at higher and higher rates, until the server does not keep up.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::checks::positive;

/// How rates are raised. The first one is the scenario's own; each step is a whole run, with its warm-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ramp {
    /// How many times the rate of the step before.
    pub factor: f64,
    /// Once a rate has broken: steps between the highest rate that held and the lowest that broke.
    pub refinements: u32,
    /// A rate holds while the 99th percentile of all latencies is at most this.
    pub p99_ms: f64,
    /// How often a rate is tried before it counts as broken: a machine's moment of absence is no limit of the server.
    pub tries: u32,
    /// Most steps.
    pub steps_max: u32,
}

impl Default for Ramp {
    fn default() -> Self {
        Self { factor: 2.0, refinements: 3, p99_ms: 10.0, tries: 2, steps_max: 30 }
    }
}

impl Ramp {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let Self { factor, p99_ms, tries, steps_max, .. } = *self;
        ensure!(factor.is_finite() && factor > 1.0, "`factor` is {factor}: it must be above 1");
        ensure!(p99_ms.is_finite() && p99_ms > 0.0, "`p99_ms` is {p99_ms}: it must be above 0");
        positive("tries", tries)?;
        positive("steps_max", steps_max)?;
        Ok(())
    }
}
