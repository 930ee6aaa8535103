//! What a shard knows and decides, without a socket, a clock or a thread.
//!
//! Two parties: the *edge* (sessions, who here listens to what, the outbox) and the *home* (the channels at home here).
//! They talk through what they leave, never by calling each other; here it is carried from one to the other, and to and
//! from the other shards by letters. Inputs are frames, letters, orders and the passing of time; outputs are the letters
//! and what the edge leaves in `outbox`, `closings` and `errands`, which the caller takes after each input. The
//! same code runs under the ring and under the seeded simulator.

mod ask;
pub mod body;
pub mod bridge;
mod command;
mod commits;
mod connect;
pub mod counter;
mod credit;
mod edge;
pub mod ending;
pub mod errors;
pub mod histogram;
mod home;
mod inbox_asks;
pub mod inbox_order;
mod inbox_orders;
pub mod lane;
mod ledgers;
pub mod letter;
mod letters;
mod line;
pub mod listing;
pub mod metrics;
mod mirrors;
pub mod namespaces;
pub mod order;
mod orders;
pub mod packed;
mod policy;
mod post;
mod presences;
pub mod publish;
mod responder;
mod revoking;
pub mod schedule_order;
mod schedule_orders;
#[cfg(test)]
pub(crate) mod sim;
mod subscribes;
#[cfg(test)]
mod tests;
pub mod visit;
mod walk;

use core::net::IpAddr;
use std::collections::VecDeque;
use std::sync::Arc;

use rand::rngs::StdRng;
use slab::Slab;

pub use command::Input;
pub use edge::{Audience, Closing, Edge, Subscriber};
pub use ledgers::dead_letter;

use self::bridge::Attendance;
use self::edge::Notice;
use self::ending::Ending;
use self::home::{Home, Spread, Spreading};
use self::letter::{Asker, Letter};
use self::line::Walks;
use self::metrics::ShardMetrics;
use self::policy::Policy;
use self::post::Post;
use crate::auth::Verifier;
use crate::config::Config;
use crate::delivery::Push;
use crate::hub::{Placement, ShardSet};
use crate::limits::SWEEP_BUDGET;
use crate::model::Device;
use crate::model::refusal::Disconnect;
use crate::protocol::Format;
use crate::session::{Appearance, Enrolment};
use crate::time::Now;

/// What a broker is made of.
#[derive(Debug)]
pub struct BrokerSetup {
    /// This shard's number.
    pub me: u16,
    /// Which shard is a channel's home.
    pub placement: Placement,
    /// What the shard goes by until it is told of another.
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
pub struct Broker {
    me: u16,
    placement: Placement,
    /// The sessions here, and what waits for their conns.
    pub edge: Edge,
    home: Home,
    post: Post,
    /// Comings and goings that are told in a later tick, in order: this one has told enough rooms.
    late: VecDeque<Spread>,
    /// Changes that may still be made in this tick.
    commits_left: usize,
    /// A snapshot goes on in the next tick.
    says_more: bool,
    /// The snapshot that the journal wants has what was revoked.
    has_said_revocations: bool,
    /// More is due than a tick has published.
    is_behind_schedule: bool,
    /// Orders that look at many sessions or channels.
    walks: Walks,
    /// Output: what other nodes are to know of the sessions here.
    attendance: Vec<Attendance>,
    /// Sessions whose users have sessions on other nodes, perhaps: by ticket, until these were asked.
    entering: Slab<(Asker, Option<Box<Enrolment>>)>,
    /// The name of a channel that another shard publishes to; kept for its memory.
    name: String,
}

impl Broker {
    /// A shard without sessions.
    ///
    /// # Errors
    /// A `channel_regex` that does not compile.
    pub fn new(setup: BrokerSetup) -> Result<Self, regex::Error> {
        let BrokerSetup { me, placement, config, verifier, metrics, secret, random } = setup;
        let policy = Policy::new(config, verifier, &metrics)?;
        Ok(Self {
            me,
            edge: Edge::new(me, placement.clone(), policy.clone(), metrics, random),
            home: Home::new(me, placement.shards(), policy, secret),
            post: Post::new(me, placement.shards()),
            late: VecDeque::new(),
            is_behind_schedule: false,
            commits_left: 0,
            says_more: false,
            has_said_revocations: false,
            walks: Walks::default(),
            placement,
            attendance: Vec::new(),
            entering: Slab::new(),
            name: String::new(),
        })
    }

