//! Slow is who makes no progress.

use super::*;
use crate::outbox::Tag;

const TIMEOUT_MS: u64 = 30_000;

/// A client for which far more waits than sockets hold, all of it asked for, and its conn.
fn behind(half: &mut Half) -> (TcpStream, u32) {
    let (mut client, conn) = half.client();
    half.until("all is sent", |shard| !is_sending(shard));
    assert!(client.read(&mut [0; 4096]).unwrap() > 0);
    half.shard.broker.edge.outbox.write(conn, Tag::ANSWER, |out| out.resize(out.len() + (64 << 20), b'x'));
    half.until("the socket is full", |shard| !is_sending(shard) && shard.broker.edge.outbox.backlog_bytes() > 0);
    settle(half, conn);
    (client, conn)
}

/// Sockets grow: until this one takes nothing more.
fn settle(half: &mut Half, conn: u32) {
    half.until("the socket takes nothing more", |shard| {
        let before = shard.broker.edge.outbox.backlog_bytes();
        shard.resume(conn);
        before == shard.broker.edge.outbox.backlog_bytes()
    });
    let now = half.later(0);
    assert!(!half.shard.is_stuck(conn, now), "not yet");
}

fn slow_endings(half: &Half) -> u64 {
    half.shard.metrics.endings.get(Ending::Disconnect(DisconnectKind::Slow))
}

/// Reads until nothing comes.
fn read_all(client: &mut TcpStream) -> usize {
    client.set_nonblocking(true).unwrap();
    let mut some = vec![0; 1 << 20];
    std::iter::from_fn(|| client.read(&mut some).ok().filter(|bytes| *bytes > 0)).sum()
}

fn without_pings(config: &mut Config) {
    config.client.ping_interval = crate::config::Duration::from_secs(0);
}

#[test]
fn who_takes_nothing_of_what_waits_is_slow() {
    let mut half = Half::with(without_pings);
    let (_client, _) = behind(&mut half);
    half.shard.turn(half.later(TIMEOUT_MS - 1_000));
    assert_eq!((slow_endings(&half), half.shard.broker.sessions()), (0, 1));
    half.shard.turn(half.later(TIMEOUT_MS + 200));
    assert_eq!((slow_endings(&half), half.shard.broker.sessions()), (1, 0));
    half.shard.turn(half.later(TIMEOUT_MS + 2 * LINGER_MS));
    half.until("the conn goes", |shard| shard.conns.is_empty());
}

#[test]
fn who_takes_something_is_not_slow_however_much_waits_and_for_however_long() {
    let mut half = Half::with(without_pings);
    let (mut client, conn) = behind(&mut half);
    for round in 1..=4 {
        // The kernel has not said that the socket is writable: the shard finds out by itself.
        assert!(read_all(&mut client) > 0);
        half.shard.turn(half.later(round * (TIMEOUT_MS + 200)));
        assert_eq!((slow_endings(&half), half.shard.broker.sessions()), (0, 1), "round {round}");
    }
    settle(&mut half, conn);
    half.shard.turn(half.later(5 * (TIMEOUT_MS + 200)));
    assert_eq!(slow_endings(&half), 1, "it has stopped");
}

#[test]
fn a_pause_of_the_shard_makes_nobody_slow() {
    let mut half = Half::with(without_pings);
    let _behind = behind(&mut half);
    let now = half.later(10 * TIMEOUT_MS);
    half.shard.make_up_for_pause(now);
    half.shard.turn(now);
    assert_eq!((slow_endings(&half), half.shard.broker.sessions()), (0, 1));
}
