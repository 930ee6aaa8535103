//! Who is to be told of a message by a push: `push.offline/1`. The key is the channel.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Event;

/// A message that some members of its channel have not received in time; or of which a push is needed no more.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct PushOffline {
    /// Of this event: who has seen it knows it again.
    #[prost(string, tag = "1")]
    pub id: String,
    /// What happened: [`PushKind`] as text.
    #[prost(string, tag = "2")]
    pub kind: String,
    /// The channel of the message.
    #[prost(string, tag = "3")]
    pub channel: String,
    /// The life of the channel that the offset belongs to.
    #[prost(string, tag = "4")]
    pub epoch: String,
    /// The place of the message in the channel. Of a withdrawal: all up to this one.
    #[prost(uint64, tag = "5")]
    pub offset: u64,
    /// When the message was published, Unix milliseconds; of a withdrawal 0.
    #[prost(int64, tag = "6")]
    #[serde(skip_serializing_if = "is_zero")]
    pub time_unix_ms: i64,
    /// The user who published the message; empty for a backend, and of a withdrawal.
    #[prost(string, tag = "7")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sender: String,
    /// The message, where it is JSON and not too long; see [`data`](super::data).
    #[prost(bytes = "bytes", tag = "8")]
    #[serde(with = "super::data::json", skip_serializing_if = "Bytes::is_empty")]
    pub data: Bytes,
    /// The message, where it is not JSON; and the first bytes of one that is too long.
    #[prost(bytes = "bytes", tag = "9")]
    #[serde(with = "super::data::base64_text", skip_serializing_if = "Bytes::is_empty")]
    pub b64data: Bytes,
    /// Whether the message is too long, so that `b64data` has its first bytes only.
    #[prost(bool, tag = "10")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// The tags of the message.
    #[prost(btree_map = "string, string", tag = "11")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Who is to be told, or told no more: 1,000 at the most; of a larger room come several events.
    #[prost(message, repeated, tag = "12")]
    pub users: Vec<PushUser>,
}

/// A member of a channel who has not received a message.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct PushUser {
    /// The user.
    #[prost(string, tag = "1")]
    pub user: String,
    /// How many messages of the channel the user has not read.
    #[prost(uint64, tag = "2")]
    pub unread: u64,
    /// Why: [`PushReason`] as text; empty of a withdrawal.
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushKind {
    /// Users are to be told of a message.
    Offline,
    /// Users have received, or read, all up to a message: pushes of these are needed no more.
    Withdrawn,
}

/// Why a user has not received a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushReason {
    /// No device has said in time that it has it.
    Away,
    /// All sessions of the user have said that nobody looks.
    Background,
}

impl PushKind {
    const ALL: [Self; 2] = [Self::Offline, Self::Withdrawn];

    /// As events say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What an event says; `None` for what only a later version knows.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl PushReason {
    const ALL: [Self; 2] = [Self::Away, Self::Background];

    /// As events say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Background => "background",
        }
    }

    /// What an event says; `None` for what only a later version knows.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Event for PushOffline {
    const SCHEMA: &'static str = "push.offline/1";
}
