//! What is written is what a node reads, and what a node writes is heard.

use ringpost::wire::http::write_accept;

use super::*;
use crate::payload::Stamp;
use crate::target::{Protocol, Target};

const WEBSOCKET: &str = "ws://127.0.0.1:1/path";
const TCP: &str = "tcp://127.0.0.1:1";
const ALL: [(&str, Encoding); 4] =
    [(WEBSOCKET, Encoding::Json), (WEBSOCKET, Encoding::Protobuf), (TCP, Encoding::Json), (TCP, Encoding::Protobuf)];

fn transport(url: &str) -> Transport {
    match Target::parse(url).unwrap().protocol {
        Protocol::Centrifuge(transport) => transport,
        other => panic!("{other:?}"),
    }
}

fn writer(url: &str, encoding: Encoding) -> Writer {
    Writer::new(&transport(url), encoding)
}

fn reader(url: &str, encoding: Encoding) -> Reader {
    Reader::new(&transport(url), &Terms { encoding, payload_bytes: 64, has_audience: true })
}

/// What is heard, as text, and how much was read.
fn hear(reader: &Reader, input: &mut [u8]) -> (Vec<String>, usize) {
    let mut heard = Vec::new();
    let read = reader.read(input, &mut |word| heard.push(format!("{word:?}"))).unwrap();
    (heard, read)
}

/// A frame of a server around these words.
fn frame(reader: &Reader, words: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    match reader.format {
        Format::WebSocketJson => websocket::write_frame(Opcode::Text, words, &mut frame),
        Format::WebSocketProtobuf => websocket::write_frame(Opcode::Binary, words, &mut frame),
        Format::TcpJson | Format::TcpProtobuf => frame.extend_from_slice(words),
    }
    frame
}

