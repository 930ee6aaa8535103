//! The driver, tick by tick, with real sockets and a made-up clock.

mod behind;
mod glance;
mod held;
mod leaving;
mod pinned;
mod stuck;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rand::SeedableRng;
use rustix::io::Errno;
use serde_json::json;

use super::*;
use crate::broker::ending::Ending;
use crate::broker::lane::Lane;
use crate::broker::letter::{Letter, Level};
use crate::broker::order::Arrival;
use crate::config::Purpose;
use crate::limits::{HALF_CLOSED_MS, HELD_BYTES_MAX, LINGER_MS, SLICE_SENDS, SLICES_PER_TICK, TICKS_APART_MS_MAX};
use crate::model::refusal::DisconnectKind;
use crate::ring::Event;
use crate::time::Now;

/// The numbers of the doors.
const HTTP: u32 = 0;
const TCP: u32 = 1;

/// One shard of two. The other one reads no letters.
struct Half {
    shard: Shard,
    orders: flume::Sender<Order>,
    errands: flume::Receiver<Errand>,
    http: SocketAddr,
    tcp: SocketAddr,
    _other: Mailboxes,
}

impl Half {
    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.client.insecure = true;
        change(&mut config);
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let (http_listener, http) = doors::bind(loopback, 16).unwrap();
        let (tcp_listener, tcp) = doors::bind(loopback, 16).unwrap();
        let mut doors = Doors::default();
        doors.add(Purpose::Http, http_listener);
        doors.add(Purpose::Tcp, tcp_listener);
        let wakers: Vec<_> = (0..2).map(|_| Arc::new(Waker::new().unwrap())).collect();
        let mut mesh = Mailboxes::mesh(64, &wakers);
        let other = mesh.pop().unwrap();
        let (orders, orders_taken) = flume::bounded(8);
        let (errands_left, errands) = flume::unbounded();
        let kernel = Kernel::new(&config.shards).unwrap();
        let setup = ShardSetup {
            access_log: AccessLog::default(),
            event_log: EventLog::default(),
            me: 0,
            placement: Placement::new(2, 1),
            verifier: Arc::new(Verifier::new(&config.client.tokens(), None).unwrap()),
            config: Arc::new(config),
            metrics: Arc::default(),
            doors,
            mailboxes: mesh.pop().unwrap(),
            bridge: None,
            waker: wakers[0].clone(),
            orders: orders_taken,
            errands: errands_left,
            places: Arc::default(),
            secret: 1,
            random: StdRng::seed_from_u64(1),
        };
        let mut shard = Shard::new(setup, kernel).unwrap();
        shard.open_doors();
        Self { shard, orders, errands, http, tcp, _other: other }
    }

    /// One tick, without waiting for anything.
    fn tick(&mut self) {
        self.shard.reactor.enter().unwrap();
        self.shard.tick();
    }

    /// Ticks until something is so.
    fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Shard) -> bool) {
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while !is_so(&mut self.shard) {
            assert!(std::time::Instant::now() < until, "{what}");
            self.tick();
            std::thread::yield_now();
        }
    }

    /// A client with a session, and its conn.
    fn client(&mut self) -> (TcpStream, u32) {
        let mut client = TcpStream::connect(self.tcp).unwrap();
        client.write_all(format!("{}\n", json!({"id": 1, "connect": {}})).as_bytes()).unwrap();
        let sessions = self.shard.broker.sessions();
        self.until("a session begins", |shard| shard.broker.sessions() > sessions);
        let conn = self.shard.conns.iter().map(|(conn, _)| conn as u32).max().unwrap();
        (client, conn)
    }

    fn later(&self, ms: u64) -> Now {
        let now = self.shard.reactor.now();
        Now { mono_ms: now.mono_ms + ms, unix_ms: now.unix_ms + ms as i64 }
    }

    /// The TCP door rests, as if for want of descriptors.
    fn rest(&mut self) {
        self.shard.reactor.stop_accepting(TCP);
        let mut events = Vec::new();
        while !events.iter().any(|event| matches!(event, Event::Accepted { door: 1, more: false, .. })) {
            self.shard.reactor.enter_and_wait(None).unwrap();
            self.shard.reactor.events(&mut events);
        }
        let want = io::Error::from(Errno::MFILE);
        self.shard.accepted(TCP, Err(want), false, self.later(0));
    }

    /// More letters than the other shard's mailbox takes.
    fn congest(&mut self) {
        self.shard.broker.crowd(1, 30);
        self.shard.post(self.later(0));
        assert!(self.shard.broker.is_congested());
    }
}

