//! A frame's commands: each is handled by its session, and its step carried out.

use super::Core;
use crate::control::order::{Errand, TokenKind};
use crate::protocol::centrifuge;
use crate::protocol::codes::{Disconnect, Error};
use crate::protocol::word::{ReplyBody, Verb};
use crate::session::Step;
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
    /// Takes the payload of one frame: one or more commands in the session's encoding.
    pub fn input(&mut self, session: u32, frame: &[u8], now: Now) -> Input {
        debug_assert!(!self.sessions[session as usize].is_paused(), "paused sessions get no frames");
        self.metrics.bytes_in.add(frame.len() as u64);
        let format = self.sessions[session as usize].format;
        let mut commands = centrifuge::decode(format, frame);
        loop {
            let start = commands.offset();
            let Some(command) = commands.next() else { return Input::Ready };
            let Ok(command) = command else {
                self.close(session, Disconnect::BAD_REQUEST, now);
                return Input::Ended;
            };
            self.metrics.commands.add(1);
            let id = command.id;
            let pong = matches!(command.verb, Verb::Pong);
            let step = self.with_session(session, now, |session, context| session.handle(command, context));
            self.sessions[session as usize].keys_are_fresh = false;
            if !pong {
                let again = matches!(step, Step::Verify { .. });
                if !self.carry_out(session, id, step, now) {
                    return Input::Ended;
                }
                if self.sessions[session as usize].is_paused() {
                    let from = if again { start } else { commands.offset() };
                    let rest = &frame[from..];
                    if !rest.is_empty() {
                        self.sessions[session as usize].deferred = Some(Box::new(rest.to_vec()));
                    }
                    return Input::Paused;
                }
            }
        }
    }

    /// Goes on with a session that was paused: the commands that were held back, if any.
    pub fn resume(&mut self, session: u32, now: Now) -> Input {
        let Some(entry) = self.sessions.get_mut(session as usize) else { return Input::Ended };
        if entry.is_paused() {
            return Input::Paused;
        }
        match entry.deferred.take() {
            Some(deferred) => self.input(session, &deferred, now),
            None => Input::Ready,
        }
    }

    /// Does what a session wants done. False when the session has ended.
    fn carry_out(&mut self, session: u32, id: u32, step: Step<'_>, now: Now) -> bool {
        match step {
            Step::Done => {}
            Step::Refuse(error) => return self.refuse(session, id, error, now),
            Step::Close(disconnect) => {
                self.close(session, disconnect, now);
                return false;
            }
            Step::Pinged => self.reply(session, id, ReplyBody::Ping),
            Step::Ask(ask) => {
                self.subscriptions += usize::from(matches!(ask, crate::session::Ask::Subscribe(..)));
                return self.ask(session, id, ask, now);
            }
            Step::Unsubscribe(channel) => {
                self.leave(session, &channel, now);
                self.reply(session, id, ReplyBody::Unsubscribe);
            }
            Step::Verify { token, kind } => self.verify(session, token, kind),
            Step::Connect(identity) => return self.enrol(session, *identity, now),
            Step::Refreshed(refreshed) => {
                self.reply(session, id, ReplyBody::Refresh(&refreshed));
            }
            Step::SubRefreshed(expiry) => self.reply(session, id, ReplyBody::SubRefresh(expiry)),
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

    fn verify(&mut self, session: u32, token: Box<str>, kind: TokenKind) {
        let entry = &mut self.sessions[session as usize];
        entry.awaits_keys = true;
        self.awaiting_keys += 1;
        let ticket = u64::from(entry.generation) << 32 | u64::from(session);
        self.errands.push(Errand::Verify { shard: self.me, ticket, token, kind });
    }

    /// The control plane has fetched the key set for a token of this session.
    pub(super) fn keys_fetched(&mut self, ticket: u64) {
        self.awaiting_keys -= 1;
        let session = ticket as u32;
        let Some(entry) = self.sessions.get_mut(session as usize) else { return };
        if entry.generation == (ticket >> 32) as u32 && entry.awaits_keys {
            entry.awaits_keys = false;
            entry.keys_are_fresh = true;
            self.resumed.push(session);
        }
    }
}
