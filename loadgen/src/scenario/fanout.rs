//! `fanout`: channels with few publishers and many subscribers. What a delivery costs.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::checks::{check_pairs, clients, nanoseconds, positive};
use super::{PaceSettings, sizes};
use crate::limits::RECEIVED_EVERY_NS_MIN;
use crate::plan::{Load, Pace, Plan, Receive, Stream};

/// Channels that each have publishers and subscribers of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FanOut {
    /// How many channels.
    pub channels: u32,
    /// Publishers of each channel; where rates follow sizes, in the mean.
    pub publishers: u32,
    /// Subscribers of each channel; where sizes differ, in the mean.
    pub subscribers: u32,
    /// Exponent of Zipf's law, which the sizes of the channels follow; 0: all have the same.
    pub zipf: f64,
    /// How the messages are shared among the channels.
    pub rates: Rates,
    /// Every so often each subscriber says up to where it has received, in a namespace that delivers at least once; 0: nobody
    /// says so.
    pub received_every_s: f64,
    /// Whether what subscribers say of that is answered each time. Where not, they ask for an answer at the end.
    pub received_is_answered: bool,
    /// Whether a subscriber who could say so again does it with the next message that it gets, as a client does that wakes
    /// nobody for a word, or at once. It waits for as long again at the most.
    pub received_with_messages: bool,
    /// When the next message is due.
    pub pace: PaceSettings,
}

/// How messages are shared among channels. Every publisher sends as many as any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rates {
    /// All channels have as many publishers.
    Even,
    /// Channels have as many publishers as their sizes ask for, and one at least: where more people are, more talk.
    BySize,
}

impl Default for FanOut {
    fn default() -> Self {
        let pace = PaceSettings { rate_per_s: 100.0, ..PaceSettings::default() };
        Self {
            channels: 1,
            publishers: 1,
            subscribers: 1000,
            zipf: 0.0,
            rates: Rates::Even,
            received_every_s: 0.0,
            received_is_answered: true,
            received_with_messages: false,
            pace,
        }
    }
}

impl FanOut {
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let channels = positive("channels", self.channels)?;
        let publishers = clients(&[channels, positive("publishers", self.publishers)?])?;
        let subscribers = clients(&[channels, positive("subscribers", self.subscribers)?])?;
        clients(&[publishers.saturating_add(subscribers)])?;
        let audiences = sizes::zipf(subscribers, channels, self.zipf)?;
        let speakers = match self.rates {
            Rates::Even => vec![self.publishers; channels as usize],
            Rates::BySize => sizes::zipf(publishers, channels, self.zipf)?,
        };
        check_pairs(audiences.iter().zip(&speakers).map(|(heard, said)| u64::from(*heard) * u64::from(*said)).sum())?;
        // Turns mix the channels, and so does the order in which clients come.
        let subscribed = sizes::mixed(&audiences).into_iter().map(|channel| vec![channel]);
        let silent = (0..publishers).map(|_| Vec::new());
        let publishers = (subscribers..).zip(sizes::mixed(&speakers));
        Ok(Plan {
            clients: subscribed.chain(silent).collect(),
            channels,
            streams: publishers.map(|(publisher, channel)| Stream { publisher, channel }).collect(),
            load: self.load(self.pace.pace()?, subscribers)?,
        })
    }

    fn load(&self, pace: Pace, subscribers: u32) -> anyhow::Result<Load> {
        let every_ns = nanoseconds("received_every_s", self.received_every_s)?;
        if every_ns == 0 {
            return Ok(Load::Publish(pace));
        }
        ensure!(
            every_ns >= RECEIVED_EVERY_NS_MIN,
            "`received_every_s` is {}: at least 0.01, or 0 where nobody says so",
            self.received_every_s
        );
        let (are_answered, with_messages) = (self.received_is_answered, self.received_with_messages);
        Ok(Load::Receive(Receive { pace, clients: subscribers, every_ns, are_answered, with_messages }))
    }
}
