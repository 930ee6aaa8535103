use smallvec::SmallVec;
use tungstenite::client::ClientRequestBuilder;
use tungstenite::handshake::server::{Request as ServerRequest, Response as ServerResponse};
use tungstenite::handshake::{HandshakeError, derive_accept_key};

use super::Pipe;
use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};
use crate::wire::http::{
    Head, HttpViolation, Response, Status, Upgrade, UpgradeRequest, is_same_text, offered, parse, query_has,
    write_accept, write_refusal,
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
        Ok(Head::Upgrade(upgrade)) => upgrade,
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
        "Sec-WebSocket-Protocol: chat",
        "origin: https://app.example",
        "x-device: ann's phone",
        "X-Device-Kind: phone",
    ]);
    let len = head.len();
    head.extend_from_slice(b"\x81\x80");
    let expected = Upgrade {
        path: "/connection/websocket",
        query: "format=protobuf",
        key: KEY,
        protocols: SmallVec::from_slice(&["centrifuge-json, centrifuge-protobuf", "chat"]),
        origin: Some("https://app.example"),
        device: Some("ann's phone"),
        device_kind: Some("phone"),
        host: "node.example:8000",
        consumed: len,
    };
    assert_eq!(whole(&head), expected);
    assert!(offered(&expected.protocols).eq(["centrifuge-json", "centrifuge-protobuf", "chat"]));
    assert!(query_has(expected.query, "format", "protobuf"));
    assert!(!query_has(expected.query, "cf_protocol", "protobuf"));
}

