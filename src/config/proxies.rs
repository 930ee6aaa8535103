//! Proxies before the node: who they are, and what they say of their clients.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::wire::forwarded::{self, Syntax};

/// Proxies before the node, and what is believed of them. Nobody is, until they are named here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProxiesConfig {
    /// Proxies that are believed when they say whose connection or request they pass on: addresses, or networks such as
    /// `10.0.0.0/8`. Nobody else should be able to come from there.
    pub trusted: Vec<Network>,
    /// The header that they say it in: `x-forwarded-for`, `forwarded` (RFC 7239), or `none`. It must be one that they write
    /// themselves: others pass through them as clients have sent them.
    pub header: ForwardedHeader,
}

impl ProxiesConfig {
    /// Whether this is a proxy that is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// Who sent a request that came from `peer`, whose head has these lines of a header.
    pub fn client_of<'a, L>(&self, peer: IpAddr, lines: impl FnOnce(&'static str) -> L) -> IpAddr
    where
        L: IntoIterator<Item = &'a str, IntoIter: DoubleEndedIterator>,
    {
        let (name, syntax) = match self.header {
            ForwardedHeader::XForwardedFor => ("x-forwarded-for", Syntax::XForwardedFor),
            ForwardedHeader::Forwarded => ("forwarded", Syntax::Forwarded),
            ForwardedHeader::None => return peer,
        };
        if !self.trusts(peer) {
            return peer;
        }
        forwarded::client(peer, lines(name).into_iter(), syntax, |address| self.trusts(address))
    }
}

/// Where a proxy says whose request it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
    /// Nowhere.
    None,
}

/// A network of IP addresses, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl Network {
    /// Whether the address is one of the network's.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| format!("\"{text}\" is no network: write one like 10.0.0.0/8, or an address"))
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.prefix_len() == self.0.max_prefix_len() {
            true => self.0.addr().fmt(formatter),
            false => self.0.fmt(formatter),
        }
    }
}

impl JsonSchema for Network {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(networks: &[&str], address: &str) -> bool {
        let trusted = networks.iter().map(|network| network.parse().unwrap()).collect();
        ProxiesConfig { trusted, ..ProxiesConfig::default() }.trusts(address.parse().unwrap())
    }

    #[test]
    fn networks_and_addresses_are_trusted_and_nobody_else() {
        let networks = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"];
        for (address, expected) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(trusts(&networks, address), expected, "{address}");
        }
        assert!(!trusts(&[], "127.0.0.1"));
    }

    #[test]
    fn a_network_is_told_as_it_was_written() {
        for text in ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        for text in ["", "10.0.0.0/33", "10.0.0", "proxy.example", "10.0.0.0/8/8"] {
            assert!(text.parse::<Network>().unwrap_err().contains("10.0.0.0/8"), "{text}");
        }
    }
}
