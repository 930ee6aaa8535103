//! Who connected, left, and was refused: `user.login.log/1`. The key is the user.

use serde::{Deserialize, Serialize};

use super::Event;

/// A client came, went, or was refused.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct UserLogin {
    /// Of this event, a UUID: who has seen it knows it again.
    #[prost(string, tag = "1")]
    pub id: String,
    /// What happened: [`LoginKind`] as text.
    #[prost(string, tag = "2")]
    pub kind: String,
    /// When, by the node's clock, Unix milliseconds.
    #[prost(int64, tag = "3")]
    pub at_unix_ms: i64,
    /// The name of the node.
    #[prost(string, tag = "4")]
    pub node: String,
    /// Which life of the node; 0 where nodes share no Redis.
    #[prost(uint64, tag = "5")]
    pub incarnation: u64,
    /// The place of the node among those that share a Redis; 0 where there is none.
    #[prost(uint32, tag = "6")]
    pub slot: u32,
    /// The user; empty for one without a name, and for one who was refused before the token was read.
    #[prost(string, tag = "7")]
    pub user: String,
    /// The session, a UUID; empty where it was refused before it had one.
    #[prost(string, tag = "8")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// The device, where something is known of it.
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<LoginDevice>,
    /// From where, as proxies that are trusted tell it.
    #[prost(string, tag = "10")]
    pub address: String,
    /// `websocket` or `tcp`; empty where that was not known yet.
    #[prost(string, tag = "11")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub transport: String,
    /// What the client says it is, which proves nothing.
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdk: Option<LoginSdk>,
    /// The code of the protocol, of WebSocket or of HTTP that it was told; 0 where it was told none.
    #[prost(uint32, tag = "13")]
    pub code: u32,
    /// Why it ended, for people.
    #[prost(string, tag = "14")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How long it was connected, milliseconds; of one that has left.
    #[prost(uint64, tag = "15")]
    pub connected_ms: u64,
    /// What ended it, as `ringpost_closes_total` names causes; empty for one that has come.
    #[prost(string, tag = "16")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cause: String,
}

/// A device of a user.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginDevice {
    /// Which of the user's, in the application's words; empty where the token names none.
    #[prost(string, tag = "1")]
    pub id: String,
    /// What kind, in the application's words, such as `phone`; empty where the token names none.
    #[prost(string, tag = "2")]
    pub kind: String,
}

/// What a client says it runs.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginSdk {
    /// Which SDK or application.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Which version of it.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// What happened to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginKind {
    /// Its session is connected.
    Connected,
    /// Its session has ended.
    Disconnected,
    /// It was refused before it was connected.
    Refused,
}

impl LoginKind {
    const ALL: [Self; 3] = [Self::Connected, Self::Disconnected, Self::Refused];

    /// As events say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Refused => "refused",
        }
    }

    /// What an event says; `None` for what only a later version knows.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Event for UserLogin {
    const SCHEMA: &'static str = "user.login.log/1";
}
