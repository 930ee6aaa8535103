//! Bytes that come in: cut into frames in place, and each frame given to its session.

use super::Shard;
use super::conn::Phase;
use super::reactor::Reactor;
use crate::broker::Input;
use crate::broker::ending::Ending;
use crate::config::Purpose;
use crate::limits::{FIRST_MESSAGE_BYTES_MAX, HELD_BYTES_MAX};
use crate::model::refusal::DisconnectKind;
use crate::outbox::Tag;
use crate::protocol::Format;
use crate::ring::Received;
use crate::time::Now;
use crate::wire::websocket::{self, Decoded, Frame, Opcode, Piece, Sender, Violation};
use crate::wire::{length, line};

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// So many bytes were understood.
    Consumed(usize),
    /// What is there makes no whole frame, or may not be read now.
    Wait,
    /// The session has ended: nothing more is read.
    Ended,
}

impl<R: Reactor> Shard<R> {
    pub(super) fn received(&mut self, conn: u32, received: Received<R::Buffer>, more: bool, now: Now) {
        if !more {
            self.conns[conn as usize].in_flight.end_receive();
        }
        match received {
            Received::Bytes(buffer) => {
                self.take_bytes(conn, buffer, now);
                if self.conns.get(conn as usize).is_some_and(|conn| conn.turn != 0) {
                    self.weigh(conn, now);
                }
            }
            Received::NoBuffer => self.metrics.buffer_shortages.add(1),
            Received::Stopped => {}
            Received::End => {
                self.peer_ended(conn, now);
                return;
            }
            Received::Failed(errno) => {
                self.broken(conn, errno, now);
                return;
            }
        }
        // A stranger may have given way.
        if !more && self.conns.contains(conn as usize) {
            self.take_for_alive(conn);
            self.go_on_receiving(conn);
        }
    }

    /// There may be more in the socket than could be received: who is to answer by now may have done so.
    fn take_for_alive(&mut self, conn: u32) {
        if let Some(session) = self.conns[conn as usize].session()
            && self.broker.conn_of(session) == Some(conn)
        {
            self.broker.heard(session);
        }
    }

    /// The reactor has stopped receiving for a conn whose peer has not ended.
    fn go_on_receiving(&mut self, conn: u32) {
        match self.conns[conn as usize].phase {
            Phase::Leaving => self.hand_over(conn),
            _ if self.holds_enough(conn) => {}
            _ => self.receive(conn),
        }
    }

    fn take_bytes(&mut self, conn: u32, mut buffer: R::Buffer, now: Now) {
        if self.broker.is_congested() {
            self.hold_for_room(conn);
        }
        let entry = &mut self.conns[conn as usize];
        if entry.phase == Phase::Closing {
            return;
        }
        if entry.unread.is_empty() && !entry.waits() {
            let read = self.read(conn, &mut buffer, now);
            let rest = &buffer[read..];
            if !rest.is_empty() {
                self.conns[conn as usize].unread.extend_from_slice(rest);
            }
            return;
        }
        entry.unread.extend_from_slice(&buffer);
        drop(buffer);
        self.read_unread(conn, now);
        if self.conns[conn as usize].in_flight.receives() && self.holds_enough(conn) {
            // The peer feels it as a full window.
            self.reactor.stop_receiving(conn);
        }
    }

    /// Whether no more is received for a conn whose session cannot take what is there. Before it is connected, that is
    /// at once: the rest of its first message is all that is held for a stranger.
    fn holds_enough(&self, conn: u32) -> bool {
        let entry = &self.conns[conn as usize];
        let connected = entry.session().is_some_and(|session| self.broker.is_connected(session));
        entry.waits() && entry.unread.len() > if connected { HELD_BYTES_MAX } else { 0 }
    }

    /// The conn waits until the mailboxes have room.
    fn hold_for_room(&mut self, conn: u32) {
        let entry = &mut self.conns[conn as usize];
        if !entry.held && entry.session().is_some() {
            entry.held = true;
            self.held.push_back(conn);
            self.metrics.holds.add(1);
        }
    }

    /// Lets those go on that waited for room in the mailboxes.
    pub(super) fn release_held(&mut self, now: Now) {
        while !self.broker.is_congested()
            && let Some(conn) = self.held.pop_front()
        {
            if let Some(entry) = self.conns.get_mut(conn as usize)
                && std::mem::take(&mut entry.held)
            {
                self.read_on(conn, now);
                self.relieve(now);
            }
        }
    }

    /// Goes on with a conn that waited.
    pub(super) fn read_on(&mut self, conn: u32, now: Now) {
        self.read_unread(conn, now);
        let Some(entry) = self.conns.get(conn as usize) else { return };
        if entry.half_closed {
            self.end_half_closed(conn, now);
        } else if !entry.waits() {
            self.receive(conn);
        }
    }

    pub(super) fn read_unread(&mut self, conn: u32, now: Now) {
        let entry = &mut self.conns[conn as usize];
        if entry.waits() || entry.unread.is_empty() {
            return;
        }
        let mut unread = std::mem::take(&mut entry.unread);
        let read = self.read(conn, &mut unread, now);
        if read < unread.len() {
            unread.drain(..read);
            self.conns[conn as usize].unread = unread;
        }
    }

