//! Where the server is: the URLs that people give, taken apart.

use std::collections::HashSet;
use std::mem::discriminant;
use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Context as _, bail, ensure};
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

/// The nodes of a server, one at least: clients are spread over them. All speak the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets(Vec<Target>);

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
    /// Whether the server knows what is said of what was received.
    pub fn knows_received(&self) -> bool {
        matches!(self.protocol, Protocol::Centrifuge(_))
    }

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

impl Targets {
    /// Reads a URL for each node.
    ///
    /// # Errors
    /// What is wrong with one of them, or that they do not fit together.
    pub fn parse(urls: &[String]) -> anyhow::Result<Self> {
        let targets = urls.iter().map(|url| Target::parse(url)).collect::<anyhow::Result<Vec<_>>>()?;
        let first = targets.first().context("no server is named: give its --url")?;
        ensure!(
            targets.iter().all(|target| target.protocol.is_like(&first.protocol)),
            "all nodes of a server speak the same protocol, over WebSocket or over TCP: give URLs that begin alike"
        );
        let addresses: HashSet<_> = targets.iter().map(|target| target.address).collect();
        ensure!(addresses.len() == targets.len(), "a node is named twice: give each --url once");
        Ok(Self(targets))
    }

    /// The first one, which stands for what all speak.
    pub fn first(&self) -> &Target {
        &self.0[0]
    }

    /// One of them, by number; numbers go round.
    pub fn node(&self, number: u32) -> &Target {
        &self.0[number as usize % self.0.len()]
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.0.len() as u32
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.0.iter()
    }
}

impl From<Target> for Targets {
    fn from(target: Target) -> Self {
        Self(vec![target])
    }
}

impl Protocol {
    /// Whether another node is spoken to in the same way.
    fn is_like(&self, other: &Self) -> bool {
        let transport = |protocol: &Self| match protocol {
            Self::Centrifuge(transport) | Self::Floor(transport) => Some(discriminant(transport)),
            _ => None,
        };
        discriminant(self) == discriminant(other) && transport(self) == transport(other)
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

    #[test]
    fn nodes_of_one_server_are_spoken_to_alike_and_named_once() {
        let parse = |urls: &[&str]| Targets::parse(&urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>());
        let nodes = parse(&["ws://127.0.0.1:8000/a", "ws://127.0.0.1:8001/b"]).unwrap();
        assert_eq!([0, 1, 2].map(|number| nodes.node(number).address.port()), [8000, 8001, 8000]);
        for (urls, expected) in [
            (&["ws://127.0.0.1:8000/a", "tcp://127.0.0.1:8001"][..], "begin alike"),
            (&["tcp://127.0.0.1:8001", "nats://127.0.0.1:4222"], "begin alike"),
            (&["tcp://127.0.0.1:8001", "tcp://localhost:8001"], "named twice"),
            (&[], "--url"),
        ] {
            let error = parse(urls).unwrap_err().to_string();
            assert!(error.contains(expected), "{urls:?}: {error}");
        }
    }
}
