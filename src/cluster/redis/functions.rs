//! The calls of one incarnation of a node: numbered per bucket, one in flight, repeated until they are answered.
//!
//! A numbered call says the number of the last one that was answered, and the highest count that the node has seen: a bucket
//! that knows less has lost writes and begins a new generation. The bucket keeps the answer of each node's last call, so that a
//! repetition changes nothing. A call that was given up, or that nobody waited for to the end, is open: before the next one it is
//! settled, done or not.
//! What an incarnation knew is told by the next one.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Value};
use tokio::sync::{Mutex as Turn, MutexGuard as TurnGuard};
use tokio::time::{Instant, sleep};

use super::bucket::{Generation, Stand};
use super::copies::Copies;
use super::crowded::Crowded;
use super::fault::{Fault, Remedy};
use super::keys::Keys;
use super::library;
use super::link::Link;
use super::pack::{Packed, Unpack, list};
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
    /// How many it is packed in.
    pub(super) const BYTES: usize = 7;

    pub(super) fn unpack(from: &mut Unpack) -> Result<Self, Fault> {
        Ok(Self { slot: from.byte()?, number: from.six()? })
    }
}

/// The last numbered call that a bucket has answered.
#[derive(Clone, Copy, Debug, Default)]
struct Answered {
    number: u64,
    /// The generation in which it was answered: a bucket in it that does not know of it has lost writes.
    generation: Generation,
}

/// What is known of a bucket.
#[derive(Clone, Debug, Default)]
struct Known {
    stand: Stand,
    answered: Answered,
    /// What the incarnation before this one knew, as the header of a call, until the bucket has heard it.
    before: Option<Vec<u8>>,
}

impl Known {
    /// The bucket has answered the next numbered call, and stood there then.
    fn answered(&mut self, stand: Stand) {
        self.answered = Answered { number: self.answered.number + 1, generation: stand.generation };
        self.stand.learn(stand);
    }
}

/// One bucket, as its callers need it.
#[derive(Debug, Default)]
struct Lane {
    /// Whose turn it is to make a numbered call; whether the last one was given up, so that nobody knows whether it was done.
    is_open: Turn<bool>,
    known: Mutex<Known>,
}

impl Lane {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a bucket stands, and up to where it has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Its generation and count.
    pub stand: Stand,
    /// The counts of the last messages to this node and to all.
    pub sent: [u64; 2],
    /// The count of the last message to this node by Kafka.
    pub relayed: u64,
}

/// Where buckets stand that were compared by one call.
#[derive(Debug, Default)]
pub(super) struct ComparedTogether {
    pub(super) found: Vec<(u16, Compared)>,
    /// Some would not be compared, or are with another server.
    pub(super) has_refused: bool,
}

/// A question where a bucket stands.
struct Question {
    command: Cmd,
    header: Vec<u8>,
}

/// The Functions, as one incarnation calls them. Its methods are in `streams`, `fleeting`, `presence`, `sessions` and `reap`.
pub struct Functions {
    link: Arc<Link>,
    keys: Keys,
    incarnation: Incarnation,
    lanes: Box<[Lane]>,
    /// How many nodes live: where most of them listen, what is sent goes to all.
    nodes: AtomicU8,
    /// By which publications go, where they are to be answered once replicas have them.
    copies: Option<Arc<Copies>>,
    /// Where all are told without asking who listens.
    pub(super) crowded: Mutex<Crowded>,
}

/// The way that a call goes.
enum Way<'a> {
    Link(&'a Link),
    /// Of this bucket, and is answered once replicas have what it has written.
    Copied {
        copies: &'a Copies,
        bucket: u16,
        /// Writes something there.
        touch: Cmd,
    },
}