    /// Begins a session for a conn whose framing is known, and whose client has this address. The outbox must be open for
    /// the conn.
    pub fn open(&mut self, conn: u32, format: Format, address: IpAddr, now: Now) -> u32 {
        self.edge.open(conn, format, address, now)
    }

    /// Whoever connects a session's client has said on which device it is, before the client says anything.
    pub fn name_device(&mut self, session: u32, device: Device) {
        self.edge.name_device(session, device);
    }

    /// Sessions, connected or not.
    pub fn sessions(&self) -> usize {
        self.edge.sessions.len()
    }

    /// The conn of a session, unless the session has ended.
    pub fn conn_of(&self, session: u32) -> Option<u32> {
        self.edge.sessions.get(session as usize).map(|session| session.conn)
    }

    /// Where the client of a session is.
    pub fn address_of(&self, session: u32) -> IpAddr {
        self.edge.sessions[session as usize].address()
    }

    /// Ends a session and has its conn closed. The session must exist.
    pub fn close(&mut self, session: u32, disconnect: impl Into<Disconnect>, now: Now) {
        self.edge.close(session, disconnect);
        self.finish(now);
    }

    /// Ends a session whose conn has gone: gives all back that it held. What other shards have yet to answer
    /// is given back when the answer comes.
    pub fn end(&mut self, session: u32, ending: Ending, now: Now) {
        self.edge.end(session, ending, None, now);
        self.finish(now);
    }

    /// Tells up to `count` sessions, connected or not, to reconnect elsewhere. Called until none is left, it
    /// visits each once.
    pub fn farewell(&mut self, count: usize, now: Now) {
        self.edge.farewell(count);
        self.finish(now);
    }

    /// Does what is due for a session. Returns when it next wants to be looked at, monotonic milliseconds;
    /// `None` when it has ended.
    pub fn timer(&mut self, session: u32, now: Now) -> Option<u64> {
        let next_ms = self.edge.timer(session, now);
        self.finish(now);
        next_ms
    }

    /// When a session next wants to be looked at, monotonic milliseconds.
    pub fn next_due_ms(&mut self, session: u32, now: Now) -> u64 {
        self.edge.next_due_ms(session, now)
    }

    /// A tick begins: call it before anything is read. Orders that have used their share of the last one go on.
    pub fn begin_tick(&mut self, now: Now) {
        self.edge.begin_turns();
        if self.edge.has_changes() {
            self.edge.go_on_with_changes();
            self.finish(now);
        }
        self.tell_late(now);
        if !self.late.is_empty() {
            self.edge.tell_nothing_more();
        }
        self.go_on_with_commits(now);
        self.publish_due(now);
        self.walks.begin_tick();
        self.walk(now);
    }

    /// Whether sessions or orders wait for the next tick.
    pub fn waits_for_tick(&self) -> bool {
        !self.edge.giving_way.is_empty()
            || !self.edge.knocking.is_empty()
            || !self.walks.is_empty()
            || !self.late.is_empty()
            || self.home.has_settled()
            || self.says_more
            || self.edge.has_changes()
            || self.is_behind_schedule
    }

    /// Whether a session is to be looked at again in this tick.
    pub fn has_resumed(&self) -> bool {
        !self.edge.resumed.is_empty()
    }

    /// The next session to look at again: it may go on, or its deadline has moved. Take them at the end of a tick, when
    /// what is new has been read.
    pub fn next_resumed(&mut self) -> Option<u32> {
        self.edge.next_resumed()
    }

