//! Packets as a server of MQTT 3.1.1 writes them.

use proptest::prelude::*;
use ringpost::protocol::centrifuge::Encoding;

use super::*;
use crate::payload::Stamp;

const STAMP: Stamp = Stamp { stream: 3, sequence: 9, due_ns: 77 };

fn reader() -> Reader {
    Reader::new(&Terms { encoding: Encoding::Json, payload_bytes: 200, has_audience: true })
}

fn hear(input: &[u8]) -> Result<(Vec<String>, usize), Violation> {
    let mut heard = Vec::new();
    let read = reader().read(input, &mut |word| heard.push(format!("{word:?}")))?;
    Ok((heard, read))
}

fn message() -> Vec<u8> {
    let payload = Payloads::new(200).write(STAMP).to_vec();
    [&[0x30, 0xce, 0x01, 0, 4][..], b"room", &payload].concat()
}

#[test]
fn packets_are_written_as_the_standard_says() {
    let mut out = Vec::new();
    Writer.connect(&Client { user: "me", token: "", subscribes: true }, &mut out);
    assert_eq!(out, b"\x10\x0e\x00\x04MQTT\x04\x02\xff\xff\x00\x02me");
    out.clear();
    Writer.connect(&Client { user: "me", token: "jwt", subscribes: true }, &mut out);
    assert_eq!(out, b"\x10\x17\x00\x04MQTT\x04\xc2\xff\xff\x00\x02me\x00\x02me\x00\x03jwt");
    out.clear();
    Writer.subscribe(2, "room", &mut out);
    assert_eq!(out, b"\x82\x09\x00\x03\x00\x04room\x00");
    out.clear();
    Writer.publish(65_535, "room", &[b'x'; 200], &mut out);
    assert_eq!(out, [&b"\x32\xd0\x01\x00\x04room\x00\x01"[..], &[b'x'; 200]].concat());
    out.clear();
    Writer.close(&mut out);
    assert_eq!(out, b"\xe0\x00");
}

#[test]
fn packet_identifiers_go_round_and_are_never_zero() {
    assert_eq!([0, 65_534, 65_535, 1 << 31].map(packet_id).map(u16::from_be_bytes), [1, 65_535, 1, 32_769]);
}

#[test]
fn packets_are_heard_as_what_they_mean() {
    let cases: [(&[u8], &str); 5] = [
        (b"\x20\x02\x00\x00", "Done"),
        (b"\x20\x02\x00\x05", "Refused { id: 1, why: \"not authorized\", is_temporary: false }"),
        (b"\x90\x03\x00\x02\x00", "Done"),
        (b"\x90\x03\x00\x03\x80", "Refused { id: 2, why: \"the subscription failed\", is_temporary: false }"),
        (b"\x40\x02\x12\x34", "Done"),
    ];
    for (input, expected) in cases {
        assert_eq!(hear(input).unwrap(), (vec![expected.into()], input.len()));
    }
    assert_eq!(hear(b"\x30\x05\x00\x01abc").unwrap(), (Vec::new(), 7), "others' messages");
}

#[test]
fn messages_are_heard_when_they_are_whole() {
    let message = message();
    let input = [&message[..], &message, &message[..3]].concat();
    let heard = format!("Message(Ok({STAMP:?}))");
    assert_eq!(hear(&input).unwrap(), (vec![heard.clone(), heard], 2 * message.len()));
    for len in 0..message.len() {
        assert_eq!(hear(&message[..len]).unwrap(), (Vec::new(), 0), "{len} bytes");
    }
}

#[test]
fn what_is_no_protocol_is_a_violation() {
    let cases: [&[u8]; 6] = [
        b"HTTP/1.1 400 Bad Request",
        b"\x30\xff\xff\xff\xff\x01",
        b"\x30\xff\xff\xff\x7f",
        b"\x30\x02\x00\x01",
        b"\x32\x05\x00\x01abc",
        b"\x20\x03\x00\x00\x00",
    ];
    for input in cases {
        let padded = [input, &[b'x'; 256]].concat();
        assert!(matches!(hear(&padded), Err(Violation::Word(_))), "{input:?}");
    }
}

#[test]
fn channels_that_are_no_topics_are_refused() {
    check("chat:loadgen-0").unwrap();
    for channel in ["", "a/+", "#"] {
        assert!(check(channel).unwrap_err().to_string().contains("channel_prefix"), "{channel}");
    }
}

proptest! {
    #[test]
    fn no_bytes_harm(
        kinds in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..12)), 0..6),
        rest in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut input = Vec::new();
        for (kind, body) in kinds {
            head(kind, body.len(), &mut input);
            input.extend_from_slice(&body);
        }
        input.extend_from_slice(&rest);
        if let Ok((_, read)) = hear(&input) {
            prop_assert!(read <= input.len());
        }
    }
}