#[test]
fn a_door_that_rests_when_the_drain_begins_is_shut() {
    let mut half = Half::with(|_| {});
    let now = half.later(0);
    half.rest();
    half.shard.begin_drain(0);
    half.shard.turn(now);
    assert!(half.shard.doors.listener(TCP).is_none());
    assert!(TcpStream::connect(half.tcp).is_err());
    half.until("the other door is shut", |shard| shard.doors.listener(HTTP).is_none());
    assert!(half.errands.try_iter().any(|errand| matches!(errand, Errand::Ended { shard: 0 })));
}

#[test]
fn nobody_is_welcomed_once_the_drain_has_begun() {
    let mut half = Half::with(|_| {});
    half.shard.begin_drain(0);
    let mut late = TcpStream::connect(half.tcp).unwrap();
    half.until("the door is shut", |shard| shard.doors.listener(TCP).is_none());
    assert_eq!(late.read(&mut [0; 8]).unwrap_or(0), 0);
    assert!(half.shard.conns.is_empty());
}

#[test]
fn a_goodbye_has_its_time_whenever_the_session_wanted_to_be_looked_at() {
    let mut half = Half::with(|_| {});
    let (_client, conn) = half.client();
    let now = half.later(0);
    half.shard.look_at(conn, now.mono_ms + LINGER_MS / 2);
    let session = half.shard.conns[conn as usize].session().unwrap();
    half.shard.broker.close(session, DisconnectKind::Shutdown, now);
    half.shard.settle(now);
    half.shard.turn(half.later(LINGER_MS / 2 + 100));
    let is_waited_for = |half: &Half| half.shard.conns[conn as usize].due_tick != u32::MAX;
    assert!(is_waited_for(&half), "the peer may still read and end");
    half.shard.turn(half.later(LINGER_MS + 200));
    assert!(!is_waited_for(&half), "time is up");
    half.until("the conn goes", |shard| shard.conns.is_empty());
}

#[test]
fn what_came_in_time_is_read_before_deadlines_are_judged() {
    let mut half = Half::with(|config| config.client.stale_close_delay = crate::config::Duration::from_millis(1));
    let mut client = TcpStream::connect(half.tcp).unwrap();
    client.write_all(b"{\"").unwrap();
    half.until("a session begins", |shard| shard.broker.sessions() == 1);
    client.write_all(b"id\":1,\"connect\":{}}\n").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    half.shard.is_turn_due = true;
    half.tick();
    assert_eq!((half.shard.metrics.connects.get(), half.shard.broker.sessions()), (1, 1));
}

#[test]
fn a_pause_of_the_shard_is_no_delay_of_its_clients() {
    const PAUSE_MS: u64 = 12_000;
    let mut half = Half::with(|_| {});
    let _silent = TcpStream::connect(half.tcp).unwrap();
    let mut slow = TcpStream::connect(half.tcp).unwrap();
    slow.write_all(b"{\"").unwrap();
    half.until("both are there", |shard| shard.conns.len() == 2 && shard.broker.sessions() == 1);
    let (session, _) = (0, half.tick());
    let due_before_ms = half.shard.broker.next_due_ms(session, half.later(0));
    // As if no tick had come for so long.
    let now = half.later(PAUSE_MS);
    let made_up_ms = now.mono_ms - half.shard.looked_ms - TICKS_APART_MS_MAX;
    half.shard.make_up_for_pause(now);
    half.shard.turn(now);
    assert_eq!((half.shard.conns.len(), half.shard.broker.sessions()), (2, 1), "both have the rest of their time");
    let due_ms = half.shard.broker.next_due_ms(session, now);
    assert_eq!(due_ms, due_before_ms + made_up_ms);
    // The same time with a shard that looks.
    for second in 1..=11 {
        let now = half.later(PAUSE_MS + second * 1_000);
        half.shard.make_up_for_pause(now);
        half.shard.turn(now);
        half.shard.settle(now);
    }
    assert_eq!(half.shard.broker.sessions(), 0);
    half.until("the one that said nothing goes", |shard| shard.conns.len() <= 1);
}

#[test]
fn a_peer_that_has_ended_is_waited_for_no_longer_than_a_goodbye() {
    let mut half = Half::with(|config| config.client.ping_interval = crate::config::Duration::from_secs(0));
    let (client, conn) = half.client();
    let until_ms = half.later(LINGER_MS).mono_ms;
    client.shutdown(std::net::Shutdown::Write).unwrap();
    // As if its socket took no more.
    assert!(half.shard.conns[conn as usize].in_flight.begin_writable());
    half.until("the end is seen", |shard| shard.broker.sessions() == 0);
    let due_tick = half.shard.conns[conn as usize].due_tick;
    assert!(due_tick >= Wheel::tick_for(until_ms) && due_tick < Wheel::tick_for(until_ms + 60_000));
}

