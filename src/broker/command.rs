//! A frame's commands: each is handled by its session, and its step carried out.

use super::Broker;
use crate::broker::order::Errand;
use crate::model::refusal::{DisconnectKind, ErrorKind};
use crate::protocol::word::{ReplyBody, Verb};
use crate::session::{Awaits, State, Step};
use crate::time::Now;
use crate::work::price;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Taken; the session is ready for the next.
    Ready,
    /// Taken, but hold the next frame back until the session is in `resumed`.
    Paused,
    /// The session has ended; see `closings`.
    Ended,
}

impl Broker {
    /// Takes the payload of one frame: one or more commands in the session's encoding. A session for which
    /// this has returned [`Input::Paused`] must not be given any until it is resumed.
    pub fn input(&mut self, session: u32, frame: &[u8], now: Now) -> Input {
        self.edge.metrics.bytes_in.add(frame.len() as u64);
        self.edge.take_turn(session);
        self.edge.charge(session, frame.len() as u64 * price::BYTE_NS, now);
        let is_choked = self.edge.is_choked(session);
        let entry = &mut self.edge.sessions[session as usize];
        if entry.is_paused() || is_choked {
            // A backend's order has paused it since the last frame, or its answers wait for the socket.
            entry.hold_back(frame);
            return Input::Paused;
        }
        if !entry.is_connected() && self.edge.knocks(session) {
            self.edge.sessions[session as usize].hold_back(frame);
            return Input::Paused;
        }
        self.commands(session, frame, now)
    }

    /// Goes on with a session that was paused: the commands that were held back, if any.
    pub fn resume(&mut self, session: u32, now: Now) -> Input {
        if !self.edge.sessions.contains(session as usize) {
            return Input::Ended;
        }
        let is_choked = self.edge.is_choked(session);
        let entry = &mut self.edge.sessions[session as usize];
        if entry.is_paused() || is_choked {
            return Input::Paused;
        }
        let deferred = entry.deferred.take();
        self.edge.take_turn(session);
        match deferred {
            Some(deferred) => self.commands(session, &deferred, now),
            None => Input::Ready,
        }
    }

    /// The socket of a session that is held back has taken some of what waited: it goes on once enough has left.
    pub fn drained(&mut self, session: u32) {
        if !self.edge.is_choked(session) {
            self.edge.wake(session);
        }
    }

    fn commands(&mut self, session: u32, frame: &[u8], now: Now) -> Input {
        let input = self.each_command(session, frame, now);
        self.finish(now);
        input
    }

    fn each_command(&mut self, session: u32, frame: &[u8], now: Now) -> Input {
        let format = self.edge.sessions[session as usize].format;
        let mut commands = format.commands(frame);
        // Looked at once: what the session causes beyond is at most a turn, and is paid for before the next.
        let excess = self.edge.excess(session, now);
        loop {
            let start = commands.offset();
            let Some(command) = commands.next() else { return Input::Ready };
            let Ok(command) = command else {
                self.edge.close(session, DisconnectKind::BadRequest);
                self.carry(now);
                return Input::Ended;
            };
            let id = command.id;
            if self.edge.has_to_wait(session, &command.verb) {
                self.edge.sessions[session as usize].hold_back(&frame[start..]);
                return Input::Paused;
            }
            self.edge.charge(session, price::COMMAND_NS, now);
            let again = if excess.refuses(&command.verb) {
                self.edge.refuse_exhausted(session, id);
                if !self.edge.sessions[session as usize].is_ending {
                    self.count_refusal(&command.verb, ErrorKind::TooManyRequests);
                }
                false
            } else {
                let is_stranger = !self.edge.sessions[session as usize].is_connected();
                let step = self.edge.with_session(session, now, |session, context| session.handle(command, context));
                self.edge.charge_signatures(session, is_stranger, now);
                self.edge.sessions[session as usize].keys_are_fresh = false;
                let again = matches!(step, Step::FetchKeys | Step::Later);
                self.edge.metrics.commands.add(u64::from(!again));
                if let Step::Refuse(error) = &step
                    && let Some(Ok(command)) = format.commands(&frame[start..]).next()
                {
                    // The session has used the command up; few are refused.
                    self.count_refusal(&command.verb, error.kind);
                }
                self.carry_out(session, id, step, now);
                again
            };
            // The next command counts on what this one has left.
            let attached = self.edge.attached;
            self.carry(now);
            self.edge.charge_attached(session, self.edge.attached - attached);
            if self.edge.sessions[session as usize].is_ending {
                return Input::Ended;
            }
            let is_full = self.edge.outbox.is_full();
            let is_turn_over = self.edge.is_turn_over();
            let entry = &mut self.edge.sessions[session as usize];
            if entry.is_paused() || is_full || is_turn_over {
                entry.hold_back(&frame[if again { start } else { commands.offset() }..]);
                if is_turn_over {
                    self.edge.give_way(session);
                } else if is_full {
                    // A frame of short questions can ask for gigabytes: what there is has to be sent first.
                    self.edge.wake(session);
                }
                return Input::Paused;
            }
        }
    }