#[test]
fn a_node_reads_what_is_written_in_every_format() {
    for (url, encoding) in ALL {
        let mut writer = writer(url, encoding);
        let mut out = Vec::new();
        writer.connect("token", &mut out);
        writer.subscribe(2, "room", &mut out);
        writer.publish(3, "room", br#"{"a":1}"#, &mut out);
        writer.pong(&mut out);
        let mut words = Vec::new();
        let is_websocket = writer.format.is_websocket();
        while !out.is_empty() {
            let consumed = if is_websocket {
                let decoded = websocket::decode(&mut out, websocket::Sender::Client, 1 << 20).unwrap();
                let websocket::Decoded::Frame(frame) = decoded else { panic!("half a frame") };
                words.extend_from_slice(&out[frame.payload]);
                frame.consumed
            } else {
                words.append(&mut out);
                0
            };
            out.drain(..consumed);
        }
        let commands: Vec<_> = writer.format.commands(&words).map(Result::unwrap).collect();
        let ids: Vec<_> = commands.iter().map(|command| command.id).collect();
        assert_eq!(ids, [CONNECT_ID, 2, 3, 0], "{url} {encoding:?}");
        assert!(matches!(&commands[0].verb, Verb::Connect(connect) if connect.token == "token"));
        assert!(matches!(&commands[2].verb, Verb::Publish { data, .. } if &data.bytes[..] == br#"{"a":1}"#));
        assert!(matches!(commands[3].verb, Verb::Pong));
    }
}

#[test]
fn a_delivery_is_heard_by_its_payload_in_json_and_protobuf() {
    let stamp = Stamp { stream: 3, sequence: 9, due_ns: 77 };
    for (url, encoding) in ALL {
        let reader = reader(url, encoding);
        let payload = Payloads::new(64).write(stamp).to_vec();
        let word = match encoding {
            Encoding::Json => {
                [b"{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":", &payload[..], b",\"offset\":4}}}\n"].concat()
            }
            Encoding::Protobuf => {
                let publication = [&[34, payload.len() as u8][..], &payload].concat();
                let push = [&[18, 1, b'c', 34, publication.len() as u8][..], &publication].concat();
                let reply = [&[26, push.len() as u8][..], &push].concat();
                [&[reply.len() as u8][..], &reply].concat()
            }
        };
        // Two words in one frame, where frames take several; then half a frame.
        let mut input = frame(&reader, &word.repeat(2));
        let whole = input.len();
        input.extend_from_slice(&frame(&reader, &word)[..10]);
        let (heard, read) = hear(&reader, &mut input);
        assert_eq!(heard, [format!("Message(Ok({stamp:?}))"), format!("Message(Ok({stamp:?}))")], "{url} {encoding:?}");
        assert_eq!(read, whole);
    }
}

#[test]
fn replies_and_pushes_are_heard_as_what_they_mean() {
    let reader = reader(TCP, Encoding::Json);
    let cases = [
        ("{}", "Ping"),
        (r#"{"id":7,"publish":{}}"#, "Acknowledged { id: 7 }"),
        (r#"{"id":4294967295,"publish":{}}"#, "Acknowledged { id: 4294967295 }"),
        (r#"{ "publish": {}, "id": 70 }"#, "Acknowledged { id: 70 }"),
        (r#"{"id":1,"connect":{"version":"1.2","pong":true}}"#, "Welcome { pong: true, version: \"1.2\" }"),
        (r#"{"id":2,"subscribe":{}}"#, "Subscribed"),
        (r#"{"id":3,"error":{"code":103,"message":"no"}}"#, "Refused { id: 3, why: \"103: no\", is_temporary: false }"),
        (
            r#"{"push":{"channel":"c","unsubscribe":{"code":2500,"reason":"r"}}}"#,
            "Unsubscribed { channel: \"c\", why: \"2500 r\" }",
        ),
        (r#"{"push":{"disconnect":{"code":3001,"reason":"bye"}}}"#, "Goodbye(\"3001 bye\")"),
    ];
    for (line, expected) in cases {
        assert_eq!(hear(&reader, format!("{line}\n").into_bytes().as_mut_slice()).0, [expected], "{line}");
    }
    let others = "{\"push\":{\"channel\":\"c\",\"pub\":{\"data\":{}}}}\n";
    assert_eq!(hear(&reader, others.to_owned().into_bytes().as_mut_slice()).0.len(), 0, "others' messages");
}

#[test]
fn websocket_pings_and_closes_are_heard() {
    let reader = reader(WEBSOCKET, Encoding::Json);
    let mut input = Vec::new();
    websocket::write_frame(Opcode::Ping, b"hi", &mut input);
    websocket::write_frame(Opcode::Pong, b"", &mut input);
    websocket::write_close(3008, "slow", &mut input);
    let (heard, _) = hear(&reader, &mut input);
    assert_eq!(heard, ["WebSocketPing([104, 105])", "Goodbye(\"3008 slow\")"]);
}

#[test]
fn what_is_no_protocol_is_a_violation() {
    let websocket = reader(WEBSOCKET, Encoding::Json);
    let protobuf = reader(TCP, Encoding::Protobuf);
    let json = reader(TCP, Encoding::Json);
    let violation = |reader: &Reader, input: &[u8]| reader.read(&mut input.to_vec(), &mut |_| {}).unwrap_err();
    assert!(matches!(violation(&websocket, &[0xff, 0]), Violation::Frame(_)));
    assert!(matches!(violation(&json, b"no json\n"), Violation::Word(_)));
    assert!(matches!(violation(&json, b"{\"id\":1,\"presence\":{}}\n"), Violation::Word(_)));
    for id in ["", "-1", "1x", "4294967296"] {
        let answer = format!("{{\"id\":{id},\"publish\":{{}}}}\n");
        assert!(matches!(violation(&json, answer.as_bytes()), Violation::Word(_)), "{answer}");
    }
    assert!(matches!(violation(&protobuf, &[0xff; 8]), Violation::Frame(_)));
}

#[test]
fn the_answer_to_the_upgrade_is_checked() {
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        let reader = reader(WEBSOCKET, encoding);
        let mut request = Vec::new();
        writer(WEBSOCKET, encoding).open("127.0.0.1:1", "/path", &mut request);
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with("GET /path HTTP/1.1\r\nHost: 127.0.0.1:1\r\n"), "{request}");
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let mut answer = Vec::new();
        write_accept(key, None, &mut answer);
        let head = answer.len();
        answer.extend_from_slice(b"\x81\x02{}");
        assert_eq!(reader.open(&answer[..head - 1]).unwrap(), None);
        assert_eq!(reader.open(&answer).unwrap(), Some(head));
        assert!(matches!(reader.open(b"HTTP/1.1 404 Not Found\r\n\r\n"), Err(Violation::Status(404))));
        let other = answer[..head].iter().map(u8::to_ascii_lowercase).collect::<Vec<_>>();
        assert!(matches!(reader.open(&other), Err(Violation::Upgrade(_))));
    }
}

#[test]
fn recovery_leaving_and_presence_are_asked_for_by_channel_offset_and_epoch() {
    let mut writer = writer(TCP, Encoding::Json);
    let mut out = Vec::new();
    writer.subscribe_since(2, "room", None, &mut out);
    writer.subscribe_since(3, "room", Some((7, "life")), &mut out);
    writer.unsubscribe(4, "room", &mut out);
    writer.presence(5, "room", &mut out);
    let verbs = Format::TcpJson.commands(&out).map(|command| command.unwrap().verb).collect::<Vec<_>>();
    let [Verb::Subscribe(first), Verb::Subscribe(again), Verb::Unsubscribe { .. }, Verb::Presence { .. }] = &verbs[..]
    else {
        panic!("{verbs:?}");
    };
    assert_eq!((first.recover.recover, first.positioned, first.recoverable), (false, true, true));
    let since = Position { offset: 7, epoch: "life".into() };
    assert_eq!(again.recover, Recover { recover: true, since });
}

#[test]
fn a_reader_that_reads_whole_hears_where_a_message_came_and_what_a_subscription_brings() {
    let mut reader = reader(TCP, Encoding::Json);
    reader.read_whole(true);
    let stamp = Stamp { stream: 3, sequence: 9, due_ns: 77 };
    let payload = String::from_utf8(Payloads::new(64).write(stamp).to_vec()).unwrap();
    let message = format!("Ok({stamp:?})");
    let joined = |offset, is_recovered| {
        let joined = Joined { offset, epoch: "life", is_recoverable: true, is_recovered };
        format!("Joined {{ id: 2, joined: {joined:?} }}")
    };
    let cases = [
        (
            format!(r#"{{"push":{{"channel":"room","pub":{{"data":{payload},"offset":8}}}}}}"#),
            vec![format!(r#"Publication {{ channel: "room", offset: 8, attempt: 1, message: {message} }}"#)],
        ),
        (
            r#"{"push":{"channel":"room","pub":{"data":{}}}}"#.into(),
            vec![r#"Publication { channel: "room", offset: 0, attempt: 1, message: Err(Damaged) }"#.into()],
        ),
        (r#"{"id":2,"subscribe":{"recoverable":true,"epoch":"life","offset":8}}"#.into(), vec![joined(8, false)]),
        (
            format!(
                r#"{{"id":2,"subscribe":{{"recoverable":true,"epoch":"life","offset":8,"recovered":true,"publications":[{{"data":{payload},"offset":7}},{{"data":{payload},"offset":8}}]}}}}"#
            ),
            vec![
                joined(6, true),
                format!("Recovered {{ offset: 7, message: {message} }}"),
                format!("Recovered {{ offset: 8, message: {message} }}"),
            ],
        ),
        (r#"{"id":4,"unsubscribe":{}}"#.into(), vec!["Left { id: 4 }".into()]),
        (
            r#"{"id":5,"presence":{"presence":{"a":{"client":"a"},"b":{"client":"b"}}}}"#.into(),
            vec!["Present { id: 5, clients: 2 }".into()],
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(hear(&reader, format!("{line}\n").into_bytes().as_mut_slice()).0, expected, "{line}");
    }
}
