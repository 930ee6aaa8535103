//! The state as it lies in Redis, by buckets: a method per Function, each asked by one call to the bucket's own primary.

use std::sync::Arc;

use redis::{Cmd, FromRedisValue, Value};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::library::LIBRARY;
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::keys::Keys;
use crate::cluster::redis::link::Link;
use crate::config::RedisConfig;
use crate::events::SessionCause;
use crate::limits::{SHARED_USER_BYTES_MAX, STATE_KEEP_MS, STATE_MISSED_MS};

/// The layout of the keys. Another one is another state, that begins with what the topic keeps.
const LAYOUT: u8 = 1;

/// Something that happened to a session, as the Functions take it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Happening {
    /// Its record's offset in its partition.
    pub(super) offset: i64,
    /// The session begins; otherwise it ends.
    pub(super) begins: bool,
    /// When, Unix milliseconds, by the node's clock: no order rests on it.
    pub(super) at: i64,
    /// Whose session it is.
    pub(super) user: String,
    /// Its client, a UUID.
    pub(super) client: String,
    /// Its node: `slot.incarnation`.
    pub(super) owner: String,
    /// Its device; may be empty.
    pub(super) device: String,
}

/// That a user has come online or gone offline, until it is written where all can read it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Transition {
    /// Its place among those of its bucket.
    pub(super) number: u64,
    pub(super) user: String,
    pub(super) online: bool,
    pub(super) at_unix_ms: i64,
    pub(super) last_seen_unix_ms: i64,
    pub(super) devices: u32,
    pub(super) sequence: u64,
    #[serde(deserialize_with = "cause")]
    pub(super) cause: SessionCause,
}

/// What a bucket says of why.
fn cause<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SessionCause, D::Error> {
    let text = String::deserialize(deserializer)?;
    SessionCause::of(&text).ok_or_else(|| D::Error::custom("no cause"))
}

/// What became of some happenings.
#[derive(Debug)]
pub(super) enum Applied {
    /// All that were not before.
    Done {
        /// How many these are.
        applied: u64,
        /// What is to be told.
        told: Vec<Transition>,
        /// Keys of users in whose place something lies that is not Ringpost's: what happened to these is passed over.
        foreign: Vec<String>,
    },
    /// The bucket knows less than it did: nothing was changed.
    Lost,
}

/// What came of a call that changes some users of a bucket.
#[derive(Debug)]
pub(super) struct Changed {
    /// Where to go on: a cursor, or how many are left. 0: nowhere.
    pub(super) next: u64,
    /// How many were changed.
    pub(super) count: u64,
    /// What is to be told.
    pub(super) told: Vec<Transition>,
    /// Keys where something lies that is not Ringpost's: what would be there is passed over.
    pub(super) foreign: Vec<String>,
}

/// What a bucket has to tell still.
#[derive(Debug)]
pub(super) struct Pending {
    /// What is to be told.
    pub(super) told: Vec<Transition>,
    /// As in [`Changed`].
    pub(super) foreign: Vec<String>,
}

/// What a bucket has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Up to which record each of the partitions was applied that were asked for.
    pub(super) positions: Vec<Option<i64>>,
    /// Incarnations of nodes that have sessions here: `slot.incarnation`.
    pub(super) owners: Vec<String>,
    /// How much is to be told.
    pub(super) waiting: u64,
}

/// A user, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserState {
    /// Whether there is a session.
    pub online: bool,
    /// Since when it is so, Unix milliseconds; 0: nothing is known of the user.
    pub since_unix_ms: i64,
    /// When a session began or ended last, Unix milliseconds.
    pub last_seen_unix_ms: i64,
    /// Devices that are connected.
    pub devices: u32,
}

/// See the module.
#[derive(Clone)]
pub(super) struct Buckets {
    link: Arc<Link>,
    keys: Keys,
    prefix: String,
}