    /// Whether so much waits for large rooms, or was made for rooms in this tick, that nothing more is to be taken for them.
    pub fn is_crowded(&self) -> bool {
        self.is_full_of_rooms() || !self.late.is_empty() || self.home.has_settled()
    }

    fn is_full_of_rooms(&self) -> bool {
        self.edge.outbox.is_crowded() || self.edge.has_attached_enough()
    }

    /// Regular house-keeping; call about ten times a second. Its cost does not grow with the number of
    /// channels.
    pub fn sweep(&mut self, now: Now) {
        self.home.hub.sweep(now, SWEEP_BUDGET);
        self.edge.revocations.end_old(now.unix_s());
        if let Some(journal) = self.home.hub.log.journal_mut() {
            journal.retry();
        }
        self.home.look_at_devices(self.post.may_make_more(), now);
        self.home.look_at_mirrors(now);
        self.home.look_at_presences(now);
        self.finish(now);
    }

    /// Whether a session is connected, so that everything is allowed that its channels allow.
    #[inline]
    pub fn is_connected(&self, session: u32) -> bool {
        self.edge.sessions[session as usize].is_connected()
    }

    /// Bytes of commands that a session cannot take yet.
    pub fn held_back(&self, session: u32) -> usize {
        self.edge.sessions[session as usize].deferred.as_ref().map_or(0, |deferred| deferred.len())
    }

    /// The session's client asks nothing more: have the caller look at it again when all is answered.
    pub fn ask_no_more(&mut self, session: u32) {
        self.edge.sessions[session as usize].asks_no_more = true;
    }

    /// Whether all is answered that the session's client has asked.
    pub fn is_answered(&self, session: u32) -> bool {
        self.edge.sessions[session as usize].is_answered()
    }

    /// The client has shown that it is alive: by a control frame of its transport, or by something that is not read yet.
    pub fn heard(&mut self, session: u32) {
        let session = &mut self.edge.sessions[session as usize];
        if session.is_connected() {
            session.heartbeat.heard();
        }
    }

    /// Whom pushes are to tell: to be taken at the end of a tick.
    pub fn pushes(&mut self) -> std::vec::Drain<'_, Push> {
        self.home.pushes.drain(..)
    }

    /// The configuration that the shard goes by.
    pub fn config(&self) -> &Arc<Config> {
        &self.edge.policy.config
    }

    /// Nobody has looked for so long, milliseconds: no client can be late for what it has said meanwhile.
    pub fn make_up_for(&mut self, pause_ms: u64) {
        for (_, session) in &mut self.edge.sessions {
            let is_connected = session.is_connected();
            session.heartbeat.make_up_for(pause_ms, is_connected);
        }
        self.edge.outbox.make_up_for(pause_ms);
    }

    /// Copies sizes that are too dear to keep current message by message to the metrics.
    pub fn report(&self) {
        let (edge, metrics) = (&self.edge, &self.edge.metrics);
        metrics.sessions.set(edge.sessions.len() as u64);
        metrics.revocations.set(edge.revocations.len() as u64);
        metrics.channels.set(self.home.hub.len() as u64);
        metrics.stream_bytes.set(self.home.hub.stream_bytes() as u64);
        metrics.stream_evictions.set(self.home.hub.evictions());
        metrics.dead_letters_kept.set(self.home.delivery.dead_letters().len() as u64);
        metrics.dead_letters_forgotten.set(self.home.delivery.dead_letters().forgotten());
        metrics.scheduled.set(self.home.schedule.len() as u64);
        metrics.commits_waiting.set(self.home.waiting() as u64);
        metrics.mirrors.set(self.home.mirrors.len() as u64);
        metrics.buckets_waiting.set((self.home.mirrors.asked.len() + self.home.notes_waiting()) as u64);
        metrics.presences_waiting.set(self.home.presences.waiting() as u64);
        metrics.outbox_bytes.set(edge.outbox.backlog_bytes() as u64);
        let (letters, bytes) = self.post.waiting();
        metrics.mailbox_waiting.set(letters as u64);
        metrics.mailbox_waiting_bytes.set(bytes as u64);
    }

