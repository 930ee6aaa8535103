//! The section of the role that tells the outside about users.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Acknowledge, ChannelConfig, Duration, TopicsConfig};

/// How secrets of webhooks begin, as Standard Webhooks writes them.
const SECRET_PREFIX: &str = "whsec_";

/// How long such a secret may be, bytes, as the same has it.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What processes with the role `notify` do. Only a restart changes this section.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct NotifyConfig {
    /// Where webhooks go that say who is to be told of a message by a push, such as
    /// `https://app.example.com/push`. Empty: there are none, and `cluster.kafka.topics.push` is not read.
    pub endpoint: String,
    /// What webhooks are signed with, as Standard Webhooks has it: `whsec_` and base64 of 24 to 64 bytes. With several each webhook
    /// has a signature of each, so that one can be changed for another. The environment variable RINGPOST_NOTIFY__SECRETS keeps them out
    /// of the file.
    pub secrets: Vec<String>,
    /// How long the endpoint may take to answer.
    pub timeout: Duration,
    /// How many webhooks may be on their way at once, of one process.
    pub concurrency: u32,
    /// Pushes of one user within this time are one notification, with the newest message and the number of all. So much later
    /// is everybody told.
    pub batch_wait: Duration,
    /// How many users one webhook tells of at the most.
    pub batch_max: u32,
    /// What was written to Kafka longer ago is not told any more when it is read; badges go on.
    pub max_age: Duration,
    /// How often a webhook is tried before it goes to `cluster.kafka.topics.notify_dead`.
    pub retry_attempts: u32,
    /// How long after the first attempt the second comes; the pause doubles from then on.
    pub retry_backoff_min: Duration,
    /// The longest pause between two attempts, unless the endpoint asks for a longer one (`Retry-After`, up to 10 minutes).
    pub retry_backoff_max: Duration,
    /// How the names of channels begin in which users' sessions are told, such as `sessions:`: who comes online and goes offline is
    /// published in this and the user's name. Its namespace needs `acknowledge = "kafka"`. Empty: nobody is told, and
    /// `cluster.kafka.topics.session` is not read.
    pub session_channel: String,
}

impl NotifyConfig {
    /// What webhooks are signed with, taken out of `secrets`.
    pub fn keys(&self) -> impl Iterator<Item = Vec<u8>> {
        self.secrets.iter().filter_map(|secret| key(secret))
    }

    /// Every broken rule, one line each. Only a process with the role needs all.
    pub(super) fn check(
        &self,
        is_on: bool,
        topics: &TopicsConfig,
        channel: &ChannelConfig,
        problems: &mut Vec<String>,
    ) {
        let mut rule = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let url = reqwest::Url::parse(&self.endpoint).ok();
        let is_plain = |url: &reqwest::Url| {
            ["http", "https"].contains(&url.scheme()) && url.username().is_empty() && url.password().is_none()
        };
        rule(
            self.endpoint.is_empty() || url.as_ref().is_some_and(is_plain),
            "`notify.endpoint` must be an address such as https://app.example.com/push, without a user or a password"
                .into(),
        );
        rule(
            self.endpoint.is_empty() || !self.secrets.is_empty(),
            "`notify.endpoint` needs `notify.secrets`: the endpoint knows by them who has written. \
             `echo whsec_$(openssl rand -base64 32)` makes one"
                .into(),
        );
        for (at, secret) in self.secrets.iter().enumerate() {
            rule(
                key(secret).is_some(),
                format!(
                    "`notify.secrets[{at}]` must be whsec_ and base64 of 24 to 64 bytes: `echo whsec_$(openssl rand -base64 32)` makes one"
                ),
            );
        }
        rule(
            self.retry_backoff_min <= self.retry_backoff_max,
            "`notify.retry_backoff_min` is longer than `notify.retry_backoff_max`".into(),
        );
        let prefix = self.session_channel.as_str();
        let namespace = prefix.split_once(':').map(|(namespace, _)| namespace);
        let namespace = channel.namespaces.iter().find(|known| Some(known.name.as_str()) == namespace);
        rule(
            prefix.is_empty() || namespace.is_some_and(|known| known.options.acknowledge == Acknowledge::Kafka),
            format!(
                "`notify.session_channel` is \"{prefix}\": it must begin with the name of a namespace that has \
                 `acknowledge = \"kafka\"`, and a colon, such as sessions:"
            ),
        );
        rule(
            !is_on || !self.endpoint.is_empty() || !prefix.is_empty(),
            "`roles` has \"notify\", which needs `notify.endpoint` or `notify.session_channel`".into(),
        );
        rule(
            !is_on || self.endpoint.is_empty() || !topics.push.is_empty(),
            "`notify.endpoint` needs `cluster.kafka.topics.push`, which says whom to tell".into(),
        );
        rule(
            !is_on || prefix.is_empty() || !topics.session.is_empty(),
            "`notify.session_channel` needs `cluster.kafka.topics.session`, which says who comes and goes".into(),
        );
    }
}

