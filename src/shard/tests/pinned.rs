//! What strangers can have the shard keep in memory.

use super::*;
use crate::limits::{FIRST_MESSAGE_BYTES_MAX, STRANGER_BYTES_MAX};
use crate::wire::websocket::{self, Opcode};

const HEAD: &[u8] = b"GET /connection/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Fragments of a first message whose last one never comes, and a part of another.
fn unfinished() -> Vec<u8> {
    let mut frames = Vec::new();
    for (opcode, bytes) in [(Opcode::Text, 20_000), (Opcode::Continuation, 5_000), (Opcode::Continuation, 15_000)] {
        let start = frames.len();
        websocket::write_masked(opcode, &vec![b' '; bytes], [0; 4], &mut frames);
        frames[start] &= 0x7f;
    }
    frames.truncate(frames.len() - 10);
    frames
}

/// Memory that each conn has in hand.
fn pinned(shard: &Shard) -> Vec<usize> {
    let of = |conn: &Conn<_>| conn.unread.capacity() + conn.fragments.as_ref().map_or(0, |all| all.capacity());
    shard.conns.iter().map(|(_, conn)| of(conn)).collect()
}

#[test]
fn what_strangers_pin_with_fragments_is_counted_whole_and_bounded() {
    let most = STRANGER_BYTES_MAX / 2;
    let mut half = Half::with(|_| {});
    let mut strangers = Vec::new();
    let mut most_pinned = 0;
    while half.shard.metrics.endings.get(Ending::GaveWay) < 2 {
        let mut stranger = TcpStream::connect(half.http).unwrap();
        stranger.write_all(&[HEAD, &unfinished()].concat()).unwrap();
        strangers.push(stranger);
        for _ in 0..50 {
            half.tick();
            let pinned = pinned(&half.shard);
            assert!(pinned.iter().all(|bytes| *bytes <= 2 * FIRST_MESSAGE_BYTES_MAX), "{pinned:?}");
            let pinned: usize = pinned.iter().sum();
            assert_eq!(pinned, half.shard.strangers.bytes(), "counted as it is");
            assert!(pinned <= most, "{pinned} bytes of strangers");
            most_pinned = most_pinned.max(pinned);
            std::thread::yield_now();
        }
        assert!(strangers.len() < 20);
    }
    assert!(most_pinned > most / 2, "{most_pinned}");
}

#[test]
fn a_connection_that_idles_takes_little() {
    // What each has of its own; the memory of an idle connection is about twice that, with names and tables.
    assert_eq!(size_of::<Conn<OwnedFd>>(), 72);
    assert!(size_of::<crate::session::Session>() <= 200, "{}", size_of::<crate::session::Session>());
    assert_eq!(size_of::<crate::session::Subscription>(), 48);
    assert_eq!(size_of::<crate::model::ClientInfo>(), 48);
    assert_eq!(size_of::<crate::broker::Subscriber>(), 12);
}
