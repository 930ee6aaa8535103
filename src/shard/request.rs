//! Requests that are no upgrade: probes are answered here, so that they wait for nobody; everything else goes to the
//! control plane as long as not too many wait for it there.

use super::Shard;
use super::conn::Phase;
use super::probe::Probe;
use super::reactor::Reactor;
use super::recv::Progress;
use crate::broker::ending::Ending;
use crate::limits::{HTTP_HEAD_TIMEOUT_MS, HTTP_WAITING_MAX};
use crate::outbox::Tag;
use crate::time::Now;
use crate::wire::http::{Plain, Status, write_json};

/// What a shard can answer itself: a probe that is nothing but a head.
fn probe_of(request: &Plain<'_>) -> Option<Probe> {
    let is_bare = request.is_bare && ["GET", "HEAD"].contains(&request.method);
    Probe::of(request.target).filter(|_| is_bare)
}

impl<R: Reactor> Shard<R> {
    /// A whole head that is no upgrade's, the first of `len` bytes.
    pub(super) fn take_request(&mut self, conn: u32, request: &Plain<'_>, len: usize, now: Now) -> Progress {
        let config = self.broker.config();
        let is_internal = self.conns[conn as usize].purpose.is_internal(config);
        if let Some(probe) = probe_of(request)
            && is_internal
            && config.health.enabled
            // What is behind it must be answered behind it: by one hand.
            && request.consumed == len
        {
            return self.answer_probe(conn, probe, request, now);
        }
        let is_backend = is_internal && config.http_api.admits(request.api_key.map(str::as_bytes));
        // Who has the key still finds a way where those fill theirs that have none.
        let waiting_max = if is_backend { 2 * HTTP_WAITING_MAX } else { HTTP_WAITING_MAX };
        if self.errands.len() >= waiting_max {
            return self.refuse(conn, Status::UNAVAILABLE, "too many HTTP requests wait; try again", now);
        }
        // Everything that was read goes along, so nothing of it is consumed.
        let entry = &mut self.conns[conn as usize];
        entry.phase = Phase::Leaving;
        entry.is_backend = is_backend;
        self.reactor.stop_receiving(conn);
        Progress::Wait
    }

    fn answer_probe(&mut self, conn: u32, probe: Probe, request: &Plain<'_>, now: Now) -> Progress {
        let (status, json) = probe.answer(self.drain.is_some());
        self.metrics.probes.add(1);
        // Who does not read its answers gets no others.
        let closes = request.closes || self.broker.edge.outbox.is_waiting(conn);
        self.broker
            .edge
            .outbox
            .write(conn, Tag::CONTROL, |out| write_json(request, status, json, closes, now.unix_ms, out));
        if closes {
            self.begin_closing(conn, Ending::Answered, now);
            return Progress::Ended;
        }
        let entry = &mut self.conns[conn as usize];
        entry.phase = Phase::Accepted;
        entry.due_tick = u32::MAX;
        self.look_at(conn, now.mono_ms + HTTP_HEAD_TIMEOUT_MS);
        Progress::Consumed(request.consumed)
    }
}
