//! Behind proxies: whose connection, whose request, and who is believed when they say it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use ringpost::auth::mint::hs256;
use ringpost::broker::ending::Ending;
use ringpost::config::{Config, Duration as Setting, ForwardedHeader};
use ringpost::wire::websocket::{self, Opcode};
use serde_json::{Value, json};

use crate::client::{WebSocketClient, connect, request};
use crate::harness::TestNode;

/// Version 1, version 2, and version 2 with a field; 192.0.2.1 each.
const HEADERS: [&[u8]; 3] = [
    b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 8000\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x1f\x40",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x67\x1f\x40\x04\0\x02\0\0",
];

/// The proxy speaks for itself.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// As Ann.
fn connect_command() -> Vec<u8> {
    let token = hs256(SECRET, &json!({"sub": "ann"}));
    format!("{}\n", json!({"id": 1, "connect": {"token": token}})).into_bytes()
}

const SECRET: &str = "a secret of thirty-two characters";

/// A node behind proxies of `network`, which send PROXY headers to all doors.
fn node(network: &str) -> TestNode {
    node_with(network, |_| {})
}

fn node_with(network: &str, change: impl FnOnce(&mut Config)) -> TestNode {
    TestNode::with(|config| {
        config.client.token.hmac_secret_key = SECRET.into();
        config.proxies.trusted = vec![network.parse().unwrap()];
        config.http_server.proxy_protocol = true;
        config.tcp_server.proxy_protocol = true;
        config.internal_server.address = "127.0.0.1".into();
        config.http_api.insecure = true;
        change(config);
    })
}

