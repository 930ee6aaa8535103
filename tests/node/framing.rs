//! Bytes in every shape that TCP may give them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use ringpost::wire::websocket::{self, Opcode};
use serde_json::json;

use crate::client::{LineClient, ServerFrame, WebSocketClient};
use crate::harness::TestNode;

#[test]
fn a_conversation_in_single_bytes_is_the_same_conversation() {
    let node = TestNode::start();
    let mut client = LineClient::silent(node.tcp);
    let say = |client: &mut LineClient, script: &str| {
        for byte in script.bytes() {
            client.stream.write_all(&[byte]).unwrap();
        }
    };
    say(&mut client, "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\r\n");
    assert_eq!(client.word()["id"], 1);
    assert_eq!(client.word()["id"], 2);
    // Not before: where the channel is at home on another shard, a receipt may overtake the answer to a subscribe.
    say(&mut client, "{\"id\":3,\"publish\":{\"channel\":\"a\",\"data\":[1]}}\n");
    let (one, other) = (client.word(), client.word());
    let (reply, push) = if one["id"] == 3 { (one, other) } else { (other, one) };
    assert_eq!(reply, json!({"id": 3, "publish": {}}));
    assert_eq!(push["push"]["pub"]["data"], json!([1]));
}

#[test]
fn a_websocket_conversation_in_single_bytes_is_the_same_conversation() {
    let node = TestNode::start();
    let mut bytes = b"GET /connection/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    let connect = json!({"id": 1, "connect": {"name": "x".repeat(200)}}).to_string();
    websocket::write_masked(Opcode::Text, connect.as_bytes(), [9, 8, 7, 6], &mut bytes);
    let mut stream = TcpStream::connect(node.http).unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in bytes {
        stream.write_all(&[byte]).unwrap();
    }
    let mut answer = Vec::new();
    let mut some = [0; 1024];
    while !answer.windows(9).any(|window| window == b"\"connect\"") {
        let got = stream.read(&mut some).unwrap();
        assert!(got > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&some[..got]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn a_message_as_long_as_allowed_passes_and_a_longer_one_is_refused() {
    let node = TestNode::with(|config| config.client.message_size_limit = 2048);
    let mut client = WebSocketClient::connect(node.http);
    client.tell(&json!({"id": 1, "connect": {}}));
    client.word();
    let empty = json!({"id": 2, "publish": {"channel": "a", "data": ""}}).to_string().len();
    let mut publish = |len: usize| {
        client.tell(&json!({"id": 2, "publish": {"channel": "a", "data": "x".repeat(len - empty)}}));
        client.next()
    };
    assert_eq!(publish(2048), ServerFrame::Data(b"{\"id\":2,\"publish\":{}}".to_vec()));
    assert!(matches!(publish(2049), ServerFrame::Close(1009, _)));
    let mut lines = LineClient::connect(node.tcp);
    lines.stream.write_all(&[b' '; 5000]).unwrap();
    assert_eq!(lines.disconnect_code(), 3501);
    node.await_emptiness();
}

#[test]
fn fragments_with_a_ping_between_them_are_one_message() {
    let node = TestNode::start();
    let mut client = WebSocketClient::connect(node.http);
    let command = br#"{"id":1,"connect":{}}"#;
    let mut bytes = Vec::new();
    let mut part = |opcode, fin: bool, payload: &[u8]| {
        let at = bytes.len();
        websocket::write_masked(opcode, payload, [1, 2, 3, 4], &mut bytes);
        if !fin {
            bytes[at] &= 0x7f;
        }
    };
    part(Opcode::Text, false, &command[..5]);
    part(Opcode::Ping, true, b"are you there");
    part(Opcode::Continuation, false, &command[5..6]);
    part(Opcode::Continuation, true, &command[6..]);
    client.stream.write_all(&bytes).unwrap();
    assert_eq!(client.next(), ServerFrame::Pong(b"are you there".to_vec()));
    assert_eq!(client.word()["id"], 1);
}

#[test]
fn who_breaks_the_websocket_protocol_is_told_how() {
    let node = TestNode::start();
    let frame = |first: u8, payload: &[u8]| [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat();
    let long = |first: u8, len: &[u8]| [&[first, 0x80 | if len.len() == 2 { 126 } else { 127 }], len, &[0; 4]].concat();
    let cases: [(&str, Vec<u8>, u16); 20] = [
        ("an unmasked frame", vec![0x81, 0x01, b'x'], 1002),
        ("a reserved bit", frame(0xc1, b""), 1002),
        ("another reserved bit", frame(0xa1, b""), 1002),
        ("the last reserved bit", frame(0x91, b""), 1002),
        ("an unknown opcode", frame(0x83, b""), 1002),
        ("an unknown control opcode", frame(0x8b, b""), 1002),
        ("a continuation of nothing", frame(0x80, b""), 1002),
        ("a message within a message", [frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002),
        ("a fragmented ping", frame(0x09, b""), 1002),
        ("a ping that is too long", long(0x89, &[0, 126]), 1002),
        ("a length that would fit in one byte", long(0x81, &[0, 125]), 1002),
        ("a length that would fit in two bytes", long(0x81, &[0, 0, 0, 0, 0, 0, 0xff, 0xff]), 1002),
        ("a close of one byte", frame(0x88, &[3]), 1002),
        ("a close without a code in it", frame(0x88, &1005u16.to_be_bytes()), 1002),
        ("a close that says that there was none", frame(0x88, &1006u16.to_be_bytes()), 1002),
        ("a close that speaks of TLS", frame(0x88, &1015u16.to_be_bytes()), 1002),
        ("a close reason that is no UTF-8", frame(0x88, &[0x03, 0xe8, 0xff]), 1007),
        ("text that is no UTF-8", frame(0x81, b"\xff"), 1007),
        ("a character that its fragments leave half", [frame(0x01, b"\xc3"), frame(0x80, b"(")].concat(), 1007),
        ("a frame that is too long", long(0x81, &[0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]), 1009),
    ];
    for (what, bytes, code) in cases {
        let mut client = WebSocketClient::connect(node.http);
        client.stream.write_all(&bytes).unwrap();
        assert_eq!(client.close_code(), code, "{what}");
        assert_eq!(client.next(), ServerFrame::End, "{what}");
    }
    node.await_emptiness();
}

#[test]
fn who_does_not_speak_the_protocol_is_told_with_3501() {
    let node = TestNode::start();
    for line in [
        "{nonsense}\n",
        "{\"id\":1,\"connect\":7}\n",
        "{\"id\":1}\n",
        "{\"id\":1,\"publish\":{\"channel\":\"a\",\"data\":1}}\n",
    ] {
        let mut client = LineClient::silent(node.tcp);
        client.stream.write_all(line.as_bytes()).unwrap();
        assert_eq!(client.disconnect_code(), 3501, "{line}");
    }
    node.await_emptiness();
}

#[test]
fn a_close_frame_is_answered_and_a_half_closed_client_gets_its_answers() {
    let node = TestNode::start();
    let mut client = WebSocketClient::connect(node.http);
    client.send(Opcode::Pong, b"unasked");
    client.send(Opcode::Close, &[0x0b, 0xb8, b'b', b'y', b'e']);
    // What comes after a close is thrown away.
    client.send(Opcode::Ping, b"still there?");
    assert_eq!(client.next(), ServerFrame::Close(3000, String::new()));
    assert_eq!(client.next(), ServerFrame::End);
    let mut lines = LineClient::silent(node.tcp);
    lines.tell(json!({"connect": {}}));
    lines.tell(json!({"publish": {"channel": "a", "data": 1}}));
    lines.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(lines.word()["id"], 1);
    node.await_emptiness();
}

#[test]
fn a_half_closed_client_gets_all_that_it_asked_of_every_shard() {
    const COMMANDS: u64 = 60;
    let node = TestNode::start();
    for round in 0..20 {
        let mut client = LineClient::silent(node.tcp);
        client.tell(json!({"connect": {}}));
        for number in 1..COMMANDS {
            let channel = format!("channel{}", number % 7);
            match number % 3 {
                0 => client.tell(json!({"history": {"channel": channel, "limit": 20}})),
                1 => client.tell(json!({"publish": {"channel": channel, "data": "x".repeat(1000)}})),
                _ => client.tell(json!({"presence_stats": {"channel": channel}})),
            };
        }
        client.stream.shutdown(Shutdown::Write).unwrap();
        let mut answered: Vec<u64> =
            std::iter::from_fn(|| client.next()).filter_map(|word| word["id"].as_u64()).collect();
        answered.sort_unstable();
        assert!(answered.iter().copied().eq(1..=COMMANDS), "round {round}: {answered:?}");
    }
    node.await_emptiness();
}

#[test]
fn length_prefixed_protobuf_is_told_from_lines_by_the_first_bytes() {
    let node = TestNode::start();
    // A connect with a name that makes the message exactly as long as the number of an opening brace.
    let mut connect = vec![0x22, 114];
    connect.extend_from_slice(&[b'n'; 114]);
    let mut message = vec![0x08, 0x01, 0x22, connect.len() as u8];
    message.extend_from_slice(&connect);
    assert!(message.len() < 123);
    message.extend_from_slice(&[0xf8, 0x01, 0x00][..123 - message.len()]);
    assert_eq!(message.len(), 123);
    let mut stream = TcpStream::connect(node.tcp).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"{").unwrap();
    stream.write_all(&message).unwrap();
    let mut reply = [0; 512];
    let got = stream.read(&mut reply).unwrap();
    assert_eq!(usize::from(reply[0]), got - 1, "one reply with its length before it");
    assert_eq!(&reply[1..3], [0x08, 0x01], "the reply to command 1");
    assert_eq!(reply[3], 0x2a, "a connect result");
}
