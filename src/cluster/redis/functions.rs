//! The calls of one incarnation of a node: numbered per bucket, one in flight, repeated until they are answered.
//!
//! A numbered call says the number of the last one that was answered, and the highest count that the node has seen: a bucket
//! that knows less has lost writes and begins a new generation. The bucket keeps the answer of each node's last call, so that a
//! repetition changes nothing. A call that was given up is open: before the next one the bucket is asked whether it was done.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::sync::{Mutex as Turn, MutexGuard};
use tokio::time::{Instant, sleep};

use super::bucket::{Generation, Stand};
use super::fault::{Fault, Remedy};
use super::keys::Keys;
use super::library;
use super::link::Link;
use super::pack::{Packed, Unpack};
use crate::limits::REDIS_RETRY_MS;

/// How long to wait before a call is repeated: at first, and at the most.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(320);

/// Where the header of a numbered call has the generation that it offers.
const FRESH: std::ops::Range<usize> = 27..35;

/// The place among the nodes that a lease gives, and the incarnation that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incarnation {
    /// 1 to 255.
    pub slot: u8,
    /// Higher than that of any node before.
    pub number: u64,
}

impl Incarnation {
    pub(super) fn unpack(from: &mut Unpack) -> Result<Self, Fault> {
        Ok(Self { slot: from.byte()?, number: from.six()? })
    }
}

/// What the numbered calls of a bucket go by.
#[derive(Debug, Default)]
struct Numbers {
    answered: u64,
    /// The generation in which it was answered: a bucket in it that does not know of it has lost writes.
    generation: Generation,
    /// Whether the call after it was given up, so that nobody knows whether it was done.
    is_open: bool,
}

/// One bucket, as its callers need it.
#[derive(Debug, Default)]
struct Lane {
    turn: Turn<Numbers>,
    known: Mutex<Stand>,
}

/// Where a bucket stands, and up to where it has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Its generation and count.
    pub stand: Stand,
    /// The counts of the last messages to this node and to all.
    pub sent: [u64; 2],
    /// The number of the last call of this node that was done.
    done: u64,
}

/// The Functions, as one incarnation calls them. Its methods are in `streams`, `presence`, `sessions` and `reap`.
pub struct Functions {
    link: Arc<Link>,
    keys: Keys,
    incarnation: Incarnation,
    lanes: Box<[Lane]>,
    /// How many nodes live: where most of them listen, what is sent goes to all.
    nodes: AtomicU8,
}

impl std::fmt::Debug for Functions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Functions({:?})", self.incarnation)
    }
}

impl Functions {
    /// The calls of an incarnation that has a lease.
    pub fn new(link: Arc<Link>, keys: Keys, incarnation: Incarnation) -> Self {
        let lanes = (0..keys.buckets()).map(|_| Lane::default()).collect();
        Self { link, keys, incarnation, lanes, nodes: AtomicU8::new(1) }
    }

    /// The names of keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whose calls these are.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The way to Redis.
    pub fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Says how many nodes live.
    pub fn set_nodes(&self, nodes: u8) {
        self.nodes.store(nodes, Ordering::Relaxed);
    }

    pub(super) fn nodes(&self) -> u8 {
        self.nodes.load(Ordering::Relaxed)
    }

