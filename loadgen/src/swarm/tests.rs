//! The swarm against real sockets.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use ringpost::ring::Received;
use rustix::net::sockopt::tcp_quickack;

use super::*;

const PATIENCE_NS: u64 = 10_000_000_000;

fn swarm() -> (Swarm, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::parse(&format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    (Swarm::new(target.into(), Clock::start(), 0).unwrap(), listener)
}

/// Turns until `done` has seen enough of what happened.
fn turn(swarm: &mut Swarm, mut done: impl FnMut(&mut Swarm, Event) -> bool) {
    let mut events = Vec::new();
    loop {
        let now_ns = swarm.now_ns();
        assert!(now_ns < PATIENCE_NS, "nothing happened");
        swarm.turn(now_ns + 5_000_000, &mut events).unwrap();
        let mut finished = false;
        for event in events.drain(..) {
            finished |= done(swarm, event);
        }
        if finished {
            return;
        }
    }
}

/// A connection of client 7, and the server's end of it.
fn connect(swarm: &mut Swarm, listener: &TcpListener) -> (u32, TcpStream) {
    let key = swarm.open(7, 0, 0, Some(65_536)).unwrap();
    turn(swarm, |swarm, event| matches!(event, Event::Writable { conn } if swarm.writable(conn).unwrap()));
    swarm.conn(key).unwrap().phase = Phase::Ready;
    (key, listener.accept().unwrap().0)
}

/// Turns the swarm until the ring has let go of its only connection.
fn turn_until_forgotten(swarm: &mut Swarm) {
    turn(swarm, |swarm, event| {
        if let Event::Received { conn, received: Received::End | Received::Failed(_), more } = event {
            assert!(!more);
            swarm.ended(conn);
            swarm.receive_again(conn);
        }
        swarm.conns.is_empty()
    });
}

#[test]
fn what_was_appended_goes_out_and_what_is_answered_comes_in() {
    let (mut swarm, listener) = swarm();
    let (key, mut server) = connect(&mut swarm, &listener);
    swarm.output(key).unwrap().extend_from_slice(b"two ");
    swarm.output(key).unwrap().extend_from_slice(b"parts");
    swarm.flush();
    let mut bytes = [0; 9];
    server.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"two parts");
    server.write_all(b"answer").unwrap();
    turn(
        &mut swarm,
        |_, event| matches!(event, Event::Received { received: Received::Bytes(bytes), .. } if &bytes[..] == b"answer"),
    );
}

#[test]
fn more_than_a_socket_takes_goes_out_as_it_is_read() {
    let (mut swarm, listener) = swarm();
    let (key, mut server) = connect(&mut swarm, &listener);
    let sent = vec![5; 16 << 20];
    swarm.output(key).unwrap().extend_from_slice(&sent);
    swarm.flush();
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        server.read_to_end(&mut got).unwrap();
        got
    });
    turn(&mut swarm, |swarm, event| {
        if let Event::Writable { conn } = event {
            swarm.writable(conn).unwrap();
        }
        swarm.conn(key).unwrap().output.is_empty()
    });
    swarm.leave(key);
    assert_eq!(reader.join().unwrap().len(), sent.len());
}

#[test]
fn a_connection_that_leaves_is_forgotten_once_the_ring_lets_go() {
    let (mut swarm, listener) = swarm();
    let (key, mut server) = connect(&mut swarm, &listener);
    swarm.output(key).unwrap().extend_from_slice(b"bye");
    swarm.leave(key);
    assert!(swarm.output(key).is_none(), "nothing more is said");
    turn_until_forgotten(&mut swarm);
    let mut said = String::new();
    server.read_to_string(&mut said).unwrap();
    assert_eq!(said, "bye");
}

