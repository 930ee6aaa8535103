//! What a session asks of its user's roster: a place among the user's sessions, and among the user's devices.

use crate::config::{ClientConfig, Stay};
use crate::model::{ClientId, Device};
use crate::time::Now;

/// Asks for a place, on the terms of the configuration that the session's shard goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// Whose place it is.
    pub client: ClientId,
    /// When it connected, monotonic milliseconds of the node: of two of one device the later one is the device's.
    pub since_ms: u64,
    /// How many sessions the user may have; 0 is no limit.
    pub limit: u32,
    /// The device's place, where devices of its kind are limited.
    pub device: Option<DevicePlace>,
}

/// A place among a user's devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePlace {
    /// The device; empty is the one device of all clients that name none.
    pub id: Box<str>,
    /// The kind by whose policy it is counted; empty for all kinds without a policy of their own.
    pub kind: Box<str>,
    /// Whether the new one is refused where there are enough; otherwise the longest connected goes.
    pub oldest_stays: bool,
    /// How many devices of the kind the user may have, at least one.
    pub limit: u32,
}

impl Enrolment {
    /// What a session of this user on this device must ask; `None` where nothing is limited.
    pub(super) fn of(
        user: &str,
        client: ClientId,
        device: &Device,
        config: &ClientConfig,
        now: Now,
    ) -> Option<Box<Self>> {
        if user.is_empty() {
            return None;
        }
        let policy = config.devices.policy_of(&device.kind);
        let place = || DevicePlace {
            id: device.id.clone(),
            kind: policy.kind.into(),
            oldest_stays: policy.stay == Stay::Oldest,
            limit: policy.limit,
        };
        let device = (policy.stay != Stay::All).then(place);
        let limit = config.user_connection_limit;
        (limit > 0 || device.is_some()).then(|| Box::new(Self { client, since_ms: now.mono_ms, limit, device }))
    }

    /// Bytes of it in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.device.as_ref().map_or(0, |device| device.id.len() + device.kind.len())
    }
}
