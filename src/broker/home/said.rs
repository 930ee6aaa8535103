//! What a device of a member is answered, and when.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::later::Later;
use super::notes::NoteKey;
use crate::broker::letter::InboxAnswer;
use crate::model::{Device, Payload, Position};

/// What a device asks of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) enum Question {
    /// How much its user has not read.
    Unread,
    /// How far members are, for this device.
    Positions(Box<str>),
}

/// What a device is answered, and when.
#[derive(Debug)]
pub(in crate::broker) enum Said {
    /// This, at once.
    Now(InboxAnswer),
    /// That it was taken, when all that was said to the disk is there; so many sessions hear of it.
    Kept(u32),
    /// That it was taken, when this is noted in the ledger of the channel; so many sessions hear of it here.
    Noted(Arc<str>, NoteKey, u32),
    /// What the ledger of the channel says about the user.
    Asked(Arc<str>, Arc<str>, Question),
    /// With the place of a publication that is on its way.
    Sent(Later),
}

/// What is answered to a message with an id.
pub(in crate::broker) fn sent(position: &Position) -> Payload {
    Payload::json(json!({ "epoch": position.epoch, "offset": position.offset }).to_string())
}

/// What is told in JSON.
pub(in crate::broker) fn told(answer: &impl Serialize) -> InboxAnswer {
    let json = serde_json::to_string(answer).expect("plain fields are written as JSON");
    InboxAnswer::Told(Payload::json(json))
}

/// The id of a device, empty where there is none.
pub(super) fn device_id(device: &Option<Arc<Device>>) -> &str {
    device.as_ref().map_or("", |device| &device.id)
}
