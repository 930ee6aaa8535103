//! What a client may count on in time: the node judges no deadline before it has read what came in time, and misses none
//! by more than a bound.
//!
//! Time is that in which the client's shard looked. Where somebody else can have made it late (the client left something
//! unread or unsent, the shard was not looked at for long), nothing is judged.

use super::network::Pipe;
use crate::broker::sim::client::Client;
use crate::config::ClientConfig;
use crate::limits::{LINGER_MS, TICKS_APART_MS_MAX};
use crate::model::refusal::DisconnectKind;
use crate::protocol::centrifuge::codes;
use crate::shard::wheel::WHEEL_TICK_MS;
use crate::time::Now;

/// By how much the node may miss a deadline, milliseconds: a shard that looks no more often than it must, and a turn of the
/// wheel to each side.
pub(super) const LATE_MS_MAX: u64 = TICKS_APART_MS_MAX + 2 * WHEEL_TICK_MS;

/// When a shard looked last, and for how long it has looked in all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Looked {
    at_ms: u64,
}

/// What one look adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Since the one before, milliseconds, as far as the shard takes it for time in which it looked.
    pub(super) ms: u64,
    /// What the shard makes up for, beyond that.
    pause_ms: u64,
    /// When the one before was, monotonic milliseconds.
    before_ms: u64,
}

impl Looked {
    pub(super) fn new(now: Now) -> Self {
        Self { at_ms: now.mono_ms }
    }

    /// The shard looks.
    pub(super) fn look(&mut self, now: Now) -> Look {
        let before_ms = std::mem::replace(&mut self.at_ms, now.mono_ms);
        let gap_ms = now.mono_ms - before_ms;
        // What it makes up for is counted in whole turns of the wheel.
        let ms = if gap_ms > TICKS_APART_MS_MAX { TICKS_APART_MS_MAX - WHEEL_TICK_MS } else { gap_ms };
        Look { ms, pause_ms: gap_ms - ms, before_ms }
    }
}

/// The deadlines of one connection.
#[derive(Debug)]
pub(super) struct Deadlines {
    /// The shard that has it.
    pub(super) shard: usize,
    pong_timeout_ms: u64,
    pong_misses: u64,
    /// When its token and the grace are over, monotonic milliseconds.
    expires_ms: Option<u64>,
    /// Since the client last heard a ping, or that it is connected.
    since_ping_ms: u64,
    /// Since the client last said something.
    since_said_ms: u64,
    /// What the shard made up for, in all.
    paused_ms: u64,
    /// For how long the client has left something unread or unsent.
    behind_ms: u64,
    /// When it had for longer than an answer may take, last.
    late_at_ms: Option<u64>,
}

impl Deadlines {
    /// Of a connection to a shard, with a token that expires then.
    pub(super) fn new(shard: usize, client: &ClientConfig, expire_at_unix_s: Option<i64>, now: Now) -> Self {
        let expires_unix_ms = expire_at_unix_s.map(|at| at * 1000 + client.expired_close_delay.as_millis() as i64);
        Self {
            shard,
            pong_timeout_ms: client.pong_timeout.as_millis(),
            pong_misses: client.pong_misses.into(),
            expires_ms: expires_unix_ms.map(|at| now.mono_ms + (at - now.unix_ms) as u64),
            since_ping_ms: 0,
            since_said_ms: 0,
            paused_ms: 0,
            behind_ms: 0,
            late_at_ms: None,
        }
    }

    /// The client has heard a ping, or the reply to its connect command.
    pub(super) fn pinged(&mut self) {
        self.since_ping_ms = 0;
    }

    /// The client has said something.
    pub(super) fn said(&mut self) {
        self.since_said_ms = 0;
    }

    /// Time has passed.
    pub(super) fn waited(&mut self, ms: u64, is_behind: bool, now: Now) {
        self.behind_ms = if is_behind { self.behind_ms + ms } else { 0 };
        if self.behind_ms >= self.pong_timeout_ms {
            self.late_at_ms = Some(now.mono_ms);
        }
    }

    /// The client was told to go: it must have been late.
    pub(super) fn judge_goodbye(&self, client: &Client, now: Now) {
        let was_late = self.late_at_ms.is_some_and(|at_ms| now.mono_ms <= at_ms + client.ping_ms + LATE_MS_MAX);
        match codes::disconnect_of(client.goodbye.expect("it was told to go")) {
            DisconnectKind::NoPong => {
                assert!(was_late, "told that it did not answer pings, and it did: {self:?} {client:?}");
            }
            DisconnectKind::Expired => {
                let has_expired = self.expires_ms.is_some_and(|at_ms| at_ms <= now.mono_ms);
                assert!(has_expired, "told that its token has expired, and it has not: {self:?}");
            }
            // Whose token expired before it was read comes again.
            DisconnectKind::Stale if self.expires_ms.is_some_and(|at_ms| at_ms <= now.mono_ms) => {}
            DisconnectKind::Stale => panic!("told that it said nothing, and it did: {self:?} {client:?}"),
            _ => {}
        }
    }

    /// The shard has looked: nothing that it is to do was due long ago.
    pub(super) fn check(&mut self, look: Look, client: &Client, pipe: &Pipe) {
        self.since_ping_ms += look.ms;
        self.since_said_ms += look.ms;
        self.paused_ms += look.pause_ms;
        if look.pause_ms > 0 || !pipe.is_received() {
            // An answer is asked for again; what is on its way is an answer.
            self.since_said_ms = 0;
        }
        if !client.is_connected || client.goodbye.is_some() || pipe.has_ended() {
            return;
        }
        // Who does not read the goodbye is waited for.
        let was_late = self.late_at_ms.is_some_and(|at_ms| look.before_ms <= at_ms + LATE_MS_MAX);
        let is_behind = !pipe.is_read() || self.behind_ms > 0 || was_late;
        let linger_ms = if is_behind { LINGER_MS + LATE_MS_MAX + self.paused_ms } else { 0 };
        let expired = self.expires_ms.is_some_and(|at_ms| at_ms + LATE_MS_MAX + linger_ms < look.before_ms);
        assert!(!expired, "its token expired long ago: {self:?}");
        if client.ping_ms == 0 {
            return;
        }
        let is_pinged = !pipe.is_read() || self.since_ping_ms <= client.ping_ms + LATE_MS_MAX;
        assert!(is_pinged, "the next ping is overdue: {self:?} {client:?}");
        let silence_ms = (2 + self.pong_misses) * (client.ping_ms + LATE_MS_MAX) + self.pong_timeout_ms + linger_ms;
        assert!(self.since_said_ms <= silence_ms, "it has not answered for long: {self:?} {client:?}");
    }
}
