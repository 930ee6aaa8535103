//! Conns as shards hand them over.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::node::{Setup, TestNode};
use crate::limits::HTTP_CONNS_MAX;

/// Reads until the peer closes.
fn to_end(mut socket: TcpStream) -> String {
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_head_that_comes_in_pieces_is_served() {
    let node = TestNode::start(Setup::default());
    let mut socket = TcpStream::connect(node.address).unwrap();
    socket.set_nodelay(true).unwrap();
    for piece in ["G", "ET /health HT", "TP/1.1\r\nHost: x\r\nConnec", "tion: close\r\n", "\r\n"] {
        socket.write_all(piece.as_bytes()).unwrap();
    }
    let answer = to_end(socket);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(r#"{"status":"ready"}"#), "{answer}");
}

#[test]
fn requests_that_come_together_are_answered_in_turn_on_one_conn() {
    let node = TestNode::start(Setup::default());
    let mut socket = TcpStream::connect(node.address).unwrap();
    let post = "POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: dev\r\nContent-Length: 32\r\n\r\n\
                {\"channel\":\"chat:room\",\"data\":1}";
    let last = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    socket.write_all(format!("{post}{post}{last}").as_bytes()).unwrap();
    let answers = to_end(socket);
    let at = |text: &str| answers.find(text).unwrap_or_else(|| panic!("no {text} in {answers}"));
    assert!(at(r#""offset":1"#) < at(r#""offset":2"#) && at(r#""offset":2"#) < at("live"));
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3);
}

#[test]
fn what_is_no_http_is_refused_and_closed() {
    let node = TestNode::start(Setup::default());
    let mut socket = TcpStream::connect(node.address).unwrap();
    socket.write_all(b"EHLO example.com and something that is long enough\r\n\r\n").unwrap();
    let answer = to_end(socket);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[test]
fn a_conn_that_idles_gives_way_and_who_has_the_key_is_never_refused_for_strangers() {
    let node = TestNode::start(Setup::default());
    let strangers: Vec<_> = (0..HTTP_CONNS_MAX + 100)
        .map(|_| {
            let mut stranger = TcpStream::connect(node.address).unwrap();
            stranger.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut start = [0; 15];
            stranger.read_exact(&mut start).unwrap();
            assert_eq!(&start, b"HTTP/1.1 200 OK", "nobody asks in vain");
            stranger
        })
        .collect();
    let call =
        "POST /api/info HTTP/1.1\r\nHost: x\r\nX-API-Key: dev\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    let mut backend = TcpStream::connect(node.address).unwrap();
    backend.write_all(call.as_bytes()).unwrap();
    let answer = to_end(backend);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let oldest = strangers.into_iter().next().unwrap();
    assert!(to_end(oldest).contains("\r\n\r\n"), "the oldest has its answer, and its conn is closed");
}

#[test]
fn a_wrong_key_costs_its_sender_the_connection() {
    let node = TestNode::start(Setup::default());
    let mut socket = TcpStream::connect(node.address).unwrap();
    let call = "POST /api/info HTTP/1.1\r\nHost: x\r\nX-API-Key: wrong\r\nContent-Length: 2\r\n\r\n{}";
    socket.write_all(format!("{call}{call}").as_bytes()).unwrap();
    let answer = to_end(socket);
    assert_eq!(answer.matches("HTTP/1.1 401").count(), 1, "{answer}");
}
