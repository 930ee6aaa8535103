//! Who came online or went offline: `session.update/1`. The key is the user.

use serde::{Deserialize, Serialize};

use super::Event;

/// A user came online with the first session on any node, or went offline with the last.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionUpdate {
    /// The user.
    #[prost(string, tag = "1")]
    pub user: String,
    /// Whether the user is online from now on.
    #[prost(bool, tag = "2")]
    pub online: bool,
    /// When that changed, by the clock of the node of the session, Unix milliseconds.
    #[prost(int64, tag = "3")]
    pub at_unix_ms: i64,
    /// When the user was last seen online, Unix milliseconds; 0 where that is not known.
    #[prost(int64, tag = "4")]
    pub last_seen_unix_ms: i64,
    /// How many devices of the user are online.
    #[prost(uint32, tag = "5")]
    pub devices: u32,
    /// Counts the changes of the user: one that is not larger than what was seen is old, or a repetition.
    #[prost(uint64, tag = "6")]
    pub sequence: u64,
    /// Why: [`SessionCause`] as text.
    #[prost(string, tag = "7")]
    pub cause: String,
}

/// Why a user came online or went offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionCause {
    /// A session has come.
    Login,
    /// The last session has gone.
    Logout,
    /// The node of the last session is gone.
    NodeLost,
    /// The state was lost, and made anew from what is known.
    Rebuilt,
}

impl SessionCause {
    const ALL: [Self; 4] = [Self::Login, Self::Logout, Self::NodeLost, Self::Rebuilt];

    /// As events say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::NodeLost => "node_lost",
            Self::Rebuilt => "rebuilt",
        }
    }

    /// What an event says; `None` for what only a later version knows.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

impl Event for SessionUpdate {
    const SCHEMA: &'static str = "session.update/1";
}
