//! `direct`: users who write to users, each heard in a channel of their own.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::PaceSettings;
use super::checks::{check_pairs, clients, positive};
use crate::plan::{Load, Plan, Stream};

/// Users who write to the next ones in a circle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Direct {
    /// How many users.
    pub users: u32,
    /// How many others each one writes to.
    pub contacts: u32,
    /// When the next message is due.
    pub pace: PaceSettings,
}

impl Default for Direct {
    fn default() -> Self {
        let pace = PaceSettings { rate_per_s: 5000.0, ..PaceSettings::default() };
        Self { users: 1000, contacts: 5, pace }
    }
}

impl Direct {
    pub(super) fn plan(&self) -> anyhow::Result<Plan> {
        let users = clients(&[positive("users", self.users)?])?;
        let contacts = positive("contacts", self.contacts)?;
        ensure!(contacts < users, "`contacts` is {contacts}: each of {users} users has at most {} others", users - 1);
        check_pairs(u64::from(users) * u64::from(contacts))?;
        let to = move |contact| move |user| Stream { publisher: user, channel: (user + contact) % users };
        Ok(Plan {
            clients: (0..users).map(|user| vec![user]).collect(),
            channels: users,
            streams: (1..=contacts).flat_map(|contact| (0..users).map(to(contact))).collect(),
            load: Load::Publish(self.pace.pace()?),
        })
    }
}
