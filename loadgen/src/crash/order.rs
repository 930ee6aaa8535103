//! What is asked of a crash trial.

use super::server::Handling;
use crate::target::Target;

/// Which node is to be killed how often, and what it is to do meanwhile.
#[derive(Clone, Debug)]
pub struct Order {
    /// Where the node is, by the Centrifugo client protocol.
    pub target: Target,
    /// What tokens are signed with; without it there are none.
    pub secret: Option<String>,
    /// What channel names begin with: a namespace that keeps all that the trial publishes.
    pub channel_prefix: String,
    /// How the node is started and killed.
    pub handling: Handling,
    /// How often it is killed.
    pub kills: u32,
    /// How long it lives under load before it is killed, seconds, in the mean: each life has 0.5 to 1.5 times as long.
    pub life_s: f64,
    /// Channels; each has a client that hears it and publishes to it and to the next one.
    pub channels: u32,
    /// Messages a second, of all clients together.
    pub rate_per_s: f64,
    /// Bytes of each message.
    pub payload_bytes: usize,
    /// What the lengths of lives are drawn from.
    pub seed: u64,
    /// What made the trial.
    pub command: String,
}
