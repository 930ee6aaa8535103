//! The ring against the real kernel.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::{Event, Received, Ring, RingSize};

fn ring(buffers: u16) -> Ring {
    Ring::new(RingSize { entries: 64, buffers, buffer_bytes: 512 }).unwrap()
}

/// Turns the ring until `done` has seen enough.
fn turn(ring: &mut Ring, mut done: impl FnMut(&mut Ring, Event) -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    let mut events = Vec::new();
    while Instant::now() < until {
        ring.enter().unwrap();
        ring.events(&mut events);
        let mut finished = false;
        for event in events.drain(..) {
            finished |= done(ring, event);
        }
        if finished {
            return;
        }
        std::thread::yield_now();
    }
    panic!("nothing happened for ten seconds");
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn one_order_accepts_many_connections() {
    let mut ring = ring(8);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    ring.accept(listener.as_fd(), 3);
    let _clients: Vec<_> = (0..5).map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap()).collect();
    let mut sockets = Vec::new();
    turn(&mut ring, |_, event| {
        let Event::Accepted { door: 3, socket, more: true } = event else { panic!("{event:?}") };
        sockets.push(socket.unwrap());
        sockets.len() == 5
    });
    ring.stop_accepting(3);
    turn(&mut ring, |_, event| matches!(event, Event::Accepted { more: false, socket: Err(_), .. }));
}

#[test]
fn received_bytes_can_be_changed_in_place_and_their_buffers_come_back() {
    let mut ring = ring(2);
    let (mut client, server) = pair();
    ring.receive(server.as_fd(), 7);
    // Far more rounds than there are buffers.
    for round in 0..50u8 {
        client.write_all(&[round; 100]).unwrap();
        let mut got = 0;
        turn(&mut ring, |ring, event| {
            let Event::Received { conn: 7, received, more } = event else { panic!("{event:?}") };
            if let Received::Bytes(mut bytes) = received {
                bytes.iter_mut().for_each(|byte| *byte ^= 0xff);
                assert!(bytes.iter().all(|byte| *byte == !round));
                got += bytes.len();
            }
            if !more {
                ring.receive(server.as_fd(), 7);
            }
            got == 100
        });
    }
}

#[test]
fn an_empty_pool_is_told_and_loses_nothing() {
    let mut ring = ring(2);
    let (mut client, server) = pair();
    ring.receive(server.as_fd(), 0);
    client.write_all(&[5; 4096]).unwrap();
    let mut held = Vec::new();
    turn(&mut ring, |_, event| match event {
        Event::Received { received: Received::Bytes(bytes), .. } => {
            held.push(bytes);
            false
        }
        Event::Received { received: Received::NoBuffer, more: false, .. } => true,
        event => panic!("{event:?}"),
    });
    let mut got: usize = held.iter().map(|bytes| bytes.len()).sum();
    assert_eq!(got, 1024);
    held.clear();
    ring.receive(server.as_fd(), 0);
    turn(&mut ring, |ring, event| {
        let Event::Received { received, more, .. } = event else { panic!("{event:?}") };
        if let Received::Bytes(bytes) = received {
            got += bytes.len();
        }
        if !more {
            ring.receive(server.as_fd(), 0);
        }
        got == 4096
    });
}

#[test]
fn an_end_a_stop_and_a_writable_socket_are_told() {
    let mut ring = ring(2);
    let (mut client, server) = pair();
    ring.await_writable(server.as_fd(), 9);
    turn(&mut ring, |_, event| matches!(event, Event::Writable { conn: 9 }));
    ring.receive(server.as_fd(), 9);
    ring.stop_receiving(9);
    turn(&mut ring, |_, event| matches!(event, Event::Received { received: Received::Stopped, more: false, .. }));
    ring.receive(server.as_fd(), 9);
    client.shutdown(std::net::Shutdown::Write).unwrap();
    turn(&mut ring, |_, event| matches!(event, Event::Received { received: Received::End, more: false, .. }));
    drop(server);
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_reset_is_told_apart_from_an_end() {
    let mut ring = ring(2);
    let (client, server) = pair();
    ring.receive(server.as_fd(), 9);
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    turn(&mut ring, |_, event| {
        matches!(event, Event::Received { received: Received::Failed(Errno::CONNRESET), more: false, .. })
    });
}

#[test]
fn a_wait_ends_after_its_time_though_nothing_has_happened() {
    let mut ring = ring(2);
    let mut events = Vec::new();
    for at_most in [Duration::ZERO, Duration::from_millis(1)] {
        ring.enter_and_wait(Some(at_most)).unwrap();
        ring.events(&mut events);
        assert!(events.is_empty());
    }
}

#[test]
fn the_timer_elapses_once() {
    let mut ring = ring(2);
    ring.timer(Duration::from_millis(5));
    turn(&mut ring, |_, event| matches!(event, Event::Elapsed));
    assert!(!ring.is_ready());
}

#[test]
fn every_write_to_a_watched_eventfd_ends_a_wait() {
    let eventfd = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
    let mut ring = ring(2);
    ring.watch(eventfd.as_fd());
    // Should a wait never end, this does.
    ring.timer(Duration::from_secs(10));
    for _ in 0..3 {
        std::thread::scope(|scope| {
            scope.spawn(|| rustix::io::write(&eventfd, &1u64.to_ne_bytes()).unwrap());
            let mut events = Vec::new();
            while events.is_empty() {
                ring.enter_and_wait(None).unwrap();
                ring.events(&mut events);
            }
            assert!(matches!(events[..], [Event::Woken { more: true }]), "{events:?}");
        });
    }
    assert!(!ring.is_ready(), "a write that was told is not told again");
}

#[test]
fn nobody_waits_while_operations_wait_for_room() {
    let eventfd = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
    let mut ring = ring(2);
    // As many as the queue holds, and one more that something comes of.
    (0..64).for_each(|_| ring.watch(eventfd.as_fd()));
    let (_client, server) = pair();
    ring.await_writable(server.as_fd(), 9);
    // Should a wait never end, this ends it.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let eventfd = &eventfd;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if stopped.recv_timeout(Duration::from_secs(10)).is_err() {
                rustix::io::write(eventfd, &1u64.to_ne_bytes()).unwrap();
            }
        });
        let mut events = Vec::new();
        while events.is_empty() {
            ring.enter_and_wait(None).unwrap();
            ring.events(&mut events);
        }
        stop.send(()).ok();
        assert!(matches!(events[..], [Event::Writable { conn: 9 }]), "{events:?}");
    });
}

#[test]
fn a_write_is_on_disk_when_it_is_told_and_gives_its_memory_back() {
    let mut ring = ring(2);
    let file = tempfile::tempfile().unwrap();
    file.set_len(100).unwrap();
    for (at, text) in [(10, "first"), (0, "second")] {
        ring.write(file.as_fd(), at, text.into());
        turn(&mut ring, |_, event| {
            let Event::Written { result: Ok(()), bytes } = event else { panic!("{event:?}") };
            assert_eq!(bytes, text.as_bytes());
            true
        });
    }
    let mut text = [0; 15];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut text, 0).unwrap();
    assert_eq!(&text, b"second\0\0\0\0first");
}

#[test]
fn a_write_that_fails_is_told_with_its_reason() {
    let mut ring = ring(2);
    let path = tempfile::NamedTempFile::new().unwrap();
    let file = std::fs::File::open(path.path()).unwrap();
    ring.write(file.as_fd(), 0, vec![1]);
    turn(&mut ring, |_, event| matches!(event, Event::Written { result: Err(Errno::BADF), .. }));
}
