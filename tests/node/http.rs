//! HTTP as clients speak it: every row of docs/HTTP.md, on a socket.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use ringpost::broker::ending::Ending;
use ringpost::model::refusal::DisconnectKind;
use ringpost::wire::websocket::{self, Opcode};
use serde_json::{Value, json};

use crate::client::connect;
use crate::harness::TestNode;

const UPGRADE: &str = "GET /connection/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A node whose API asks for no key.
fn node() -> TestNode {
    TestNode::with(|config| config.http_api.insecure = true)
}

/// What comes back until the node closes. A client that asks for no close ends its side.
fn answer(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = connect(address);
    socket.write_all(request).unwrap();
    if !String::from_utf8_lossy(request).contains("Connection: close") {
        socket.shutdown(Shutdown::Write).unwrap();
    }
    to_end(socket)
}

fn to_end(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    match socket.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Status line and headers, and the body.
fn split(answer: &str) -> (&str, &str) {
    answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {answer:?}"))
}

fn assert_answers(node: &TestNode, rows: &[(&str, &[u8], &str, &str)]) {
    for (what, request, status, says) in rows {
        let answer = answer(node.http, request);
        let (head, body) = split(&answer);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
        assert!(head.contains(says) || body.contains(says), "{what}: {says} is not in {answer}");
    }
    node.await_emptiness();
}

#[test]
fn requests_in_every_form_that_clients_use_are_served() {
    assert_answers(
        &node(),
        &[
            ("origin form", b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200", "ready"),
            ("a query", b"GET /health?verbose=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200", "ready"),
            ("absolute form", b"GET http://y/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200", "ready"),
            ("no body to HEAD", b"HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200", ""),
            ("feeds alone", b"GET /health HTTP/1.1\nHost: x\nConnection: close\n\n", "200", "ready"),
            ("a blank line first", b"\r\nGET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200", "ready"),
            ("an empty Host", b"GET /health HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", "200", "ready"),
            (
                "a chunked body",
                b"POST /api/info HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                  1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
                "200",
                "\"nodes\"",
            ),
            ("a body", b"POST /api/info HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "200", "\"nodes\""),
        ],
    );
}

#[test]
fn http_1_0_needs_no_host_and_is_closed_after_its_answer() {
    let node = node();
    let mut socket = connect(node.http);
    socket.write_all(b"GET /health HTTP/1.0\r\n\r\n").unwrap();
    let answer = to_end(socket);
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let node = node();
    let mut socket = connect(node.http);
    let head =
        "POST /api/info HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    let mut asked = [0; 25];
    socket.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"{}").unwrap();
    assert!(to_end(socket).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn requests_that_break_their_form_are_refused_with_what_is_wrong() {
    assert_answers(
        &node(),
        &[
            ("no HTTP", b"EHLO example.com\r\n\r\n", "400", "malformed start line"),
            ("HTTP/0.9", b"GET /health\r\n\r\n", "400", "malformed start line"),
            ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", "HTTP/1.1 is spoken here"),
            ("a blank before the colon", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400", "malformed header name"),
            ("a folded line", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "400", "malformed header name"),
            ("a carriage return alone", b"GET / HTTP/1.1\rHost: x\r\n\r\n", "400", "malformed line end"),
            ("a zero byte", b"GET / HTTP/1.1\r\nHost: \0\r\n\r\n", "400", "malformed header value"),
            ("no Host", b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", "400", "Host is missing"),
            ("two Hosts", b"GET /health HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "400", "Host comes more than once"),
            ("a head that breaks off", b"GET /hea", "400", "the request ended within its head"),
            ("a target that never ends", &[&b"GET /"[..], &[b'a'; 17_000]].concat(), "414", "target too long"),
            (
                "a header that never ends",
                &[&b"GET / HTTP/1.1\r\nCookie: "[..], &[b'a'; 17_000]].concat(),
                "431",
                "header fields too large",
            ),
        ],
    );
}

#[test]
fn bodies_whose_end_is_in_doubt_are_refused() {
    assert_answers(
        &node(),
        &[
            (
                "two kinds of length",
                b"POST /api/info HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "400",
                "Content-Length and Transfer-Encoding together",
            ),
            (
                "two lengths",
                b"POST /api/info HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
                "400",
                "malformed Content-Length",
            ),
            ("no length", b"POST /api/info HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}", "400", "malformed Content-Length"),
            (
                "an unknown coding",
                b"POST /api/info HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n{}",
                "400",
                "malformed Transfer-Encoding",
            ),
            (
                "chunks without a length",
                b"POST /api/info HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n{}\r\n0\r\n\r\n",
                "400",
                "the body broke off, or its chunks are malformed",
            ),
            (
                "a body that breaks off",
                b"POST /api/info HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{}",
                "400",
                "the body broke off",
            ),
        ],
    );
}

#[test]
fn a_request_for_nothing_that_is_here_is_refused_with_what_is() {
    assert_answers(
        &node(),
        &[
            ("a path", b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "404", "nothing is here"),
            ("an encoded slash", b"GET /connection%2Fwebsocket HTTP/1.1\r\nHost: x\r\n\r\n", "404", "nothing is here"),
            ("the whole server", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "404", "nothing is here"),
            ("a method", b"DELETE /health HTTP/1.1\r\nHost: x\r\n\r\n", "405", "does not take that method"),
            ("an API call by GET", b"GET /api/info HTTP/1.1\r\nHost: x\r\n\r\n", "405", "called with POST"),
        ],
    );
}

#[test]
fn odd_targets_and_methods_are_refused_and_nothing_else_happens() {
    let node = node();
    for line in [
        "CONNECT x:443",
        "CONNECT /health",
        "OPTIONS x",
        "GET *",
        "GET ?health",
        "GET //",
        "GET //health",
        "GET /../health",
        "GET /health/",
        "GET http://",
        "GET http://x",
        "GET http:///health",
        "GET http://user@x/nothing",
        "GET x:y:z",
        "GET /%",
        "GET /%zz/%00",
        "GET /api/%2e%2e/health",
        "GET /\u{e9}",
        "TRACE /health",
        "X /health",
        "get /health",
        "POST /api/",
        "POST /api/nothing",
        "POST /api//info",
    ] {
        let answer = answer(node.http, format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 4") || line == "GET http://x", "{line}: {answer}");
    }
    assert_eq!(node.sum(|shard| shard.sessions.get()), 0);
    node.await_emptiness();
}

#[test]
fn upgrades_in_every_form_that_clients_use_are_taken() {
    let node = node();
    for (what, from, to) in [
        ("as in the RFC", "", ""),
        ("an encoded letter", "/connection/", "/%63onnection/"),
        ("absolute form", "/connection/", "ws://x/connection/"),
        (
            "case and lists",
            "Upgrade: websocket\r\nConnection: Upgrade",
            "UPGRADE: h2c, WebSocket\r\nconnection: a,upgrade",
        ),
        ("two lines", "Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"),
        ("several versions", "Version: 13", "Version: 13, 8"),
        (
            "loose bits in the key",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZz==",
        ),
        ("no body", "Host: x", "Host: x\r\nContent-Length: 0"),
        ("an extension", "Host: x", "Host: x\r\nSec-WebSocket-Extensions: permessage-deflate"),
    ] {
        let answer = answer(node.http, UPGRADE.replace(from, to).as_bytes());
        assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{what}: {answer}");
        assert!(!answer.contains("Extensions"), "{what}: {answer}");
    }
    let protocols = "Host: x\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: centrifuge-protobuf";
    let answer = answer(node.http, UPGRADE.replace("Host: x", protocols).as_bytes());
    assert!(answer.contains("\r\nSec-WebSocket-Protocol: centrifuge-protobuf\r\n"), "{answer}");
    node.await_emptiness();
}

#[test]
fn upgrades_that_lack_something_are_refused_with_what_it_is() {
    let rows = [
        ("another method", "GET", "POST", "405", "\r\nAllow: GET\r\n"),
        ("HTTP/1.0", "HTTP/1.1", "HTTP/1.0", "426", "HTTP/1.0 knows no upgrade"),
        ("no Connection", "Connection: Upgrade", "Connection: close", "426", "needs `Connection: Upgrade`"),
        ("no Upgrade", "Upgrade: websocket", "X: y", "426", "needs `Upgrade: websocket`"),
        ("no upgrade", "Upgrade: websocket\r\nConnection: Upgrade", "X: y", "426", "connect with a WebSocket client"),
        ("another version", "Version: 13", "Version: 8", "426", "\r\nSec-WebSocket-Version: 13\r\n"),
        ("no version", "Sec-WebSocket-Version: 13\r\n", "", "426", "Sec-WebSocket-Version must be 13"),
        ("a short key", "ZSBub25jZQ==", "ZQ==", "400", "malformed Sec-WebSocket-Key"),
        ("no Host", "Host: x\r\n", "", "400", "Host is missing"),
        ("two Hosts", "Host: x", "Host: x\r\nHost: y", "400", "Host comes more than once"),
        ("two keys", "Host: x", "Host: x\r\nSec-WebSocket-Key: a", "400", "Sec-WebSocket-Key comes more than once"),
        ("a body", "Host: x", "Host: x\r\nContent-Length: 2", "400", "an upgrade has no body"),
        ("chunks", "Host: x", "Host: x\r\nTransfer-Encoding: chunked", "400", "an upgrade has no body"),
        ("no target", "GET /connection/websocket", "GET *", "400", "malformed request target"),
        ("another path", "/connection/websocket", "/elsewhere", "404", "connect to /connection/websocket"),
        ("a foreign page", "Host: x", "Host: x\r\nOrigin: https://evil.example", "403", "client.allowed_origins"),
        ("a page of nowhere", "Host: x", "Host: x\r\nOrigin: null", "403", "client.allowed_origins"),
    ];
    let node = node();
    for (what, from, to, status, says) in rows {
        let answer = answer(node.http, UPGRADE.replacen(from, to, 1).as_bytes());
        let (head, body) = split(&answer);
        let version = if what == "HTTP/1.0" { "HTTP/1.0" } else { "HTTP/1.1" };
        assert!(head.starts_with(&format!("{version} {status} ")), "{what}: {answer}");
        assert!(format!("{head}\r\n").contains(says) || body.contains(says), "{what}: {says} is not in {answer}");
        // RFC 9110, 15.5.22.
        assert!(status != "426" || head.to_lowercase().contains("\r\nupgrade: websocket"), "{what}: {answer}");
    }
    node.await_emptiness();
}

#[test]
fn frames_that_come_with_the_head_are_read() {
    let node = node();
    let mut bytes = UPGRADE.as_bytes().to_vec();
    websocket::write_masked(Opcode::Text, br#"{"id":1,"connect":{}}"#, [1, 2, 3, 4], &mut bytes);
    websocket::write_masked(Opcode::Close, &[], [1, 2, 3, 4], &mut bytes);
    let answer = answer(node.http, &bytes);
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.contains(r#"{"id":1,"connect""#), "{answer}");
}

#[test]
fn an_upgrade_on_a_conn_that_has_served_requests_is_answered_by_a_shard() {
    let node = node();
    let connect_command = br#"{"id":1,"connect":{}}"#;
    let mut frames = Vec::new();
    websocket::write_masked(Opcode::Text, connect_command, [1, 2, 3, 4], &mut frames);
    let health = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    // All at once, then step by step.
    let all = [health.as_bytes(), health.as_bytes(), UPGRADE.as_bytes(), &frames].concat();
    let answers = answer(node.http, &all);
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    let at = |text: &str| answers.find(text).unwrap_or_else(|| panic!("no {text} in {answers}"));
    assert!(at("ready") < at("HTTP/1.1 101 ") && at("HTTP/1.1 101 ") < at(r#"{"id":1,"connect""#));

    let mut socket = connect(node.http);
    let mut read = |bytes: &[u8], until: &str| {
        socket.write_all(bytes).unwrap();
        let (mut heard, mut some) = (String::new(), [0; 4096]);
        while !heard.contains(until) {
            let got = socket.read(&mut some).unwrap();
            assert!(got > 0, "{until} is not in {heard}");
            heard.push_str(&String::from_utf8_lossy(&some[..got]));
        }
    };
    for _ in 0..3 {
        read(health.as_bytes(), "ready");
        read(b"POST /api/info HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "nodes");
    }
    read(UPGRADE.as_bytes(), "HTTP/1.1 101 ");
    read(&frames, r#"{"id":1,"connect""#);
    drop(socket);
    node.await_emptiness();
}

#[test]
fn a_later_upgrade_is_refused_as_a_first_one_would_be() {
    let node = TestNode::with(|config| config.client.connection_limit = 1);
    let later =
        |upgrade: &str| answer(node.http, format!("GET /health HTTP/1.1\r\nHost: x\r\n\r\n{upgrade}").as_bytes());
    for (what, from, to, status, says) in [
        ("another version", "Version: 13", "Version: 8", "426", "must be 13"),
        ("another path", "/connection/websocket", "/elsewhere", "404", "connect to /connection/websocket"),
        ("a foreign page", "Host: x", "Host: x\r\nOrigin: https://evil.example", "403", "client.allowed_origins"),
    ] {
        let answers = later(&UPGRADE.replace(from, to));
        let refusal = answers.split("ready\"}").nth(1).unwrap_or_else(|| panic!("{what}: {answers}"));
        assert!(refusal.starts_with(&format!("HTTP/1.1 {status} ")) && refusal.contains(says), "{what}: {answers}");
    }
    let taken = connect(node.tcp);
    (&taken).write_all(b"{\"id\":1,\"connect\":{}}\n").unwrap();
    node.await_sum("sessions", |shard| shard.sessions.get(), 1);
    assert!(later(UPGRADE).contains("HTTP/1.1 503 "), "the bounds are those of a shard");
    drop(taken);
    node.await_emptiness();
    assert_eq!(node.sum(|shard| shard.endings.sum()), node.sum(|shard| shard.accepts.get()), "each once");
}

#[test]
fn a_call_of_a_half_closed_peer_is_answered() {
    let node = node();
    let body = json!({"channel": "room", "data": 1}).to_string();
    let call = format!("POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for round in 1..=20 {
        let answer = answer(node.http, call.as_bytes());
        let result: Value = serde_json::from_str(split(&answer).1).unwrap();
        assert_eq!(result["result"]["offset"], round, "{answer}");
    }
    node.await_emptiness();
}

#[test]
fn requests_that_a_half_closed_peer_pipelined_are_all_answered() {
    let node = node();
    let answer = answer(node.http, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(5).as_slice());
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 5, "{answer}");
}

#[test]
fn every_ending_is_counted_once_by_its_cause() {
    let node = TestNode::with(|config| config.client.connection_limit = 1);
    let ask = |request: &str| answer(node.http, request.as_bytes());
    ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ask("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ask(&UPGRADE.replace("13", "8"));
    ask(&UPGRADE.replace("Host: x", "Host: x\r\nOrigin: https://evil.example"));
    ask("GET /");
    drop(connect(node.http));
    let taken = connect(node.tcp);
    (&taken).write_all(b"{\"id\":1,\"connect\":{}}\n").unwrap();
    node.await_sum("sessions", |shard| shard.sessions.get(), 1);
    assert!(ask(UPGRADE).starts_with("HTTP/1.1 503 "));
    let refused = connect(node.tcp);
    (&refused).write_all(b"{\"id\":1,\"connect\":{}}\n").unwrap();
    assert!(to_end(refused).contains("3504"));
    (&taken).write_all(b"nonsense\n").unwrap();
    assert!(to_end(taken).contains("3501"));
    node.await_emptiness();
    let close = |code: &[u8]| {
        let mut bytes = UPGRADE.as_bytes().to_vec();
        websocket::write_masked(Opcode::Close, code, [1, 2, 3, 4], &mut bytes);
        answer(node.http, &bytes);
        node.await_emptiness();
    };
    close(&[0x03, 0xe8]);
    close(&[0x03]);
    for (ending, count) in [
        (Ending::HandedOver, 1),
        (Ending::Answered, 1),
        (Ending::Refusal(426), 1),
        (Ending::Refusal(403), 1),
        (Ending::Refusal(400), 1),
        (Ending::Refusal(503), 1),
        (Ending::PeerEnded, 1),
        (Ending::Disconnect(DisconnectKind::ConnectionLimit), 1),
        (Ending::Disconnect(DisconnectKind::BadRequest), 1),
        (Ending::PeerClosed, 1),
        (Ending::Violation(1002), 1),
    ] {
        assert_eq!(node.sum(|shard| shard.endings.get(ending)), count, "{ending:?}");
    }
    assert_eq!(node.sum(|shard| shard.endings.sum()), node.sum(|shard| shard.accepts.get()), "each once");
}