    /// The end of every input: all is carried, and the sessions that were told to go end.
    fn finish(&mut self, now: Now) {
        self.carry(now);
        while self.edge.end_told(now) {
            self.carry(now);
        }
    }

    /// Carries what the edge and the home have left to each other and to the post, until nothing is left: a publication
    /// can end sessions, and what they leave can be told again.
    fn carry(&mut self, now: Now) {
        loop {
            self.spread(now);
            if self.edge.notices.is_empty() {
                break;
            }
            let mut notices = std::mem::take(&mut self.edge.notices);
            notices.drain(..).for_each(|notice| self.notify(notice, now));
            // Kept for its memory.
            self.edge.notices = notices;
        }
    }

    fn spread(&mut self, now: Now) {
        if self.home.spreads.is_empty() {
            return;
        }
        let mut spreads = std::mem::take(&mut self.home.spreads);
        for spread in spreads.drain(..) {
            // A thousand who go at once are a million deliveries: the others have their turns between.
            let is_late = matches!(spread.what, Spreading::Announcement { .. })
                && (!self.late.is_empty() || self.edge.has_attached_enough());
            if is_late {
                self.late.push_back(spread);
            } else {
                self.spread_one(&spread, now);
            }
        }
        self.home.spreads = spreads;
    }

    /// Tells comings and goings of ticks before, as many as there is room for.
    fn tell_late(&mut self, now: Now) {
        while !self.is_full_of_rooms()
            && let Some(spread) = self.late.pop_front()
        {
            self.spread_one(&spread, now);
        }
    }

    fn spread_one(&mut self, spread: &Spread, now: Now) {
        let Spread { channel, shards, what, by } = spread;
        let others = shards.without(ShardSet::of(self.me));
        if !others.is_empty() {
            self.post.deliver(*by, others, || match what {
                Spreading::Publication(publication, exclude) => Letter::Publication {
                    channel: channel.clone(),
                    publication: publication.clone(),
                    exclude: *exclude,
                },
                Spreading::Announcement { info, joined } => {
                    Letter::Announce { channel: channel.clone(), info: info.clone(), joined: *joined }
                }
                Spreading::Dispatch(dispatch) => Letter::Dispatch(dispatch.clone()),
                Spreading::Gap => Letter::Gap(channel.clone()),
            });
        }
        if !shards.contains(self.me) {
            return;
        }
        match what {
            Spreading::Publication(publication, exclude) => self.edge.deliver(channel, publication, *exclude),
            Spreading::Announcement { info, joined } => self.edge.deliver_announcement(channel, info, *joined),
            Spreading::Dispatch(dispatch) => self.edge.dispatched(dispatch, now),
            Spreading::Gap => self.edge.missed(channel),
        }
    }

    fn notify(&mut self, notice: Notice, now: Now) {
        match notice {
            Notice::Appear(Appearance { channel, info }) => match self.placement.of(&channel) {
                home if home == self.me => self.home.appear(&channel, info, now),
                home => self.post.ask(home, Letter::Appear { channel, info }),
            },
            Notice::Leave { channel, client } => match self.placement.of(&channel) {
                home if home == self.me => self.home.leave(channel, client, self.me, now),
                home => self.post.tell(home, Letter::Leave { channel, client }),
            },
            Notice::Depart { user, client } => self.attendance.push(Attendance::Goes(user, client)),
            Notice::Discharge { user, client } => match self.placement.of(&user) {
                home if home == self.me => self.home.roster.discharge(&user, client),
                home => self.post.tell(home, Letter::Discharge { user, client }),
            },
        }
    }
}
