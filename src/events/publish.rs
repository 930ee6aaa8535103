//! `publish/1`: something to be published, on the way up. Nodes write it for clients and for the API; backends may write it
//! themselves. Key of the record: the channel.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Event;

/// A message and where to.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Publish {
    /// Where to: its namespace has `acknowledge = "kafka"`. Empty: the record's key says it.
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "super::null::is_nothing", skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// The message: any JSON value; see [`data`](super::data). This or `b64data` is needed.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(with = "super::data::json", skip_serializing_if = "Bytes::is_empty")]
    pub data: Bytes,
    /// The message: bytes.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(with = "super::data::base64_text", skip_serializing_if = "Bytes::is_empty")]
    pub b64data: Bytes,
    /// Tags of the application, which travel beside the message.
    #[prost(btree_map = "string, string", tag = "4")]
    #[serde(deserialize_with = "super::null::is_nothing", skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Of records with the same key in a channel the first is published, within five minutes.
    #[prost(string, tag = "5")]
    #[serde(deserialize_with = "super::null::is_nothing", skip_serializing_if = "String::is_empty")]
    pub idempotency_key: String,
    /// Drops it where the channel's newest message is of this version or a later one; 0 for none.
    #[prost(uint64, tag = "6")]
    #[serde(deserialize_with = "super::null::is_nothing", skip_serializing_if = "is_zero")]
    pub version: u64,
    /// What the version counts within.
    #[prost(string, tag = "7")]
    #[serde(deserialize_with = "super::null::is_nothing", skip_serializing_if = "String::is_empty")]
    pub version_epoch: String,
    /// Deliver it only, do not keep it in the channel's history.
    #[prost(bool, tag = "8")]
    #[serde(deserialize_with = "super::null::is_nothing", skip_serializing_if = "std::ops::Not::not")]
    pub skip_history: bool,
    /// How long it is given to who recovers or reads the history, milliseconds; 0 is as long as it is kept.
    #[prost(uint64, tag = "9")]
    #[serde(deserialize_with = "super::null::is_nothing", skip_serializing_if = "is_zero")]
    pub ttl_ms: u64,
    /// The client that does not get it; empty for none.
    #[prost(string, tag = "10")]
    #[serde(deserialize_with = "super::null::is_nothing", skip_serializing_if = "String::is_empty")]
    pub exclude_client: String,
    /// The client that publishes, if one does, as subscribers see it.
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<Publisher>,
    /// The id that this client has given the message: of messages of a user with the same id in a channel the first is published.
    #[prost(string, tag = "12")]
    #[serde(deserialize_with = "super::null::is_nothing", skip_serializing_if = "String::is_empty")]
    pub message_id: String,
}

impl Event for Publish {
    const SCHEMA: &'static str = "publish/1";
}

/// A client, as others see it.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Publisher {
    /// Its user; empty for nobody in particular.
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "super::null::is_nothing")]
    pub user: String,
    /// Its id.
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "super::null::is_nothing")]
    pub client: String,
    /// What its connection says of it: any JSON value.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(with = "super::data::json", skip_serializing_if = "Bytes::is_empty")]
    pub conn_info: Bytes,
    /// The same as bytes.
    #[prost(bytes = "bytes", tag = "4")]
    #[serde(with = "super::data::base64_text", skip_serializing_if = "Bytes::is_empty")]
    pub b64conn_info: Bytes,
    /// What its subscription says of it: any JSON value.
    #[prost(bytes = "bytes", tag = "5")]
    #[serde(with = "super::data::json", skip_serializing_if = "Bytes::is_empty")]
    pub chan_info: Bytes,
    /// The same as bytes.
    #[prost(bytes = "bytes", tag = "6")]
    #[serde(with = "super::data::base64_text", skip_serializing_if = "Bytes::is_empty")]
    pub b64chan_info: Bytes,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
