//! What clients send.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Command {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) id: u32,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) connect: Option<ConnectRequest>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) subscribe: Option<SubscribeRequest>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) unsubscribe: Option<ChannelRequest>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) publish: Option<PublishRequest>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) presence: Option<ChannelRequest>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) presence_stats: Option<ChannelRequest>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) history: Option<HistoryRequest>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) ping: Option<Empty>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) send: Option<Data>,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) rpc: Option<RpcRequest>,
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) refresh: Option<RefreshRequest>,
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) sub_refresh: Option<SubRefreshRequest>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct ConnectRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) token: String,
    #[prost(bytes = "vec", tag = "2")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(in super::super) data: Vec<u8>,
    #[prost(btree_map = "string, message", tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) subs: BTreeMap<String, SubscribeRequest>,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) name: String,
    #[prost(string, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) version: String,
    #[prost(btree_map = "string, string", tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) headers: BTreeMap<String, String>,
    #[prost(int64, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) flag: i64,
    #[prost(string, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) dict: String,
    #[prost(string, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) profile: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct SubscribeRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) channel: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) token: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) recover: bool,
    #[prost(string, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) epoch: String,
    #[prost(uint64, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) offset: u64,
    #[prost(bytes = "vec", tag = "8")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(in super::super) data: Vec<u8>,
    #[prost(bool, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) positioned: bool,
    #[prost(bool, tag = "10")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) recoverable: bool,
    #[prost(bool, tag = "11")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) join_leave: bool,
    #[prost(string, tag = "12")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) delta: String,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) tf: Option<FilterNode>,
    #[prost(int64, tag = "14")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) flag: i64,
    #[prost(int32, tag = "15")]
    #[serde(rename = "type", skip_serializing_if = "super::is_default")]
    pub(in super::super) kind: i32,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct FilterNode {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) op: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) key: String,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) cmp: String,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) val: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct ChannelRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) channel: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct PublishRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) channel: String,
    #[prost(bytes = "vec", tag = "2")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(in super::super) data: Vec<u8>,
    #[prost(int32, tag = "3")]
    #[serde(rename = "type", skip_serializing_if = "super::is_default")]
    pub(in super::super) kind: i32,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) key: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct HistoryRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) channel: String,
    #[prost(int32, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) limit: i32,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) since: Option<StreamPosition>,
    #[prost(bool, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) reverse: bool,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct StreamPosition {
    #[prost(uint64, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) offset: u64,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) epoch: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Empty {}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Data {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(in super::super) data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct RpcRequest {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(in super::super) data: Vec<u8>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) method: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct RefreshRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) token: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct SubRefreshRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) channel: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(in super::super) token: String,
    #[prost(int32, tag = "3")]
    #[serde(rename = "type", skip_serializing_if = "super::is_default")]
    pub(in super::super) kind: i32,
}
