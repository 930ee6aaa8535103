//! The way to Redis: one connection to a primary, found by its address or by Sentinels, or one to each primary of a Cluster.
//!
//! A connection carries calls and what is published to this node. It is made when it is first needed, and anew after it broke;
//! while that fails, calls fail at once instead of waiting in line for it.
//!
//! A connection may be gone without a word: packets vanish, or the server stands still and another has taken its place. So one that
//! has said nothing for as long as a call may take is given up, and who can tell is asked again where the primary is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster::ClusterConfig;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo};
use redis::{AsyncConnectionConfig, Cmd, PushInfo, PushKind, RedisResult, Value};
use tokio::sync::{Mutex, mpsc};

use super::fault::Fault;
use super::pack::{list, number};
use super::reach::Reach;
use super::slots::Slots;
use crate::config::RedisConfig;
use crate::limits::{REDIS_CALLS_AT_ONCE, REDIS_WRITE_BYTES};

/// How long calls fail at once after a connection did not come about: at first, and at the most. So long a Redis that comes
/// back is not noticed, and so often it is asked by each node.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How often a Cluster of which a primary does not answer is asked whether it has others now.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Where pushes of the server go: what is published to this node, and that a connection has ended.
pub type Pushes = mpsc::UnboundedSender<PushInfo>;

/// A Redis, as it is configured.
pub struct Link {
    reach: Reach,
    options: AsyncConnectionConfig,
    state: Mutex<State>,
    connect_timeout: Duration,
    timeout: Duration,
    pushes: Option<Pushes>,
    life: Arc<Life>,
    slots: Lock<KnownSlots>,
}

/// The slots of a Cluster, as they were last told, and when they were last asked for.
#[derive(Default)]
struct KnownSlots {
    slots: Option<Arc<Slots>>,
    asked: Option<Instant>,
}

/// When the server has said anything last.
struct Life {
    since: Instant,
    /// Milliseconds since `since`.
    said_ms: AtomicU64,
}

impl Life {
    fn now_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }

    /// It has said something now.
    fn sign(&self) {
        self.said_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Whether it has said nothing since.
    fn is_silent_since(&self, ms: u64) -> bool {
        self.said_ms.load(Ordering::Relaxed) <= ms
    }
}

#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A connection that is used.
struct Live {
    connection: Connection,
    since: Instant,
    /// Set when it is given up. Calls that are on their way keep it open for a while, and what it is still told its successor is told
    /// as well.
    is_over: Arc<AtomicBool>,
    /// The primaries of the Cluster when it came about.
    primaries: Option<Arc<Slots>>,
}

/// The connection, if there is one, and when the next may be tried.
#[derive(Default)]
struct State {
    live: Option<Live>,
    /// How many there were: who found one broken must not end its successor.
    number: u64,
    failed: Option<(Instant, Duration, Fault)>,
    /// When the Cluster was last asked whether its primaries are others now.
    looked: Option<Instant>,
}

/// By which connection a call went, and when.
#[derive(Clone, Copy)]
struct Way {
    number: u64,
    began_ms: u64,
}

