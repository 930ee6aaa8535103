//! The listeners that a configuration asks for, as one list.

use super::{Config, Role};

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// WebSocket clients, the page, and what the internal port would serve where there is none.
    Http,
    /// Clients of JSON lines or length-prefixed Protobuf.
    Tcp,
    /// What operators and backends ask: API, health, metrics.
    Internal,
}

impl Purpose {
    /// Whether API, health and metrics answer there.
    pub fn is_internal(self, config: &Config) -> bool {
        match self {
            Self::Http => !config.internal_server.is_set(),
            Self::Tcp => false,
            Self::Internal => true,
        }
    }

    /// Whether trusted proxies begin each connection there with a header of the PROXY protocol.
    pub fn takes_proxy_header(self, config: &Config) -> bool {
        match self {
            Self::Http => config.http_server.proxy_protocol,
            Self::Tcp => config.tcp_server.proxy_protocol,
            Self::Internal => config.internal_server.proxy_protocol,
        }
    }
}

/// A listener that the configuration asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener<'a> {
    /// What it is for.
    pub purpose: Purpose,
    /// The section that asks for it.
    pub section: &'static str,
    /// Its IP address.
    pub address: &'a str,
    /// Its port; 0 takes a free one.
    pub port: u16,
    /// Whether trusted proxies begin each connection with a header of the PROXY protocol.
    pub proxy_protocol: bool,
}

/// A port that the configuration asks for, whoever listens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port<'a> {
    /// The section that asks for it.
    pub section: &'static str,
    /// Its IP address.
    pub address: &'a str,
    /// Its number; 0 takes a free one.
    pub port: u16,
}

impl Config {
    /// All ports that are asked for: those of [`Config::listeners`], and that of gRPC, which is the control plane's alone.
    pub fn ports(&self) -> Vec<Port<'_>> {
        let of = |Listener { section, address, port, .. }| Port { section, address, port };
        let mut ports: Vec<_> = self.listeners().into_iter().map(of).collect();
        if self.grpc_api.enabled {
            ports.push(Port { section: "grpc_api", address: &self.grpc_api.address, port: self.grpc_api.port });
        }
        ports
    }

    /// All listeners that are asked for. The HTTP port is always among them, but for a process without the edge: that has one, for
    /// operators and backends.
    pub fn listeners(&self) -> Vec<Listener<'_>> {
        let Self { http_server: http, tcp_server: tcp, internal_server: internal, .. } = self;
        let of = |purpose, section, address, port, proxy_protocol| Listener {
            purpose,
            section,
            address,
            port,
            proxy_protocol,
        };
        if !self.roles.has(Role::Edge) {
            return match internal.is_set() {
                true => vec![of(
                    Purpose::Internal,
                    "internal_server",
                    &internal.address,
                    internal.port,
                    internal.proxy_protocol,
                )],
                false => {
                    vec![of(Purpose::Internal, "http_server", &http.address, http.port, http.proxy_protocol)]
                }
            };
        }
        let mut listeners =
            vec![of(Purpose::Http, "http_server", http.address.as_str(), http.port, http.proxy_protocol)];
        if tcp.enabled {
            listeners.push(of(Purpose::Tcp, "tcp_server", &tcp.address, tcp.port, tcp.proxy_protocol));
        }
        if internal.is_set() {
            let (address, port) = (&internal.address, internal.port);
            listeners.push(of(Purpose::Internal, "internal_server", address, port, internal.proxy_protocol));
        }
        listeners
    }
}
