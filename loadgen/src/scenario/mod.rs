//! Scenarios: small TOML files that say what a run does. The built-in ones are in `loadgen/scenarios`.
//!
//! A scenario knows how to become a [`Plan`]; nothing behind the plan knows scenarios.

mod bystanders;
mod chat;
mod checks;
mod connect;
mod direct;
mod disturbance;
mod fanin;
mod fanout;
mod idle;
mod inbox;
mod load;
mod pace;
mod ping;
mod publish;
mod ramp;
mod sizes;
mod slow;

use std::fmt;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

pub use self::bystanders::Bystanders;
pub use self::chat::Chat;
pub use self::connect::{AtOnce, Connect, Reconnect, Recover, Steady};
pub use self::direct::Direct;
pub use self::disturbance::Disturbance;
pub use self::fanin::FanIn;
pub use self::fanout::{FanOut, Rates};
pub use self::idle::Idle;
pub use self::inbox::Inbox;
pub use self::load::{BUILT_IN, changed, find, read, set};
pub use self::pace::PaceSettings;
pub use self::ping::Ping;
pub use self::publish::Publish;
pub use self::ramp::Ramp;
pub use self::slow::Slow;
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::payload::PAYLOAD_BYTES_MIN;
use crate::plan::{Load, Plan};
use crate::share::Part;

/// What a run does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// In one sentence, for `list`.
    pub about: String,
    /// What every scenario has.
    #[serde(default)]
    pub run: Run,
    /// Where it is done at higher and higher rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Ramp>,
    /// The kind of load, with its settings.
    pub work: Work,
    /// Clients that are connected beside those that work.
    #[serde(default)]
    pub bystanders: Bystanders,
    /// What disturbs the server meanwhile.
    #[serde(default)]
    pub disturbance: Disturbance,
}

/// What every scenario has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    /// How messages are written.
    pub encoding: Encoding,
    /// Length of the application data of each message.
    pub payload_bytes: usize,
    /// Load before it counts.
    pub warm_up_s: f64,
    /// How long load is measured, seconds.
    pub duration_s: f64,
    /// What channel names begin with, such as a namespace: `chat:`.
    pub channel_prefix: String,
    /// Whether load threads stay awake: they poll their rings in place of waiting, so that no send of the server has to wake one.
    pub busy_poll: bool,
    /// Whether clients acknowledge what they read at once, those that say something as those that do not (`TCP_QUICKACK`).
    pub quick_ack: bool,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            encoding: Encoding::Json,
            payload_bytes: 96,
            warm_up_s: 2.0,
            duration_s: 10.0,
            channel_prefix: String::new(),
            busy_poll: false,
            quick_ack: false,
        }
    }
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// JSON: text in a WebSocket, lines over TCP.
    Json,
    /// Protobuf: length-prefixed messages.
    Protobuf,
}

impl fmt::Display for Encoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Json => "JSON",
            Self::Protobuf => "Protobuf",
        })
    }
}

impl From<Encoding> for ringpost::protocol::centrifuge::Encoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Json => Self::Json,
            Encoding::Protobuf => Self::Protobuf,
        }
    }
}

/// A kind of load, with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    /// Clients that do nothing.
    Idle(Idle),
    /// Clients that come and go.
    Connect(Connect),
    /// Clients that ping the server.
    Ping(Ping),
    /// Messages that only their publishers hear of.
    Publish(Publish),
    /// Few publishers, many subscribers.
    FanOut(FanOut),
    /// The same, and some subscribers do not read.
    Slow(Slow),
    /// Many publishers, one subscriber.
    FanIn(FanIn),
    /// Users to users.
    Direct(Direct),
    /// All that people do in a chat.
    Chat(Chat),
    /// Devices that receive at least once.
    Inbox(Inbox),
}

