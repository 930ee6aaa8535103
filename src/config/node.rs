//! Sections of the node itself: shards, doors, API, logs, endings.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use crate::limits::{MAILBOX_LETTERS, MAILBOX_LETTERS_SHARED};
use crate::model::ClientId;

/// Cores and their rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ShardsConfig {
    /// The cores to run a shard on: `all` that the process may use, or a list such as `0-3,6`.
    pub cores: String,
    /// Shards on each of these cores. More than one only shows what more shards cost where there are few cores.
    pub per_core: usize,
    /// Receive buffers per shard, a power of two up to 32768. One is in use while its bytes are read.
    pub receive_buffers: u16,
    /// Bytes of one receive buffer.
    pub receive_buffer_size: usize,
    /// Submission entries of a shard's ring, a power of two up to 16384.
    pub ring_entries: u32,
    /// Messages that may wait from one shard to another before reading pauses, at most 65536; 0 shares room for 32768
    /// evenly among the shards that write to one, 512 to 8192 for each.
    pub mailbox_capacity: usize,
}

impl ShardsConfig {
    /// Letters that fit into each mailbox of a node with so many shards.
    pub fn mailbox_letters(&self, shards: usize) -> usize {
        let (least, most) = MAILBOX_LETTERS;
        match self.mailbox_capacity {
            0 => (MAILBOX_LETTERS_SHARED / shards.saturating_sub(1).max(1)).clamp(least, most),
            capacity => capacity,
        }
    }
}

impl Default for ShardsConfig {
    fn default() -> Self {
        Self {
            cores: "all".into(),
            per_core: 1,
            receive_buffers: 2048,
            receive_buffer_size: 4096,
            ring_entries: 4096,
            mailbox_capacity: 0,
        }
    }
}

/// The HTTP port: WebSocket, and API, health and metrics unless there is an internal port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HttpServerConfig {
    /// The address to listen on.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Connections that may wait to be accepted, per shard; the kernel bounds it by `net.core.somaxconn`.
    pub backlog: u32,
    /// The path of the WebSocket door.
    pub websocket_path: String,
    /// Whether proxies say first whose connection it is: by a header of the PROXY protocol, version 1 or 2, which each
    /// connection from one of `proxies.trusted` must begin with.
    pub proxy_protocol: bool,
}

impl Default for HttpServerConfig {
    fn default() -> Self {
        Self {
            address: "0.0.0.0".into(),
            port: 8000,
            backlog: 4096,
            websocket_path: "/connection/websocket".into(),
            proxy_protocol: false,
        }
    }
}

/// The TCP port: JSON lines or length-prefixed Protobuf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TcpServerConfig {
    /// Whether the port is open.
    pub enabled: bool,
    /// The address to listen on.
    pub address: String,
    /// The port.
    pub port: u16,
    /// As `http_server.proxy_protocol`.
    pub proxy_protocol: bool,
}

impl Default for TcpServerConfig {
    fn default() -> Self {
        Self { enabled: true, address: "0.0.0.0".into(), port: 8001, proxy_protocol: false }
    }
}

/// The internal port: API, health and metrics, where clients do not come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct InternalServerConfig {
    /// The address to listen on, such as `127.0.0.1` or one of a private network. Where it is set, API, health and
    /// metrics answer there only; empty, they share the HTTP port.
    pub address: String,
    /// The port, where there is an address; 0 takes a free one.
    pub port: u16,
    /// As `http_server.proxy_protocol`.
    pub proxy_protocol: bool,
}

impl InternalServerConfig {
    /// Whether there is an internal port.
    pub fn is_set(&self) -> bool {
        !self.address.is_empty()
    }
}

/// The backend API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HttpApiConfig {
    /// What backends send as `X-API-Key`. Without it the API refuses every call.
    pub key: String,
    /// Whether the API asks for no key. For development only.
    pub insecure: bool,
    /// Where errors of methods are told: in the body of a 200 (`reply`), or by the status (`transport`), which a caller can
    /// ask for by `X-Centrifugo-Error-Mode: transport`.
    pub error_mode: ApiErrorMode,
}

/// Where the API tells what a method refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApiErrorMode {
    /// In the reply's `error`; the status is 200.
    #[default]
    #[serde(alias = "")]
    Reply,
    /// By the status; the body is the error.
    Transport,
}

impl HttpApiConfig {
    /// Whether who gives this key may call. How long it takes tells nothing about the key.
    pub fn admits(&self, given: Option<&[u8]>) -> bool {
        self.insecure || is_key(&self.key, given)
    }
}

/// Whether a key was given that is one. How long it takes tells nothing about the key.
pub(super) fn is_key(key: &str, given: Option<&[u8]>) -> bool {
    let is_right = |given| verify_slices_are_equal(given, key.as_bytes()).is_ok();
    !key.is_empty() && given.is_some_and(is_right)
}

/// A part of the node that can be switched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EndpointConfig {
    /// Whether it is served.
    pub enabled: bool,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object per line.
    Json,
}

/// The log, written to standard error. Lines that it cannot take in time are dropped and counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LogConfig {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as
    /// `info,ringpost::session=debug`.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

/// The access log: a JSON object per line for each client that connects, closes or is refused, and each call of the API that
/// is refused. Lines that its file cannot take in time are dropped and counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AccessLogConfig {
    /// Whether there is one.
    pub enabled: bool,
    /// The file, which is opened again at SIGHUP; empty is standard output.
    pub path: String,
    /// One of how many clients is told of, by its id: who is told to come is told to go. All refusals are.
    pub sample: u32,
}

impl AccessLogConfig {
    /// Whether this client is told of.
    pub fn takes(&self, client: ClientId) -> bool {
        self.enabled && client.as_u64_pair().1.is_multiple_of(self.sample.into())
    }
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self { enabled: false, path: String::new(), sample: 1 }
    }
}

/// Endings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ShutdownConfig {
    /// The time over which clients are told to reconnect elsewhere after SIGTERM.
    pub drain_time: Duration,
    /// After this the node ends, whatever is left.
    pub timeout: Duration,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { drain_time: Duration::from_secs(5), timeout: Duration::from_secs(30) }
    }
}
