use tungstenite::client::ClientRequestBuilder;
use tungstenite::handshake::server::{Request as ServerRequest, Response as ServerResponse};
use tungstenite::handshake::{HandshakeError, derive_accept_key};

use super::Pipe;
use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};
use crate::wire::http::{
    HttpViolation, Request, Response, Status, Upgrade, UpgradeRequest, offers, parse, query_value, write_accept,
    write_refusal,
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn request(lines: &[&str]) -> Vec<u8> {
    let mut head = String::from("GET /connection/websocket?format=protobuf HTTP/1.1\r\nHost: node.example:8000\r\n");
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn upgrade(lines: &[&str]) -> Vec<u8> {
    let common = ["Upgrade: websocket", "Connection: Upgrade"];
    request(&[&common[..], lines].concat())
}

fn good() -> Vec<u8> {
    upgrade(&["Sec-WebSocket-Version: 13", &format!("Sec-WebSocket-Key: {KEY}")])
}

fn whole(head: &[u8]) -> Upgrade<'_> {
    match parse(head) {
        Ok(Request::Upgrade(upgrade)) => upgrade,
        other => panic!("no upgrade: {other:?}"),
    }
}

#[test]
fn an_upgrade_tells_what_the_shard_decides_by() {
    let mut head = request(&[
        "upgrade: WebSocket",
        "connection: keep-alive, Upgrade",
        "sec-websocket-version: 13",
        &format!("sec-websocket-key:  {KEY} "),
        "sec-websocket-protocol: centrifuge-json, centrifuge-protobuf",
        "origin: https://app.example",
    ]);
    let len = head.len();
    head.extend_from_slice(b"\x81\x80");
    let expected = Upgrade {
        path: "/connection/websocket",
        query: "format=protobuf",
        key: KEY,
        protocols: "centrifuge-json, centrifuge-protobuf",
        origin: Some("https://app.example"),
        host: Some("node.example:8000"),
        consumed: len,
    };
    assert_eq!(whole(&head), expected);
    assert!(offers(expected.protocols, "centrifuge-protobuf"));
    assert!(!offers(expected.protocols, "centrifuge"));
    assert_eq!(query_value(expected.query, "format"), Some("protobuf"));
    assert_eq!(query_value(expected.query, "cf_protocol"), None);
}

#[test]
fn a_head_is_partial_until_its_last_byte() {
    let head = good();
    for len in 0..head.len() {
        assert_eq!(parse(&head[..len]), Ok(Request::Partial), "{len} bytes");
    }
}

#[test]
fn connection_tokens_may_come_in_several_lines() {
    let head = request(&[
        "Connection: keep-alive",
        "Connection: upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        &format!("Sec-WebSocket-Key: {KEY}"),
    ]);
    assert_eq!(whole(&head).key, KEY);
}

#[test]
fn what_is_no_websocket_upgrade_is_left_to_the_control_plane() {
    let version = "Sec-WebSocket-Version: 13";
    let key = &format!("Sec-WebSocket-Key: {KEY}")[..];
    let of_http_1_0 = String::from_utf8(good()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    let by_post = String::from_utf8(good()).unwrap().replace("GET", "POST");
    for head in [
        request(&["Accept: */*"]),
        request(&["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"]),
        request(&["Upgrade: websocket", "Connection: keep-alive", version, key]),
        of_http_1_0.into_bytes(),
        by_post.into_bytes(),
    ] {
        assert_eq!(parse(&head), Ok(Request::Plain), "{}", String::from_utf8_lossy(&head));
    }
}

#[test]
fn a_broken_upgrade_is_refused_with_its_reason() {
    let version = "Sec-WebSocket-Version: 13";
    let key = &format!("Sec-WebSocket-Key: {KEY}")[..];
    let cases: [(&[&str], HttpViolation); 8] = [
        (&[key], HttpViolation::Version),
        (&["Sec-WebSocket-Version: 8", key], HttpViolation::Version),
        (&[version], HttpViolation::Key),
        (&[version, "Sec-WebSocket-Key: c2hvcnQ="], HttpViolation::Key),
        (&[version, "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!!!"], HttpViolation::Key),
        (&[version, key, key], HttpViolation::Malformed),
        (&[version, key, "Origin: https://a.example", "Origin: https://b.example"], HttpViolation::Malformed),
        (&[version, key, "Host: other.example"], HttpViolation::Malformed),
    ];
    for (lines, violation) in cases {
        assert_eq!(parse(&upgrade(lines)), Err(violation), "{lines:?}");
    }
}

#[test]
fn what_is_no_http_is_seen_at_its_first_bytes() {
    assert_eq!(parse(b"\x16\x03\x01\x02\x00"), Err(HttpViolation::Malformed), "a TLS hello");
    assert_eq!(parse(b"{\"id\":1}\n"), Err(HttpViolation::Malformed));
}

#[test]
fn a_head_over_the_limits_is_refused_before_it_is_whole() {
    let mut head = b"GET / HTTP/1.1\r\nCookie: ".to_vec();
    head.resize(HTTP_HEAD_BYTES_MAX - 1, b'a');
    assert_eq!(parse(&head), Ok(Request::Partial));
    head.push(b'a');
    assert_eq!(parse(&head), Err(HttpViolation::TooLarge));
    head.extend_from_slice(b"\r\n\r\n");
    assert_eq!(parse(&head), Err(HttpViolation::TooLarge), "whole at once");

    let lines = vec!["X: y"; HTTP_HEADERS_MAX];
    assert_eq!(parse(&request(&lines)), Err(HttpViolation::TooLarge));
    assert_eq!(parse(&request(&lines[1..])), Ok(Request::Plain));
}

#[test]
fn the_answer_is_the_one_of_the_rfc() {
    let mut out = Vec::new();
    write_accept(KEY, Some("centrifuge-json"), &mut out);
    let answer = String::from_utf8(out).unwrap();
    assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "RFC 6455, 1.3");
    assert!(answer.ends_with("Sec-WebSocket-Protocol: centrifuge-json\r\n\r\n"));
    assert!(answer.contains(&derive_accept_key(KEY.as_bytes())));
}

#[test]
fn a_refusal_says_how_long_it_is() {
    let mut out = Vec::new();
    write_refusal(Status::UPGRADE_REQUIRED, "not this version", &mut out);
    let mut headers = [httparse::EMPTY_HEADER; 8];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(&out).unwrap() else { panic!("a whole head") };
    assert_eq!(response.code, Some(426));
    let value = |name: &str| response.headers.iter().find(|header| header.name == name).map(|header| header.value);
    assert_eq!(value("Sec-WebSocket-Version"), Some(&b"13"[..]));
    assert_eq!(value("Content-Length"), Some((out.len() - head).to_string().as_bytes()));
    assert_eq!(&out[head..], b"not this version\n");
}

#[test]
fn a_tungstenite_client_upgrades_here() {
    for protocol in [None, Some("centrifuge-protobuf")] {
        let mut builder = ClientRequestBuilder::new("ws://node.example/connection/websocket?a=b".parse().unwrap());
        if let Some(protocol) = protocol {
            builder = builder.with_sub_protocol(protocol);
        }
        let Err(HandshakeError::Interrupted(mut handshake)) = tungstenite::client::client(builder, Pipe::default())
        else {
            panic!("it waits for the answer")
        };
        let head = std::mem::take(&mut handshake.get_mut().get_mut().output);
        let upgrade = whole(&head);
        assert_eq!((upgrade.path, upgrade.query), ("/connection/websocket", "a=b"));
        assert_eq!(upgrade.protocols, protocol.unwrap_or_default());
        let mut answer = Vec::new();
        write_accept(upgrade.key, protocol, &mut answer);
        handshake.get_mut().get_mut().input = answer;
        let (_, response) = handshake.handshake().expect("it takes the answer");
        let chosen = response.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
        assert_eq!(chosen, protocol);
    }
}

const REQUEST: UpgradeRequest<'_> = UpgradeRequest {
    target: "/connection/websocket",
    host: "127.0.0.1:8000",
    nonce: *b"the sample nonce",
    protocol: Some("centrifuge-json"),
    origin: Some("http://127.0.0.1:8000"),
};