/// The addresses of the clients that are connected.
fn addresses(node: &TestNode) -> Vec<String> {
    let port = node.internal.unwrap_or(node.http);
    let answer = request(port, "POST /api/connections", "Content-Type: application/json\r\n", r#"{"user":"ann"}"#);
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let connections = body["result"]["connections"].as_object().unwrap_or_else(|| panic!("{answer}"));
    connections.values().map(|connection| connection["address"].as_str().unwrap().to_owned()).collect()
}

/// Until there are no more bytes: what the node answers.
fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset may follow what was not read.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn say(address: SocketAddr, parts: &[&[u8]]) -> TcpStream {
    let mut stream = connect(address);
    stream.write_all(&parts.concat()).unwrap();
    stream
}

#[test]
fn a_trusted_proxy_says_whose_connection_it_is() {
    let node = node("127.0.0.0/8");
    let mut clients = Vec::new();
    for header in HEADERS {
        let mut stream = say(node.tcp, &[header, &connect_command()]);
        stream.read_exact(&mut [0; 9]).unwrap();
        clients.push(stream);
        assert_eq!(addresses(&node), vec!["192.0.2.1"; clients.len()], "{}", header.escape_ascii());
    }
}

#[test]
fn a_proxy_header_in_single_bytes_is_the_same_header() {
    let node = node("127.0.0.0/8");
    let mut clients = Vec::new();
    for header in HEADERS {
        let mut stream = connect(node.tcp);
        for byte in [header, &connect_command()].concat() {
            stream.write_all(&[byte]).unwrap();
        }
        stream.read_exact(&mut [0; 9]).unwrap();
        clients.push(stream);
        assert_eq!(addresses(&node), vec!["192.0.2.1"; clients.len()]);
    }
}

#[test]
fn what_the_proxy_does_for_itself_is_its_own() {
    let node = node("127.0.0.0/8");
    let mut stream = say(node.tcp, &[LOCAL, &connect_command()]);
    stream.read_exact(&mut [0; 9]).unwrap();
    assert_eq!(addresses(&node), ["127.0.0.1"]);
    let answer = rest(say(node.http, &[LOCAL, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_trusted_proxy_that_does_not_say_it_rightly_is_refused_and_counted() {
    let node = node("127.0.0.0/8");
    let refused = |shard: &ringpost::broker::metrics::ShardMetrics| shard.endings.get(Ending::ProxyHeader);
    let wrong: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"{\"id\":1,\"connect\":{}}\n",
        b"PROXY TCP4 a b c d\r\n",
        &[b'P'; 4096],
    ];
    for (at, bytes) in wrong.into_iter().enumerate() {
        assert_eq!(rest(say(node.tcp, &[bytes])), "", "nothing is answered");
        node.await_sum("refused", refused, at as u64 + 1);
    }
    node.await_emptiness();
}

#[test]
fn a_trusted_proxy_that_says_nothing_in_time_is_refused_and_counted() {
    let node = node_with("127.0.0.0/8", |config| config.client.stale_close_delay = Setting::from_millis(300));
    let streams = [say(node.tcp, &[b"PROXY TCP4 192"]), connect(node.http)];
    node.await_sum("refused", |shard| shard.endings.get(Ending::ProxyHeader), 2);
    assert!(streams.into_iter().all(|stream| rest(stream).is_empty()));
}

#[test]
fn a_proxy_that_looks_whether_the_port_is_open_is_no_failure() {
    let node = node("127.0.0.0/8");
    drop(connect(node.tcp));
    node.await_sum("ended", |shard| shard.endings.get(Ending::PeerEnded), 1);
}

#[test]
fn who_is_no_trusted_proxy_speaks_for_itself_and_is_not_believed() {
    let node = node("10.0.0.0/8");
    let mut client = say(node.tcp, &[&connect_command()]);
    client.read_exact(&mut [0; 9]).unwrap();
    assert_eq!(addresses(&node), ["127.0.0.1"]);
    let answer = rest(say(node.http, &[HEADERS[1], b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]));
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let (_stranger, head) =
        WebSocketClient::request(node.http, "/connection/websocket", "X-Forwarded-For: 192.0.2.9\r\n");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(addresses(&node), ["127.0.0.1"]);
}

#[test]
fn what_a_proxy_said_of_a_connection_holds_after_other_requests_on_it() {
    let node = node("127.0.0.0/8");
    let upgrade = b"GET /connection/websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut frame = Vec::new();
    websocket::write_masked(Opcode::Text, &connect_command(), [1, 2, 3, 4], &mut frame);
    let _stream = say(node.http, &[HEADERS[1], b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", upgrade, &frame]);
    node.await_sum("connects", |shard| shard.connects.get(), 1);
    assert_eq!(addresses(&node), ["192.0.2.1"]);
}

/// What the node takes for the client's address where trusted proxies wrote this header.
fn told(header: ForwardedHeader, lines: &str) -> String {
    let node = TestNode::with(|config| {
        config.client.token.hmac_secret_key = SECRET.into();
        config.proxies.trusted = vec!["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        config.proxies.header = header;
        config.http_api.insecure = true;
    });
    let (mut client, head) = WebSocketClient::request(node.http, "/connection/websocket", lines);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client.send(Opcode::Text, &connect_command());
    client.word();
    let [address] = &addresses(&node)[..] else { panic!("one client") };
    address.clone()
}

#[test]
fn a_trusted_proxy_says_whose_request_it_is_in_the_header_that_is_configured() {
    use ForwardedHeader::{Forwarded, None, XForwardedFor};
    let both = "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.1\r\nForwarded: for=7.7.7.7, for=\"[2001:db8::1]:80\"\r\n";
    assert_eq!(told(XForwardedFor, both), "192.0.2.1");
    assert_eq!(told(Forwarded, both), "2001:db8::1");
    assert_eq!(told(None, both), "127.0.0.1");
    let lines = "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 192.0.2.1\r\n";
    assert_eq!(told(XForwardedFor, lines), "192.0.2.1", "the lines of a header are one list");
}

#[test]
fn a_malformed_header_is_overlooked() {
    for lines in [
        "X-Forwarded-For: \r\n",
        "X-Forwarded-For: ,,,\r\n",
        "X-Forwarded-For: \u{fc}\r\n",
        "X-Forwarded-For: a\"b\r\n",
    ] {
        assert_eq!(told(ForwardedHeader::XForwardedFor, lines), "127.0.0.1", "{lines}");
    }
    assert_eq!(told(ForwardedHeader::Forwarded, "Forwarded: for=\"6.6.6.6\r\n"), "127.0.0.1");
}