impl Way<'_> {
    /// Calls, for the first time or once more. What was done the first time writes nothing the second, and may have been written by
    /// another connection: replicas then have to have what is written behind it.
    async fn call(&self, command: &Cmd, is_again: bool) -> Result<Value, Fault> {
        match self {
            Self::Link(link) => library::call(link, command).await,
            // Apart: most nodes do not wait for replicas, and their calls would make room for it.
            Self::Copied { copies, bucket, touch } => {
                Box::pin(copies.call(*bucket, command, is_again.then_some(touch))).await
            }
        }
    }
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
        Self { link, keys, incarnation, lanes, nodes: AtomicU8::new(1), copies: None, crowded: Mutex::default() }
    }

    /// The same, where publications are to be answered once replicas have them.
    pub fn copied_by(self, copies: Option<Arc<Copies>>) -> Self {
        Self { copies, ..self }
    }

    /// The calls of the incarnation that follows this one, whose lease is lost. What this one knew is not: a bucket that has lost
    /// writes since would go on in its generation if nobody told it.
    pub fn successor(&self, incarnation: Incarnation) -> Self {
        let mut next = Self::new(self.link.clone(), self.keys.clone(), incarnation).copied_by(self.copies.clone());
        for (heir, lane) in next.lanes.iter_mut().zip(&self.lanes) {
            let known = lane.known();
            let is_known = known.stand.generation != Generation::default();
            // Of what it has heard nothing, it may have to tell of the one before it.
            let before = if is_known { Some(self.header(&known)) } else { known.before.clone() };
            heir.known.get_mut().unwrap_or_else(PoisonError::into_inner).before = before;
        }
        next
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
        self.lanes[usize::from(bucket)].known().stand
    }

    /// Takes into account what a bucket has said; whether what was promised before still holds.
    pub fn learn(&self, bucket: u16, stand: Stand) -> bool {
        self.lanes[usize::from(bucket)].known().stand.learn(stand)
    }

    /// A call that changes nothing, or nothing that a repetition would change again.
    pub(super) async fn plain(&self, command: Cmd) -> Result<Value, Fault> {
        repeat(&Way::Link(&self.link), &command).await
    }

    /// A call that is made once: an answer that was lost is not asked for again.
    pub(super) async fn once(&self, command: Cmd) -> Result<Value, Fault> {
        library::call(&self.link, &command).await
    }

    /// A Function on a bucket.
    pub(super) fn function(&self, name: &str, bucket: u16) -> Cmd {
        library::function(name, self.keys.head(bucket))
    }

    /// A numbered call: `finish` adds what follows the header. Gives the answer.
    pub(super) async fn numbered(
        &self,
        name: &str,
        bucket: u16,
        finish: impl FnOnce(&mut Cmd),
    ) -> Result<Value, Fault> {
        self.numbered_by(&Way::Link(&self.link), name, bucket, finish).await
    }

    /// As [`Functions::numbered`], and answered once replicas have it, where that is asked for.
    pub(super) async fn numbered_and_copied(
        &self,
        name: &str,
        bucket: u16,
        finish: impl FnOnce(&mut Cmd),
    ) -> Result<Value, Fault> {
        let way = self.copies.as_deref().map_or(Way::Link(&self.link), |copies| {
            let touch = self.function("touch", bucket);
            Way::Copied { copies, bucket, touch }
        });
        self.numbered_by(&way, name, bucket, finish).await
    }

    async fn numbered_by(
        &self,
        way: &Way<'_>,
        name: &str,
        bucket: u16,
        finish: impl FnOnce(&mut Cmd),
    ) -> Result<Value, Fault> {
        let mut is_open = self.turn(bucket).await?;
        let lane = &self.lanes[usize::from(bucket)];
        let mut command = self.function(name, bucket);
        command.arg(self.header(&lane.known()));
        finish(&mut command);
        // Until it is answered: who waits for it may go away meanwhile, and the answer may be unreadable.
        *is_open = true;
        let answer = repeat(way, &command).await.inspect_err(|fault| *is_open = fault.is_open())?;
        let stand = stand_of(&answer)?;
        lane.known().answered(stand);
        *is_open = false;
        Ok(answer)
    }

    /// A call that says what is known of the bucket, and is not numbered: a repetition changes nothing.
    pub(super) async fn asked(&self, name: &str, bucket: u16, finish: impl FnOnce(&mut Cmd)) -> Result<Value, Fault> {
        let _turn = self.turn(bucket).await?;
        let mut command = self.function(name, bucket);
        command.arg(self.header(&self.lanes[usize::from(bucket)].known()));
        finish(&mut command);
        repeat(&Way::Link(&self.link), &command).await
    }

    /// Waits for the calls before, settles one that was given up, and tells what the incarnation before this one knew.
    async fn turn(&self, bucket: u16) -> Result<TurnGuard<'_, bool>, Fault> {
        let lane = &self.lanes[usize::from(bucket)];
        let mut is_open = lane.is_open.lock().await;
        let before = lane.known().before.clone();
        if let Some(header) = before {
            let mut command = self.function("compare", bucket);
            match repeat(&Way::Link(&self.link), command.arg(header)).await {
                // That it is dead is known; what it says counts all the same.
                Ok(_) | Err(Fault::Dead | Fault::Stale) => lane.known().before = None,
                Err(fault) => return Err(fault),
            }
        }
        if *is_open {
            // Its number is used up by a call that does nothing: what is still on its way by a connection that was given up counts
            // for nothing from now on, and is not taken for the call that comes next.
            let mut command = self.function("leave", bucket);
            command.arg(self.header(&lane.known()));
            let stand = stand_of(&repeat(&Way::Link(&self.link), &command).await?)?;
            lane.known().answered(stand);
            *is_open = false;
        }
        Ok(is_open)
    }

    /// Asks where a bucket stands. A generation that was seen to have lost writes ends, if it has not yet.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn compare(&self, bucket: u16, lost: Option<Generation>) -> Result<Compared, Fault> {
        let _turn = self.turn(bucket).await?;
        let question = self.question(bucket, lost);
        let answer = repeat(&Way::Link(&self.link), &question.command).await?;
        self.compared(bucket, &question.header, Unpack::of(answer)?)
    }

    /// As [`Functions::compare`], but once, and by another way: that on which the bucket's messages come, so that those sent before
    /// the answer come before it.
    pub(super) async fn compare_by(&self, link: &Link, bucket: u16) -> Result<Compared, Fault> {
        let _turn = self.turn(bucket).await?;
        let question = self.question(bucket, None);
        let answer = library::call(link, &question.command).await?;
        self.compared(bucket, &question.header, Unpack::of(answer)?)
    }

    /// As [`Functions::compare_by`], many buckets by one call; they must be with one server, as far as is known. Those of which a call
    /// is on its way, or is to be settled, are left out, and those that refuse to be compared or are elsewhere: they are to be asked
    /// alone.
    pub(super) async fn compare_many_by(&self, link: &Link, buckets: &[u16]) -> Result<ComparedTogether, Fault> {
        let free = buckets.iter().filter_map(|bucket| Some((*bucket, self.free_turn(*bucket)?)));
        let turns: Vec<_> = free.collect();
        let Some((first, _)) = turns.first() else { return Ok(ComparedTogether::default()) };
        let heads = turns.iter().map(|(bucket, _)| self.keys.head(*bucket));
        let headers = turns.iter().map(|(bucket, _)| self.header(&self.lanes[usize::from(*bucket)].known()));
        let headers: Vec<_> = headers.collect();
        let command = match link.is_one_server() {
            true => library::function_of_all("compare_many", heads.collect::<Vec<_>>()).arg(&headers).to_owned(),
            false => {
                let mut command = self.function("compare_slots", *first);
                heads.zip(&headers).for_each(|(head, header)| _ = command.arg(head).arg(header));
                command
            }
        };
        let answers = list(library::call(link, &command).await?)?;
        if answers.len() != turns.len() {
            return Err(Fault::Garbled);
        }
        let mut together = ComparedTogether::default();
        for (((bucket, _turn), header), answer) in turns.iter().zip(&headers).zip(answers) {
            let from = Unpack::of(answer)?;
            match from.is_empty() {
                true => together.has_refused = true,
                false => together.found.push((*bucket, self.compared(*bucket, header, from)?)),
            }
        }
        Ok(together)
    }

    /// The turn of a bucket, where nobody has it and nothing is to be told or settled before.
    fn free_turn(&self, bucket: u16) -> Option<TurnGuard<'_, bool>> {
        let lane = &self.lanes[usize::from(bucket)];
        let is_open = lane.is_open.try_lock().ok()?;
        (!*is_open && lane.known().before.is_none()).then_some(is_open)
    }

    fn question(&self, bucket: u16, lost: Option<Generation>) -> Question {
        let mut command = self.function("compare_ways", bucket);
        let header = self.header(&self.lanes[usize::from(bucket)].known());
        command.arg(&header);
        if let Some(lost) = lost {
            command.arg(&lost.0[..]);
        }
        Question { command, header }
    }

    fn compared(&self, bucket: u16, header: &[u8], mut from: Unpack) -> Result<Compared, Fault> {
        let stand = Stand::unpack(&mut from)?;
        let compared = Compared { stand, sent: [from.six()?, from.six()?], relayed: from.six()? };
        let _number_of_last_call = from.six()?;
        if header.get(FRESH) != Some(&from.rest()) {
            return Err(Fault::Garbled);
        }
        self.learn(bucket, stand);
        Ok(compared)
    }

    fn header(&self, known: &Known) -> Vec<u8> {
        let (Known { stand, answered, .. }, Incarnation { slot, number }) = (known, self.incarnation);
        let header = Packed::default().byte(slot).six(number).six(answered.number + 1).six(stand.count);
        let fresh: [u8; 8] = rand::random();
        let header = header.bytes(&stand.generation.0).bytes(&fresh).byte(self.nodes());
        header.byte((answered.generation == stand.generation).into()).end()
    }
}

