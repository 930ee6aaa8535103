//! The configuration: a tree of structs, one per section; each field's comment is its documentation in
//! `docs/CONFIG.md`, in the JSON schema and in `ringpost config default`.
//!
//! Names are those of Centrifugo's configuration where the meaning is the same.

mod address;
mod advice;
mod bounds;
mod calls;
mod channel;
mod check;
mod client;
mod cluster;
mod describe;
mod dev;
mod devices;
mod discovery;
mod effective;
mod environment;
mod grpc;
pub mod import;
mod kafka;
mod keys;
mod level;
mod listeners;
mod load;
mod node;
mod notify;
mod proxies;
mod roles;
mod starter;
mod store;
mod visits;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use address::host_and_port;
pub use calls::CallMethod;
pub use channel::{
    Acknowledge, ChannelConfig, ChannelOptions, Delivery, ForceRecoveryMode, Log, Namespace, SlowConsumer,
};
pub use client::{ClientConfig, PersonalChannelConfig, SubscriptionTokenConfig};
pub use cluster::{ClusterConfig, RedisConfig, RedisMode};
pub use describe::{default_toml, markdown, schema};
pub use devices::{DeviceKindConfig, DevicePolicy, DevicesConfig, Stay};
pub use discovery::{ConsulConfig, DiscoveryConfig};
pub use grpc::GrpcApiConfig;
pub use kafka::{KafkaConfig, TopicsConfig};
pub use level::log_filter;
pub use listeners::{Listener, Port, Purpose};
pub use load::ConfigError;
pub use node::{
    AccessLogConfig, ApiErrorMode, EndpointConfig, HttpApiConfig, HttpServerConfig, InternalServerConfig, LogConfig,
    LogFormat, ShardsConfig, ShutdownConfig, TcpServerConfig,
};
pub use notify::NotifyConfig;
pub use proxies::{ForwardedHeader, Network, ProxiesConfig};
pub use roles::{Role, Roles};
pub use starter::starter_toml;
pub use store::StoreConfig;

pub use crate::time::Duration;

/// How environment variables begin that override a key. Sections are joined by two underscores:
/// `RINGPOST_CLIENT__TOKEN__HMAC_SECRET_KEY`.
pub const ENV_PREFIX: &str = "RINGPOST_";

/// The whole configuration of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The node's name, as clients and backends see it; empty takes the host's name.
    pub name: String,
    /// What this process does: `edge` holds the connections of clients, `state` derives from what edges report to Kafka who is
    /// online and who was seen when, `notify` tells the application of users whom no device reaches. A process without `edge` serves
    /// API, health and metrics only, on one port: `internal_server` where that is set, else `http_server`. Only a restart changes
    /// this.
    pub roles: Roles,
    /// Cores and their rings.
    pub shards: ShardsConfig,
    /// The HTTP port: WebSocket, and API, health and metrics unless there is an internal port.
    pub http_server: HttpServerConfig,
    /// The TCP port: JSON lines or length-prefixed Protobuf.
    pub tcp_server: TcpServerConfig,
    /// The internal port: API, health and metrics, where clients do not come.
    pub internal_server: InternalServerConfig,
    /// Proxies before the node, and what is believed of them. Nobody is, until they are named here.
    pub proxies: ProxiesConfig,
    /// Who may connect, and the bounds of one connection.
    pub client: ClientConfig,
    /// Channel names, namespaces and their options.
    pub channel: ChannelConfig,
    /// What channels keep beyond the process, where their namespace says `log = "disk"`. Only a restart changes this section.
    pub store: StoreConfig,
    /// Several nodes over one Redis, and Kafka.
    pub cluster: ClusterConfig,
    /// Where the node says that it is there, for load balancers and services that look. Who looks into DNS needs nothing of it. Only a
    /// restart changes this section.
    pub discovery: DiscoveryConfig,
    /// What processes with the role `notify` do. Only a restart changes this section.
    pub notify: NotifyConfig,
    /// The backend API.
    pub http_api: HttpApiConfig,
    /// The backend API by gRPC, on a port of its own. Only a restart changes this section but for `key`, `insecure` and
    /// `error_mode`; what the files of TLS hold is read again at SIGHUP.
    pub grpc_api: GrpcApiConfig,
    /// `/health`.
    pub health: EndpointConfig,
    /// `/metrics` for Prometheus.
    pub prometheus: EndpointConfig,
    /// The demo page at `/`.
    pub demo: DemoConfig,
    /// The log.
    pub log: LogConfig,
    /// The access log: a JSON object per line for each client that connects, closes or is refused, and each call of the API
    /// that is refused.
    pub access_log: AccessLogConfig,
    /// Endings.
    pub shutdown: ShutdownConfig,
}

/// The demo page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DemoConfig {
    /// Whether `/` serves a chat to try the node with. `--dev` switches it on.
    pub enabled: bool,
}
