//! Conns of which nothing is known take no more than their share, and give way to those that ask.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use ringpost::broker::ending::Ending;
use ringpost::limits::strangers_reserved;
use serde_json::json;

use crate::client::{LineClient, WebSocketClient, request};
use crate::harness::TestNode;

/// Descriptors that this process, and so the node in it, may open.
fn allowed() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| limit as usize)
}

fn silent(address: SocketAddr, number: usize) -> Vec<TcpStream> {
    (0..number).map(|_| TcpStream::connect(address).expect("somebody accepts")).collect()
}

fn gave_way(node: &TestNode) -> u64 {
    node.sum(|shard| shard.endings.get(Ending::GaveWay) + shard.endings.get(Ending::TurnedAway))
}

#[test]
fn silent_sockets_never_take_more_than_their_share_and_others_are_served() {
    const LIMIT: usize = 500;
    const SILENT: usize = 3000;
    let node = TestNode::with(|config| {
        config.client.connection_limit = LIMIT;
        config.http_api.key = "key".into();
    });
    let mut client = LineClient::connect(node.tcp);
    let most = (LIMIT + strangers_reserved(allowed())) as u64;
    let mut all = Vec::new();
    for _ in 0..SILENT / 100 {
        all.extend([silent(node.tcp, 50), silent(node.http, 50)]);
        // Who gives way goes a tick later.
        let conns = node.sum(|shard| shard.conns.get());
        assert!(conns <= most + strangers_reserved(allowed()) as u64, "{conns} sockets are open");
    }
    node.await_sum("sockets accepted", |shard| shard.accepts.get(), SILENT as u64 + 1);
    node.await_at_most("open sockets", |shard| shard.conns.get(), most);
    assert!(gave_way(&node) >= (SILENT as u64 + 1) - most);
    // A client that was there before is there, and another one, a probe and a backend are served.
    assert!(client.ask(json!({"publish": {"channel": "a", "data": 1}}))["publish"].is_object());
    LineClient::connect(node.tcp);
    WebSocketClient::connect(node.http);
    assert!(request(node.http, "GET /health/live", "", "").starts_with("HTTP/1.1 200 "));
    assert!(request(node.http, "POST /api/info", "X-API-Key: key\r\n", "{}").starts_with("HTTP/1.1 200 "));
}

#[test]
fn an_upgrade_makes_no_client_so_that_a_limit_full_of_them_lets_clients_in() {
    const LIMIT: usize = 50;
    let node = TestNode::with(|config| config.client.connection_limit = LIMIT);
    let upgraded: Vec<_> = (0..LIMIT * 4).map(|_| WebSocketClient::connect(node.http)).collect();
    let mut clients: Vec<_> = (0..LIMIT).map(|_| LineClient::connect(node.tcp)).collect();
    let (_, head) = WebSocketClient::request(node.http, "/connection/websocket", "");
    assert!(head.starts_with("HTTP/1.1 503 "), "clients give way to nobody: {head}");
    for client in &mut clients {
        assert!(client.ask(json!({"publish": {"channel": "a", "data": 1}}))["publish"].is_object());
    }
    drop((upgraded, clients));
    node.await_emptiness();
}

#[test]
fn the_oldest_stranger_gives_way_first() {
    const LIMIT: usize = 4;
    let node = TestNode::with(|config| {
        config.shards.cores = "0".into();
        config.client.connection_limit = LIMIT;
    });
    // Of the common places one is kept for clients.
    let all = LIMIT - 1 + strangers_reserved(allowed());
    let mut strangers = silent(node.tcp, all + 2);
    node.await_sum("those who gave way", |shard| shard.endings.get(Ending::GaveWay), 2);
    let mut byte = [0];
    for gone in &mut strangers[..2] {
        assert_eq!(gone.read(&mut byte).unwrap_or(0), 0);
    }
    for there in &mut strangers[2..] {
        there.set_nonblocking(true).unwrap();
        assert_eq!(there.read(&mut byte).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[test]
fn who_was_refused_and_stays_gives_way_too() {
    const LIMIT: usize = 10;
    let node = TestNode::with(|config| config.client.connection_limit = LIMIT);
    let number = 4 * (LIMIT + strangers_reserved(allowed()));
    let nonsense: Vec<_> = silent(node.http, number)
        .into_iter()
        .inspect(|mut socket| drop(socket.write_all(b"nonsense\r\n\r\n")))
        .collect();
    for _ in 0..LIMIT {
        std::mem::forget(LineClient::connect(node.tcp));
    }
    drop(nonsense);
}

/// One request on a connection that stays.
fn idle_after(address: SocketAddr, line: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("somebody accepts");
    socket.write_all(format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).expect("somebody reads");
    let mut start = [0; 9];
    socket.read_exact(&mut start).expect("it is answered");
    socket
}

#[test]
fn six_hundred_http_conns_that_idle_keep_no_probe_and_no_backend_waiting() {
    let node = TestNode::with(|config| config.http_api.key = "key".into());
    let mut idle = Vec::new();
    for line in ["GET /", "GET /metrics", "GET /health/live", "POST /api/info", "GET /nothing"] {
        idle.extend((0..120).map(|_| idle_after(node.http, line)));
    }
    for line in ["GET /health/live", "GET /health/ready", "GET /health"] {
        let answer = request(node.http, line, "", "");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{line}: {answer}");
    }
    for _ in 0..10 {
        let answer = request(node.http, "POST /api/info", "X-API-Key: key\r\n", "{}");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert!(request(node.http, "GET /metrics", "", "").contains("ringpost_http_conns_lost_total"));
    drop(idle);
    node.await_emptiness();
}

#[test]
fn probes_are_answered_on_the_shard_over_and_over_on_one_connection() {
    let node = TestNode::start();
    let mut socket = TcpStream::connect(node.http).unwrap();
    for (line, word) in [("GET /health/live", "live"), ("GET /health", "ready"), ("GET /health?live", "live")] {
        socket.write_all(format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        let expected = format!("{{\"status\":\"{word}\"}}");
        let mut answer = Vec::new();
        while !answer.ends_with(expected.as_bytes()) {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("the answer is whole");
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    assert_eq!(node.sum(|shard| shard.probes.get()), 3);
    assert_eq!(node.sum(|shard| shard.endings.get(Ending::HandedOver)), 0);
    // Anything else on it is the control plane's, as ever.
    socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut rest = String::new();
    socket.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("HTTP/1.1 200 OK"), "{rest}");
    assert_eq!(node.sum(|shard| shard.endings.get(Ending::HandedOver)), 1);
}

#[test]
fn health_that_is_switched_off_is_not_answered_by_shards_either() {
    let node = TestNode::with(|config| config.health.enabled = false);
    for line in ["GET /health/live", "GET /health/ready"] {
        let answer = request(node.http, line, "", "");
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("health.enabled"), "{line}: {answer}");
    }
}