/// Asks until there is an answer, or a fault that time does not mend.
async fn repeat(way: &Way<'_>, command: &Cmd) -> Result<Value, Fault> {
    let (since, mut pause) = (Instant::now(), PAUSE);
    // Once a repetition may have been done, no later fault says that it was not.
    let (mut open, mut is_again) = (None, false);
    loop {
        let fault = match way.call(command, is_again).await {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        if fault.is_open() {
            open = Some(fault.clone());
        }
        match fault.remedy() {
            Remedy::Again | Remedy::Reconnect => {}
            Remedy::Refuse | Remedy::Die | Remedy::Fail => return Err(open.unwrap_or(fault)),
        }
        if since.elapsed() + pause > Duration::from_millis(REDIS_RETRY_MS) {
            return Err(open.unwrap_or(fault));
        }
        sleep(pause).await;
        (pause, is_again) = ((2 * pause).min(PAUSE_MAX), true);
    }
}

/// Where the bucket stood at a numbered call: all their answers begin so.
fn stand_of(answer: &Value) -> Result<Stand, Fault> {
    let first = match answer {
        Value::Array(values) => values.first().ok_or(Fault::Garbled)?,
        other => other,
    };
    let Value::BulkString(said) = first else { return Err(Fault::Garbled) };
    let stand = said.get(..Stand::BYTES).ok_or(Fault::Garbled)?;
    Stand::unpack(&mut Unpack::new(Bytes::copy_from_slice(stand)))
}
