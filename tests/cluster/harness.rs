//! Nodes of one cluster: processes on free ports of loopback, killed with their owner.

use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::LineClient;
use crate::process;
pub(crate) use crate::process::Process as Node;
use crate::server::{Place, Server, wait};

/// How long a test waits for anything before it gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What all nodes share: `shared:` channels are kept in Redis, `local:` ones in memory, `told:` ones nowhere, nor `hall:` ones,
/// which list who is there. Those of `inbox:`, `stern:` and `named:` are received at least once: a device of the second is waited
/// for for a second, twice; members of the third are named by backends. `online:` ones tell who is.
const CONFIG: &str = r#"
name = "NAME"
[shards]
cores = "0"
per_core = 2
[http_server]
address = "ADDRESS"
port = 0
[tcp_server]
address = "ADDRESS"
port = 0
[client]
CLIENT
[http_api]
insecure = true
[shutdown]
drain_time = "0s"
[cluster.redis]
REDIS
buckets = BUCKETS
timeout = "500ms"
[[channel.namespaces]]
name = "shared"
log = "redis"
history_size = 1000
history_ttl = "600s"
force_positioning = true
force_recovery = true
[[channel.namespaces]]
name = "local"
history_size = 1000
history_ttl = "600s"
[[channel.namespaces]]
name = "told"
log = "redis"
[[channel.namespaces]]
name = "inbox"
log = "redis"
history_size = 1000
history_ttl = "600s"
delivery = "at_least_once"
members_by_subscribing = true
allow_subscribe_for_client = true
allow_publish_for_subscriber = true
[[channel.namespaces]]
name = "stern"
log = "redis"
history_size = 1000
history_ttl = "600s"
delivery = "at_least_once"
members_by_subscribing = true
ack_timeout = "1s"
max_attempts = 2
retry_backoff_max = "1s"
allow_subscribe_for_client = true
[[channel.namespaces]]
name = "named"
log = "redis"
history_size = 1000
history_ttl = "600s"
delivery = "at_least_once"
allow_subscribe_for_client = true
[[channel.namespaces]]
name = "online"
users_status = true
allow_subscribe_for_client = true
[[channel.namespaces]]
name = "hall"
log = "redis"
presence = true
join_leave = true
force_push_join_leave = true
"#;

/// What follows the section of clients where there is a Kafka.
const KAFKA: &str = r#"
insecure = true
token.hmac_secret_key = "SECRET"
ping_interval = "0s"
[cluster.kafka]
brokers = ["BROKER"]
group = "PREFIXnodes"
timeout = "2s"
MORE
[cluster.kafka.topics]
publish = "PREFIXpublish"
publish_dead = "PREFIXpublish.dead"
deliver = "PREFIXdeliver"
publications = "PREFIXpublications"
login = ""
session = ""
push = ""
[[channel.namespaces]]
name = "relayed"
log = "redis"
acknowledge = "kafka"
history_size = 10000
history_ttl = "600s"
force_positioning = true
force_recovery = true
[[channel.namespaces]]
name = "passing"
log = "redis"
acknowledge = "kafka"
[[channel.namespaces]]
name = "assured"
log = "redis"
acknowledge = "kafka"
history_size = 10000
history_ttl = "600s"
delivery = "at_least_once"
members_by_subscribing = true
allow_subscribe_for_client = true
"#;

/// How many buckets the nodes have.
pub(crate) const BUCKETS: u16 = 32;

/// Clients come without tokens.
const OPEN: &str = "insecure = true";

/// What tokens are signed with.
pub(crate) const SECRET: &str = "a secret of thirty-two characters";

/// A node that was started; it may refuse to.
pub(crate) fn spawn(name: &str, redis: &Server) -> (Child, TempDir) {
    spawn_over(&Place::here(), name, &over(redis), OPEN)
}

/// As [`spawn`], there, over a Redis that this section of the configuration names.
pub(crate) fn spawn_at(place: &Place, name: &str, section: &str) -> (Child, TempDir) {
    spawn_over(place, name, section, OPEN)
}

/// Starts one as [`Node::by_kafka`] does.
pub(crate) fn spawn_by_kafka(name: &str, redis: &Server, kafka: &str, prefix: &str) -> (Child, TempDir) {
    spawn_by_kafka_with(name, redis, kafka, prefix, "")
}

/// As [`spawn_by_kafka`], with more in its section of Kafka.
pub(crate) fn spawn_by_kafka_with(
    name: &str,
    redis: &Server,
    kafka: &str,
    prefix: &str,
    more: &str,
) -> (Child, TempDir) {
    spawn_by_kafka_over(name, &over(redis), kafka, prefix, more)
}

fn spawn_by_kafka_over(name: &str, section: &str, kafka: &str, prefix: &str, more: &str) -> (Child, TempDir) {
    let client = KAFKA.replace("SECRET", SECRET).replace("PREFIX", prefix).replace("MORE", more);
    let client = client.replace("BROKER", &kafka.replace(',', "\", \""));
    spawn_over(&Place::here(), name, section, &client)
}

