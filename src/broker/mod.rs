//! What a shard knows and decides, without a socket, a clock or a thread.
//!
//! Owns the sessions, the audience (who here listens to what), the hub (the channels at home here) and the
//! outbox. Inputs are frames, letters, orders and the passing of time; outputs are what they leave in
//! `outbox`, `letters`, `closings`, `resumed` and `errands`, which the caller takes after each input. The
//! same code runs under the ring and under the seeded simulator.

mod answer;
mod ask;
mod audience;
mod command;
mod connect;
mod deliver;
mod end;
pub mod ending;
pub mod letter;
mod letters;
pub mod metrics;
pub mod order;
mod orders;
mod receipts;
mod roster;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
mod timers;

use std::sync::Arc;

use hashbrown::HashMap;
use rand::RngCore;
use rand::rngs::StdRng;
use slab::Slab;
use smallvec::SmallVec;

pub use audience::{Audience, Subscriber};
pub use command::Input;

use self::letter::{Asker, Letter};
use self::metrics::ShardMetrics;
use self::receipts::Receipts;
use self::roster::Roster;
use crate::auth::Verifier;
use crate::broker::order::Errand;
use crate::config::Config;
use crate::hub::{Home, Hub, ShardSet};
use crate::model::ClientInfo;
use crate::model::refusal::Disconnect;
use crate::outbox::Outbox;
use crate::protocol::centrifuge::format::Format;
use crate::protocol::word::{Push, Reply, ReplyBody};
use crate::session::access::Access;
use crate::session::{Context, Session};
use crate::time::Now;

/// A connection that the core wants closed.
#[derive(Debug)]
pub struct Closing {
    /// Which.
    pub conn: u32,
    /// Why; told to the peer.
    pub disconnect: Disconnect,
}

/// What a core is made of.
#[derive(Debug)]
pub struct CoreSetup {
    /// This shard's number.
    pub me: u16,
    /// Which shard is a channel's home.
    pub home: Home,
    /// The configuration.
    pub config: Arc<Config>,
    /// What tokens are checked with.
    pub verifier: Arc<Verifier>,
    /// Counts for the outside.
    pub metrics: Arc<ShardMetrics>,
    /// A secret that clients must not guess: seeds tables, epochs and session identities.
    pub secret: u64,
    /// Source of session identities and jitter; seeded in simulation.
    pub random: StdRng,
}

/// The sans-IO part of a shard.
#[derive(Debug)]
pub struct Core {
    me: u16,
    home: Home,
    config: Arc<Config>,
    access: Access,
    verifier: Arc<Verifier>,
    metrics: Arc<ShardMetrics>,
    random: StdRng,
    node: Arc<str>,
    sessions: Slab<Session>,
    generation: u32,
    users: HashMap<Arc<str>, SmallVec<[u32; 2]>>,
    audience: Audience,
    hub: Hub,
    roster: Roster,
    receipts: Receipts,
    letters: Vec<(u16, Letter)>,
    /// The name of a channel that another shard publishes to; kept for its memory.
    name: String,
    /// Where [`Core::farewell`] goes on.
    farewell_at: usize,
    /// Joins to tell once the answers that they belong to are out.
    announcements: Vec<(Arc<str>, Arc<ClientInfo>, ShardSet)>,
    /// Output: bytes per conn.
    pub outbox: Outbox,
    /// Output: conns to close. Their sessions have ended already.
    pub closings: Vec<Closing>,
    /// Output: sessions that were paused and are ready for more, that are answered and ask no more, or whose deadlines
    /// have moved. Call
    /// [`Core::resume`], then [`Core::next_due_ms`] unless that says that the session has ended.
    pub resumed: Vec<u32>,
    /// Output: what the control plane is asked.
    pub errands: Vec<Errand>,
}

