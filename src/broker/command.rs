//! A frame's commands: each is handled by its session, and its step carried out.

use super::Core;
use crate::broker::order::Errand;
use crate::model::refusal::{Disconnect, Error};
use crate::protocol::centrifuge;
use crate::protocol::word::ReplyBody;
use crate::session::{Awaits, State, Step};
use crate::time::Now;

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

impl Core {
    /// Takes the payload of one frame: one or more commands in the session's encoding. A session for which
    /// this has returned [`Input::Paused`] must not be given any until it is resumed.
    pub fn input(&mut self, session: u32, frame: &[u8], now: Now) -> Input {
        self.metrics.bytes_in.add(frame.len() as u64);
        let entry = &mut self.sessions[session as usize];
        if entry.is_paused() {
            // A backend's order has paused it since the last frame.
            entry.hold_back(frame);
            return Input::Paused;
        }
        self.commands(session, frame, now)
    }

    /// Goes on with a session that was paused: the commands that were held back, if any.
    pub fn resume(&mut self, session: u32, now: Now) -> Input {
        let Some(entry) = self.sessions.get_mut(session as usize) else { return Input::Ended };
        if entry.is_paused() {
            return Input::Paused;
        }
        match entry.deferred.take() {
            Some(deferred) => self.commands(session, &deferred, now),
            None => Input::Ready,
        }
    }

    fn commands(&mut self, session: u32, frame: &[u8], now: Now) -> Input {
        let format = self.sessions[session as usize].format;
        let mut commands = centrifuge::decode(format, frame);
        loop {
            let start = commands.offset();
            let Some(command) = commands.next() else { return Input::Ready };
            let Ok(command) = command else {
                self.close(session, Disconnect::BAD_REQUEST, now);
                return Input::Ended;
            };
            let id = command.id;
            let step = self.with_session(session, now, |session, context| session.handle(command, context));
            self.sessions[session as usize].keys_are_fresh = false;
            let again = matches!(step, Step::FetchKeys | Step::Later);
            self.metrics.commands.add(u64::from(!again));
            if !self.carry_out(session, id, step, now) {
                return Input::Ended;
            }
            let is_full = self.outbox.is_full();
            let entry = &mut self.sessions[session as usize];
            if entry.is_paused() || is_full {
                entry.hold_back(&frame[if again { start } else { commands.offset() }..]);
                if is_full {
                    // A frame of short questions can ask for gigabytes: what there is has to be sent first.
                    self.wake(session);
                }
                return Input::Paused;
            }
        }
    }

    /// Does what a session wants done. False when the session has ended.
    fn carry_out(&mut self, session: u32, id: u32, step: Step<'_>, now: Now) -> bool {
        match step {
            Step::Done => {}
            Step::Later => self.sessions[session as usize].awaits = Awaits::Answer,
            Step::Refuse(error) => return self.refuse(session, id, error, now),
            Step::Close(disconnect) => {
                self.close(session, disconnect, now);
                return false;
            }
            Step::Pinged => self.reply(session, id, ReplyBody::Ping),
            Step::Ask(ask) => return self.ask(session, id, ask, now),
            Step::Unsubscribe(channel) => {
                self.leave(session, &channel, now);
                self.reply(session, id, ReplyBody::Unsubscribe);
            }
            Step::FetchKeys => self.fetch_keys(session, now),
            Step::Connect(identity) => return self.enrol(session, *identity, now),
            Step::Refreshed(refreshed) => {
                self.reply(session, id, ReplyBody::Refresh(&refreshed));
                self.wake(session);
            }
            Step::SubRefreshed(expiry) => {
                self.reply(session, id, ReplyBody::SubRefresh(expiry));
                self.wake(session);
            }
        }
        true
    }

    /// Refuses a command; a client that is refused too often is closed. False when the session has ended.
    pub(super) fn refuse(&mut self, session: u32, id: u32, error: Error, now: Now) -> bool {
        self.metrics.error(error.code);
        self.reply(session, id, ReplyBody::Error(error));
        if let Some(disconnect) = self.sessions[session as usize].count_refusal() {
            self.close(session, disconnect, now);
            return false;
        }
        true
    }

    fn fetch_keys(&mut self, session: u32, now: Now) {
        let entry = &mut self.sessions[session as usize];
        entry.awaits = Awaits::Keys;
        if matches!(entry.state, State::Fresh) {
            // The client has done its part in time; what is left is the key server's.
            entry.heartbeat.expect_connect(now.mono_ms, self.config.client.stale_close_delay.as_millis());
        }
        let ticket = u64::from(entry.generation) << 32 | u64::from(session);
        self.errands.push(Errand::FetchKeys { shard: self.me, ticket });
    }

    /// The control plane has fetched the key sets for a token of this session, or could not.
    pub(super) fn keys_fetched(&mut self, ticket: u64, fetched: bool, now: Now) {
        let session = ticket as u32;
        let Some(entry) = self.sessions.get_mut(session as usize) else { return };
        if entry.generation != (ticket >> 32) as u32 || entry.awaits != Awaits::Keys {
            return;
        }
        entry.awaits = Awaits::Nothing;
        if fetched {
            entry.keys_are_fresh = true;
            self.wake(session);
        } else {
            // The token may well be good: the client shall come again.
            self.close(session, Disconnect::SERVER_ERROR.because("the keys for tokens cannot be fetched"), now);
        }
    }
}