impl Buckets {
    /// The buckets of the cluster that is configured so; nothing is connected yet.
    ///
    /// # Errors
    /// Files of certificates that cannot be read or are none.
    pub(super) fn new(config: &RedisConfig) -> anyhow::Result<Self> {
        let prefix = format!("{}:state:{LAYOUT}", config.prefix);
        Ok(Self { link: Arc::new(Link::new(config, None)?), keys: Keys::new(config), prefix })
    }

    /// How many there are.
    pub(super) fn count(&self) -> u16 {
        self.keys.buckets()
    }

    /// The bucket of a user.
    pub(super) fn of(&self, user: &str) -> u16 {
        self.keys.bucket_of(user)
    }

    /// The way to Redis.
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// The names of the nodes' keys.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// A key of this role that is no bucket's.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}:{{{name}}}", self.prefix)
    }

    fn function(&self, name: &str, bucket: u16) -> Cmd {
        let mut command = redis::cmd("FCALL");
        command.arg(format!("ringpost_state_1_{name}")).arg(2);
        command.arg(format!("{}:{{b{bucket}}}", self.prefix)).arg(self.keys.head(bucket));
        command
    }

    async fn call<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Fault> {
        let answer = LIBRARY.call(&self.link, command).await?;
        if let Ok(answer) = T::from_redis_value(answer) {
            return Ok(answer);
        }
        // Where an older process was the first to see that there were none, this edition answers from now on.
        self.load().await?;
        Err(Fault::Garbled)
    }

    /// Asks for what is at a key of this role, by a command of Redis' own.
    pub(super) async fn ask_of(&self, command: &Cmd, key: &str) -> Result<Value, Fault> {
        match self.link.call(command).await {
            Err(Fault::Other(said)) if said.starts_with("WRONGTYPE") => Err(Fault::Foreign(key.to_owned())),
            answer => answer,
        }
    }

    /// Sees that the Functions are there in this edition, or a later one: calls find out only that there are none.
    pub(super) async fn load(&self) -> Result<(), Fault> {
        LIBRARY.load(&self.link).await.map(drop)
    }

    /// Applies what happened to sessions of users of one bucket, by records of one partition above `known`, which is known to be
    /// applied there. Quietly: what follows is told by [`Buckets::settle`].
    pub(super) async fn apply(
        &self,
        bucket: u16,
        partition: i32,
        known: i64,
        is_quiet: bool,
        happened: &[Happening],
    ) -> Result<Applied, Fault> {
        let mut command = self.function("apply", bucket);
        let events = serde_json::to_string(happened).expect("names and numbers are written as JSON");
        command.arg(partition).arg(known).arg(u8::from(is_quiet)).arg(STATE_KEEP_MS).arg(events).arg(1);
        let answer: Vec<Value> = self.call(&command).await?;
        let mut answer = answer.into_iter().skip(1);
        let (Some(applied), Some(pending)) = (answer.next(), answer.next()) else { return Ok(Applied::Lost) };
        let foreign = answer.next().map_or(Ok(Vec::new()), read)?;
        Ok(Applied::Done { applied: read(applied)?, told: transitions(pending)?, foreign })
    }

    /// What was to be told up to the transition of this number is written; none has 0. Answers what is left.
    pub(super) async fn written(&self, bucket: u16, number: u64) -> Result<Pending, Fault> {
        let mut command = self.function("written", bucket);
        let (pending, foreign) = self.call(command.arg(number).arg(1)).await?;
        Ok(Pending { told: transitions(pending)?, foreign })
    }

    /// What a bucket has of some partitions.
    pub(super) async fn look(&self, bucket: u16, partitions: &[i32]) -> Result<Look, Fault> {
        let mut command = self.function("look", bucket);
        for partition in partitions {
            command.arg(partition);
        }
        let (positions, owners, waiting) = self.call(command.arg("waiting")).await?;
        Ok(Look { positions, owners, waiting })
    }

    /// Says where a bucket that knows nothing of a partition begins in it; whatever it knows, where that `counts` for nothing.
    pub(super) async fn begin(&self, bucket: u16, partition: i32, position: i64, forget: bool) -> Result<(), Fault> {
        let mut command = self.function("position", bucket);
        self.call::<i64>(command.arg(partition).arg(position).arg(u8::from(forget))).await.map(drop)
    }

    async fn change(&self, command: &Cmd) -> Result<Changed, Fault> {
        let (next, count, pending, foreign) = self.call(command).await?;
        Ok(Changed { next, count, told: transitions(pending)?, foreign })
    }

    /// Tells of some users whose events of a partition were applied quietly. Where to go on is how many are left.
    pub(super) async fn settle(&self, bucket: u16, partition: i32, at_once: usize) -> Result<Changed, Fault> {
        let mut command = self.function("settle", bucket);
        self.change(command.arg(partition).arg(at_once).arg(STATE_KEEP_MS).arg(1)).await
    }

    /// Takes up sessions of a node's slot that the nodes' register has and of which nothing was heard, from a cursor on: counted.
    pub(super) async fn adopt(&self, bucket: u16, slot: u8, cursor: u64, at_once: usize) -> Result<Changed, Fault> {
        let mut command = self.function("adopt", bucket);
        self.change(command.arg(slot).arg(cursor).arg(at_once).arg(STATE_KEEP_MS).arg(1)).await
    }

    /// Ends sessions of some users on a node that has died, and was seen last then, from a cursor on: counted.
    pub(super) async fn end_node(
        &self,
        bucket: u16,
        owner: &str,
        seen_unix_ms: u64,
        cursor: u64,
        at_once: usize,
    ) -> Result<Changed, Fault> {
        let mut command = self.function("end_node", bucket);
        self.change(command.arg(owner).arg(seen_unix_ms).arg(at_once).arg(STATE_KEEP_MS).arg(cursor)).await
    }

    /// Compares sessions of a node that lives with the nodes' register, from a cursor on, and ends those that have been missing there
    /// for long: counted.
    pub(super) async fn check(&self, bucket: u16, owner: &str, cursor: u64, at_once: usize) -> Result<Changed, Fault> {
        let mut command = self.function("check", bucket);
        command.arg(owner).arg(cursor).arg(at_once).arg(STATE_KEEP_MS).arg(STATE_MISSED_MS).arg(SHARED_USER_BYTES_MAX);
        self.change(command.arg(1)).await
    }

    /// Users of one bucket, an answer each.
    pub(super) async fn read(&self, bucket: u16, users: &[&str]) -> Result<Vec<UserState>, Fault> {
        let mut command = self.function("read", bucket);
        for user in users {
            command.arg(user);
        }
        let numbers: Vec<i64> = self.call(&command).await?;
        if numbers.len() != 4 * users.len() {
            return Err(Fault::Garbled);
        }
        let state = |of: &[i64]| UserState {
            online: of[0] == 1,
            since_unix_ms: of[1],
            last_seen_unix_ms: of[2],
            devices: of[3].clamp(0, u32::MAX.into()) as u32,
        };
        Ok(numbers.chunks_exact(4).map(state).collect())
    }
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Buckets({} of {})", self.count(), self.prefix)
    }
}

fn read<T: FromRedisValue>(value: Value) -> Result<T, Fault> {
    T::from_redis_value(value).map_err(|_| Fault::Garbled)
}

fn transitions(pending: Value) -> Result<Vec<Transition>, Fault> {
    let items: Vec<String> = read(pending)?;
    items.iter().map(|item| serde_json::from_str(item).map_err(|_| Fault::Garbled)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_functions_tell_is_read() {
        let told = r#"{"number":3,"user":"ann","online":true,"at_unix_ms":1795000000000,"last_seen_unix_ms":1795000000000,
                       "devices":1,"sequence":1795000000001,"cause":"node_lost"}"#;
        let read = transitions(Value::Array(vec![Value::BulkString(told.into())])).unwrap();
        assert_eq!((read[0].sequence, read[0].cause), (1_795_000_000_001, SessionCause::NodeLost));
        let garbled = Value::Array(vec![Value::BulkString(b"{}".to_vec())]);
        assert!(matches!(transitions(garbled), Err(Fault::Garbled)));
    }
}
