//! What a device of a member says to the home of a channel, and what its user asks there.

use std::sync::Arc;

use crate::model::{ClientId, ClientInfo, Device, Payload};

/// What a device of a member says or asks.
#[derive(Debug)]
pub struct InboxAsk {
    /// Never empty.
    pub user: Arc<str>,
    /// The session.
    pub client: ClientId,
    /// The user's device; `None` for sessions of which nothing is known.
    pub device: Option<Arc<Device>>,
    /// What.
    pub word: InboxWord,
}

/// What is said or asked.
#[derive(Debug)]
pub enum InboxWord {
    /// All up to here was received by the device.
    Received(Place),
    /// Not now: what follows the device's floor is to be sent again later.
    Retry {
        /// One that the device was sent.
        place: Place,
        /// How much later, milliseconds.
        delay_ms: u64,
    },
    /// All up to here was read by the user.
    Read(Place),
    /// How far the members are.
    Positions,
    /// How much the user has not read.
    Unread,
    /// Nobody looks at the session's device, or somebody does again.
    Background {
        /// Nobody does.
        is_background: bool,
    },
    /// Publish this, once.
    Send {
        /// Chosen by the client; a second message of the user with the same id is the first one.
        id: Box<str>,
        /// The message.
        data: Payload,
        /// As subscribers see the sender.
        info: Arc<ClientInfo>,
    },
}

impl InboxWord {
    /// Whether it moves what is known of the device or its user, and is answered when that is kept.
    pub fn moves(&self) -> bool {
        match self {
            Self::Received(_) | Self::Retry { .. } | Self::Read(_) => true,
            Self::Positions | Self::Unread | Self::Background { .. } | Self::Send { .. } => false,
        }
    }
}

impl InboxAsk {
    /// What it keeps in memory until it is read, bytes.
    pub fn bytes(&self) -> usize {
        let more = match &self.word {
            InboxWord::Send { id, data, .. } => id.len() + data.bytes.len(),
            InboxWord::Received(place) | InboxWord::Read(place) | InboxWord::Retry { place, .. } => place.epoch.len(),
            InboxWord::Positions | InboxWord::Unread | InboxWord::Background { .. } => 0,
        };
        size_of::<Self>() + more
    }
}

/// A place in a channel, as a client names it.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// Which life of the stream; empty is any.
    pub epoch: Box<str>,
    /// From 1.
    pub offset: u64,
}
