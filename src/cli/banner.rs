//! What `ringpost serve` prints once it serves: where to look, and what to try.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::VERSION;
use crate::config::{Config, Role};
use crate::cores;
use crate::node::Node;

/// The banner of a node that has started.
pub(super) fn text(config: &Config, node: &Node, dev: bool) -> String {
    let has_edge = config.roles.has(Role::Edge);
    let mut text = match has_edge {
        true => format!("ringpost {VERSION}, a shard on each of the cores {}\n\n", cores::write(&node.cores)),
        false => format!("ringpost {VERSION}, without the edge: no client connects here\n\n"),
    };
    let http = reachable(node.http_address);
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<10} {value}");
    };
    if has_edge && config.demo.enabled {
        line("chat page", format!("http://{http}/"));
    }
    if has_edge {
        line("WebSocket", format!("ws://{http}{}", config.http_server.websocket_path));
    }
    if let Some(tcp) = node.tcp_address {
        line("TCP", format!("{}, JSON lines or length-prefixed Protobuf", reachable(tcp)));
    }
    let internal = reachable(node.internal_address.unwrap_or(node.http_address));
    line("API", format!("http://{internal}/api, described at /api/openapi.json"));
    if let Some(grpc) = node.grpc_address {
        line("gRPC", format!("{}, calls in proto/", reachable(grpc)));
    }
    if config.health.enabled {
        line("health", format!("http://{internal}/health"));
    }
    if config.prometheus.enabled {
        line("metrics", format!("http://{internal}/metrics"));
    }
    text.push('\n');
    if dev && has_edge {
        text.push_str(&examples(config, internal, node.tcp_address.map(reachable)));
    }
    text
}

/// What somebody new can paste.
fn examples(config: &Config, api: SocketAddr, tcp: Option<SocketAddr>) -> String {
    let mut text = String::from("To try it out:\n\n");
    if let Some(tcp) = tcp {
        let (connect, subscribe) = (r#"{"id":1,"connect":{}}"#, r#"{"id":2,"subscribe":{"channel":"chat:lobby"}}"#);
        let nc = format!("nc {} {}", tcp.ip(), tcp.port());
        let _ = write!(text, "  # listen\n  (echo '{connect}'; echo '{subscribe}'; cat) | {nc}\n\n");
    }
    let publish = r#"{"channel":"chat:lobby","data":{"text":"hello","user":"backend"}}"#;
    let key = &config.http_api.key;
    let _ = write!(text, "  # publish\n  curl -H 'X-API-Key: {key}' -d '{publish}' http://{api}/api/publish\n\n");
    let command = std::env::args().next().unwrap_or_else(|| "ringpost".into());
    let _ = write!(text, "  # a token for a client of yours\n  {command} token connection --dev --user alice\n\n");
    text
}

/// The address to open from this host: a node that listens everywhere is reached at loopback.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_listens_everywhere_is_reached_at_loopback() {
        assert_eq!(reachable("0.0.0.0:8000".parse().unwrap()).to_string(), "127.0.0.1:8000");
        assert_eq!(reachable("[::]:8000".parse().unwrap()).to_string(), "[::1]:8000");
        assert_eq!(reachable("10.1.2.3:8000".parse().unwrap()).to_string(), "10.1.2.3:8000");
    }

    #[test]
    fn the_examples_use_the_ports_and_the_key_of_the_node() {
        let text = examples(&Config::dev(), ([127, 0, 0, 1], 9000).into(), Some(([127, 0, 0, 1], 9001).into()));
        assert!(text.contains("nc 127.0.0.1 9001"), "{text}");
        assert!(text.contains("X-API-Key: dev") && text.contains("http://127.0.0.1:9000/api/publish"), "{text}");
    }
}
