//! `inbox_positions`

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::members::member;
use crate::broker::inbox_order::InboxOrder;
use crate::broker::order::Order;
use crate::control::state::ControlState;
use crate::delivery::MemberDevices;
use crate::model::refusal::Error;

/// How far has a member received and read, with which device?
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "InboxPositionsRequest")]
pub(super) struct InboxPositions {
    /// The channel; its namespace must be one of at least once.
    channel: String,
    /// A member of the channel; others are refused with 103.
    user: String,
}

/// How far a member is.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct InboxPositionsResult {
    /// Which life of the channel the offsets belong to; empty before there was one.
    epoch: Arc<str>,
    /// The offset of the channel's latest publication.
    offset: u64,
    /// The furthest that any device has received.
    received: u64,
    /// Up to where the user has read.
    read: u64,
    /// By the device's id, which is empty for sessions that name none.
    devices: BTreeMap<Box<str>, DevicePosition>,
}

/// How far a device is.
#[derive(Debug, Serialize, JsonSchema)]
struct DevicePosition {
    /// All up to here was received, or given up.
    received: u64,
    /// Whether it is connected, and subscribed to the channel.
    connected: bool,
}

impl Method for InboxPositions {
    const NAME: &'static str = "inbox_positions";
    type Result = InboxPositionsResult;

    async fn run(self, state: &ControlState) -> Result<InboxPositionsResult, Error> {
        let channel: Arc<str> = Arc::from(self.channel);
        let user = member(self.user)?;
        let order = |answer| Order::Inbox(InboxOrder::Devices(channel.clone(), user, answer));
        let MemberDevices { epoch, offset, received, read, devices } = state.shards.ask(&channel, order).await?;
        let devices = devices
            .into_iter()
            .map(|one| (one.device, DevicePosition { received: one.received, connected: one.connected }));
        Ok(InboxPositionsResult { epoch, offset, received, read, devices: devices.collect() })
    }
}