#[test]
fn a_head_is_partial_until_its_last_byte() {
    let head = good();
    for len in 0..head.len() {
        assert_eq!(parse(&head[..len]), Ok(Head::Partial), "{len} bytes");
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
    for head in [
        request(&["Accept: */*"]),
        request(&["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"]),
        request(&["Content-Length: 2", "Content-Length: 2"]),
        request(&["Transfer-Encoding: gzip", "Transfer-Encoding: Chunked"]),
        request(&["Upgrade: websocket", "Connection: keep-alive", version, key]),
        of_http_1_0.into_bytes(),
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n".to_vec(),
    ] {
        assert!(matches!(parse(&head), Ok(Head::Plain(_))), "{}", String::from_utf8_lossy(&head));
    }
}

#[test]
fn a_broken_upgrade_is_refused_with_its_reason() {
    let version = "Sec-WebSocket-Version: 13";
    let key = &format!("Sec-WebSocket-Key: {KEY}")[..];
    let cases: [(&[&str], HttpViolation); 14] = [
        (&[key], HttpViolation::WebSocketVersion),
        (&["Sec-WebSocket-Version: 8", key], HttpViolation::WebSocketVersion),
        (&["Sec-WebSocket-Version: 130", key], HttpViolation::WebSocketVersion),
        (&[version], HttpViolation::Key),
        (&[version, "Sec-WebSocket-Key: c2hvcnQ="], HttpViolation::Key),
        (&[version, "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!!!"], HttpViolation::Key),
        (&[version, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"], HttpViolation::Key),
        (&[version, key, key], HttpViolation::Repeated("Sec-WebSocket-Key")),
        (&[version, key, "Origin: https://a.example", "Origin: https://b.example"], HttpViolation::Repeated("Origin")),
        (&[version, key, "Host: other.example"], HttpViolation::Repeated("Host")),
        (&[version, key, "Content-Length: 5"], HttpViolation::Body),
        (&[version, key, "Content-Length: 0", "Content-Length: 5"], HttpViolation::Malformed("Content-Length")),
        (&[version, key, "Transfer-Encoding: chunked"], HttpViolation::Body),
        (&[version, key, "Transfer-Encoding: chunked", "Content-Length: 0"], HttpViolation::Framing),
    ];
    for (lines, violation) in cases {
        assert_eq!(parse(&upgrade(lines)), Err(violation), "{lines:?}");
    }
    let changed = |from: &str, to: &str| String::from_utf8(good()).unwrap().replace(from, to);
    let post = changed("GET", "POST");
    assert_eq!(parse(post.as_bytes()), Err(HttpViolation::Method));
    let without_host = changed("Host: node.example:8000\r\n", "");
    assert_eq!(parse(without_host.as_bytes()), Err(HttpViolation::Host));
    for host in ["a b", "a/b", "user@a", "a, b"] {
        let head = changed("node.example:8000", host);
        assert_eq!(parse(head.as_bytes()), Err(HttpViolation::Malformed("Host")), "{host}");
    }
}

#[test]
fn what_clients_commonly_send_with_an_upgrade_is_taken() {
    let key = &format!("Sec-WebSocket-Key: {KEY}")[..];
    let several: [&[&str]; 4] = [
        &["Sec-WebSocket-Version: 13", key, "Content-Length: 0"],
        &["Sec-WebSocket-Version: 13, 8", key],
        &["Sec-WebSocket-Version: 13", key, "Origin:", "Sec-WebSocket-Extensions: permessage-deflate"],
        &["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAB=="],
    ];
    for lines in several {
        let head = upgrade(lines);
        assert_eq!(whole(&head).origin, None, "{lines:?}");
    }
    // Bits at the end that stand for nothing: 15 of 16 clients that make letters at random have some.
    for last in ('A'..='Z').chain('a'..='z') {
        let head =
            upgrade(&["Sec-WebSocket-Version: 13", &format!("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAA{last}==")]);
        assert_eq!(whole(&head).key.chars().nth(21), Some(last));
    }
    let with_feeds_alone = String::from_utf8(good()).unwrap().replace("\r\n", "\n");
    assert_eq!(whole(format!("\r\n{with_feeds_alone}").as_bytes()).key, KEY);
}

#[test]
fn a_target_in_absolute_form_names_the_host() {
    let at = |target: &str| String::from_utf8(good()).unwrap().replace("/connection/websocket?format=protobuf", target);
    for (target, host, path, query) in [
        ("ws://other.example/connection/websocket?a=b", "other.example", "/connection/websocket", "a=b"),
        ("HTTP://other.example:81?a=/b", "other.example:81", "/", "a=/b"),
        ("https://other.example", "other.example", "/", ""),
        ("/?u=http://x/", "node.example:8000", "/", "u=http://x/"),
        ("//x/y", "node.example:8000", "//x/y", ""),
    ] {
        let head = at(target);
        let upgrade = whole(head.as_bytes());
        assert_eq!((upgrade.host, upgrade.path, upgrade.query), (host, path, query), "{target}");
    }
    for target in ["*", "connection/websocket", "ftp://x/", "x:443"] {
        assert_eq!(parse(at(target).as_bytes()), Err(HttpViolation::Malformed("request target")), "{target}");
    }
}

#[test]
fn text_that_needs_no_encoding_is_the_same_when_it_is_encoded() {
    let door = "/connection/websocket";
    for same in [door, "/%63onnection/websocket", "/connection/%77eb%73ocke%74"] {
        assert!(is_same_text(same, door), "{same}");
    }
    for other in
        ["/connection%2Fwebsocket", "/connection/websocket/", "/connection/websocke%7", "/connection/websocke%"]
    {
        assert!(!is_same_text(other, door), "{other}");
    }
    assert!(is_same_text("/%c3%BC%2f", "/%C3%bc%2F") && !is_same_text("/%2F", "//"));
    assert!(query_has("a&b=%31&%66ormat=proto%62uf", "format", "protobuf") && !query_has("format", "format", ""));
}

#[test]
fn a_head_that_breaks_its_form_is_refused_with_the_part_that_does() {
    let malformed = HttpViolation::Malformed;
    for (head, violation) in [
        (&b"GET /\r\nHost: x\r\n\r\n"[..], malformed("start line")),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", malformed("start line")),
        (b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n", malformed("start line")),
        (b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", malformed("line end")),
        (b"GET / HTTP/1.1\rHost: x\r\n\r\n", malformed("line end")),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", HttpViolation::HttpVersion),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HttpViolation::HttpVersion),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", malformed("header name")),
        (b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", malformed("header name")),
        (b"GET / HTTP/1.1\r\nX: a\r\n folded\r\nHost: x\r\n\r\n", malformed("header name")),
        (b"GET / HTTP/1.1\r\nX: a\x00b\r\nHost: x\r\n\r\n", malformed("header value")),
        (b"GET / HTTP/1.1\r\nX: a\rb\r\nHost: x\r\n\r\n", malformed("header value")),
        (
            b"POST /api/info HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            HttpViolation::Framing,
        ),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n", malformed("Content-Length")),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", malformed("Content-Length")),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", malformed("Transfer-Encoding")),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", malformed("Transfer-Encoding")),
    ] {
        assert_eq!(parse(head), Err(violation), "{}", String::from_utf8_lossy(head));
    }
}

#[test]
fn what_is_no_http_is_seen_at_its_first_bytes() {
    assert_eq!(parse(b"\x16\x03\x01\x02\x00"), Err(HttpViolation::Malformed("start line")), "a TLS hello");
    assert_eq!(parse(b"{\"id\":1}\n"), Err(HttpViolation::Malformed("start line")));
}

#[test]
fn a_head_over_the_limits_is_refused_before_it_is_whole() {
    let mut head = b"GET / HTTP/1.1\r\nCookie: ".to_vec();
    head.resize(HTTP_HEAD_BYTES_MAX - 1, b'a');
    assert_eq!(parse(&head), Ok(Head::Partial));
    head.push(b'a');
    assert_eq!(parse(&head), Err(HttpViolation::TooLarge));
    head.extend_from_slice(b"\r\n\r\n");
    assert_eq!(parse(&head), Err(HttpViolation::TooLarge), "whole at once");
    let mut line = b"GET /".to_vec();
    line.resize(HTTP_HEAD_BYTES_MAX, b'a');
    assert_eq!(parse(&line), Err(HttpViolation::TargetTooLong));

    let lines = vec!["X: y"; HTTP_HEADERS_MAX];
    assert_eq!(parse(&request(&lines)), Err(HttpViolation::TooLarge));
    assert!(matches!(parse(&request(&lines[1..])), Ok(Head::Plain(_))));
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
fn a_refusal_says_how_long_it_is_and_what_its_status_asks_for() {
    let refusal = |status: Status, header: &str| {
        let mut out = Vec::new();
        write_refusal(status, "not this way", 784_111_777_000, &mut out);
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = response.parse(&out).unwrap() else { panic!("a whole head") };
        assert_eq!(response.code, Some(status.0));
        let value = |name: &str| {
            let header = response.headers.iter().find(|header| header.name == name);
            header.map(|header| String::from_utf8(header.value.to_vec()).unwrap())
        };
        assert_eq!(value("Content-Length"), Some((out.len() - head).to_string()));
        assert_eq!(value("Date").as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert!(value("Connection").is_some_and(|options| options.contains("close")));
        assert_eq!(&out[head..], b"not this way\n");
        value(header)
    };
    assert_eq!(refusal(Status::UPGRADE_REQUIRED, "Sec-WebSocket-Version").as_deref(), Some("13"));
    assert_eq!(refusal(Status::UPGRADE_REQUIRED, "Upgrade").as_deref(), Some("websocket"));
    assert_eq!(refusal(Status::METHOD_NOT_ALLOWED, "Allow").as_deref(), Some("GET"));
    assert_eq!(refusal(Status::FORBIDDEN, "Upgrade"), None);
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
        assert!(offered(&upgrade.protocols).eq(protocol));
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
    assert_eq!(REQUEST.check(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), Err(HttpViolation::Malformed("upgrade")));
    assert_eq!(REQUEST.check(b"RFB 003.008\n"), Err(HttpViolation::HttpVersion));
    let mut refusal = Vec::new();
    write_refusal(Status::FORBIDDEN, "not from there", 0, &mut refusal);
    assert_eq!(REQUEST.check(&refusal), Ok(Response::Refused(403)));
}

#[test]
fn of_a_request_that_is_no_upgrade_a_shard_sees_what_it_needs_to_place_it() {
    let plain = |text: &str| match parse(text.as_bytes()) {
        Ok(Head::Plain(plain)) => (plain.is_bare, plain.closes, plain.api_key.map(str::to_owned)),
        other => panic!("{text}: {other:?}"),
    };
    let key = Some("secret".to_owned());
    for (text, expected) in [
        ("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", (true, false, None)),
        ("GET /a HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n", (true, true, None)),
        ("GET /a HTTP/1.0\r\n\r\n", (true, true, None)),
        ("GET /a HTTP/1.1\r\n\r\n", (false, false, None)),
        ("GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", (true, false, None)),
        ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nX-API-Key: secret\r\n\r\n", (false, false, key.clone())),
        ("GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: APIKEY  secret\r\n\r\n", (true, false, key)),
        ("GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: Basic secret\r\n\r\n", (true, false, None)),
    ] {
        assert_eq!(plain(text), expected, "{text}");
    }
}
