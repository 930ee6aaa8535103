//! Conns as shards hand them over.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::node::{Setup, TestNode};
use crate::config::Purpose;
use crate::control::http::HttpServer;

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

#[tokio::test]
async fn one_conn_too_many_is_told_so_and_a_place_is_given_back() {
    let places = Arc::new(Semaphore::new(1));
    let (server, _back) = HttpServer::new(|_| Router::new(), places.clone());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = || {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    };
    let (first, socket) = connect();
    server.serve(socket.into(), Bytes::new(), Purpose::Http);
    let (second, socket) = connect();
    server.serve(socket.into(), Bytes::new(), Purpose::Http);
    let refusal = tokio::task::spawn_blocking(|| to_end(second)).await.unwrap();
    assert!(refusal.starts_with("HTTP/1.1 503 ") && refusal.contains("too many HTTP connections"), "{refusal}");
    drop(first);
    let (mut third, socket) = connect();
    while places.available_permits() == 0 {
        tokio::task::yield_now().await;
    }
    server.serve(socket.into(), Bytes::new(), Purpose::Http);
    third.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let answer = tokio::task::spawn_blocking(|| to_end(third)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}
