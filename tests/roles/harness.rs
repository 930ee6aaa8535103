//! Processes with some roles: on free ports of loopback, killed with their owner.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::request;
use crate::kafka::Kafka;
use crate::process::spawn;
pub(crate) use crate::process::{Process, wait};
use crate::server::{Kind, Server};

/// How long a test waits for what takes long: sessions with a group and leases that run out, rounds through all buckets.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// What tokens are signed with.
pub(crate) const SECRET: &str = "a secret of thirty-two characters";

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
[client.token]
hmac_secret_key = "SECRET"
[http_api]
key = "api-key"
insecure = true
[grpc_api]
enabled = true
address = "127.0.0.1"
port = 0
[shutdown]
drain_time = "0s"
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
"#;

/// How many buckets there are.
pub(crate) const BUCKETS: u16 = 32;

/// The key of the API by gRPC; that by HTTP needs none.
pub(crate) const KEY: &str = "api-key";

/// A Redis and some topics of a Kafka that others use as well.
pub(crate) struct World {
    pub(crate) redis: Server,
    pub(crate) kafka: Arc<Kafka>,
    /// How processes find Redis.
    section: String,
    /// What they say to Kafka beside.
    to_kafka: String,
    prefix: String,
}

/// A session of a user, as records tell of it.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) user: String,
    pub(crate) client: String,
    pub(crate) slot: u32,
    pub(crate) incarnation: u64,
}

impl Session {
    /// A new one, on a node without a lease.
    pub(crate) fn of(user: &str) -> Self {
        Self { user: user.into(), client: Uuid::new_v4().to_string(), slot: 0, incarnation: 0 }
    }
}

impl World {
    /// Over a Redis of its own.
    pub(crate) fn new(partitions: i32) -> Self {
        let redis = Server::start(Kind::Redis, &[]);
        let section = format!("addresses = [\"{}\"]\n", redis.address());
        Self::over(partitions, redis, section)
    }

    /// Over one that processes find by this section of their configuration.
    pub(crate) fn over(partitions: i32, redis: Server, section: String) -> Self {
        Self::beside(partitions, Kafka::shared(), String::new(), redis, section)
    }

    /// Over a Redis of its own and this Kafka, whose clients say this of themselves.
    pub(crate) fn with_kafka(partitions: i32, kafka: Kafka, to_kafka: String) -> Self {
        let redis = Server::start(Kind::Redis, &[]);
        let section = format!("addresses = [\"{}\"]\n", redis.address());
        Self::beside(partitions, Arc::new(kafka), to_kafka, redis, section)
    }

    fn beside(partitions: i32, kafka: Arc<Kafka>, to_kafka: String, redis: Server, section: String) -> Self {
        let prefix = kafka.prefix();
        for topic in ["publish", "publish.dead", "deliver", "login", "session", "push"] {
            kafka.topic(&format!("{prefix}{topic}"), partitions);
        }
        Self { redis, kafka, section, to_kafka, prefix }
    }

    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A process with these roles, such as `"edge", "state"`.
    pub(crate) fn start(&self, name: &str, roles: &str) -> Process {
        let binary = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        self.start_of(binary, name, roles, |config| config)
    }

    /// One by this command, with another configuration.
    pub(crate) fn start_of(
        &self,
        binary: Command,
        name: &str,
        roles: &str,
        change: impl FnOnce(String) -> String,
    ) -> Process {
        let config = CONFIG.replace("NAME", name).replace("ROLES", roles).replace("SECRET", SECRET);
        let config = config.replace("REDIS", &self.section).replace("TO_KAFKA", &self.to_kafka);
        let config = config.replace("KAFKA", &self.kafka.address());
        let config = config.replace("BUCKETS", &BUCKETS.to_string());
        Process::running(spawn(binary, &change(config.replace("PREFIX", &self.prefix))))
    }

    /// Writes that a session has begun or ended.
    pub(crate) fn tell(&self, kind: &str, session: &Session) {
        self.write(&session.user, self.record(kind, session).to_string().as_bytes());
    }