impl Core {
    /// A shard without sessions.
    ///
    /// # Errors
    /// A `channel_regex` that does not compile.
    pub fn new(setup: CoreSetup) -> Result<Self, regex::Error> {
        let CoreSetup { me, home, config, verifier, metrics, secret, random } = setup;
        let receipts = Receipts::new(home.shards());
        Ok(Self {
            me,
            home,
            access: Access::new(&config.channel)?,
            verifier,
            metrics,
            random,
            node: Arc::from(format!("{}#{me}", config.name)),
            sessions: Slab::new(),
            generation: 0,
            users: HashMap::new(),
            audience: Audience::default(),
            hub: Hub::new(secret ^ u64::from(me)),
            roster: Roster::default(),
            receipts,
            letters: Vec::new(),
            name: String::new(),
            farewell_at: 0,
            announcements: Vec::new(),
            outbox: Outbox::new(config.client.queue_max_size),
            closings: Vec::new(),
            resumed: Vec::new(),
            errands: Vec::new(),
            config,
        })
    }

    /// Begins a session for a conn whose framing is known. The outbox must be open for the conn.
    pub fn open(&mut self, conn: u32, format: Format, now: Now) -> u32 {
        let mut client = [0; 16];
        self.random.fill_bytes(&mut client);
        let client = uuid::Builder::from_random_bytes(client).into_uuid();
        self.generation = self.generation.wrapping_add(1);
        let mut session = Session::new(self.generation, conn, format, client);
        session.heartbeat.expect_connect(now.mono_ms, self.config.client.stale_close_delay.as_millis());
        u32::try_from(self.sessions.insert(session)).expect("sessions are bounded by descriptors")
    }

    /// Sessions, connected or not.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The conn of a session, unless the session has ended.
    pub fn conn_of(&self, session: u32) -> Option<u32> {
        self.sessions.get(session as usize).map(|session| session.conn)
    }

    /// Whether a session is connected, so that everything is allowed that its channels allow.
    #[inline]
    pub fn is_connected(&self, session: u32) -> bool {
        self.sessions[session as usize].is_connected()
    }

    /// The session's client asks nothing more: have the caller look at it again when all is answered.
    pub fn ask_no_more(&mut self, session: u32) {
        self.sessions[session as usize].asks_no_more = true;
    }

    /// Whether all is answered that the session's client has asked.
    pub fn is_answered(&self, session: u32) -> bool {
        self.sessions[session as usize].is_answered()
    }

    /// Copies sizes that are too dear to keep current message by message to the metrics.
    pub fn report(&self) {
        let metrics = &self.metrics;
        metrics.sessions.set(self.sessions.len() as u64);
        metrics.subscriptions.set(self.audience.subscribers() as u64);
        metrics.channels.set(self.hub.len() as u64);
        metrics.outbox_bytes.set(self.outbox.backlog_bytes() as u64);
    }

    fn asker(&self, session: u32, id: u32) -> Asker {
        Asker { session, generation: self.sessions[session as usize].generation, id }
    }

    /// The session that asked, unless it has ended since.
    fn asking(&self, asker: Asker) -> Option<u32> {
        let session = self.sessions.get(asker.session as usize)?;
        (session.generation == asker.generation).then_some(asker.session)
    }

    /// Has the caller look at a session again.
    fn wake(&mut self, session: u32) {
        if self.resumed.last() != Some(&session) {
            self.resumed.push(session);
        }
    }

    fn reply(&mut self, session: u32, id: u32, body: ReplyBody<'_>) {
        let session = &mut self.sessions[session as usize];
        if !matches!(body, ReplyBody::Error(_)) {
            session.count_success();
        }
        self.outbox.reply(session.conn, session.format, &Reply { id, body });
        self.metrics.messages_out.add(1);
    }

    fn push(&mut self, session: u32, push: &Push<'_>) {
        let session = &self.sessions[session as usize];
        self.outbox.push(session.conn, session.format, push);
        self.metrics.messages_out.add(1);
    }

    fn with_session<T>(&mut self, session: u32, now: Now, act: impl FnOnce(&mut Session, Context<'_>) -> T) -> T {
        let context = Context { config: &self.config, access: &self.access, verifier: &self.verifier, now };
        act(&mut self.sessions[session as usize], context)
    }
}
