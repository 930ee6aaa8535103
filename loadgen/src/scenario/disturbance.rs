//! Disturbance: a command that is run while it is measured, to kill a node, restart one after the other, or take away what
//! they need.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::checks::nanoseconds;

/// What disturbs the server while it is measured, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Disturbance {
    /// A command of the shell, which must end when it is done. Its environment says which node is meant, in turn:
    /// `LOADGEN_NODE` has its number, from 0, and `LOADGEN_URL` its URL.
    pub command: String,
    /// How often it is run; 0: never.
    pub times: u32,
    /// When it is run first, from the beginning of the measuring.
    pub after_s: f64,
    /// How long after the beginning of one the next one begins; but never before the last has ended.
    pub every_s: f64,
}

impl Default for Disturbance {
    fn default() -> Self {
        Self { command: String::new(), times: 0, after_s: 3.0, every_s: 5.0 }
    }
}

impl Disturbance {
    /// Whether it can be made in a run that is measured for so long.
    ///
    /// # Errors
    /// What is missing, or which setting makes no sense.
    pub fn check(&self, duration_s: f64) -> anyhow::Result<()> {
        let Self { command, times, after_s, every_s } = self;
        nanoseconds("after_s", *after_s)?;
        nanoseconds("every_s", *every_s)?;
        ensure!(
            *times == 0 || !command.trim().is_empty(),
            "nothing is told that disturbs the server: give a command of the shell, such as --set command=\"kill -9 \
             $(cat node.pid)\", or set disturbance.times=0"
        );
        let last_s = after_s + every_s * f64::from(times.saturating_sub(1));
        ensure!(
            *times == 0 || last_s < duration_s,
            "the last of {times} disturbances would begin after {last_s} s, and `duration_s` is {duration_s}"
        );
        Ok(())
    }
}
