//! The section of several nodes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::host_and_port;
use super::{Duration, KafkaConfig};

/// Several nodes over one Redis, and Kafka.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClusterConfig {
    /// The Redis 7 or Valkey 8 that nodes share, for channels with `log = "redis"`.
    pub redis: RedisConfig,
    /// The Kafka that carries what must survive on its way, and tells the rest of the company.
    pub kafka: KafkaConfig,
}

/// The Redis 7 or Valkey 8 that nodes share, for channels with `log = "redis"`. A node of several needs a `name` of its own.
/// `ringpost cluster check` looks at it and loads Ringpost's Functions into it, as a node does at its start. Only a restart
/// changes this section.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RedisConfig {
    /// Where it is: one `host:port`, some Sentinels, or some nodes of a Cluster. Empty: there is none.
    pub addresses: Vec<String>,
    /// How it is set up.
    pub mode: RedisMode,
    /// The name of the primary that Sentinels look after.
    pub sentinel_service: String,
    /// The user at the Sentinels; empty is their default user.
    pub sentinel_user: String,
    /// The password at the Sentinels; empty for none.
    pub sentinel_password: String,
    /// The user of Redis' ACL; empty is its default user.
    pub user: String,
    /// The password; empty for none. The environment variable RINGPOST_CLUSTER__REDIS__PASSWORD keeps it out of the file.
    pub password: String,
    /// Whether connections are encrypted; those to Sentinels as well.
    pub tls: bool,
    /// A file in PEM with the authorities that sign Redis' certificate; empty takes those of the host.
    pub tls_ca_file: String,
    /// A file in PEM with the node's own certificate, where Redis asks for one.
    pub tls_cert_file: String,
    /// A file in PEM with the key of that certificate.
    pub tls_key_file: String,
    /// How the names of all keys begin. Nodes with another prefix are another cluster in the same Redis.
    pub prefix: String,
    /// How many buckets channels and users are spread over, the same for all nodes of a cluster. A bucket's order is kept by
    /// one call at a time of each node.
    pub buckets: u16,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// A publish, and what else docs/CLUSTER.md says, is answered once so many replicas have it as well (`WAIT`): what a failover loses
    /// was not answered, as long as one of them is made the primary. 0 is none. Publishes are answered later by what the way to the
    /// replicas takes; with fewer replicas a node does not start.
    pub wait_replicas: u8,
    /// How long a publish waits for them. Then it is refused with 100, although it is published.
    pub wait_timeout: Duration,
}

/// How a Redis is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RedisMode {
    /// One primary at a known address.
    #[default]
    Single,
    /// One primary that Sentinels look after: `addresses` are theirs.
    Sentinel,
    /// A Redis Cluster.
    Cluster,
}

impl RedisConfig {
    /// Whether there is a Redis.
    pub fn is_set(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// Every broken rule, one line each.
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        let mut rule = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        for address in &self.addresses {
            rule(
                host_and_port(address).is_some(),
                format!("`cluster.redis.addresses` has \"{address}\": it must be host:port, such as 10.0.0.5:6379"),
            );
        }
        rule(
            self.mode != RedisMode::Single || self.addresses.len() <= 1,
            "`cluster.redis.addresses` has several, but `cluster.redis.mode` is \"single\": say \"sentinel\" or \"cluster\"".into(),
        );
        rule(
            (self.mode == RedisMode::Sentinel) != self.sentinel_service.is_empty(),
            "`cluster.redis.sentinel_service` belongs to `cluster.redis.mode = \"sentinel\"`: set both or none".into(),
        );
        rule(
            self.tls_cert_file.is_empty() == self.tls_key_file.is_empty(),
            "`cluster.redis.tls_cert_file` and `cluster.redis.tls_key_file` belong together: set both or none".into(),
        );
        let files = [&self.tls_ca_file, &self.tls_cert_file, &self.tls_key_file];
        rule(
            self.tls || files.iter().all(|file| file.is_empty()),
            "files for TLS are named in `cluster.redis`, but `cluster.redis.tls` is false".into(),
        );
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        rule(
            (1..=32).contains(&self.prefix.len()) && self.prefix.bytes().all(is_plain),
            format!("`cluster.redis.prefix` is \"{}\": it must be 1 to 32 letters, digits or any of -_.:", self.prefix),
        );
    }
}

/// Without the passwords.
impl std::fmt::Debug for RedisConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mode, addresses, prefix) = (self.mode, &self.addresses, &self.prefix);
        write!(formatter, "RedisConfig({mode:?}, {addresses:?}, {prefix:?}, {} buckets)", self.buckets)
    }
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            mode: RedisMode::Single,
            sentinel_service: String::new(),
            sentinel_user: String::new(),
            sentinel_password: String::new(),
            user: String::new(),
            password: String::new(),
            tls: false,
            tls_ca_file: String::new(),
            tls_cert_file: String::new(),
            tls_key_file: String::new(),
            prefix: "ringpost".into(),
            buckets: 1024,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(2),
            wait_replicas: 0,
            wait_timeout: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut RedisConfig);

    fn broken(change: Change) -> Vec<String> {
        let mut config = RedisConfig { addresses: vec!["127.0.0.1:6379".into()], ..RedisConfig::default() };
        change(&mut config);
        let mut problems = Vec::new();
        config.check(&mut problems);
        problems
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(broken(|_| ()), [""; 0]);
        let refused: [(&str, Change); 6] = [
            ("host:port", |config| config.addresses = vec!["redis://here".into()]),
            ("several", |config| config.addresses.push("127.0.0.2:6379".into())),
            ("set both or none", |config| config.mode = RedisMode::Sentinel),
            ("belong together", |config| (config.tls, config.tls_key_file) = (true, "key.pem".into())),
            ("is false", |config| config.tls_ca_file = "ca.pem".into()),
            ("prefix", |config| config.prefix = "a{b}".into()),
        ];
        for (said, change) in refused {
            let problems = broken(change);
            assert!(problems.len() == 1 && problems[0].contains(said), "{said}: {problems:?}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let config =
            RedisConfig { password: "secret".into(), sentinel_password: "secret".into(), ..Default::default() };
        assert!(!format!("{config:?}").contains("secret"));
    }
}
