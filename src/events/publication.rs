//! `publication/1`: a publication that a channel keeps, for archives and search. Whoever has moved it from `publish/1` to its channel
//! writes it, at least once; channel, epoch and offset say which it is. Key of the record: the channel.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Event;
use super::publish::Publisher;

/// A publication in its place.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Publication {
    /// The channel.
    #[prost(string, tag = "1")]
    pub channel: String,
    /// The life of the channel that the offset belongs to.
    #[prost(string, tag = "2")]
    pub epoch: String,
    /// Its place in the channel.
    #[prost(uint64, tag = "3")]
    pub offset: u64,
    /// When the channel took it, Unix milliseconds by the clock of Redis.
    #[prost(int64, tag = "4")]
    pub time_unix_ms: i64,
    /// The message, where it is JSON; see [`data`](super::data).
    #[prost(bytes = "bytes", tag = "5")]
    #[serde(with = "super::data::json", skip_serializing_if = "Bytes::is_empty")]
    pub data: Bytes,
    /// The message, where it is not JSON.
    #[prost(bytes = "bytes", tag = "6")]
    #[serde(with = "super::data::base64_text", skip_serializing_if = "Bytes::is_empty")]
    pub b64data: Bytes,
    /// The tags of the message.
    #[prost(btree_map = "string, string", tag = "7")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The client that has published it, if one has.
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<Publisher>,
}

impl Event for Publication {
    const SCHEMA: &'static str = "publication/1";
}
