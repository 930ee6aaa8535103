//! Where the server is: the URL that people give, taken apart.

use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use url::Url;

/// A server's address and how to speak to it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// As it was given.
    pub url: String,
    /// The address to connect to.
    pub address: SocketAddr,
    /// What is spoken there.
    pub protocol: Protocol,
}

/// What is spoken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// The Centrifugo client protocol.
    Centrifuge(Transport),
    /// The floor's wire: see `benches/node/floor.rs`.
    Floor(Transport),
    /// NATS.
    Nats,
    /// MQTT 3.1.1.
    Mqtt,
    /// NATS JetStream.
    JetStream,
    /// Redis Streams.
    Redis,
    /// Kafka.
    Kafka,
}

/// What carries frames and messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// WebSocket.
    WebSocket {
        /// `Host` of the upgrade.
        host: String,
        /// Path and query of the upgrade.
        path: String,
    },
    /// Plain TCP.
    Tcp,
}

impl Target {
    /// Reads `ws://host:port/path`, or `host:port` behind `tcp://`, `nats://`, `mqtt://` or `floor://`, and looks the
    /// host up.
    ///
    /// # Errors
    /// What is wrong with the URL, and what one looks like.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let url = Url::parse(text).with_context(|| format!("`{text}` is no URL: write {EXAMPLES}"))?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.with_context(|| format!("`{text}` names no host: write {EXAMPLES}"))?;
        let port = match url.scheme() {
            "wss" => bail!("`wss` is not spoken: point the load generator at the server itself, without TLS"),
            "ws" => url.port().unwrap_or(80),
            "nats" | "nats+jetstream" => url.port().unwrap_or(4222),
            "redis" => url.port().unwrap_or(6379),
            "kafka" => url.port().unwrap_or(9092),
            "mqtt" => url.port().unwrap_or(1883),
            scheme @ ("tcp" | "floor" | "floor+ws") => {
                url.port().with_context(|| format!("`{text}` names no port: write {scheme}://{host}:8001"))?
            }
            scheme => bail!("`{scheme}` is not spoken: write {EXAMPLES}"),
        };
        let address = (host.trim_matches(['[', ']']), port).to_socket_addrs();
        let address = address.ok().and_then(|mut addresses| addresses.next());
        let address = address.with_context(|| format!("the host `{host}` is not known here"))?;
        let websocket = || {
            let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
            Transport::WebSocket { host: format!("{host}:{port}"), path: format!("{}{query}", url.path()) }
        };
        let protocol = match url.scheme() {
            "nats" => Protocol::Nats,
            "mqtt" => Protocol::Mqtt,
            "nats+jetstream" => Protocol::JetStream,
            "redis" => Protocol::Redis,
            "kafka" => Protocol::Kafka,
            "floor" => Protocol::Floor(Transport::Tcp),
            "floor+ws" => Protocol::Floor(websocket()),
            "tcp" => Protocol::Centrifuge(Transport::Tcp),
            _ => Protocol::Centrifuge(websocket()),
        };
        Ok(Self { url: text.to_owned(), address, protocol })
    }
}

const EXAMPLES: &str = "ws://127.0.0.1:8000/connection/websocket or tcp://127.0.0.1:8001 (or nats://, mqtt://, \
                        floor:// and host and port)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websocket_url_is_taken_apart() {
        let target = Target::parse("ws://127.0.0.1:8000/connection/websocket?format=json").unwrap();
        assert_eq!(target.address, "127.0.0.1:8000".parse().unwrap());
        let path = "/connection/websocket?format=json".to_owned();
        let transport = Transport::WebSocket { host: "127.0.0.1:8000".into(), path };
        assert_eq!(target.protocol, Protocol::Centrifuge(transport));
        assert_eq!(Target::parse("ws://[::1]/").unwrap().address, "[::1]:80".parse().unwrap());
    }

    #[test]
    fn a_tcp_url_has_a_port() {
        let target = Target::parse("tcp://127.0.0.1:8001").unwrap();
        let protocol = Protocol::Centrifuge(Transport::Tcp);
        assert_eq!((target.address, target.protocol), ("127.0.0.1:8001".parse().unwrap(), protocol));
        for url in ["tcp://127.0.0.1", "floor://127.0.0.1"] {
            assert!(Target::parse(url).unwrap_err().to_string().contains("names no port"), "{url}");
        }
    }

    #[test]
    fn other_protocols_have_their_schemes_and_ports() {
        let websocket = Transport::WebSocket { host: "127.0.0.1:7".into(), path: "/".into() };
        let cases = [
            ("nats://127.0.0.1", 4222, Protocol::Nats),
            ("mqtt://127.0.0.1", 1883, Protocol::Mqtt),
            ("mqtt://127.0.0.1:1884", 1884, Protocol::Mqtt),
            ("nats+jetstream://127.0.0.1", 4222, Protocol::JetStream),
            ("redis://127.0.0.1", 6379, Protocol::Redis),
            ("kafka://127.0.0.1", 9092, Protocol::Kafka),
            ("floor://127.0.0.1:7", 7, Protocol::Floor(Transport::Tcp)),
            ("floor+ws://127.0.0.1:7/", 7, Protocol::Floor(websocket)),
        ];
        for (url, port, protocol) in cases {
            let target = Target::parse(url).unwrap();
            assert_eq!((target.address.port(), target.protocol), (port, protocol), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_spoken_is_refused_with_what_can() {
        for url in ["127.0.0.1:8000", "http://127.0.0.1", "wss://127.0.0.1", "tcp:", ""] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(error.contains("ws://127") || error.contains("without TLS"), "{url}: {error}");
        }
    }
}
