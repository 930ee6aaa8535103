//! The section of Kafka.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::host_and_port;
use super::{CallMethod, Duration};
use crate::events::Format;

/// The Kafka that carries what must survive on its way, and tells the rest of the company. Only a restart changes this section.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KafkaConfig {
    /// Some of its brokers, as `host:port`. Empty: there is none.
    pub brokers: Vec<String>,
    /// Options of librdkafka for every connection, as `name=value`, by its own names, such as `security.protocol=SASL_SSL`,
    /// `sasl.mechanism=SCRAM-SHA-512`, `sasl.username=ringpost` or `ssl.ca.location=/etc/ssl/kafka.pem`. Those that the node's
    /// promises rest on are its own. Where none of them says otherwise, `linger.ms` is 1: a record waits so long for others.
    pub options: Vec<String>,
    /// The password (`sasl.password`); empty for none. The environment variable RINGPOST_CLUSTER__KAFKA__PASSWORD keeps it out
    /// of the file.
    pub password: String,
    /// How the names of consumer groups begin. Nodes with another prefix are another cluster at the same Kafka.
    pub group: String,
    /// How long Kafka may take to take a record, retries included: a publish is refused then, an event is dropped.
    pub timeout: Duration,
    /// Where a consumer group's position is not known, records of the way up are moved that were written so long ago at most.
    pub relay_replay: Duration,
    /// How the values of records lie that nodes write: `json`, or `protobuf`, which is smaller. What nodes read may be either.
    pub format: Format,
    /// Which methods of the API records of `topics.calls` may call.
    pub call_methods: Vec<CallMethod>,
    /// How long a call that is refused for the time being, as while Redis is away, is tried again before it goes to
    /// `topics.calls_dead`. Calls of the same key wait behind it.
    pub call_retry: Duration,
    /// Names of topics.
    pub topics: TopicsConfig,
}

/// Names of topics. They must be there: nodes create none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TopicsConfig {
    /// What is to be published, by channel: the way up of namespaces with `acknowledge = "kafka"`. Backends may write here.
    pub publish: String,
    /// Records of `publish` that cannot be published, with the reason.
    pub publish_dead: String,
    /// What is published, by node: the way down of the same namespaces. A partition for each of the nodes there may be.
    pub deliver: String,
    /// Every publication that such a namespace keeps, for archives and search; empty for none.
    pub publications: String,
    /// Calls of the API that backends write; empty for none.
    pub calls: String,
    /// Records of `calls` that cannot be carried out, with the reason.
    pub calls_dead: String,
    /// Who connected, left, and was refused; empty for none.
    pub login: String,
    /// Who is online, from when on; empty for none. The role `state` writes it.
    pub session: String,
    /// Who is to be told of a message by a push; empty for none.
    pub push: String,
    /// Webhooks that the role `notify` could not bring to the application, and records that it can make nothing of, with the reason.
    pub notify_dead: String,
}

impl KafkaConfig {
    /// Whether there is a Kafka.
    pub fn is_set(&self) -> bool {
        !self.brokers.is_empty()
    }

    /// Whether it is told who comes and goes.
    pub fn tells_logins(&self) -> bool {
        self.is_set() && !self.topics.login.is_empty()
    }

    /// Whether it is told whom a push is to tell.
    pub fn tells_pushes(&self) -> bool {
        self.is_set() && !self.topics.push.is_empty()
    }

    /// The options, taken apart.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().filter_map(|option| option.split_once('='))
    }

    /// Every broken rule, one line each.
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        let mut rule = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        for broker in &self.brokers {
            rule(
                host_and_port(broker).is_some(),
                format!("`cluster.kafka.brokers` has \"{broker}\": it must be host:port, such as 10.0.0.5:9092"),
            );
        }
        for option in &self.options {
            rule(
                option.split_once('=').is_some_and(|(name, _)| !name.is_empty()),
                format!(
                    "`cluster.kafka.options` has \"{}\": it must be name=value, such as security.protocol=SASL_SSL",
                    option.split('=').next().unwrap_or_default()
                ),
            );
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let topics = &self.topics;
        let names = [
            ("group", &self.group, true),
            ("topics.publish", &topics.publish, true),
            ("topics.publish_dead", &topics.publish_dead, true),
            ("topics.deliver", &topics.deliver, true),
            ("topics.publications", &topics.publications, false),
            ("topics.calls", &topics.calls, false),
            ("topics.calls_dead", &topics.calls_dead, true),
            ("topics.login", &topics.login, false),
            ("topics.session", &topics.session, false),
            ("topics.push", &topics.push, false),
            ("topics.notify_dead", &topics.notify_dead, true),
        ];
        for (key, name, must_be) in names {
            rule(
                (!must_be || !name.is_empty()) && name.len() <= 249 && name.bytes().all(is_plain),
                format!("`cluster.kafka.{key}` is \"{name}\": it must be 1 to 249 letters, digits or any of -_."),
            );
        }
        // What is written to a topic that is read, as what cannot be used is, would go round for ever.
        let topics = names.iter().filter(|(key, name, _)| key.starts_with("topics.") && !name.is_empty());
        for (at, (key, name, _)) in topics.clone().enumerate() {
            if let Some((other, ..)) = topics.clone().take(at).find(|(_, other, _)| other == name) {
                problems.push(format!(
                    "`cluster.kafka.{other}` and `cluster.kafka.{key}` are both \"{name}\": each needs a topic of its own"
                ));
            }
        }
    }
}

/// Without what may be secret.
impl std::fmt::Debug for KafkaConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "KafkaConfig({:?}, group {:?})", self.brokers, self.group)
    }
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            options: Vec::new(),
            password: String::new(),
            group: "ringpost".into(),
            timeout: Duration::from_secs(5),
            relay_replay: Duration::from_secs(24 * 3600),
            format: Format::default(),
            call_methods: CallMethod::ALL.to_vec(),
            call_retry: Duration::from_secs(3600),
            topics: TopicsConfig::default(),
        }
    }
}

impl Default for TopicsConfig {
    fn default() -> Self {
        Self {
            publish: "ringpost.publish".into(),
            publish_dead: "ringpost.publish.dead".into(),
            deliver: "ringpost.deliver".into(),
            publications: "ringpost.publications".into(),
            calls: String::new(),
            calls_dead: "ringpost.calls.dead".into(),
            login: "user.login.log".into(),
            session: "session.update".into(),
            push: "push.offline".into(),
            notify_dead: "push.offline.dead".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut KafkaConfig);

    fn broken(change: Change) -> Vec<String> {
        let mut config = KafkaConfig { brokers: vec!["127.0.0.1:9092".into()], ..KafkaConfig::default() };
        change(&mut config);
        let mut problems = Vec::new();
        config.check(&mut problems);
        problems
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(broken(|_| ()), [""; 0]);
        let refused: [(&str, Change); 5] = [
            ("host:port", |config| config.brokers.push("kafka".into())),
            ("name=value", |config| config.options.push("security.protocol".into())),
            ("topics.publish`", |config| config.topics.publish.clear()),
            ("group", |config| config.group = "a b".into()),
            ("topics.publish_dead` are both", |config| config.topics.publish_dead = config.topics.publish.clone()),
        ];
        for (said, change) in refused {
            let problems = broken(change);
            assert!(problems.len() == 1 && problems[0].contains(said), "{said}: {problems:?}");
        }
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let options = vec!["sasl.password=secret".into()];
        let config = KafkaConfig { password: "secret".into(), options, ..KafkaConfig::default() };
        assert!(!format!("{config:?}").contains("secret"));
    }
}