#[test]
fn a_connection_that_does_not_read_leaves_what_comes_to_the_server_until_it_reads_again() {
    let (mut swarm, listener) = swarm();
    let (key, mut server) = connect(&mut swarm, &listener);
    swarm.stop_reading(key);
    turn(&mut swarm, |swarm, event| {
        if let Event::Received { conn, more: false, .. } = event {
            swarm.receive_again(conn);
        }
        !swarm.conns[key as usize].in_flight.receives()
    });
    server.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while let Ok(more) = server.write(&[7; 65536]) {
        sent += more;
    }
    swarm.read_again(key);
    let mut received = 0;
    turn(&mut swarm, |swarm, event| {
        if let Event::Received { conn, received: what, more } = event {
            received += if let Received::Bytes(bytes) = what { bytes.len() } else { 0 };
            if !more {
                swarm.receive_again(conn);
            }
        }
        received == sent
    });
}

#[test]
fn a_connection_that_is_reset_breaks_at_the_server_and_is_forgotten() {
    let (mut swarm, listener) = swarm();
    let (key, mut server) = connect(&mut swarm, &listener);
    swarm.reset(key);
    turn_until_forgotten(&mut swarm);
    let error = server.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_refused_connection_says_why_and_is_forgotten() {
    let (mut swarm, listener) = swarm();
    drop(listener);
    let refused = match swarm.open(0, 0, 0, None) {
        Err(_) => true,
        Ok(_) => {
            let mut refused = false;
            turn(&mut swarm, |swarm, event| {
                if let Event::Writable { conn } = event {
                    refused = swarm.writable(conn).is_err();
                }
                refused
            });
            refused
        }
    };
    assert!(refused && swarm.conns.is_empty());
}

#[test]
fn a_turn_waits_no_longer_than_it_may() {
    let (mut swarm, _listener) = swarm();
    let mut events = Vec::new();
    // Shorter and longer than what is spun away; a turn may end early, but the time always comes.
    for wait_ns in [0, 50_000, 20_000_000] {
        let until_ns = swarm.now_ns() + wait_ns;
        while swarm.turn(until_ns, &mut events).unwrap() < until_ns {}
        assert!(swarm.now_ns() >= until_ns);
    }
}

/// How often this thread has gone to sleep by itself.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let sleeps = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    sleeps.trim().parse().unwrap()
}

#[test]
fn a_swarm_that_polls_its_ring_never_sleeps_and_hears_as_ever() {
    let (swarm, listener) = swarm();
    let mut swarm = swarm.busy_poll(true);
    let (key, mut server) = connect(&mut swarm, &listener);
    for (is_polling, most) in [(true, 2), (false, u64::MAX)] {
        swarm.busy_poll = is_polling;
        let (before, mut events) = (sleeps(), Vec::new());
        for _ in 0..20 {
            let until_ns = swarm.now_ns() + 2_000_000;
            assert!(swarm.turn(until_ns, &mut events).unwrap() >= until_ns - 2_000_000);
        }
        let slept = sleeps() - before;
        assert!(slept <= most && (is_polling || slept >= 20), "polling: {is_polling}, slept {slept} times");
    }
    swarm.busy_poll = true;
    server.write_all(b"hello").unwrap();
    turn(&mut swarm, |_, event| match event {
        Event::Received { conn, received: Received::Bytes(bytes), .. } => conn == key && bytes[..] == b"hello"[..],
        _ => false,
    });
}

#[test]
fn who_has_said_something_acknowledges_at_once_where_that_is_wanted() {
    let (mut swarm, listener) = swarm();
    let (key, _server) = connect(&mut swarm, &listener);
    for is_wanted in [false, true] {
        swarm.quick_ack = is_wanted;
        // As a dialogue, which the kernel may take it for when it sends.
        set_tcp_quickack(&swarm.conns[key as usize].socket, false).unwrap();
        swarm.output(key).unwrap().extend_from_slice(b"hello");
        swarm.flush();
        assert_eq!(tcp_quickack(&swarm.conns[key as usize].socket), Ok(is_wanted));
    }
}
