//! `inbox`: users with several devices, who receive at least once.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::checks::{clients, nanoseconds, positive, positive_rate};
use crate::plan::{self, Load, Plan};
use crate::share::Part;

/// Users whose devices say what they have received, lose their connections, and are given all that they have not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inbox {
    /// How many users, in turn over the channels.
    pub users: u32,
    /// How many devices each has.
    pub devices: u32,
    /// How many channels; each has a publisher of its own, who stays.
    pub channels: u32,
    /// What is drawn follows from it.
    pub seed: u64,
    /// Messages a second, of all publishers together.
    pub messages_per_s: f64,
    /// Devices a second that lose their connection.
    pub reconnects_per_s: f64,
    /// How long they are away.
    pub pause_s: f64,
    /// Whether the server may end connections, as one that is restarted does: who loses one so comes back after `pause_s`,
    /// again and again until it is let in.
    pub restarts: bool,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            users: 200,
            devices: 2,
            channels: 50,
            seed: 1,
            messages_per_s: 500.0,
            reconnects_per_s: 40.0,
            pause_s: 1.0,
            restarts: false,
        }
    }
}

impl Inbox {
    /// A smaller one, of some of the users in some of the channels, who do as much as before.
    pub(super) fn part(&self, part: Part) -> Self {
        Self {
            users: part.some(self.users),
            channels: part.some(self.channels),
            seed: self.seed.wrapping_add(part.index.into()),
            messages_per_s: part.rate(self.messages_per_s),
            reconnects_per_s: part.rate(self.reconnects_per_s),
            ..self.clone()
        }
    }

    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let Self { reconnects_per_s, pause_s, .. } = *self;
        let (users, devices) = (positive("users", self.users)?, positive("devices", self.devices)?);
        let channels = positive("channels", self.channels)?;
        ensure!(channels <= users, "`channels` is {channels}: with {users} `users`, in one each, some would be empty");
        let all = clients(&[users, devices])?;
        clients(&[all + channels])?;
        ensure!(
            reconnects_per_s.is_finite() && reconnects_per_s >= 0.0,
            "`reconnects_per_s` is {reconnects_per_s}: it must be 0 or more"
        );
        let inbox = plan::Inbox {
            users,
            devices,
            channels,
            seed: self.seed,
            messages_per_s: positive_rate("messages_per_s", self.messages_per_s)?,
            drops_per_s: reconnects_per_s,
            pause_ns: nanoseconds("pause_s", pause_s)?,
            restarts: self.restarts,
        };
        let away = reconnects_per_s * pause_s;
        ensure!(
            away <= f64::from(all) / 2.0,
            "{away:.0} of {all} devices would be away at any time: lower `reconnects_per_s` or `pause_s`"
        );
        let heard = (0..all).map(|client| vec![inbox.channel(client)]);
        Ok(Plan {
            clients: heard.chain((0..channels).map(|_| Vec::new())).collect(),
            channels,
            streams: Vec::new(),
            load: Load::Inbox(inbox),
        })
    }
}