    /// The record of it.
    pub(crate) fn record(&self, kind: &str, session: &Session) -> Value {
        json!({
            "id": Uuid::new_v4().to_string(), "kind": kind, "at_unix_ms": now_ms(), "node": "one",
            "slot": session.slot, "incarnation": session.incarnation, "user": session.user, "client": session.client,
        })
    }

    /// Writes any record into the login log.
    pub(crate) fn write(&self, key: &str, value: &[u8]) {
        self.kafka.write(&self.topic("login"), Some(key), value, &[("content-type", b"application/json")]);
    }

    /// What was told of each user, in its order, once each: what is not above what was told before is a repetition.
    pub(crate) fn told(&self) -> BTreeMap<String, Vec<Value>> {
        let mut told = BTreeMap::<String, Vec<Value>>::new();
        let topic = self.topic("session");
        let count = self.kept(&topic).iter().map(|(_, first, end)| end - first).sum::<i64>();
        for record in self.kafka.read_some(&topic, count as usize) {
            let update = record.json();
            assert_eq!(record.key.as_deref(), update["user"].as_str());
            let of_user = told.entry(record.key.expect("it has a key")).or_default();
            if of_user.last().is_none_or(|last| last["sequence"].as_u64() < update["sequence"].as_u64()) {
                of_user.push(update);
            }
        }
        told
    }

    /// The last that was told of a user.
    pub(crate) fn last_told(&self, user: &str) -> Option<Value> {
        self.told().remove(user).and_then(|mut told| told.pop())
    }

    /// Waits until it is told last of a user that it is online, or not.
    pub(crate) fn wait_told(&self, user: &str, online: bool) -> Value {
        let mut last = None;
        // Each look is a read of the topic.
        wait("it is told", || {
            last = self.last_told(user);
            last.as_ref().is_some_and(|last| last["online"] == online)
        });
        last.expect("it was told")
    }

    /// Has Kafka forget all that the login log holds.
    pub(crate) fn forget_login_log(&self) {
        let (topic, mut ends) = (self.topic("login"), TopicPartitionList::new());
        for (partition, _, _) in self.kept(&topic) {
            ends.add_partition_offset(&topic, partition, Offset::End).expect("it is an offset");
        }
        let admin: AdminClient<DefaultClientContext> = self.kafka.client().create().expect("the options are right");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there is one");
        let done = runtime.block_on(admin.delete_records(&ends, &AdminOptions::new())).expect("the broker answers");
        assert!(done.elements().iter().all(|of| of.error().is_ok()), "{done:?}");
    }

    /// Of each partition of a topic: the first offset that is kept, and the one that comes next.
    fn kept(&self, topic: &str) -> Vec<(i32, i64, i64)> {
        let mut client = self.kafka.client();
        let consumer: BaseConsumer = client.set("group.id", "kept").create().expect("the options are right");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the broker answers");
        let partitions = metadata.topics()[0].partitions().iter().map(|partition| partition.id());
        let kept = partitions.map(|partition| {
            let (first, end) = consumer.fetch_watermarks(topic, partition, PATIENCE).expect("the broker answers");
            (partition, first, end)
        });
        kept.collect()
    }

    /// Up to where the group has committed, all partitions together; without those that it has not.
    pub(crate) fn committed(&self) -> i64 {
        let committed = self.kafka.committed(&format!("{}group.state", self.prefix), &self.topic("login"));
        committed.into_iter().filter(|at| *at > 0).sum()
    }
}

impl Process {
    pub(crate) fn get(&self, path: &str) -> String {
        request(self.http, &format!("GET {path}"), "", "")
    }

    /// What it knows of a user.
    pub(crate) fn state(&self, user: &str) -> Value {
        let answer = self.api("users_state", &json!({"users": [user]}));
        answer["result"]["users"][user].clone()
    }

    pub(crate) fn is_online(&self, user: &str) -> bool {
        self.state(user)["online"] == true
    }

    /// The value of a metric without labels, or with these.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        self.sample(name).unwrap_or(0)
    }
}

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as i64
}
