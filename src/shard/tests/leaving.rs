//! A drain of very many sessions.

use super::*;
use crate::limits::FAREWELLS_PER_TICK;

#[test]
fn a_drain_without_time_tells_a_part_of_the_sessions_in_each_tick() {
    let mut half = Half::with(|_| {});
    let clients: Vec<_> = (0..3 * FAREWELLS_PER_TICK).map(|_| half.client()).collect();
    half.shard.begin_drain(0);
    half.shard.is_turn_due = true;
    let mut left = clients.len();
    while left > 0 {
        half.tick();
        let now_left = half.shard.broker.sessions();
        assert!(left - now_left <= FAREWELLS_PER_TICK, "{left} sessions, then {now_left}");
        left = now_left;
        assert!(left == 0 || half.shard.has_farewells() && !half.shard.falls_asleep());
    }
}
