//! The clients of a shard: their sessions, who of them listens to what, and what waits for their sockets.
//!
//! An edge never gives an offset and never looks into a channel: it asks homes and is told. What it leaves for the caller:
//! bytes in [`Edge::outbox`], conns to close, sessions to resume, errands, and [`Edge::notices`], which homes must hear
//! before anything else that the same session asks.

mod answer;
mod audience;
mod budget;
mod changes;
mod connect;
mod deliver;
mod devices;
mod dispatch;
mod end;
mod filters;
pub(super) mod receipts;
mod reload;
mod timers;
mod turn;
mod visits;

use core::net::IpAddr;
use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use rand::RngCore;
use rand::rngs::StdRng;
use slab::Slab;
use smallvec::SmallVec;

pub use audience::{Audience, Subscriber};

use self::changes::Changes;
use self::devices::Devices;
use self::receipts::Receipts;
use self::turn::{Limits, Turn};
use super::letter::Asker;
use super::metrics::ShardMetrics;
use super::order::Errand;
use super::policy::Policy;
use super::visit::Visit;
use crate::auth::Revocations;
use crate::hub::Placement;
use crate::limits::SESSIONS_RESERVED;
use crate::model::refusal::{Disconnect, Error};
use crate::model::{Attributes, ClientId};
use crate::outbox::{Outbox, Tag};
use crate::protocol::Format;
use crate::protocol::word::{Push, Reply, ReplyBody};
use crate::session::{Appearance, Context, Session};
use crate::time::Now;
use crate::work::Allowance;

/// A connection that the broker wants closed.
#[derive(Debug)]
pub struct Closing {
    /// Its number among the shard's conns.
    pub conn: u32,
    /// Why; told to the peer.
    pub disconnect: Disconnect,
}

/// What a home must hear of a session that it holds something for.
#[derive(Debug)]
pub(super) enum Notice {
    /// A subscriber is seen with other information from now on.
    Appear(Appearance),
    /// A subscription has ended.
    Leave { channel: Arc<str>, client: ClientId },
    /// A session that other nodes may know of has ended.
    Depart { user: Arc<str>, client: ClientId },
    /// A session that was enrolled has ended.
    Discharge { user: Arc<str>, client: ClientId },
}

/// A user with sessions here.
#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) sessions: SmallVec<[u32; 2]>,
    /// How much they may cause together.
    allowance: Allowance,
}

/// The sessions of a shard, who of them listens to what, and what waits for their conns.
#[derive(Debug)]
pub struct Edge {
    pub(super) policy: Policy,
    pub(super) metrics: Arc<ShardMetrics>,
    /// Which tokens were called back.
    pub(super) revocations: Revocations,
    random: StdRng,
    node: Arc<str>,
    pub(super) sessions: Slab<Session>,
    generation: u32,
    /// Sessions that are connected.
    pub(super) connected: u32,
    devices: Devices,
    pub(super) users: HashMap<Arc<str>, User>,
    /// What the application says of sessions: of few.
    pub(super) attributes: HashMap<ClientId, Arc<Attributes>>,
    shards: u16,
    limits: Limits,
    turn: Turn,
    /// What has been attached to conns for rooms, so far.
    pub(super) attached: u64,
    /// Nodes of filters that were asked about publications for rooms, so far.
    pub(super) asked: u64,
    pub(super) audience: Audience,
    changes: Changes,
    pub(super) receipts: Receipts,
    /// Where [`Edge::farewell`] goes on.
    farewell_at: usize,
    /// Sessions that were told to go, until [`Edge::end_told`].
    told: Vec<(u32, Disconnect)>,
    /// Output: what homes must hear, in order.
    pub(super) notices: Vec<Notice>,
    /// Output: bytes per conn.
    pub outbox: Outbox,
    /// Output: conns to close. Their sessions have ended already.
    pub closings: Vec<Closing>,
    /// Sessions that have had their turn and wait for the next one, in that order.
    pub(super) giving_way: VecDeque<u32>,
    /// Strangers whose first words wait until there is time for their tokens, oldest first.
    pub(super) knocking: VecDeque<u32>,
    /// Sessions that were paused and are ready for more, or whose deadlines have moved: see [`Edge::next_resumed`].
    pub(super) resumed: Vec<u32>,
    /// Output: what the control plane is asked.
    pub errands: Vec<Errand>,
    /// Output: what the access log is told, where there is one.
    pub visits: Vec<Visit>,
}

