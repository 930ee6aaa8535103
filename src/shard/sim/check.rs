//! What must hold of a shard after every turn, and what must be left when all have gone.

use super::reactor::Simulated;
use super::world::CLIENT;
use crate::limits::{ARENA_FLUSH_BYTES, HELD_BYTES_MAX, HTTP_HEAD_BYTES_MAX};
use crate::ring::Event;
use crate::shard::Shard;
use crate::shard::conn::Phase;

/// What letters without room may keep of a shard's memory, bytes: its windows, the asks that one turn makes of what it
/// reads, and what sessions that end give back.
const WAITING_BYTES_MAX: u64 = 64 * 1024;

/// After every turn.
pub(super) fn check(shard: &Shard<Simulated>) {
    for conn in shard.reactor.conns() {
        assert!(shard.conns.contains(conn as usize), "something in flight outlived conn {conn}");
    }
    let config = &shard.broker.config().client;
    let in_one_turn = 16 * 1024;
    let frame_max = config.message_size_limit.max(HTTP_HEAD_BYTES_MAX) + 14;
    let mut sessions = 0;
    for (number, conn) in &shard.conns {
        let in_flight = in_flight(shard, number as u32);
        let believed = (conn.in_flight.receives(), conn.in_flight.awaits_writable());
        assert_eq!(believed, in_flight, "conn {number} is wrong about what is in flight");
        let unread_max = frame_max.max(HELD_BYTES_MAX) + in_one_turn;
        assert!(conn.unread.len() <= unread_max, "conn {number} keeps {} bytes unread", conn.unread.len());
        assert!(conn.phase != Phase::Closing || conn.unread.is_empty(), "conn {number} closes and keeps bytes");
        let is_told = matches!(conn.phase, Phase::Accepted | Phase::Upgrading | Phase::Open { .. });
        if is_told && shard.broker.config().tcp_server.proxy_protocol {
            assert_eq!(shard.address_of(number as u32), CLIENT, "conn {number} is not its client's");
        }
        sessions += usize::from(conn.session().is_some());
        if !conn.in_flight.receives() && !conn.waits() && !conn.half_closed {
            let is_done = matches!(conn.phase, Phase::Closing | Phase::Leaving);
            assert!(is_done, "conn {number} is deaf: {conn:?}");
        }
    }
    assert!(shard.told.len() <= shard.conns.len() - sessions, "what proxies told is kept for too long");
    assert_eq!(sessions, shard.broker.sessions(), "a session is carried by one conn");
    assert!(shard.broker.edge.closings.is_empty(), "a turn leaves nothing to do");
    // Of answers, what one reply may bring waits before no more is asked, and what one turn answers comes on top.
    let answers_max = 2 * config.reply_max_size + ARENA_FLUSH_BYTES;
    let backlogs_max = shard.conns.len() * (config.queue_max_size + answers_max + 64 * 1024);
    assert!(shard.broker.edge.outbox.backlog_bytes() <= backlogs_max, "backlogs have no bound");
    shard.broker.report();
    let waiting_bytes = shard.metrics.mailbox_waiting_bytes.get();
    assert!(waiting_bytes <= WAITING_BYTES_MAX, "letters keep {waiting_bytes} bytes");
    let endings = shard.metrics.endings.sum();
    let closing = shard.conns.iter().filter(|(_, conn)| conn.phase == Phase::Closing).count() as u64;
    let open = shard.conns.len() as u64 - closing;
    assert_eq!(shard.metrics.accepts.get(), open + endings, "every conn that was accepted is open, or ended once");
}

/// Of a shard that sleeps, and that nobody has woken.
pub(super) fn check_sleeper(shard: &Shard<Simulated>) {
    assert!(!shard.mailboxes.has_letters(), "a shard sleeps over letters");
    assert!(shard.orders.is_empty(), "a shard sleeps over orders");
    assert!(!shard.waits_for_room(), "a shard sleeps over letters that it keeps");
    assert!(!shard.broker.edge.outbox.is_dirty(), "a shard sleeps over what is to be sent");
}

/// When all have gone.
pub(super) fn check_is_empty(shard: &Shard<Simulated>) {
    assert!(shard.conns.is_empty(), "conns are left: {:?}", shard.conns);
    assert!(shard.parting.is_empty() && shard.held.is_empty());
    assert!(!shard.broker.has_letters());
    assert_eq!(shard.mailboxes.depth(), 0);
    shard.broker.check_is_empty();
    shard.reactor.check_is_at_rest();
}

/// Whether receiving, and whether waiting until it is writable, is asked for a conn, or has been reported at a glance and is
/// still to be read.
fn in_flight(shard: &Shard<Simulated>, number: u32) -> (bool, bool) {
    let (mut receives, mut awaits_writable) = shard.reactor.in_flight(number);
    for event in &shard.events {
        match event {
            Event::Received { conn, more: false, .. } => receives |= *conn == number,
            Event::Writable { conn } => awaits_writable |= *conn == number,
            _ => {}
        }
    }
    (receives, awaits_writable)
}
