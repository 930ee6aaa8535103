//! The section of discovery.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// Where the node says that it is there, for load balancers and services that look. Who looks into DNS needs nothing of it. Only a
/// restart changes this section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DiscoveryConfig {
    /// A catalog of Consul.
    pub consul: ConsulConfig,
}

/// A catalog of Consul: the node registers with an agent, which looks at its `/health/ready`, and is taken off when it drains.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ConsulConfig {
    /// The agent, commonly one on the same host: a URL such as `http://127.0.0.1:8500`. Empty: there is none.
    pub address: String,
    /// The token of its ACL, with `service:write` for the service; empty for none. The environment variable
    /// RINGPOST_DISCOVERY__CONSUL__TOKEN keeps it out of the file.
    pub token: String,
    /// The service's name. The id of this one is the name, `-`, and the node's `name`.
    pub service: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Where others reach the node: an IP address or a name. Empty: where the HTTP port listens, or if that is everywhere, what the
    /// agent calls its own address.
    pub advertise: String,
    /// How often the agent looks at the node's health, and the node whether the agent knows it still.
    pub check_interval: Duration,
}

impl ConsulConfig {
    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        !self.address.is_empty()
    }

    /// Every broken rule, one line each. The agent looks at the node's health.
    pub(super) fn check(&self, health_is_enabled: bool, problems: &mut Vec<String>) {
        let mut rule = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        if !self.is_set() {
            return;
        }
        let is_url = ["http://", "https://"].iter().any(|scheme| {
            self.address.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        });
        rule(
            is_url,
            format!(
                "`discovery.consul.address` is \"{}\": it must be a URL, such as http://127.0.0.1:8500",
                self.address
            ),
        );
        rule(!self.service.is_empty(), "`discovery.consul.service` is empty: the service needs a name".into());
        rule(
            health_is_enabled,
            "`discovery.consul` needs `health.enabled`: the agent looks at the node's health".into(),
        );
    }
}

/// Without the token.
impl std::fmt::Debug for ConsulConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ConsulConfig({:?}, service {:?})", self.address, self.service)
    }
}

impl Default for ConsulConfig {
    fn default() -> Self {
        Self {
            address: String::new(),
            token: String::new(),
            service: "ringpost".into(),
            tags: Vec::new(),
            advertise: String::new(),
            check_interval: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(address: &str, service: &str, health_is_enabled: bool) -> Vec<String> {
        let config = ConsulConfig { address: address.into(), service: service.into(), ..ConsulConfig::default() };
        let mut problems = Vec::new();
        config.check(health_is_enabled, &mut problems);
        problems
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(problems("", "", false), [""; 0], "there is none");
        assert_eq!(problems("http://127.0.0.1:8500", "ringpost", true), [""; 0]);
        for (address, service, health, said) in [
            ("127.0.0.1:8500", "ringpost", true, "a URL"),
            ("http:///v1", "ringpost", true, "a URL"),
            ("https://consul:8501", "", true, "needs a name"),
            ("https://consul:8501", "ringpost", false, "health.enabled"),
        ] {
            let problems = problems(address, service, health);
            assert!(problems.len() == 1 && problems[0].contains(said), "{said}: {problems:?}");
        }
    }

    #[test]
    fn the_token_is_not_shown() {
        let config = ConsulConfig { token: "secret".into(), ..ConsulConfig::default() };
        assert!(!format!("{config:?}").contains("secret"));
    }
}
