//! What clients send.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Command {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) id: u32,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) connect: Option<ConnectRequest>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) subscribe: Option<SubscribeRequest>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) unsubscribe: Option<ChannelRequest>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) publish: Option<PublishRequest>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) presence: Option<ChannelRequest>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) presence_stats: Option<ChannelRequest>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) history: Option<HistoryRequest>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) ping: Option<Empty>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) send: Option<Data>,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) rpc: Option<RpcRequest>,
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) refresh: Option<RefreshRequest>,
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) sub_refresh: Option<SubRefreshRequest>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ConnectRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) token: String,
    #[prost(bytes = "vec", tag = "2")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(crate) data: Vec<u8>,
    #[prost(btree_map = "string, message", tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) subs: BTreeMap<String, SubscribeRequest>,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) name: String,
    #[prost(string, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) version: String,
    #[prost(btree_map = "string, string", tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) headers: BTreeMap<String, String>,
    #[prost(int64, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) flag: i64,
    #[prost(string, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) dict: String,
    #[prost(string, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) profile: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SubscribeRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) channel: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) token: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) recover: bool,
    #[prost(string, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) epoch: String,
    #[prost(uint64, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) offset: u64,
    #[prost(bytes = "vec", tag = "8")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(crate) data: Vec<u8>,
    #[prost(bool, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) positioned: bool,
    #[prost(bool, tag = "10")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) recoverable: bool,
    #[prost(bool, tag = "11")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) join_leave: bool,
    #[prost(string, tag = "12")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) delta: String,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) tf: Option<FilterNode>,
    #[prost(int64, tag = "14")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) flag: i64,
    #[prost(int32, tag = "15")]
    #[serde(rename = "type", skip_serializing_if = "super::is_default")]
    pub(crate) kind: i32,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FilterNode {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) op: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) key: String,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) cmp: String,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) val: String,
    #[prost(string, repeated, tag = "5")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) vals: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) nodes: Vec<FilterNode>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ChannelRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) channel: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PublishRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) channel: String,
    #[prost(bytes = "vec", tag = "2")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(crate) data: Vec<u8>,
    #[prost(int32, tag = "3")]
    #[serde(rename = "type", skip_serializing_if = "super::is_default")]
    pub(crate) kind: i32,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) key: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HistoryRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) channel: String,
    #[prost(int32, tag = "7")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) limit: i32,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) since: Option<StreamPosition>,
    #[prost(bool, tag = "9")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) reverse: bool,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StreamPosition {
    #[prost(uint64, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) offset: u64,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) epoch: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Empty {}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Data {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(crate) data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RpcRequest {
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "super::raw", skip_serializing_if = "super::is_default")]
    pub(crate) data: Vec<u8>,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) method: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RefreshRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) token: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SubRefreshRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) channel: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "super::is_default")]
    pub(crate) token: String,
    #[prost(int32, tag = "3")]
    #[serde(rename = "type", skip_serializing_if = "super::is_default")]
    pub(crate) kind: i32,
}
