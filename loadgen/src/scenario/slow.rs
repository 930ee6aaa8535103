//! `slow`: fan-out in which some subscribers stop reading. What it costs the others, and what becomes of those.

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};

use super::checks::nanoseconds;
use super::{FanOut, PaceSettings};
use crate::limits::{RECEIVE_BUFFER_BYTES_MAX, RECEIVE_BUFFER_BYTES_MIN};
use crate::plan::{self, Load, Pace, Plan};

/// Fan-out in which some subscribers stop reading when the measuring begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Slow {
    /// How many channels.
    pub channels: u32,
    /// Publishers of each channel.
    pub publishers: u32,
    /// Subscribers of each channel.
    pub subscribers: u32,
    /// The share of the subscribers that stop reading.
    pub share: f64,
    /// How long they do not read; 0: until the load ends.
    pub pause_s: f64,
    /// Receive buffer of their sockets, bytes. The kernel doubles it; within it waits what they do not read.
    pub receive_buffer_bytes: usize,
    /// When the next message is due.
    pub pace: PaceSettings,
}

impl Default for Slow {
    fn default() -> Self {
        let pace = PaceSettings { rate_per_s: 100.0, ..PaceSettings::default() };
        let (share, pause_s, receive_buffer_bytes) = (0.1, 0.0, 65_536);
        Self { channels: 1, publishers: 1, subscribers: 100, share, pause_s, receive_buffer_bytes, pace }
    }
}

impl Slow {
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let Self { channels, publishers, subscribers, share, pause_s, receive_buffer_bytes, pace } = self.clone();
        ensure!(share > 0.0 && share < 1.0, "`share` is {share}: it must be above 0 and below 1");
        ensure!(
            (RECEIVE_BUFFER_BYTES_MIN..=RECEIVE_BUFFER_BYTES_MAX).contains(&receive_buffer_bytes),
            "`receive_buffer_bytes` is {receive_buffer_bytes}: it must be {RECEIVE_BUFFER_BYTES_MIN} to \
             {RECEIVE_BUFFER_BYTES_MAX}"
        );
        let fan_out = FanOut { channels, publishers, subscribers, pace, ..FanOut::default() }.plan()?;
        let Load::Publish(pace @ Pace::Open { .. }) = fan_out.load else {
            bail!("a closed loop would wait for those who do not read: set outstanding=0 and a rate");
        };
        let pause_ns = nanoseconds("pause_s", pause_s)?;
        let slow = plan::Slow {
            pace,
            // Subscribers are the first clients of a fan-out.
            clients: (f64::from(channels * subscribers) * share).ceil() as u32,
            pause_ns: (pause_ns > 0).then_some(pause_ns),
            receive_buffer_bytes,
        };
        Ok(Plan { load: Load::Slow(slow), ..fan_out })
    }
}
