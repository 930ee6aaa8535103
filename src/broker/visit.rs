//! What the access log and the events are told of clients: who came, who went and why, who was refused.
//!
//! Owns what is told, not how it is written. Nothing here is a secret: no token, no key, no payload.

use core::net::IpAddr;
use std::borrow::Cow;
use std::sync::Arc;

use super::ending::Ending;
use crate::model::{ClientId, Device};
use crate::protocol::Format;

/// Something that happened to a client, or to somebody who wanted to be one.
#[derive(Clone, Debug)]
pub struct Visit {
    /// When, Unix milliseconds.
    pub time_unix_ms: i64,
    /// Where the client is.
    pub address: IpAddr,
    /// How it speaks; `None` where that was not known yet.
    pub format: Option<Format>,
    /// What happened.
    pub event: VisitEvent,
}

impl Visit {
    /// Who it was, where that was known.
    pub fn guest(&self) -> Option<&Guest> {
        match &self.event {
            VisitEvent::Connected(guest) | VisitEvent::Closed { guest, .. } => Some(guest),
            VisitEvent::Refused { .. } => None,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum VisitEvent {
    /// It is connected: the reply has been written.
    Connected(Guest),
    /// Its session has ended.
    Closed {
        /// Who it was.
        guest: Guest,
        /// Why.
        ending: Ending,
        /// Why, where that is more than the ending says.
        reason: Option<Cow<'static, str>>,
        /// How long it was connected, milliseconds.
        duration_ms: u64,
    },
    /// It was refused before it was connected.
    Refused {
        /// How.
        ending: Ending,
        /// Why, where that is more than the ending says.
        reason: Option<Cow<'static, str>>,
    },
}

/// A client.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The user, empty when anonymous.
    pub user: Arc<str>,
    /// Its session.
    pub client: ClientId,
    /// The device, where something is known of it.
    pub device: Option<Arc<Device>>,
}