#[test]
fn our_client_upgrades_at_a_tungstenite_server() {
    let mut head = Vec::new();
    REQUEST.write(&mut head);
    #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
    let choose = |request: &ServerRequest, mut response: ServerResponse| {
        assert_eq!(request.headers()["origin"], "http://127.0.0.1:8000");
        let offered = request.headers()["sec-websocket-protocol"].clone();
        response.headers_mut().insert("sec-websocket-protocol", offered);
        Ok(response)
    };
    let server = tungstenite::accept_hdr(Pipe::of(&head), choose).expect("it accepts");
    let answer = &server.get_ref().output;
    let accepted = Response::Accepted { protocol: Some("centrifuge-json"), consumed: answer.len() };
    assert_eq!(REQUEST.check(answer), Ok(accepted));
    assert_eq!(REQUEST.check(&answer[..answer.len() - 1]), Ok(Response::Partial));
}

#[test]
fn our_client_takes_no_foreign_answer() {
    let mut answer = Vec::new();
    write_accept("AAAAAAAAAAAAAAAAAAAAAA==", None, &mut answer);
    assert_eq!(REQUEST.check(&answer), Err(HttpViolation::Key));
    assert_eq!(REQUEST.check(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), Err(HttpViolation::Malformed));
    assert_eq!(REQUEST.check(b"RFB 003.008\n"), Err(HttpViolation::Malformed));
    let mut refusal = Vec::new();
    write_refusal(Status::FORBIDDEN, "not from there", &mut refusal);
    assert_eq!(REQUEST.check(&refusal), Ok(Response::Refused(403)));
}