fn key(secret: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?;
    SECRET_BYTES.contains(&key.len()).then_some(key)
}

/// Without the secrets.
impl std::fmt::Debug for NotifyConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "NotifyConfig({:?}, {} secrets)", self.endpoint, self.secrets.len())
    }
}

impl Default for NotifyConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            secrets: Vec::new(),
            timeout: Duration::from_secs(10),
            concurrency: 32,
            batch_wait: Duration::from_secs(2),
            batch_max: 100,
            max_age: Duration::from_secs(3600),
            retry_attempts: 8,
            retry_backoff_min: Duration::from_secs(1),
            retry_backoff_max: Duration::from_secs(60),
            session_channel: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ChannelOptions, Config, Namespace};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    type Change = fn(&mut Config);

    fn broken(is_on: bool, change: Change) -> Vec<String> {
        let mut config = Config::default();
        config.notify.endpoint = "https://app.example.com/push?of=app".into();
        config.notify.secrets = vec![SECRET.into()];
        change(&mut config);
        let mut problems = Vec::new();
        config.notify.check(is_on, &config.cluster.kafka.topics, &config.channel, &mut problems);
        problems
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(broken(true, |_| ()), [""; 0]);
        assert_eq!(broken(false, |config| config.notify = NotifyConfig::default()), [""; 0]);
        let refused: [(&str, Change); 12] = [
            ("notify.endpoint` must", |config| config.notify.endpoint = "app.example.com/push".into()),
            ("notify.endpoint` must", |config| config.notify.endpoint = "ftp://app.example.com/push".into()),
            ("notify.endpoint` must", |config| config.notify.endpoint = "https://ann:secret@app.example.com".into()),
            ("notify.secrets`", |config| config.notify.secrets.clear()),
            ("notify.secrets[1]", |config| config.notify.secrets.push("a secret of thirty-two characters".into())),
            ("notify.secrets[1]", |config| config.notify.secrets.push("whsec_MfKQ9r8GKYqr".into())),
            ("notify.secrets[1]", |config| config.notify.secrets.push(format!("{SECRET}!"))),
            ("retry_backoff_min", |config| config.notify.retry_backoff_min = Duration::from_secs(61)),
            ("roles", |config| config.notify.endpoint.clear()),
            ("topics.push", |config| config.cluster.kafka.topics.push.clear()),
            ("session_channel` is", |config| config.notify.session_channel = "sessions:".into()),
            ("topics.session", |config| {
                config.notify.session_channel = "sessions:".into();
                let options = ChannelOptions { acknowledge: Acknowledge::Kafka, ..ChannelOptions::default() };
                config.channel.namespaces = vec![Namespace { name: "sessions".into(), options }];
                config.cluster.kafka.topics.session.clear();
            }),
        ];
        for (said, change) in refused {
            let problems = broken(true, change);
            assert!(problems.len() == 1 && problems[0].contains(said), "{said}: {problems:?}");
        }
    }

    #[test]
    fn keys_are_what_secrets_encode_and_nobody_is_shown_them() {
        let notify = NotifyConfig { secrets: vec![SECRET.into(); 2], ..NotifyConfig::default() };
        assert!(notify.keys().count() == 2 && notify.keys().all(|key| key.len() == 24));
        assert!(!format!("{notify:?}").contains("MfKQ"), "{notify:?}");
    }
}
