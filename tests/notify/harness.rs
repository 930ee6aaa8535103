//! Processes with the role `notify`, on free ports of loopback, killed with their owner; and records for them.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::app::{App, OLD_SECRET, SECRET};
use crate::kafka::Kafka;
use crate::process::spawn;
pub(crate) use crate::process::{Process, wait};
use crate::server::{Kind, Server};

/// How long a test waits for what takes long: places in a group that run out.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// What tokens of clients are signed with.
pub(crate) const TOKEN_SECRET: &str = "a key of thirty-two characters..";

const CONFIG: &str = r#"
name = "NAME"
roles = [ROLES]
[shards]
cores = "0"
[http_server]
address = "127.0.0.1"
port = 0
[tcp_server]
address = "127.0.0.1"
port = 0
[client]
insecure = true
token.hmac_secret_key = "TOKENS"
[http_api]
insecure = true
[shutdown]
drain_time = "0s"
[[channel.namespaces]]
name = "sessions"
log = "redis"
acknowledge = "kafka"
history_size = 100
history_ttl = "600s"
allow_subscribe_for_client = true
[[channel.namespaces]]
name = "mail"
log = "redis"
history_size = 100
history_ttl = "600s"
delivery = "at_least_once"
push_after = "1s"
[cluster.redis]
REDIS
buckets = BUCKETS
timeout = "500ms"
[cluster.kafka]
brokers = ["KAFKA"]
group = "PREFIXgroup"
TO_KAFKA
[cluster.kafka.topics]
publish = "PREFIXpublish"
publish_dead = "PREFIXpublish.dead"
deliver = "PREFIXdeliver"
publications = ""
calls = ""
login = "PREFIXlogin"
session = "PREFIXsession"
push = "PREFIXpush"
notify_dead = "PREFIXdead"
[notify]
endpoint = "http://127.0.0.1:APP/push?of=app"
secrets = ["SECRET", "OLD"]
timeout = "1s"
batch_wait = "300ms"
retry_backoff_min = "100ms"
retry_backoff_max = "400ms"
MORE
"#;

/// How many buckets there are.
pub(crate) const BUCKETS: u16 = 32;

/// A Redis, an application, and some topics of a Kafka that others use as well.
pub(crate) struct World {
    pub(crate) redis: Server,
    pub(crate) kafka: Arc<Kafka>,
    pub(crate) app: App,
    /// How processes find Redis.
    section: String,
    /// What they say to Kafka beside.
    to_kafka: String,
    prefix: String,
}

impl World {
    /// Over a Redis of its own.
    pub(crate) fn new(partitions: i32, app: App) -> Self {
        let redis = Server::start(Kind::Redis, &[]);
        let section = format!("addresses = [\"{}\"]\n", redis.address());
        Self::over(partitions, app, redis, section)
    }

    /// Over one that processes find by this section of their configuration.
    pub(crate) fn over(partitions: i32, app: App, redis: Server, section: String) -> Self {
        Self::beside(partitions, app, (Kafka::shared(), String::new()), redis, section)
    }

    /// Over a Redis of its own and this Kafka, whose clients say this of themselves.
    pub(crate) fn with_kafka(partitions: i32, app: App, kafka: Kafka, to_kafka: String) -> Self {
        let redis = Server::start(Kind::Redis, &[]);
        let section = format!("addresses = [\"{}\"]\n", redis.address());
        Self::beside(partitions, app, (Arc::new(kafka), to_kafka), redis, section)
    }

    fn beside(
        partitions: i32,
        app: App,
        (kafka, to_kafka): (Arc<Kafka>, String),
        redis: Server,
        section: String,
    ) -> Self {
        let prefix = kafka.prefix();
        for topic in ["publish", "publish.dead", "login", "session", "push", "dead"] {
            kafka.topic(&format!("{prefix}{topic}"), partitions);
        }
        // Each node has one of its own.
        kafka.topic_with(&format!("{prefix}deliver"), 255, &[("segment.bytes", "1048576")]);
        Self { redis, kafka, app, section, to_kafka, prefix }
    }

    /// What a topic is called here.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A process with the role alone.
    pub(crate) fn start(&self, name: &str) -> Process {
        self.start_with(name, r#""notify""#, "retry_attempts = 5")
    }

    /// A process with these roles, and more in its section of `notify`.
    pub(crate) fn start_with(&self, name: &str, roles: &str, more: &str) -> Process {
        let binary = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        self.start_of(binary, name, roles, more, |config| config)
    }

    /// One by this command, with another configuration.
    pub(crate) fn start_of(
        &self,
        binary: Command,
        name: &str,
        roles: &str,
        more: &str,
        change: impl FnOnce(String) -> String,
    ) -> Process {
        let config = CONFIG.replace("NAME", name).replace("ROLES", roles).replace("MORE", more);
        let config = config.replace("REDIS", &self.section).replace("TO_KAFKA", &self.to_kafka);
        let config = config.replace("KAFKA", &self.kafka.address());
        let config = config.replace("BUCKETS", &BUCKETS.to_string());
        let config = config.replace("SECRET", SECRET).replace("OLD", OLD_SECRET);
        let config = config.replace("TOKENS", TOKEN_SECRET);
        let config = config.replace("APP", &self.app.port.to_string()).replace("PREFIX", &self.prefix);
        Process::running(spawn(binary, &change(config)))
    }

    /// Writes that users have not received a message; each has as much unread as its offset says.
    pub(crate) fn push(&self, channel: &str, offset: u64, users: &[&str]) {
        self.write_push(channel, offset, users, "offline", offset);
    }

    /// Writes that users have received, or read, all up to a message.
    pub(crate) fn withdraw(&self, channel: &str, offset: u64, users: &[&str]) {
        self.write_push(channel, offset, users, "withdrawn", 0);
    }

    fn write_push(&self, channel: &str, offset: u64, users: &[&str], kind: &str, unread: u64) {
        let users: Vec<_> =
            users.iter().map(|user| json!({"user": user, "unread": unread, "reason": "away"})).collect();
        let record = json!({
            "id": format!("{channel}/{offset}/{kind}"), "kind": kind, "channel": channel, "epoch": "e",
            "offset": offset, "time_unix_ms": now_ms(), "sender": "bob", "data": {"text": offset}, "users": users,
        });
        self.write("push", channel, record.to_string().as_bytes());
    }

    /// Writes any record.
    pub(crate) fn write(&self, topic: &str, key: &str, value: &[u8]) {
        self.kafka.write(&self.topic(topic), Some(key), value, &[("content-type", b"application/json")]);
    }

    /// What lies in a topic, once there is so much.
    pub(crate) fn read(&self, topic: &str, count: usize) -> Vec<crate::kafka::Kept> {
        self.kafka.read(&self.topic(topic), count)
    }

    /// Up to where pushes are done, all partitions together; without those of which nothing is.
    pub(crate) fn committed(&self) -> i64 {
        let committed = self.kafka.committed(&format!("{}group.notify", self.prefix), &self.topic("push"));
        committed.into_iter().filter(|at| *at > 0).sum()
    }

    /// Waits until the application has taken so many notifications, and gives them.
    pub(crate) fn wait_taken(&self, count: usize) -> Vec<Value> {
        wait("it is told", || self.app.taken().len() >= count);
        self.app.taken()
    }
}

impl Process {
    /// The value of a metric, with its labels as they are written.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        self.sample(name).unwrap_or(0)
    }
}

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as i64
}