/// A client that has published to a channel at home on the other shard and ended its side, and its conn.
fn half_closed(half: &mut Half) -> (TcpStream, u32) {
    let (mut client, conn) = half.client();
    let placement = Placement::new(2, 1);
    let channel = (0..).map(|number| format!("c{number}")).find(|name| placement.of(name) == 1).unwrap();
    let publish = json!({"id": 2, "publish": {"channel": channel, "data": 1}});
    client.write_all(format!("{publish}\n").as_bytes()).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    half.until("the end is seen", |shard| shard.conns[conn as usize].half_closed);
    (client, conn)
}

#[test]
fn a_half_closed_client_is_answered_by_other_shards_before_its_conn_ends() {
    let mut half = Half::with(|_| {});
    let (mut client, _) = half_closed(&mut half);
    for _ in 0..10 {
        half.tick();
    }
    assert_eq!(half.shard.broker.sessions(), 1, "it waits for the answer");
    let receipt = Letter::Published { level: Level::Memory, count: 1 };
    half._other.push(0, Lane::Answers, 1, receipt).unwrap();
    half._other.wake();
    half.until("the conn goes", |shard| shard.conns.is_empty());
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    assert!(heard.ends_with("{\"id\":2,\"publish\":{}}\n"), "{heard}");
    assert_eq!(half.shard.metrics.endings.get(Ending::PeerEnded), 1);
}

#[test]
fn a_client_whose_connection_is_reset_ends_at_once_and_is_counted_by_its_errno() {
    let mut half = Half::with(|_| {});
    let (client, _) = half.client();
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    half.until("the conn goes", |shard| shard.conns.is_empty());
    let endings = &half.shard.metrics.endings;
    assert_eq!((endings.get(Ending::Broken(Errno::CONNRESET)), endings.sum(), half.shard.broker.sessions()), (1, 1, 0));
}

#[test]
fn a_half_closed_client_that_is_never_answered_ends_in_time() {
    let mut half = Half::with(|config| config.client.ping_interval = crate::config::Duration::from_secs(1));
    let (_client, _) = half_closed(&mut half);
    half.shard.turn(half.later(HALF_CLOSED_MS - 200));
    assert_eq!(half.shard.broker.sessions(), 1);
    half.shard.turn(half.later(HALF_CLOSED_MS + 200));
    assert!(half.shard.conns.is_empty() && half.shard.broker.sessions() == 0);
}

#[test]
fn a_stranger_that_waits_is_not_read_on() {
    let mut half = Half::with(|config| config.shards.receive_buffers = 2);
    let mut stranger = TcpStream::connect(half.tcp).unwrap();
    stranger.write_all(b"{\"id\":1,").unwrap();
    half.until("a session begins", |shard| shard.broker.sessions() == 1);
    half.congest();
    let writing = std::thread::spawn(move || stranger.write_all(&vec![b' '; 1 << 20]));
    half.until("the conn is not read any more", |shard| shard.conns.iter().all(|(_, conn)| !conn.in_flight.receives()));
    let (_, conn) = half.shard.conns.iter().next().unwrap();
    let in_one_tick = 2 * half.shard.broker.config().shards.receive_buffer_size;
    assert!(conn.held && conn.unread.len() <= 2 * in_one_tick, "{} bytes are held", conn.unread.len());
    drop(half);
    let _ = writing.join().unwrap();
}

