//! A call of the API that a backend writes: `call/1`. The key is the backend's choice: calls of one key keep their order.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Event;

/// A call of the API.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Call {
    /// The method, as the API names it, in any case.
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "super::null::is_nothing")]
    pub method: String,
    /// The method's request: a JSON object; see [`data`](super::data).
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(with = "super::data::json", alias = "payload", skip_serializing_if = "Bytes::is_empty")]
    pub params: Bytes,
    /// By which a call that comes again is known: that of the request, where the method has one and the request has none.
    #[prost(string, tag = "3")]
    #[serde(deserialize_with = "super::null::is_nothing", skip_serializing_if = "String::is_empty")]
    pub idempotency_key: String,
}

impl Event for Call {
    const SCHEMA: &'static str = "call/1";
}
