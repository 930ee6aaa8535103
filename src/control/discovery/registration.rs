//! What a node says of itself in the catalog.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

use crate::config::{Config, Purpose};
use crate::limits::{DISCOVERY_CALL_MS, DISCOVERY_FORGET_MS};
use crate::time::Duration;

/// Where the node listens.
pub(in crate::control) type Doors = [(Purpose, SocketAddr)];

/// A service, as an agent of Consul is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Registration {
    /// The id, which no other has.
    #[serde(rename = "ID")]
    pub(super) id: String,
    name: String,
    tags: Vec<String>,
    /// Left out, it is the agent's.
    #[serde(skip_serializing_if = "String::is_empty")]
    address: String,
    port: u16,
    meta: BTreeMap<&'static str, String>,
    check: Check,
}

/// How the agent looks after it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    name: &'static str,
    #[serde(rename = "HTTP")]
    http: String,
    interval: String,
    timeout: String,
    /// So that nodes that never come back are not listed for ever.
    deregister_critical_service_after: String,
}

impl Registration {
    /// That of a node that listens there.
    pub(super) fn new(config: &Config, doors: &Doors) -> Self {
        let consul = &config.discovery.consul;
        let of = |purpose| doors.iter().find(|(of, _)| *of == purpose).map(|(_, address)| *address);
        let http = of(Purpose::Http).expect("every node has an HTTP port");
        let advertised = match &consul.advertise {
            given if !given.is_empty() => given.clone(),
            _ if http.ip().is_unspecified() => String::new(),
            _ => http.ip().to_string(),
        };
        let mut meta = BTreeMap::from([
            ("name", config.name.clone()),
            ("version", crate::VERSION.into()),
            ("websocket_path", config.http_server.websocket_path.clone()),
        ]);
        meta.extend(of(Purpose::Tcp).map(|address| ("tcp_port", address.port().to_string())));
        meta.extend(of(Purpose::Internal).map(|address| ("internal_port", address.port().to_string())));
        // An agent that is to find the node everywhere is on the same host.
        let mut health = of(Purpose::Internal).unwrap_or(http);
        if health.ip().is_unspecified() {
            health.set_ip(match health {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        let check = Check {
            name: "readiness of the node",
            http: format!("http://{health}/health/ready"),
            interval: go_time(consul.check_interval),
            timeout: go_time(Duration::from_millis(DISCOVERY_CALL_MS)),
            deregister_critical_service_after: go_time(Duration::from_millis(DISCOVERY_FORGET_MS)),
        };
        Self {
            id: format!("{}-{}", consul.service, config.name),
            name: consul.service.clone(),
            tags: consul.tags.clone(),
            address: advertised,
            port: http.port(),
            meta,
            check,
        }
    }
}

/// As Go writes times.
fn go_time(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, to_value};

    use super::*;

    fn registration(change: impl FnOnce(&mut Config), doors: &[(Purpose, &str)]) -> Value {
        let mut config = Config { name: "node 1".into(), ..Config::default() };
        change(&mut config);
        let doors: Vec<_> = doors.iter().map(|(purpose, address)| (*purpose, address.parse().unwrap())).collect();
        to_value(Registration::new(&config, &doors)).unwrap()
    }

    #[test]
    fn a_node_that_listens_everywhere_is_where_its_agent_is() {
        let told = registration(|_| (), &[(Purpose::Http, "0.0.0.0:8000"), (Purpose::Tcp, "0.0.0.0:8001")]);
        assert_eq!((&told["ID"], &told["Name"]), (&json!("ringpost-node 1"), &json!("ringpost")));
        assert_eq!((told.get("Address"), &told["Port"]), (None, &json!(8000)));
        assert_eq!(told["Check"]["HTTP"], "http://127.0.0.1:8000/health/ready");
        assert_eq!((&told["Meta"]["tcp_port"], told["Meta"].get("internal_port")), (&json!("8001"), None));
    }

    #[test]
    fn an_internal_port_is_where_its_health_is_and_what_is_advertised_is_told() {
        let doors = [(Purpose::Http, "[::]:8000"), (Purpose::Internal, "10.0.0.7:8002")];
        let told = registration(|config| config.discovery.consul.advertise = "edge.example".into(), &doors);
        assert_eq!(told["Check"]["HTTP"], "http://10.0.0.7:8002/health/ready");
        assert_eq!((&told["Address"], &told["Meta"]["internal_port"]), (&json!("edge.example"), &json!("8002")));
        let told = registration(|_| (), &[(Purpose::Http, "[::]:8000")]);
        assert_eq!(told["Check"]["HTTP"], "http://[::1]:8000/health/ready");
        let told = registration(|_| (), &[(Purpose::Http, "10.0.0.7:8000")]);
        assert_eq!(told["Address"], "10.0.0.7");
    }
}