#[test]
fn a_large_room_keeps_neither_its_publisher_nor_others_waiting() {
    const ROOM: usize = 4 * SLICES_PER_TICK * SLICE_SENDS;
    let mut half = Half::with(|_| {});
    let placement = Placement::new(2, 1);
    let channel = (0..).map(|number| number.to_string()).find(|name| placement.of(name) == 0).unwrap();
    let listeners: Vec<TcpStream> = (0..ROOM).map(|_| half.client().0).collect();
    for mut listener in &listeners {
        writeln!(listener, "{}", json!({"id": 2, "subscribe": {"channel": channel}})).unwrap();
    }
    half.until("all listen", |shard| shard.metrics.commands.get() == 2 * ROOM as u64 && !is_sending(shard));
    let ((mut publisher, _), (mut other, _)) = (half.client(), half.client());
    half.until("all is sent", |shard| !is_sending(shard));
    let (mut heard, before) = ([0; 4096], half.shard.metrics.commands.get());
    for mut client in [&publisher, &other] {
        assert!(client.read(&mut heard).unwrap() > 0);
    }
    writeln!(publisher, "{}", json!({"id": 2, "publish": {"channel": channel, "data": 1}})).unwrap();
    writeln!(other, "{}", json!({"id": 2, "ping": {}})).unwrap();
    half.until("both are taken", |shard| shard.metrics.commands.get() == before + 2);
    assert!(is_sending(&half.shard), "the room has slices to come");
    for mut client in [&publisher, &other] {
        client.set_nonblocking(true).unwrap();
        assert!(client.read(&mut heard).is_ok_and(|bytes| bytes > 0), "answered before the room was through");
    }
    while is_sending(&half.shard) {
        // Would not come back if the shard slept over it.
        half.shard.wait().unwrap();
        half.shard.tick();
    }
    for mut listener in &listeners {
        let mut all = String::new();
        while !all.contains("\"pub\"") {
            let read = listener.read(&mut heard).unwrap();
            all.push_str(std::str::from_utf8(&heard[..read]).unwrap());
        }
    }
}

fn is_sending(shard: &Shard) -> bool {
    shard.broker.edge.outbox.is_dirty()
}

#[test]
fn orders_wait_while_letters_do() {
    let mut half = Half::with(|_| {});
    half.congest();
    let (answer, mut answered) = tokio::sync::oneshot::channel();
    half.orders.send(Order::Info { answer }).unwrap();
    half.tick();
    assert!(half.shard.waits_for_room(), "it does not sleep over them");
    assert!(answered.try_recv().is_err());
    while half._other.receive(0, Lane::Asks).is_some() {}
    half.until("the letters have gone", |shard| !shard.waits_for_room());
    half.until("the order is taken", |_| answered.try_recv().is_ok());
}

#[test]
fn a_held_conn_is_read_on_in_the_tick_after_its_letters_have_gone() {
    let mut half = Half::with(|_| {});
    let (mut client, conn) = half.client();
    half.congest();
    client.write_all(b"{\"id\":2,\"ping\":{}}\n").unwrap();
    half.until("the conn is held", |shard| shard.conns[conn as usize].held);
    while half._other.receive(0, Lane::Asks).is_some() {}
    half.shard.post(half.later(0));
    assert!(!half.shard.broker.is_congested());
    assert!(half.shard.waits_for_room(), "it does not sleep over them");
    half.tick();
    assert!(!half.shard.waits_for_room() && half.shard.conns[conn as usize].unread.is_empty());
}

#[test]
fn a_client_that_waits_is_read_up_to_a_bound_and_all_of_it_in_the_end() {
    const PINGS: u64 = 300_000;
    let mut half = Half::with(|config| config.client.reply_max_size = 1 << 30);
    let (mut client, conn) = half.client();
    let before = half.shard.metrics.commands.get();
    half.congest();
    // The last bytes go once the node reads again.
    let writing = std::thread::spawn(move || {
        client.write_all("{\"id\":2,\"ping\":{}}\n".repeat(PINGS as usize).as_bytes()).unwrap();
        client
    });
    half.until("the conn is not read any more", |shard| !shard.conns[conn as usize].in_flight.receives());
    let entry = &half.shard.conns[conn as usize];
    let shards = &half.shard.broker.config().shards;
    let in_one_tick = usize::from(shards.receive_buffers) * shards.receive_buffer_size;
    assert!(entry.held && entry.unread.len() > HELD_BYTES_MAX && entry.unread.len() <= HELD_BYTES_MAX + in_one_tick);
    while half._other.receive(0, Lane::Asks).is_some() {}
    half.until("all is read", |shard| shard.metrics.commands.get() == before + PINGS);
    writing.join().unwrap();
}

#[test]
fn a_door_that_rests_opens_at_the_next_turn_of_the_wheel() {
    let mut half = Half::with(|_| {});
    half.rest();
    half.shard.turn(half.later(0));
    let _client = half.client();
}

#[test]
fn who_is_no_client_is_handed_over_with_all_that_it_said() {
    const REQUEST: &[u8] = b"POST /api/info HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    let mut half = Half::with(|_| {});
    let mut stranger = TcpStream::connect(half.http).unwrap();
    stranger.write_all(REQUEST).unwrap();
    half.until("the conn is let go", |shard| shard.metrics.accepts.get() == 1 && shard.conns.is_empty());
    let Ok(Errand::Http { socket, read, .. }) = half.errands.try_recv() else { panic!("nothing was handed over") };
    assert_eq!(read, REQUEST);
    TcpStream::from(socket).write_all(b"done").unwrap();
    let mut answer = String::new();
    stranger.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "done");
}

