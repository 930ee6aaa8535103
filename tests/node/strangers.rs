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
