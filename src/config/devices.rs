//! The `client.devices` section: how many devices of a user stay connected when another one comes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many devices of a user stay connected when another one comes. Where `stay` is not `all`, a device has one connection:
/// a second one of the same id takes the place of the first, which is disconnected with 4502. Users without a name have no
/// devices. Devices are counted on all nodes that share a Redis. A change holds for who connects from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DevicesConfig {
    /// Who stays, of the devices of one user, when one more than `limit` comes: `all`; `newest`, the longest connected is
    /// disconnected with 4501; `oldest`, the new one is refused with 4503. For devices of all kinds that `kinds` does not
    /// name, and those without a kind, counted together.
    pub stay: Stay,
    /// How many devices may be connected at the same time where `stay` is not `all`.
    pub limit: u32,
    /// The same for one kind of device, counted by itself: `[{ name = "phone", stay = "newest", limit = 1 }]`. Kinds are
    /// those of the claim `device_kind`, or of the header `X-Device-Kind`, which a client is free to choose.
    pub kinds: Vec<DeviceKindConfig>,
}

impl Default for DevicesConfig {
    fn default() -> Self {
        Self { stay: Stay::All, limit: 1, kinds: Vec::new() }
    }
}

/// The devices of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceKindConfig {
    /// As tokens and headers spell it.
    pub name: String,
    /// Who stays.
    pub stay: Stay,
    /// How many.
    pub limit: u32,
}

impl Default for DeviceKindConfig {
    fn default() -> Self {
        let DevicesConfig { stay, limit, .. } = DevicesConfig::default();
        Self { name: String::new(), stay, limit }
    }
}

/// Who stays when another device comes and there are enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stay {
    /// There is no limit.
    #[default]
    All,
    /// The longest connected device goes.
    Newest,
    /// The new one is refused.
    Oldest,
}

/// What holds for the devices that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevicePolicy<'a> {
    /// The kind; empty for all that have no policy of their own.
    pub kind: &'a str,
    /// Who stays.
    pub stay: Stay,
    /// How many.
    pub limit: u32,
}

impl DevicesConfig {
    /// What holds for a device of this kind.
    pub fn policy_of(&self, kind: &str) -> DevicePolicy<'_> {
        match self.kinds.iter().find(|own| own.name == kind) {
            Some(own) => DevicePolicy { kind: &own.name, stay: own.stay, limit: own.limit },
            None => DevicePolicy { kind: "", stay: self.stay, limit: self.limit },
        }
    }
}