impl Edge {
    pub(super) fn new(
        me: u16,
        placement: Placement,
        policy: Policy,
        metrics: Arc<ShardMetrics>,
        random: StdRng,
    ) -> Self {
        let shards = placement.shards();
        Self {
            metrics,
            revocations: Revocations::default(),
            random,
            node: Arc::from(format!("{}#{me}", policy.config.name)),
            sessions: Slab::with_capacity(SESSIONS_RESERVED),
            generation: 0,
            connected: 0,
            devices: Devices::default(),
            users: HashMap::new(),
            attributes: HashMap::new(),
            shards,
            limits: Limits::of(&policy.config.client),
            turn: Turn::default(),
            attached: 0,
            asked: 0,
            audience: Audience::default(),
            changes: Changes::new(placement),
            receipts: Receipts::new(shards),
            farewell_at: 0,
            told: Vec::new(),
            notices: Vec::new(),
            outbox: Outbox::new(policy.config.client.queue_max_size),
            closings: Vec::new(),
            giving_way: VecDeque::new(),
            knocking: VecDeque::new(),
            resumed: Vec::new(),
            errands: Vec::new(),
            visits: Vec::new(),
            policy,
        }
    }

    pub(super) fn open(&mut self, conn: u32, format: Format, address: IpAddr, now: Now) -> u32 {
        let mut client = [0; 16];
        self.random.fill_bytes(&mut client);
        let client = uuid::Builder::from_random_bytes(client).into_uuid();
        self.generation = self.generation.wrapping_add(1);
        let mut session = Session::new(self.generation, conn, format, client, address);
        session.heartbeat.expect_connect(now.mono_ms, self.policy.config.client.stale_close_delay.as_millis());
        u32::try_from(self.sessions.insert(session)).expect("sessions are bounded by descriptors")
    }

    /// Whether other nodes know of this user's sessions.
    pub(super) fn is_shared(&self, user: &str) -> bool {
        !user.is_empty() && self.policy.config.cluster.redis.is_set()
    }

    /// A session asks something that is answered later, and has so many bytes more in flight until then.
    pub(super) fn awaits(&mut self, session: u32, id: u32, bytes: u32) -> Asker {
        let entry = &mut self.sessions[session as usize];
        entry.bytes_in_flight += bytes;
        Asker { session, generation: entry.generation, id, bytes }
    }

    /// The session that asked, unless it has ended since.
    pub(super) fn asking(&self, asker: Asker) -> Option<u32> {
        let session = self.sessions.get(asker.session as usize)?;
        (session.generation == asker.generation).then_some(asker.session)
    }

    /// Has the caller look at a session again.
    pub(super) fn wake(&mut self, session: u32) {
        if self.resumed.last() != Some(&session) {
            self.resumed.push(session);
        }
    }

    pub(super) fn reply(&mut self, session: u32, id: u32, body: ReplyBody<'_>) {
        let session = &mut self.sessions[session as usize];
        if !matches!(body, ReplyBody::Error(_)) {
            session.count_success();
        }
        if id == 0 {
            // Nobody waits for it.
            return;
        }
        let (conn, format) = (session.conn, session.format);
        self.outbox.write(conn, Tag::ANSWER, |out| format.write_reply(&Reply { id, body }, out));
        self.metrics.messages_out.add(1);
    }

    /// Whether answers wait for the client's socket beyond what one reply may bring: until they have left, it is asked
    /// nothing more.
    pub(super) fn is_choked(&self, session: u32) -> bool {
        let conn = self.sessions[session as usize].conn;
        self.outbox.answer_bytes(conn) > self.policy.config.client.reply_max_size
    }

    /// Refuses a command; a client that is refused too often is closed. Whoever decides to refuse counts it, for the
    /// namespace that the command is about.
    pub(in crate::broker) fn refuse(&mut self, session: u32, id: u32, error: Error) {
        self.reply(session, id, ReplyBody::Error(error));
        if let Some(disconnect) = self.sessions[session as usize].count_refusal() {
            self.close(session, disconnect);
        }
    }

    /// Has the homes of a session's channels told how it is seen there from now on.
    pub(super) fn appear(&mut self, appearances: impl IntoIterator<Item = Appearance>) {
        self.notices.extend(appearances.into_iter().map(Notice::Appear));
    }

    pub(super) fn push(&mut self, session: u32, push: &Push<'_>) {
        self.push_as(session, push, Tag::KEEP);
    }

    fn push_as(&mut self, session: u32, push: &Push<'_>, tag: Tag) {
        let session = &self.sessions[session as usize];
        let (conn, format) = (session.conn, session.format);
        self.outbox.write(conn, tag, |out| format.write_push(push, out));
        self.metrics.messages_out.add(1);
    }

    pub(super) fn with_session<T>(
        &mut self,
        session: u32,
        now: Now,
        act: impl FnOnce(&mut Session, Context<'_>) -> T,
    ) -> T {
        act(&mut self.sessions[session as usize], self.policy.context(&self.revocations, now))
    }
}
