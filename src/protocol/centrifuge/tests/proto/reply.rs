//! What the node sends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Data, Empty};

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Error {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) code: u32,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) message: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) temporary: bool,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Reply {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) id: u32,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) error: Option<Error>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) push: Option<Push>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) connect: Option<ConnectResult>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) subscribe: Option<SubscribeResult>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) unsubscribe: Option<Empty>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) publish: Option<Empty>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) presence: Option<PresenceResult>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) presence_stats: Option<PresenceStatsResult>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) history: Option<HistoryResult>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) ping: Option<Empty>,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) rpc: Option<Data>,
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) refresh: Option<RefreshResult>,
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) sub_refresh: Option<Expiry>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Push {
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) channel: String,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) r#pub: Option<Publication>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) join: Option<Info>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) leave: Option<Info>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) unsubscribe: Option<Unsubscribe>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) message: Option<Data>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) subscribe: Option<Subscribe>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) disconnect: Option<Disconnect>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) refresh: Option<Expiry>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Info {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) info: Option<ClientInfo>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct ClientInfo {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) user: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) client: String,
    #[prost(bytes = "vec", tag = "3")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(in super::super) conn_info: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(in super::super) chan_info: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Publication {
    #[prost(bytes = "vec", tag = "4")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(in super::super) data: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) info: Option<ClientInfo>,
    #[prost(uint64, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) offset: u64,
    #[prost(btree_map = "string, string", tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) tags: BTreeMap<String, String>,
    #[prost(int64, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) time: i64,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Unsubscribe {
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) code: u32,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) reason: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Subscribe {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) recoverable: bool,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) epoch: String,
    #[prost(uint64, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) offset: u64,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) positioned: bool,
    #[prost(bytes = "vec", tag = "7")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(in super::super) data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Disconnect {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) code: u32,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) reason: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) reconnect: bool,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Expiry {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) expires: bool,
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) ttl: u32,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct ConnectResult {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) client: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) version: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) expires: bool,
    #[prost(uint32, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) ttl: u32,
    #[prost(bytes = "vec", tag = "5")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(in super::super) data: Vec<u8>,
    #[prost(btree_map = "string, message", tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) subs: BTreeMap<String, SubscribeResult>,
    #[prost(uint32, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) ping: u32,
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) pong: bool,
    #[prost(string, tag = "10")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) node: String,
    #[prost(int64, tag = "11")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) time: i64,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct SubscribeResult {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) expires: bool,
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) ttl: u32,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) recoverable: bool,
    #[prost(string, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) epoch: String,
    #[prost(message, repeated, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) publications: Vec<Publication>,
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) recovered: bool,
    #[prost(uint64, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) offset: u64,
    #[prost(bool, tag = "10")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) positioned: bool,
    #[prost(bytes = "vec", tag = "11")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(in super::super) data: Vec<u8>,
    #[prost(bool, tag = "12")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) was_recovering: bool,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct PresenceResult {
    #[prost(btree_map = "string, message", tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) presence: BTreeMap<String, ClientInfo>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct PresenceStatsResult {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) num_clients: u32,
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) num_users: u32,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct HistoryResult {
    #[prost(message, repeated, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) publications: Vec<Publication>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) epoch: String,
    #[prost(uint64, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) offset: u64,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct RefreshResult {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) client: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) version: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) expires: bool,
    #[prost(uint32, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) ttl: u32,
}