#[test]
fn an_upgrade_that_comes_back_is_answered_at_once_and_refused_while_the_node_drains() {
    const HEAD: &[u8] = b"GET /connection/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut half = Half::with(|_| {});
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let come_back = |half: &mut Half| {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = listener.accept().unwrap().0.into();
        let arrival = Arrival { purpose: Purpose::Http, address: [192, 0, 2, 1].into(), is_backend: false };
        half.orders.send(Order::Adopt { socket, read: HEAD.into(), arrival }).unwrap();
        half.tick();
        let mut status = [0; 12];
        client.read_exact(&mut status).unwrap();
        (client, String::from_utf8(status.to_vec()).unwrap())
    };
    let (_client, status) = come_back(&mut half);
    assert_eq!((&status[..], half.shard.broker.sessions()), ("HTTP/1.1 101", 1));
    half.shard.begin_drain(3_600_000);
    assert_eq!(come_back(&mut half).1, "HTTP/1.1 503");
}

#[test]
fn who_goes_on_talking_when_its_session_ends_hears_the_goodbye_and_no_reset() {
    let mut half = Half::with(|_| {});
    let (mut client, conn) = half.client();
    // Not even being read when it ends, and with something to read.
    half.shard.reactor.stop_receiving(conn);
    half.shard.conns[conn as usize].paused = true;
    half.shard.conns[conn as usize].unread = vec![b' '; HELD_BYTES_MAX + 1];
    half.until("the conn is not read", |shard| !shard.conns[conn as usize].in_flight.receives());
    client.write_all(b"is anybody there?\n").unwrap();
    let session = half.shard.conns[conn as usize].session().unwrap();
    half.shard.broker.close(session, DisconnectKind::Shutdown, half.later(0));
    half.until("the goodbye is sent", |shard| shard.parting.is_empty() && shard.broker.edge.closings.is_empty());
    client.write_all(b"hello?\n").unwrap();
    for _ in 0..10 {
        half.tick();
    }
    client.shutdown(std::net::Shutdown::Write).unwrap();
    half.until("the conn goes", |shard| shard.conns.is_empty());
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    assert!(heard.contains("\"code\":3001"), "{heard}");
}

#[test]
fn strangers_hold_no_more_bytes_than_all_of_them_may_and_the_longest_holder_goes_first() {
    let most = crate::limits::STRANGER_BYTES_MAX / 2;
    let mut half = Half::with(|_| {});
    let head = [&b"GET / HTTP/1.1\r\nX: "[..], &[b'x'; 12_000]].concat();
    let mut strangers = Vec::new();
    for number in 1..=2 * most / head.len() {
        let mut stranger = TcpStream::connect(half.http).unwrap();
        stranger.write_all(&head).unwrap();
        half.until("the head is read", |shard| {
            let read: usize = shard.conns.iter().map(|(_, conn)| conn.unread.len()).max().unwrap_or(0);
            shard.metrics.accepts.get() == number as u64 && read == head.len() && shard.strangers.bytes() <= most
        });
        strangers.push(stranger);
    }
    half.until("they go", |shard| {
        let held: usize = shard.conns.iter().map(|(_, conn)| conn.unread.len()).sum();
        held <= most && shard.conns.len() < strangers.len()
    });
    assert_eq!(strangers[0].read(&mut [0; 8]).unwrap_or(0), 0);
    strangers.last().unwrap().write_all(b"\r\n\r\n").unwrap();
    half.until("the youngest is served", |shard| shard.metrics.endings.get(Ending::HandedOver) == 1);
}

#[test]
fn a_place_that_another_shard_lacks_is_given_back_at_the_next_turn() {
    let mut half = Half::with(|config| config.client.connection_limit = 8);
    let now = half.later(0);
    let _strangers: Vec<_> = std::iter::from_fn(|| {
        let common = half.shard.conns.iter().any(|(_, conn)| conn.place == admission::Place::Common);
        (!common).then(|| {
            let stranger = TcpStream::connect(half.tcp).unwrap();
            let conns = half.shard.conns.len();
            half.until("it is accepted", |shard| shard.conns.len() > conns);
            stranger
        })
    })
    .collect();
    half.shard.turn(now);
    assert_eq!(half.shard.metrics.endings.get(Ending::GaveWay), 0, "nobody gives way to nobody");
    half.shard.admission.want_common();
    half.shard.turn(now);
    assert_eq!(half.shard.metrics.endings.get(Ending::GaveWay), 1);
    assert_eq!(half.shard.admission.wanted(), 0);
}