    /// Counts a refusal for the namespace that the command is about.
    fn count_refusal(&self, verb: &Verb<'_>, kind: ErrorKind) {
        self.edge.policy.counts_of(verb.channel().unwrap_or_default()).errors.count(kind);
    }

    /// Does what a session wants done.
    fn carry_out(&mut self, session: u32, id: u32, step: Step<'_>, now: Now) {
        match step {
            Step::Done => {}
            Step::Later => self.edge.sessions[session as usize].awaits = Awaits::Answer,
            Step::Refuse(error) => self.edge.refuse(session, id, error),
            Step::Close(disconnect) => self.edge.close(session, disconnect),
            Step::Pinged => self.edge.reply(session, id, ReplyBody::Ping),
            Step::Ask(ask) => self.ask(session, id, ask, now),
            Step::Unsubscribe(channel) => {
                self.edge.leave(session, &channel);
                self.edge.reply(session, id, ReplyBody::Unsubscribe);
            }
            Step::FetchKeys => self.fetch_keys(session, now),
            Step::Connect(identity) => self.enrol(session, *identity, now),
            Step::Refreshed(refreshed, appearances) => {
                self.edge.appear(appearances);
                self.edge.reply(session, id, ReplyBody::Refresh(&refreshed));
                self.edge.wake(session);
            }
            Step::SubRefreshed(expiry, appearance) => {
                self.edge.appear(appearance);
                self.edge.reply(session, id, ReplyBody::SubRefresh(expiry));
                self.edge.wake(session);
            }
        }
    }

    fn fetch_keys(&mut self, session: u32, now: Now) {
        let entry = &mut self.edge.sessions[session as usize];
        entry.awaits = Awaits::Keys;
        if matches!(entry.state, State::Fresh) {
            // The client has done its part in time; what is left is the key server's.
            entry.heartbeat.expect_connect(now.mono_ms, self.edge.policy.config.client.stale_close_delay.as_millis());
        }
        let ticket = u64::from(entry.generation) << 32 | u64::from(session);
        self.edge.errands.push(Errand::FetchKeys { shard: self.me, ticket });
    }

    /// The control plane has fetched the key sets for a token of this session, or could not.
    pub(super) fn keys_fetched(&mut self, ticket: u64, fetched: bool) {
        let session = ticket as u32;
        let Some(entry) = self.edge.sessions.get_mut(session as usize) else { return };
        if entry.generation != (ticket >> 32) as u32 || entry.awaits != Awaits::Keys {
            return;
        }
        entry.awaits = Awaits::Nothing;
        if fetched {
            entry.keys_are_fresh = true;
            self.edge.wake(session);
        } else {
            // The token may well be good: the client shall come again.
            self.edge.close(session, DisconnectKind::ServerError.because("the keys for tokens cannot be fetched"));
        }
    }
}
