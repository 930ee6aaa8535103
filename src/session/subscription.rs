//! One session's place in one channel.

use std::sync::Arc;

use super::ExpireAt;
use crate::model::ClientInfo;
use crate::model::refusal::Unsubscribe;

/// What holds for a subscription, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// Gaps are watched for.
    pub const POSITIONED: Self = Self(1);
    /// The client may recover.
    pub const RECOVERABLE: Self = Self(2);
    /// Begun by a token or a backend, not by a subscribe command.
    pub const SERVER_SIDE: Self = Self(4);
    /// The client gets join and leave pushes.
    pub const JOIN_LEAVE: Self = Self(8);
    /// Only the latest publication need survive a slow reader.
    pub const CONFLATE: Self = Self(16);
    /// Publications are held until the connect reply is out.
    pub const HELD: Self = Self(32);
    /// Named by the connection token: it ends with the connection if a new token does not name it.
    pub const BY_TOKEN: Self = Self(64);
    /// Of a subscriber whose session is ending: it is sent nothing more.
    pub const MUTED: Self = Self(128);
    /// Of a device that has yet to say what it has received: it is sent nothing but by its name.
    pub const BEHIND: Self = Self(256);

    /// Whether every bit of `other` is set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a bit of `other` is set.
    pub fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets of bits.
    pub fn with(self, other: Self, when: bool) -> Self {
        if when { Self(self.0 | other.0) } else { self }
    }

    /// Without the bits of `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// How far a subscription has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The home shard has been asked.
    Pending,
    /// As pending, but a backend has ended it: it begins and ends when the answer comes.
    Ending(Unsubscribe),
    /// In the audience of its channel under this number.
    Live {
        /// The channel's number in the shard's audience.
        room: u32,
        /// The place among the room's subscribers.
        place: u32,
    },
}

/// One session's place in one channel.
#[derive(Debug)]
pub struct Subscription {
    /// No two of a session have the same.
    pub channel: Arc<str>,
    /// How far it has come.
    pub stage: Stage,
    /// What holds for it.
    pub flags: Flags,
    /// When it expires.
    pub expire_at: ExpireAt,
    /// The session's info with this channel's `chan_info`, where there is one.
    pub info: Option<Arc<ClientInfo>>,
}

impl Subscription {
    /// Whether publications reach the session.
    pub fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live { .. })
    }
}