    /// Reads as many frames as there are; returns how many bytes were understood or are not wanted.
    fn read(&mut self, conn: u32, bytes: &mut [u8], now: Now) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &mut bytes[at..];
            let entry = &self.conns[conn as usize];
            let progress = match (entry.phase, entry.purpose) {
                (Phase::Open { .. }, _) if entry.waits() => Progress::Wait,
                (Phase::Open { session, format }, _) => self.read_frame(conn, session, format, rest, now),
                (Phase::Proxied, _) => self.read_proxy_header(conn, rest, now),
                (Phase::Accepted | Phase::Upgrading, Purpose::Tcp) => self.read_first_bytes(conn, rest, now),
                (Phase::Accepted | Phase::Upgrading, _) => self.read_head(conn, rest, now),
                (Phase::Leaving, _) => Progress::Wait,
                (Phase::Closing, _) => Progress::Ended,
            };
            match progress {
                Progress::Consumed(read) => at += read,
                Progress::Wait => return at,
                Progress::Ended => return bytes.len(),
            }
        }
        at
    }

    /// Longest message that a session may send, bytes.
    fn message_max(&self, session: u32) -> usize {
        let max = self.broker.config().client.message_size_limit;
        if self.broker.is_connected(session) { max } else { max.min(FIRST_MESSAGE_BYTES_MAX) }
    }

    fn read_frame(&mut self, conn: u32, session: u32, format: Format, bytes: &mut [u8], now: Now) -> Progress {
        let max = self.message_max(session);
        if format.is_websocket() {
            let gathered = self.conns[conn as usize].fragments.as_ref().map_or(0, |fragments| fragments.len());
            // What would make the message too long is refused before it comes.
            return match websocket::decode(bytes, Sender::Client, max.saturating_sub(gathered)) {
                Ok(Decoded::Partial) => Progress::Wait,
                Ok(Decoded::Frame(frame)) => self.take_frame(conn, session, &frame, bytes, max, now),
                Err(violation) => self.violated(conn, session, violation, now),
            };
        }
        let (payload, consumed) = match format {
            Format::TcpJson => match line::next(bytes, max) {
                Ok(line::Line::Whole { line, consumed }) => (line, consumed),
                Ok(line::Line::Partial) => return Progress::Wait,
                Err(error) => return self.too_long(session, error.to_string(), now),
            },
            _ => match length::next(bytes, max) {
                Ok(length::Message::Whole { consumed, .. }) => (0..consumed, consumed),
                Ok(length::Message::Partial) => return Progress::Wait,
                Err(error) => return self.too_long(session, error.to_string(), now),
            },
        };
        self.give(conn, session, &bytes[payload], consumed, now)
    }

    fn too_long(&mut self, session: u32, reason: String, now: Now) -> Progress {
        self.broker.close(session, DisconnectKind::BadRequest.because(reason), now);
        self.say_goodbyes(now);
        Progress::Ended
    }

    fn take_frame(&mut self, conn: u32, session: u32, frame: &Frame, bytes: &[u8], max: usize, now: Now) -> Progress {
        let payload = &bytes[frame.payload.clone()];
        match frame.opcode {
            Opcode::Ping => {
                self.broker.heard(session);
                self.broker
                    .edge
                    .outbox
                    .write(conn, Tag::CONTROL, |out| websocket::write_frame(Opcode::Pong, payload, out));
                return Progress::Consumed(frame.consumed);
            }
            Opcode::Pong => {
                self.broker.heard(session);
                return Progress::Consumed(frame.consumed);
            }
            Opcode::Close => {
                return match websocket::close_code(payload) {
                    Ok(code) => self.peer_closed(conn, session, code, now),
                    Err(violation) => self.violated(conn, session, violation, now),
                };
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {}
        }
        let fragments = &mut self.conns[conn as usize].fragments;
        match websocket::assemble(fragments, frame, payload, max) {
            Ok(Piece::Message(_)) => self.give(conn, session, payload, frame.consumed, now),
            Ok(Piece::Gathered(_, message)) => self.give(conn, session, &message, frame.consumed, now),
            Ok(Piece::More) => Progress::Consumed(frame.consumed),
            Err(violation) => self.violated(conn, session, violation, now),
        }
    }

    fn give(&mut self, conn: u32, session: u32, frame: &[u8], consumed: usize, now: Now) -> Progress {
        let input = self.broker.input(session, frame, now);
        self.say_goodbyes(now);
        match input {
            Input::Ready => Progress::Consumed(consumed),
            Input::Paused => {
                self.conns[conn as usize].paused = true;
                Progress::Consumed(consumed)
            }
            Input::Ended => Progress::Ended,
        }
    }

    fn violated(&mut self, conn: u32, session: u32, violation: Violation, now: Now) -> Progress {
        tracing::debug!(%violation, "a client broke the WebSocket protocol");
        let code = violation.close_code();
        self.broker.end(session, Ending::Violation(code), now);
        self.broker
            .edge
            .outbox
            .write(conn, Tag::CONTROL, |out| websocket::write_close(code, &violation.to_string(), out));
        self.begin_closing(conn, Ending::Violation(code), now);
        Progress::Ended
    }
}
