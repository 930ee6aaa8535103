//! Lines as a server of NATS writes them.

use proptest::prelude::*;
use ringpost::protocol::centrifuge::Encoding;

use super::*;
use crate::payload::Stamp;

const STAMP: Stamp = Stamp { stream: 3, sequence: 9, due_ns: 77 };

fn terms() -> Terms {
    Terms { encoding: Encoding::Json, payload_bytes: 64, has_audience: true }
}

fn hear(input: &[u8]) -> Result<(Vec<String>, usize), Violation> {
    let mut heard = Vec::new();
    let read = Reader::new(&terms()).read(input, &mut |word| heard.push(format!("{word:?}")))?;
    Ok((heard, read))
}

fn message() -> Vec<u8> {
    let payload = Payloads::new(64).write(STAMP).to_vec();
    [b"MSG room 2 64\r\n", &payload[..], b"\r\n"].concat()
}

#[test]
fn commands_are_lines() {
    let (writer, mut out) = (Writer::new(&terms()), Vec::new());
    writer.subscribe(2, "room", &mut out);
    writer.publish("room", &[b'x'; 64], &mut out);
    writer.pong(&mut out);
    let publish = format!("PUB room 64\r\n{}\r\n", "x".repeat(64));
    assert_eq!(String::from_utf8(out).unwrap(), format!("SUB room 2\r\n{publish}PONG\r\n"));
}

#[test]
fn a_client_asks_for_answers_and_shows_its_token_if_it_has_one() {
    let connect = |token| {
        let mut out = Vec::new();
        Writer::new(&terms()).connect(&Client { user: "me", token, subscribes: true }, &mut out);
        let json = out.strip_prefix(b"CONNECT ").and_then(|line| line.strip_suffix(b"\r\n")).unwrap();
        serde_json::from_slice::<serde_json::Value>(json).unwrap()
    };
    assert_eq!((&connect("")["verbose"], &connect("")["auth_token"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(connect("jwt")["auth_token"], "jwt");
}

#[test]
fn a_connection_is_open_when_the_server_has_introduced_itself() {
    let reader = Reader::new(&terms());
    assert_eq!(reader.open(b"INFO {\"version\":\"2.9.10\"}").unwrap(), None);
    assert_eq!(reader.open(b"INFO {\"version\":\"2.9.10\"}\r\n").unwrap(), Some(0));
}

#[test]
fn lines_are_heard_as_what_they_mean() {
    let cases = [
        ("INFO {\"version\":\"2.9.10\",\"proto\":1}", "Version(\"2.9.10\")"),
        ("+OK", "Done"),
        ("PING", "Ping"),
        ("-ERR 'Authorization Violation'", "Goodbye(\"'Authorization Violation'\")"),
    ];
    for (line, expected) in cases {
        assert_eq!(hear(format!("{line}\r\n").as_bytes()).unwrap(), (vec![expected.into()], line.len() + 2));
    }
    assert_eq!(hear(b"PONG\r\nMSG room 2 reply 2\r\n{}\r\n").unwrap(), (Vec::new(), 30), "of no interest");
}

#[test]
fn messages_are_heard_when_they_are_whole() {
    let message = message();
    let input = [&message[..], &message, &message[..40]].concat();
    let heard = format!("Message(Ok({STAMP:?}))");
    assert_eq!(hear(&input).unwrap(), (vec![heard.clone(), heard], 2 * message.len()));
    for len in 0..message.len() {
        assert_eq!(hear(&message[..len]).unwrap(), (Vec::new(), 0), "{len} bytes");
    }
}

#[test]
fn what_is_no_protocol_is_a_violation() {
    let beyond = format!("MSG room 2 {}\r\n", FRAME_BYTES_MAX + 1);
    for input in ["HTTP/1.1 400\r\n", "INFO no json\r\n", "MSG room 2 -1\r\n", "MSG room 2 1\r\nabc", &beyond] {
        assert!(matches!(hear(input.as_bytes()), Err(Violation::Word(_))), "{input}");
    }
    assert!(hear(&vec![b'x'; FRAME_BYTES_MAX + 1]).is_err(), "a line without an end");
}

#[test]
fn channels_that_are_no_subjects_are_refused() {
    check("chat:loadgen-0").unwrap();
    check("a.b").unwrap();
    for channel in ["a b", "a..b", "*", "a.>", ""] {
        assert!(check(channel).unwrap_err().to_string().contains("channel_prefix"), "{channel}");
    }
}

proptest! {
    #[test]
    fn no_bytes_harm(
        parts in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..20),
                Just(b"MSG a 1 ".to_vec()),
                Just(b"\r\n".to_vec()),
                Just(b"INFO {".to_vec()),
                Just(message()),
            ],
            0..8,
        ),
    ) {
        let input = parts.concat();
        if let Ok((_, read)) = hear(&input) {
            prop_assert!(read <= input.len());
        }
        let _ = Reader::new(&terms()).open(&input);
    }
}
