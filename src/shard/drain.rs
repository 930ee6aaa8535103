//! The calm end of a shard: no more connections, a goodbye to every client spread over the drain time, the last
//! bytes flushed.

use super::Shard;
use super::conn::Phase;
use super::draining::Drain;
use super::reactor::Reactor;
use super::wheel::WHEEL_TICK_MS;
use crate::broker::ending::Ending;
use crate::broker::order::Errand;
use crate::limits::FAREWELLS_PER_TICK;
use crate::time::Now;

impl<R: Reactor> Shard<R> {
    /// Begins: nobody comes in any more, who has no session yet goes at once.
    pub(super) fn begin_drain(&mut self, time_ms: u64) {
        if self.drain.is_some() {
            return;
        }
        let turns = usize::try_from(time_ms / WHEEL_TICK_MS).unwrap_or(usize::MAX).max(1);
        self.drain = Some(Drain { per_turn: self.broker.sessions().div_ceil(turns).max(1), due: 0, ended: false });
        for door in self.doors.numbers() {
            self.reactor.stop_accepting(door);
        }
        // Those that rest accept nothing that could be stopped.
        for door in std::mem::take(&mut self.paused_doors) {
            self.doors.shut(door);
        }
        let strangers: Vec<u32> = self
            .conns
            .iter()
            .filter(|(_, conn)| matches!(conn.phase, Phase::Proxied | Phase::Accepted | Phase::Upgrading))
            .map(|(conn, _)| conn as u32)
            .collect();
        for conn in strangers {
            self.abandon(conn, Ending::Drained);
        }
        tracing::info!(shard = self.me, sessions = self.broker.sessions(), "draining");
    }

    /// One step per turn of the wheel.
    pub(super) fn drain_step(&mut self) {
        let Some(drain) = self.drain else { return };
        // Who is not told yet is told by then, however many there are.
        self.drain = Some(Drain { due: (drain.due + drain.per_turn).min(self.broker.sessions()), ..drain });
        // Who was told that something is kept may have gone; who waits for that, behind the API, has not.
        let is_awaited = self.broker.awaits_disk() || self.broker.awaits_bridge();
        if self.conns.is_empty() && !is_awaited && !drain.ended {
            self.drain = Some(Drain { due: 0, ended: true, ..drain });
            let _ = self.errands.send(Errand::Ended { shard: self.me });
        }
    }

    /// Tells those to go that are due, as many as a tick may.
    pub(super) fn say_farewells(&mut self, now: Now) {
        let Some(drain) = &mut self.drain else { return };
        let told = drain.due.min(FAREWELLS_PER_TICK);
        drain.due -= told;
        if told > 0 {
            self.broker.farewell(told, now);
            self.say_goodbyes(now);
        }
    }

    /// Whether farewells wait for the next tick.
    pub(super) fn has_farewells(&self) -> bool {
        self.drain.is_some_and(|drain| drain.due > 0)
    }

    /// Whether the shard has drained and nobody needs it any more: it still reads letters until the control
    /// plane has let go of it.
    pub(super) fn has_ended(&self) -> bool {
        self.drain.is_some_and(|drain| drain.ended) && self.orders.is_disconnected()
    }
}