impl Work {
    /// How many a second are due, where a schedule decides that.
    fn rate_mut(&mut self) -> Option<&mut f64> {
        let pace = match self {
            Self::Connect(Connect::Steady(steady)) => return Some(&mut steady.rate_per_s),
            Self::Inbox(inbox) => return Some(&mut inbox.messages_per_s),
            Self::Idle(_) | Self::Connect(_) | Self::Chat(_) => return None,
            Self::Ping(ping) => &mut ping.pace,
            Self::Publish(publish) => &mut publish.pace,
            Self::FanOut(fan_out) => &mut fan_out.pace,
            Self::Slow(slow) => &mut slow.pace,
            Self::FanIn(fan_in) => &mut fan_in.pace,
            Self::Direct(direct) => &mut direct.pace,
        };
        (pace.outstanding == 0).then_some(&mut pace.rate_per_s)
    }
}

impl Scenario {
    /// How many a second are due.
    ///
    /// # Errors
    /// When that is up to the server.
    pub fn rate_per_s(&self) -> anyhow::Result<f64> {
        let rate = self.work.clone().rate_mut().map(|rate| *rate);
        rate.context("only work with a rate can be ramped: an open pace (`outstanding = 0`), or a steady `connect`")
    }

    /// The same at another rate.
    pub(crate) fn at_rate(&self, rate_per_s: f64) -> Self {
        let mut scenario = self.clone();
        if let Some(rate) = scenario.work.rate_mut() {
            *rate = rate_per_s;
        }
        scenario
    }

    /// What one of several load processes works from. As a rule that is the plan of the whole, of which it takes a share
    /// ([`Share`](crate::share::Share)). But whoever checks a chat or an inbox must see all of it: each process has one of
    /// its own.
    pub(crate) fn part(&self, part: Part) -> Self {
        let mut scenario = self.clone();
        match &mut scenario.work {
            Work::Chat(chat) => *chat = chat.part(part),
            Work::Inbox(inbox) => *inbox = inbox.part(part),
            _ => {}
        }
        scenario
    }

    /// Who does what.
    ///
    /// # Errors
    /// Which setting makes no sense, and why.
    pub fn plan(&self) -> anyhow::Result<Plan> {
        let Run { payload_bytes, warm_up_s, duration_s, .. } = &self.run;
        ensure!(
            (PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX).contains(payload_bytes),
            "`payload_bytes` is {payload_bytes}: it must be {PAYLOAD_BYTES_MIN} to {PAYLOAD_BYTES_MAX}, since each \
             message carries when it was due"
        );
        ensure!(duration_s.is_finite() && *duration_s > 0.0, "`duration_s` is {duration_s}: it must be above 0");
        ensure!(warm_up_s.is_finite() && *warm_up_s >= 0.0, "`warm_up_s` is {warm_up_s}: it must be 0 or more");
        if let Some(ramp) = &self.ramp {
            ramp.check()?;
            self.rate_per_s()?;
        }
        let mut plan = match &self.work {
            Work::Idle(idle) => idle.plan(),
            Work::Connect(connect) => connect.plan(),
            Work::Ping(ping) => ping.plan(),
            Work::Publish(publish) => publish.plan(),
            Work::FanOut(fan_out) => fan_out.plan(),
            Work::Slow(slow) => slow.plan(),
            Work::FanIn(fan_in) => fan_in.plan(),
            Work::Direct(direct) => direct.plan(),
            Work::Chat(chat) => chat.plan(),
            Work::Inbox(inbox) => inbox.plan(),
        }?;
        ensure!(
            self.bystanders.count == 0 || !plan.load.is_seen_whole(),
            "all clients of a chat or an inbox are users: set `bystanders.count` to 0, and more `users` instead"
        );
        self.bystanders.join(&mut plan)?;
        Ok(plan)
    }

    /// What the channels of a plan are called, with their load process's [`Part::stem`].
    pub fn channel_names(&self, plan: &Plan, stem: &str) -> Vec<String> {
        let prefix = |channel| match (&self.work, plan.load) {
            (Work::Chat(chat), Load::Chat(day)) if !day.is_kept(channel) => &chat.typing_prefix,
            _ => &self.run.channel_prefix,
        };
        (0..plan.channels).map(|channel| format!("{}{stem}-{channel}", prefix(channel))).collect()
    }

    /// Most connections that are open at the same time.
    pub fn connections_max(&self, plan: &Plan) -> u64 {
        let visitors = match &self.work {
            Work::Connect(connect) => connect.visitors_max(),
            _ => 0,
        };
        plan.clients.len() as u64 + visitors
    }
}

#[cfg(test)]
mod tests;
