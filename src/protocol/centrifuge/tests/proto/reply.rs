//! What the node sends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Data, Empty};

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Error {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) code: u32,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) message: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) temporary: bool,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Reply {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) id: u32,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) error: Option<Error>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) push: Option<Push>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) connect: Option<ConnectResult>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) subscribe: Option<SubscribeResult>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) unsubscribe: Option<Empty>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) publish: Option<Empty>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) presence: Option<PresenceResult>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) presence_stats: Option<PresenceStatsResult>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) history: Option<HistoryResult>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) ping: Option<Empty>,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) rpc: Option<Data>,
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) refresh: Option<RefreshResult>,
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) sub_refresh: Option<Expiry>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Push {
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) channel: String,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) r#pub: Option<Publication>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) join: Option<Info>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) leave: Option<Info>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) unsubscribe: Option<Unsubscribe>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) message: Option<Data>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) subscribe: Option<Subscribe>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) disconnect: Option<Disconnect>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) refresh: Option<Expiry>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Info {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) info: Option<ClientInfo>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ClientInfo {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) user: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) client: String,
    #[prost(bytes = "vec", tag = "3")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(crate) conn_info: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(crate) chan_info: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Publication {
    #[prost(bytes = "vec", tag = "4")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(crate) data: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) info: Option<ClientInfo>,
    #[prost(uint64, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) offset: u64,
    #[prost(btree_map = "string, string", tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) tags: BTreeMap<String, String>,
    #[prost(int64, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) time: i64,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Unsubscribe {
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) code: u32,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) reason: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Subscribe {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) recoverable: bool,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) epoch: String,
    #[prost(uint64, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) offset: u64,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) positioned: bool,
    #[prost(bytes = "vec", tag = "7")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(crate) data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Disconnect {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) code: u32,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) reason: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) reconnect: bool,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Expiry {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) expires: bool,
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) ttl: u32,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ConnectResult {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) client: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) version: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) expires: bool,
    #[prost(uint32, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) ttl: u32,
    #[prost(bytes = "vec", tag = "5")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(crate) data: Vec<u8>,
    #[prost(btree_map = "string, message", tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) subs: BTreeMap<String, SubscribeResult>,
    #[prost(uint32, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) ping: u32,
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) pong: bool,
    #[prost(string, tag = "10")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) node: String,
    #[prost(int64, tag = "11")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) time: i64,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SubscribeResult {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) expires: bool,
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) ttl: u32,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) recoverable: bool,
    #[prost(string, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) epoch: String,
    #[prost(message, repeated, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) publications: Vec<Publication>,
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) recovered: bool,
    #[prost(uint64, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) offset: u64,
    #[prost(bool, tag = "10")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) positioned: bool,
    #[prost(bytes = "vec", tag = "11")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(crate) data: Vec<u8>,
    #[prost(bool, tag = "12")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) was_recovering: bool,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PresenceResult {
    #[prost(btree_map = "string, message", tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) presence: BTreeMap<String, ClientInfo>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PresenceStatsResult {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) num_clients: u32,
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) num_users: u32,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HistoryResult {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) publications: Vec<Publication>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) epoch: String,
    #[prost(uint64, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) offset: u64,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RefreshResult {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) client: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) version: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) expires: bool,
    #[prost(uint32, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) ttl: u32,
}