/// The section of the configuration that names a Redis.
pub(crate) fn over(redis: &Server) -> String {
    format!("addresses = [\"{}\"]", redis.address())
}

fn spawn_over(place: &Place, name: &str, section: &str, client: &str) -> (Child, TempDir) {
    let config = CONFIG.replace("ADDRESS", &place.address).replace("NAME", name);
    let config = config.replace("REDIS", section).replace("CLIENT", client);
    let config = config.replace("BUCKETS", &BUCKETS.to_string());
    process::spawn(place.command(env!("CARGO_BIN_EXE_ringpost")), &config)
}

impl Node {
    pub(crate) fn start(name: &str, redis: &Server) -> Self {
        Self::running(spawn(name, redis))
    }

    /// Over a Redis that this section of the configuration names.
    pub(crate) fn over(name: &str, section: &str) -> Self {
        Self::at(&Place::here(), name, section)
    }

    /// As [`Node::over`], elsewhere.
    pub(crate) fn at(place: &Place, name: &str, section: &str) -> Self {
        Self::running(spawn_over(place, name, section, OPEN))
    }

    /// As [`Node::start_with`], elsewhere.
    pub(crate) fn at_with(place: &Place, name: &str, redis: &Server, client: &str) -> Self {
        let client = format!("token.hmac_secret_key = \"{SECRET}\"\n{client}");
        Self::running(spawn_over(place, name, &over(redis), &client))
    }

    /// One whose clients come with tokens, and with this in its section of them.
    pub(crate) fn start_with(name: &str, redis: &Server, client: &str) -> Self {
        Self::over_with(name, &over(redis), client)
    }

    /// As [`Node::start_with`], over a Redis that this section of the configuration names.
    pub(crate) fn over_with(name: &str, section: &str, client: &str) -> Self {
        let client = format!("token.hmac_secret_key = \"{SECRET}\"\n{client}");
        Self::running(spawn_over(&Place::here(), name, section, &client))
    }

    /// One by whose `relayed:` channels, which keep a history, `passing:` ones, which do not, and `assured:` ones, which are received at
    /// least once, publishes go by way of Kafka. Its topics and its group begin so.
    pub(crate) fn by_kafka(name: &str, redis: &Server, kafka: &str, prefix: &str) -> Self {
        Self::running(spawn_by_kafka(name, redis, kafka, prefix))
    }

    /// As [`Node::by_kafka`], over a Redis that this section of the configuration names.
    pub(crate) fn by_kafka_over(name: &str, section: &str, kafka: &str, prefix: &str) -> Self {
        Self::running(spawn_by_kafka_over(name, section, kafka, prefix, ""))
    }

    /// As [`Node::by_kafka`], with more in its section of Kafka.
    pub(crate) fn by_kafka_with(name: &str, redis: &Server, kafka: &str, prefix: &str, more: &str) -> Self {
        Self::running(spawn_by_kafka_with(name, redis, kafka, prefix, more))
    }

    pub(crate) fn client(&self) -> LineClient {
        LineClient::connect(self.tcp())
    }

    pub(crate) fn publish(&self, channel: &str, data: impl Into<Value>) -> Value {
        self.api("publish", &json!({"channel": channel, "data": data.into()}))
    }

    /// What a command says that is given the node's configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        command.args(arguments).arg("--config").arg(self.folder.path().join("node.toml"));
        command.output().expect("the command runs")
    }
}

/// Publishes until it is taken; once, also where an answer came too late.
pub(crate) fn publish_in_the_end(node: &Node, channel: &str, data: &str) -> Value {
    static SAID: AtomicU64 = AtomicU64::new(0);
    let key = format!("said-{}", SAID.fetch_add(1, Ordering::Relaxed));
    let publish = json!({"channel": channel, "data": data, "idempotency_key": key});
    let mut answer = Value::Null;
    wait("it is published", || {
        answer = node.api("publish", &publish);
        answer["result"].is_object()
    });
    answer
}

/// Subscribes, from a position if there is one, once that is possible. Returns what the node answers.
pub(crate) fn subscribe(client: &mut LineClient, channel: &str, from: Option<(u64, &str)>) -> Value {
    let mut command = json!({"subscribe": {"channel": channel}});
    if let Some((offset, epoch)) = from {
        command["subscribe"] = json!({"channel": channel, "recover": true, "offset": offset, "epoch": epoch});
    }
    let mut reply = Value::Null;
    wait("it is subscribed", || {
        reply = client.ask(command.clone());
        reply["subscribe"].is_object()
    });
    reply["subscribe"].clone()
}

/// The code with which a subscription to this channel ends.
pub(crate) fn unsubscribed(client: &mut LineClient, channel: &str) -> u64 {
    loop {
        let word = client.word();
        let push = &word["push"];
        if push["channel"] == channel && push["unsubscribe"].is_object() {
            return push["unsubscribe"]["code"].as_u64().expect("it has a code");
        }
    }
}