    /// What is known of a bucket.
    pub fn known(&self, bucket: u16) -> Stand {
        *self.lanes[usize::from(bucket)].known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes into account what a bucket has said; whether what was promised before still holds.
    pub fn learn(&self, bucket: u16, stand: Stand) -> bool {
        self.lanes[usize::from(bucket)].known.lock().unwrap_or_else(PoisonError::into_inner).learn(stand)
    }

    /// A call that changes nothing, or nothing that a repetition would change again.
    pub(super) async fn plain(&self, command: Cmd) -> Result<Value, Fault> {
        repeat(&self.link, &command).await
    }

    /// A Function on a bucket.
    pub(super) fn function(&self, name: &str, bucket: u16) -> Cmd {
        library::function(name, &self.keys.head(bucket))
    }

    /// A numbered call: `finish` adds what follows the header. Gives the answer.
    pub(super) async fn numbered(
        &self,
        name: &str,
        bucket: u16,
        finish: impl FnOnce(&mut Cmd),
    ) -> Result<Value, Fault> {
        let mut numbers = self.turn(bucket).await?;
        let mut command = self.function(name, bucket);
        command.arg(self.header(bucket, &numbers));
        finish(&mut command);
        let answer = repeat(&self.link, &command).await.inspect_err(|fault| numbers.is_open = fault.is_open())?;
        let stand = stand_of(&answer)?;
        *numbers = Numbers { answered: numbers.answered + 1, generation: stand.generation, is_open: false };
        self.learn(bucket, stand);
        Ok(answer)
    }

    /// Waits for the calls before, and settles one that was given up.
    async fn turn(&self, bucket: u16) -> Result<MutexGuard<'_, Numbers>, Fault> {
        let mut numbers = self.lanes[usize::from(bucket)].turn.lock().await;
        if numbers.is_open {
            let compared = self.ask_where(&self.link, bucket, &numbers, None).await?;
            numbers.is_open = false;
            if compared.done > numbers.answered {
                (numbers.answered, numbers.generation) = (compared.done, compared.stand.generation);
            }
        }
        Ok(numbers)
    }

    /// Asks where a bucket stands. A generation that was seen to have lost writes ends, if it has not yet.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn compare(&self, bucket: u16, lost: Option<Generation>) -> Result<Compared, Fault> {
        self.compare_by(&self.link, bucket, lost).await
    }

    /// As [`Functions::compare`], by another way: that on which the bucket's messages come, so that those sent before the answer
    /// come before it.
    pub(super) async fn compare_by(
        &self,
        link: &Link,
        bucket: u16,
        lost: Option<Generation>,
    ) -> Result<Compared, Fault> {
        let numbers = self.turn(bucket).await?;
        self.ask_where(link, bucket, &numbers, lost).await
    }

    async fn ask_where(
        &self,
        link: &Link,
        bucket: u16,
        numbers: &Numbers,
        lost: Option<Generation>,
    ) -> Result<Compared, Fault> {
        let mut command = self.function("compare", bucket);
        let header = self.header(bucket, numbers);
        command.arg(&header);
        if let Some(lost) = lost {
            command.arg(&lost.0[..]);
        }
        let mut from = Unpack::of(repeat(link, &command).await?)?;
        let stand = Stand::unpack(&mut from)?;
        let compared = Compared { stand, sent: [from.six()?, from.six()?], done: from.six()? };
        if header.get(FRESH) != Some(&from.rest()) {
            return Err(Fault::Garbled);
        }
        self.learn(bucket, stand);
        Ok(compared)
    }

    fn header(&self, bucket: u16, numbers: &Numbers) -> Vec<u8> {
        let (known, Incarnation { slot, number: incarnation }) = (self.known(bucket), self.incarnation);
        let header = Packed::default().byte(slot).six(incarnation).six(numbers.answered + 1).six(known.count);
        let fresh: [u8; 8] = rand::random();
        let header = header.bytes(&known.generation.0).bytes(&fresh).byte(self.nodes());
        header.byte((numbers.generation == known.generation).into()).end()
    }
}

/// Asks until there is an answer, or a fault that time does not mend.
async fn repeat(link: &Link, command: &Cmd) -> Result<Value, Fault> {
    let (since, mut pause) = (Instant::now(), PAUSE);
    // Once a repetition may have been done, no later fault says that it was not.
    let mut open = None;
    loop {
        let fault = match link.call(command).await {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        if fault.is_open() {
            open = Some(fault.clone());
        }
        match fault.remedy() {
            Remedy::Again | Remedy::Reconnect => {}
            Remedy::Load => drop(library::load(link).await),
            Remedy::Refuse | Remedy::Die | Remedy::Fail => return Err(open.unwrap_or(fault)),
        }
        if since.elapsed() + pause > Duration::from_millis(REDIS_RETRY_MS) {
            return Err(open.unwrap_or(fault));
        }
        sleep(pause).await;
        pause = (2 * pause).min(PAUSE_MAX);
    }
}

/// Where the bucket stood at a numbered call: all their answers begin so.
fn stand_of(answer: &Value) -> Result<Stand, Fault> {
    let first = match answer {
        Value::Array(values) => values.first().ok_or(Fault::Garbled)?,
        other => other,
    };
    Stand::unpack(&mut Unpack::of(first.clone())?)
}