impl Link {
    /// Prepares the way; nothing is connected yet. Pushes go to `pushes`, where there is one.
    ///
    /// # Errors
    /// Files of certificates that cannot be read or are none.
    pub fn new(config: &RedisConfig, pushes: Option<Pushes>) -> anyhow::Result<Self> {
        let options = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.connect_timeout.into()))
            .set_response_timeout(Some(config.timeout.into()))
            // The calls of all buckets that are ready together go by one write.
            .set_pipeline_buffer_size(REDIS_CALLS_AT_ONCE)
            .set_write_backpressure_boundary(REDIS_WRITE_BYTES);
        let reach = Reach::new(config)?;
        let (connect_timeout, timeout) = (config.connect_timeout.into(), config.timeout.into());
        let life = Arc::new(Life { since: Instant::now(), said_ms: AtomicU64::new(0) });
        let (state, slots) = (Mutex::default(), Lock::default());
        Ok(Self { reach, options, state, connect_timeout, timeout, pushes, life, slots })
    }

    /// Whether one server has all keys.
    pub fn is_one_server(&self) -> bool {
        !matches!(self.reach, Reach::Cluster(_))
    }

    /// Which primary of a Cluster has which slots, as far as is known.
    pub(super) fn slots(&self) -> Option<Arc<Slots>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).slots.clone()
    }

    /// Some slots have turned out to be elsewhere: asks where they are, unless it was asked a moment ago.
    pub(super) async fn renew_slots(&self) {
        let connection = match &self.state.lock().await.live {
            Some(Live { connection: Connection::Cluster(connection), .. }) => Some(connection.clone()),
            _ => None,
        };
        let is_due = || {
            let mut known = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = known.asked.is_none_or(|asked| asked.elapsed() >= LOOK_PAUSE);
            known.asked = if is_due { Some(Instant::now()) } else { known.asked };
            is_due
        };
        if let Some(mut connection) = connection.filter(|_| is_due())
            && let Some(slots) = slots_of(&mut connection).await
        {
            self.know(Some(slots));
        }
    }

    fn know(&self, slots: Option<Arc<Slots>>) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).slots = slots;
    }

    /// Asks the primary that has the command's key.
    ///
    /// # Errors
    /// What went wrong; after [`Fault::is_open`] it may have been done.
    pub async fn call(&self, command: &Cmd) -> Result<Value, Fault> {
        let (mut connection, way) = self.connection().await?;
        let answer = match &mut connection {
            Connection::Single(connection) => connection.req_packed_command(command).await,
            Connection::Cluster(connection) => connection.req_packed_command(command).await,
        };
        self.judge(answer, way).await
    }

    /// As [`Link::call`], and waits until so many replicas have what was written, some milliseconds at the most: the answer, and how
    /// many have it. Where there is a second command it is called behind the first. Who calls by the same connection meanwhile waits
    /// as well.
    ///
    /// # Errors
    /// What went wrong; after [`Fault::is_open`] it may have been done.
    pub async fn call_and_wait(
        &self,
        command: &Cmd,
        second: Option<&Cmd>,
        replicas: u8,
        wait_ms: u64,
    ) -> Result<(Value, u64), Fault> {
        let (mut connection, way) = self.connection().await?;
        let mut all = redis::pipe();
        all.add_command(command.clone());
        second.into_iter().for_each(|second| _ = all.add_command(second.clone()));
        all.cmd("WAIT").arg(replicas).arg(wait_ms);
        // One connection has all: what it waits for is what it has written.
        let count = all.len();
        let mut answers = match &mut connection {
            Connection::Single(connection) => connection.req_packed_commands(&all, 0, count).await,
            Connection::Cluster(connection) => connection.req_packed_commands(&all, 0, count).await,
        };
        let waited = answers.as_mut().ok().and_then(Vec::pop);
        let answers = list(self.judge(answers.map(Value::Array), way).await?)?;
        let answer = answers.into_iter().next().ok_or(Fault::Garbled)?;
        // What was called is done: that it cannot be waited for says nothing else.
        match self.judge(Ok(waited.ok_or(Fault::Garbled)?), way).await {
            Ok(copies) => Ok((answer, number(&copies)?)),
            Err(fault @ Fault::Unreachable(_)) => Err(fault),
            Err(_) => Err(Fault::Uncopied),
        }
    }

    /// Asks every primary, and gives the answers of all.
    ///
    /// # Errors
    /// What went wrong at one of them.
    pub async fn call_all(&self, command: &Cmd) -> Result<Vec<Value>, Fault> {
        let (mut connection, way) = self.connection().await?;
        let answer = match &mut connection {
            Connection::Single(connection) => connection.req_packed_command(command).await,
            Connection::Cluster(connection) => {
                let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                connection.route_command(command.clone(), all).await
            }
        };
        match (self.judge(answer, way).await?, connection) {
            (Value::Map(answers), Connection::Cluster(_)) => {
                answers.into_iter().map(|(_, answer)| Ok(answer.extract_error()?)).collect()
            }
            (answer, _) => Ok(vec![answer]),
        }
    }

    /// Subscribes to a channel of sharded Pub/Sub; what is published there comes as pushes.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn subscribe(&self, channel: &str) -> Result<(), Fault> {
        let (mut connection, way) = self.connection().await?;
        let answer = match &mut connection {
            // One channel a command: its one confirmation is the command's answer.
            Connection::Single(connection) => {
                connection.req_packed_command(redis::cmd("SSUBSCRIBE").arg(channel)).await
            }
            Connection::Cluster(connection) => connection.ssubscribe(channel).await.map(|()| Value::Okay),
        };
        self.judge(answer, way).await.map(drop)
    }

    /// Ends the connection; the next call makes another.
    pub async fn reset(&self) {
        self.state.lock().await.end();
    }

    async fn judge(&self, answer: RedisResult<Value>, way: Way) -> Result<Value, Fault> {
        let answer = answer.and_then(Value::extract_error).map_err(Fault::from);
        let is_cluster = !self.is_one_server();
        match &answer {
            // That of a Cluster mends itself, and has many.
            Err(Fault::Unreachable(_)) if is_cluster => {}
            Err(Fault::Unreachable(_)) => self.forget(way).await,
            Err(Fault::Late) if is_cluster => Box::pin(self.look_anew(way)).await,
            Err(Fault::Late) if self.life.is_silent_since(way.began_ms) => self.give_up(way).await,
            Err(Fault::Late) => {}
            answer => {
                self.life.sign();
                // Another may be the primary now.
                if matches!(answer, Err(Fault::ReadOnly)) && !is_cluster {
                    self.give_up(way).await;
                }
            }
        }
        answer
    }

    /// A connection has broken; its successor may be there. Who listens by it was told.
    async fn forget(&self, way: Way) {
        let mut state = self.state.lock().await;
        if state.number == way.number {
            state.live = None;
        }
    }

    /// Ends a connection that is of no use, though it has not broken. One that is new is no better than the next.
    async fn give_up(&self, way: Way) {
        let mut state = self.state.lock().await;
        let is_old = state.live.as_ref().is_some_and(|live| live.since.elapsed() >= PAUSE_MAX);
        if state.number == way.number && is_old {
            state.end();
            self.tell_end();
        }
    }

    /// A primary of the Cluster has not answered: where it has a successor, all connections are made anew. Others are called by
    /// those that there are meanwhile.
    async fn look_anew(&self, way: Way) {
        let mut state = self.state.lock().await;
        let is_early = state.looked.is_some_and(|looked| looked.elapsed() < LOOK_PAUSE);
        let Some(Live { connection: Connection::Cluster(connection), primaries: known, .. }) = &state.live else {
            return;
        };
        if state.number != way.number || is_early {
            return;
        }
        let (mut connection, known) = (connection.clone(), known.clone());
        state.looked = Some(Instant::now());
        drop(state);
        if slots_of(&mut connection).await.is_none_or(|now| Some(now) == known) {
            return;
        }
        if let Ok(live) = self.connect_in_time().await {
            let mut state = self.state.lock().await;
            if state.number == way.number && state.live.is_some() {
                state.begin(live);
                self.tell_end();
            }
        }
    }

    /// Tells who listens by this way that the connection has ended.
    fn tell_end(&self) {
        if let Some(pushes) = &self.pushes {
            // Nobody listens any more.
            let _ = pushes.send(PushInfo { kind: PushKind::Disconnection, data: Vec::new() });
        }
    }

    /// The connection, made where there is none, and the way that a call goes by it.
    async fn connection(&self) -> Result<(Connection, Way), Fault> {
        let mut state = self.state.lock().await;
        if let Some(live) = &state.live {
            return Ok((live.connection.clone(), Way { number: state.number, began_ms: self.life.now_ms() }));
        }
        if let Some((since, pause, fault)) = &state.failed
            && since.elapsed() < *pause
        {
            return Err(fault.clone());
        }
        match self.connect_in_time().await {
            Ok(live) => {
                let connection = live.connection.clone();
                state.begin(live);
                Ok((connection, Way { number: state.number, began_ms: self.life.now_ms() }))
            }
            Err(fault) => {
                let before = state.failed.as_ref().map(|(_, pause, _)| *pause);
                let pause = before.map_or(PAUSE, |pause| (2 * pause).min(PAUSE_MAX));
                state.failed = Some((Instant::now(), pause, fault.clone()));
                Err(fault)
            }
        }
    }

    async fn connect_in_time(&self) -> Result<Live, Fault> {
        // Apart, since it is large: each call would make room for it, and few make a connection.
        let connected = tokio::time::timeout(2 * self.connect_timeout, Box::pin(self.connect())).await;
        connected.unwrap_or_else(|_| Err(Fault::Unreachable("no connection in time".into())))
    }

    async fn connect(&self) -> Result<Live, Fault> {
        let is_over = Arc::<AtomicBool>::default();
        let sender = self.pushes.clone().map(|pushes| {
            let (is_over, life) = (is_over.clone(), self.life.clone());
            move |push| {
                if is_over.load(Ordering::Relaxed) {
                    return Ok(());
                }
                life.sign();
                pushes.send(push)
            }
        });
        let options = match sender.clone() {
            Some(sender) => self.options.clone().set_push_sender(sender),
            None => self.options.clone(),
        };
        let (connection, primaries) = match &self.reach {
            Reach::Single(client) => {
                let made = client.get_multiplexed_async_connection_with_config(&options).await?;
                (Connection::Single(made), None)
            }
            Reach::Sentinel(client) => {
                let made = client.lock().await.get_async_connection_with_config(&options).await?;
                (Connection::Single(made), None)
            }
            Reach::Cluster(client) => {
                let config = ClusterConfig::new().set_response_timeout(self.timeout);
                let config = match sender {
                    Some(sender) => config.set_push_sender(sender),
                    None => config,
                };
                let mut made = client.get_async_connection_with_config(config).await?;
                let primaries = slots_of(&mut made).await;
                self.know(primaries.clone());
                (Connection::Cluster(made), primaries)
            }
        };
        Ok(Live { connection, since: Instant::now(), is_over, primaries })
    }
}

impl State {
    fn begin(&mut self, live: Live) {
        self.end();
        self.number += 1;
        (self.live, self.failed) = (Some(live), None);
    }

    /// Gives the connection up. What it says from now on counts for nothing.
    fn end(&mut self) {
        if let Some(live) = self.live.take() {
            live.is_over.store(true, Ordering::Relaxed);
        }
    }
}

/// Which primary of a Cluster has which slots, as any of them says.
async fn slots_of(connection: &mut ClusterConnection) -> Option<Arc<Slots>> {
    let any = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, Some(ResponsePolicy::OneSucceeded)));
    let said = connection.route_command(redis::cmd("CLUSTER").arg("SLOTS").to_owned(), any).await.ok()?;
    Slots::parse(&said).map(Arc::new)
}
