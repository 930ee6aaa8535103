//! What every parser must keep to, whatever bytes come: one function per parser, called by a libFuzzer target
//! here and by `tests/fuzz.rs`.

#![allow(dead_code, reason = "each target calls one of them")]

#[path = "oracle.rs"]
mod oracle;

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringpost::auth::{TokenConfig, Verifier, VerifierConfig};
use ringpost::broker::body::{Told, pack_info, unpack_info};
use ringpost::cluster::kafka::record;
use ringpost::cluster::redis::bucket::{Channel, Ear};
use ringpost::cluster::redis::sessions::{self, Session};
use ringpost::cluster::redis::{news, revocations};
use ringpost::config::import::{Format as FileFormat, import};
use ringpost::config::{Acknowledge, Config, Duration, Log};
use ringpost::events::{self, Call, Event, Publish, PushOffline, SessionUpdate, UserLogin};
use ringpost::model::{Payload, PayloadKind, Publication, as_json};
use ringpost::protocol::Format;
use ringpost::protocol::centrifuge::client::{self, FromNode, Pushed, encode_command};
use ringpost::protocol::centrifuge::{Encoding, json};
use ringpost::protocol::word::{Command, Push, Verb};
use ringpost::session::access::Access;
use ringpost::store::catalog::{Catalog, Damage, Entry};
use ringpost::store::recovery::read_segment;
use ringpost::store::segment::{self, HEAD_BYTES};
use ringpost::store::{Record, SegmentId};
use ringpost::wire::forwarded::{self, Syntax};
use ringpost::wire::http::{self, Head, Response, UpgradeRequest};
use ringpost::wire::proxy::{self, ProxyHeader};
use ringpost::wire::websocket::{self, Decoded, Opcode, Piece, Sender};
use ringpost::wire::{length, line};

/// Small, so that the limit is met often.
const MAX: usize = 300;

/// A head that is whole is partial one byte earlier, and what an upgrade names lies in it.
pub(crate) fn http(input: &[u8]) {
    if let Ok(Head::Upgrade(upgrade)) = http::parse(input) {
        assert!(upgrade.consumed <= input.len());
        assert_eq!(http::parse(&input[..upgrade.consumed - 1]), Ok(Head::Partial));
        assert_eq!(http::parse(&input[..upgrade.consumed]), http::parse(input));
        assert!(http::is_same_text(upgrade.path, upgrade.path));
        assert!(!http::query_has(upgrade.query, "absent from every query", "protobuf"));
        assert!(http::offered(&upgrade.protocols).all(|offered| !offered.contains(',')));
        let mut answer = Vec::new();
        http::write_accept(upgrade.key, Some("centrifuge-json"), &mut answer);
        assert!(answer.ends_with(b"\r\n\r\n"));
    }
    let request = UpgradeRequest { target: "/", host: "h", nonce: [7; 16], protocol: None, origin: None };
    if let Ok(Response::Accepted { consumed, .. }) = request.check(input) {
        assert_eq!(request.check(&input[..consumed - 1]), Ok(Response::Partial));
    }
}

/// A header that is whole is partial one byte earlier; what a proxy says of requests names somebody.
pub(crate) fn proxy(input: &[u8]) {
    if let Ok(ProxyHeader::Whole { consumed, .. }) = proxy::read(input) {
        assert!(consumed <= input.len());
        assert_eq!(proxy::read(&input[..consumed - 1]), Ok(ProxyHeader::Partial));
        assert_eq!(proxy::read(&input[..consumed]), proxy::read(input));
    }
    let (peer, lines) = (IpAddr::from([10, 0, 0, 1]), String::from_utf8_lossy(input));
    for syntax in [Syntax::XForwardedFor, Syntax::Forwarded] {
        let client = |trusts: fn(IpAddr) -> bool| forwarded::client(peer, lines.lines(), syntax, trusts);
        assert_eq!(client(|_| false), peer, "who is not trusted is not believed");
        assert_eq!(client(|_| true), client(|_| true).to_canonical());
    }
}

/// Frames are the same however the stream is cut, and so is what they are put together to.
pub(crate) fn websocket(input: &[u8]) {
    for sender in [Sender::Client, Sender::Server] {
        cut_anyhow(input, |stream, chunk| {
            let mut open = None;
            cut(stream, chunk, |buffer| {
                let Decoded::Frame(frame) = websocket::decode(buffer, sender, MAX)? else { return Ok(None) };
                assert!(frame.payload.end == frame.consumed && frame.consumed <= buffer.len());
                let payload = &buffer[frame.payload.clone()];
                let heard = if frame.opcode.is_control() {
                    assert!(frame.fin && payload.len() <= 125);
                    if frame.opcode == Opcode::Close {
                        answer_close(payload)?;
                    }
                    Some((frame.opcode, payload.to_vec()))
                } else {
                    match websocket::assemble(&mut open, &frame, payload, MAX)? {
                        Piece::Message(opcode) => Some((opcode, payload.to_vec())),
                        Piece::Gathered(opcode, bytes) => Some((opcode, bytes)),
                        Piece::More => None,
                    }
                };
                if let Some((opcode, bytes)) = &heard {
                    assert!(bytes.len() <= MAX);
                    assert!(*opcode != Opcode::Text || std::str::from_utf8(bytes).is_ok());
                }
                Ok::<_, websocket::Violation>(Some((heard, frame.consumed)))
            })
        });
    }
}

fn answer_close(payload: &[u8]) -> Result<(), websocket::Violation> {
    let code = websocket::close_code(payload)?;
    let mut answer = Vec::new();
    websocket::write_close_answer(code, &mut answer);
    let Ok(Decoded::Frame(frame)) = websocket::decode(&mut answer, Sender::Server, MAX) else {
        panic!("an answer is a frame")
    };
    assert_eq!(websocket::close_code(&answer[frame.payload]), Ok(code));
    Ok(())
}

/// Lines are the same however the stream is cut, and no longer than allowed.
pub(crate) fn line(input: &[u8]) {
    cut_anyhow(input, |stream, chunk| {
        cut(stream, chunk, |buffer| {
            let line::Line::Whole { line, consumed } = line::next(buffer, MAX)? else { return Ok(None) };
            assert!(line.len() <= MAX);
            Ok::<_, line::LineTooLong>(Some((buffer[line].to_vec(), consumed)))
        })
    });
}

/// Messages are the same however the stream is cut, and no longer than allowed.
pub(crate) fn length(input: &[u8]) {
    cut_anyhow(input, |stream, chunk| {
        cut(stream, chunk, |buffer| {
            let length::Message::Whole { payload, consumed } = length::next(buffer, MAX)? else { return Ok(None) };
            assert!(payload.len() <= MAX);
            Ok::<_, length::LengthViolation>(Some((buffer[payload].to_vec(), consumed)))
        })
    });
}

/// The first byte says how to cut the rest: what is found must not depend on it.
fn cut_anyhow<T: PartialEq + std::fmt::Debug>(input: &[u8], find: impl Fn(&[u8], usize) -> T) {
    let Some((chunk, stream)) = input.split_first() else { return };
    assert_eq!(find(stream, usize::MAX), find(stream, usize::from(*chunk).max(1)));
}

/// What `next` finds in a buffer that grows by `chunk` bytes at a time, and the error that ends it.
fn cut<T, E>(
    stream: &[u8],
    chunk: usize,
    mut next: impl FnMut(&mut [u8]) -> Result<Option<(T, usize)>, E>,
) -> (Vec<T>, Option<E>) {
    let (mut found, mut buffer) = (Vec::new(), Vec::new());
    for bytes in stream.chunks(chunk) {
        buffer.extend_from_slice(bytes);
        loop {
            match next(&mut buffer) {
                Ok(None) => break,
                Ok(Some((one, consumed))) => {
                    found.push(one);
                    buffer.drain(..consumed);
                }
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

/// See [`commands`].
pub(crate) fn commands_json(input: &[u8]) {
    commands(Format::TcpJson, input);
}

/// See [`commands`].
pub(crate) fn commands_protobuf(input: &[u8]) {
    commands(Format::TcpProtobuf, input);
}

/// Commands move on through the frame, end with the first error, and are the same when they are written and
/// read again.
fn commands(format: Format, frame: &[u8]) {
    let mut commands = format.commands(frame);
    loop {
        let from = commands.offset();
        match commands.next() {
            None => break,
            Some(Err(_)) => {
                assert_eq!(commands.next(), None);
                break;
            }
            Some(Ok(command)) => {
                assert!(from < commands.offset() && commands.offset() <= frame.len());
                if can_be_written(&command.verb) {
                    again(format, &command);
                }
            }
        }
    }
}

/// What is refused as it stands has no form to write it in.
fn can_be_written(verb: &Verb<'_>) -> bool {
    match verb {
        Verb::Unavailable(_) => false,
        Verb::Subscribe(subscribe) => !matches!(subscribe.filter, Some(Err(_))),
        _ => true,
    }
}

fn again(format: Format, command: &Command<'_>) {
    let mut frame = Vec::new();
    encode_command(format.encoding(), command, &mut frame);
    if format.encoding() == Encoding::Json {
        assert_eq!(frame.iter().position(|byte| *byte == b'\n'), Some(frame.len() - 1), "one line");
    }
    let read: Vec<_> = format.commands(&frame).collect();
    assert!(matches!(&read[..], [Ok(read)] if read == command), "{read:?} is not {command:?}");
}

/// See [`replies`].
pub(crate) fn replies_json(input: &[u8]) {
    replies(Format::TcpJson, input);
}

/// See [`replies`].
pub(crate) fn replies_protobuf(input: &[u8]) {
    replies(Format::TcpProtobuf, input);
}

/// What a client hears ends, with the first error.
fn replies(format: Format, frame: &[u8]) {
    let mut words = client::decode(format, frame);
    let heard = words.by_ref().take(frame.len() + 1).collect::<Vec<_>>();
    assert!(heard.len() <= frame.len());
    assert!(heard.iter().rev().skip(1).all(Result::is_ok));
    assert_eq!(words.next(), None);
}

/// Whatever bytes are published and whatever the channel is called, JSON clients get one value on one line.
pub(crate) fn push(input: &[u8]) {
    let name = String::from_utf8_lossy(input);
    let publication = Publication {
        offset: 1,
        data: Payload::binary(input.to_vec()),
        info: None,
        tags: Some([(Box::from(&*name), Box::from(&*name))].into()),
        time_unix_ms: 0,
    };
    let mut body = Vec::new();
    json::encode_push(&Push::Publication { channel: &name, publication: &publication }, &mut body);
    assert!(!body.contains(&b'\n') && !body.contains(&b'\r'));
    let heard: Vec<_> = client::decode(Format::TcpJson, &body).collect();
    let [Ok(FromNode::Push { channel, push: Pushed::Publication(heard) })] = &heard[..] else {
        panic!("one publication: {heard:?}")
    };
    assert_eq!(*channel, name);
    assert_eq!(heard.tags, [(name.clone(), name)]);
}

/// When tokens are looked at, Unix seconds.
const NOW_UNIX_S: i64 = 1_700_000_000;

/// Who has not signed is not believed, whatever a token says; where signatures are not looked at, claims are read or refused.
/// A key set is taken or refused.
pub(crate) fn tokens(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let signed = TokenConfig { hmac_secret_key: "that of nobody".into(), ..TokenConfig::default() };
    let verifier = |skip_signature, key_set| {
        Verifier::new(&VerifierConfig { connection: &signed, subscription: None, skip_signature }, key_set)
    };
    let strict = verifier(false, None).expect("the secret is a key");
    assert!(strict.connection(&text, NOW_UNIX_S).is_err());
    assert!(strict.subscription(&text, NOW_UNIX_S).is_err());
    let claims = URL_SAFE_NO_PAD.encode(input);
    let trusting = verifier(true, None).expect("the secret is a key");
    for head in [r#"{"alg":"HS256"}"#, r#"{"alg":"none"}"#] {
        let token = format!("{}.{claims}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(head));
        assert!(strict.connection(&token, NOW_UNIX_S).is_err());
        if trusting.connection(&token, NOW_UNIX_S).is_ok() {
            assert!(trusting.subscription(&token, NOW_UNIX_S).is_err(), "a token is for one thing");
        }
    }
    let _ = verifier(false, Some(&text));
}

/// A file is taken or refused; what the import of another server's file calls right is right.
pub(crate) fn configuration(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _ = Config::parse(&text, std::iter::empty(), false);
    for format in [FileFormat::Json, FileFormat::Yaml, FileFormat::Toml] {
        let Ok(imported) = import(&text, format) else { continue };
        let taken = Config::parse(&imported.toml, std::iter::empty(), false);
        assert_eq!(taken.is_ok(), imported.problems.is_empty(), "{imported:?}");
    }
}

/// What another node has told is an error, or packed as it was.
pub(crate) fn bodies(input: &[u8]) {
    if let Ok(told) = Told::unpack(input.to_vec().into()) {
        assert_eq!(told.pack(), input, "{told:?}");
    }
    if let Ok(info) = unpack_info(input.to_vec().into()) {
        assert_eq!(pack_info(&info), input, "{info:?}");
    }
}

/// What a bucket says is an error, or items; what each of them brings is an error as well, or is read.
pub(crate) fn items(input: &[u8]) {
    let Ok((_, items)) = Ear::default().hear(Channel::Own, input.to_vec().into()) else { return };
    let bytes: usize = items.iter().map(|item| item.channel.len() + item.body.len()).sum();
    assert!(bytes <= input.len(), "nothing is made up");
    for item in items {
        let (one, other) = (news::told(item.body.clone()), news::told(item.body.clone()));
        assert_eq!(one, other);
        drop((Session::told(item.body.clone()), sessions::dismissed(item.body.clone()), revocations::told(item.body)));
    }
}

/// A record of Kafka is an error, or what it says is the same when it is written and read again; in the other format it can be
/// written as well.
pub(crate) fn events(input: &[u8]) {
    event::<UserLogin>(input);
    event::<SessionUpdate>(input);
    event::<PushOffline>(input);
    event::<Call>(input);
    event::<Publish>(input);
    event::<events::Publication>(input);
}

fn event<E: Event + PartialEq>(input: &[u8]) {
    for format in [events::Format::Json, events::Format::Protobuf] {
        let content_type = Some(format.content_type().as_bytes());
        let Ok(event) = events::decode::<E>(content_type, input) else { continue };
        let again = events::decode::<E>(content_type, &events::encode(&event, format));
        assert!(again.as_ref().is_ok_and(|again| *again == event), "{again:?} is not {event:?}");
        let json: serde_json::Value =
            serde_json::from_slice(&events::encode(&event, events::Format::Json)).expect("JSON");
        assert!(json.is_object());
        drop(events::encode(&event, events::Format::Protobuf));
    }
}

/// A record of the way up is refused for a reason, or what its bucket is asked is asked again by the record that a node makes of
/// it, but for bytes that are JSON, which are JSON from then on.
pub(crate) fn publishes(input: &[u8]) {
    let mut config = Config::default();
    let options = &mut config.channel.without_namespace;
    (options.log, options.acknowledge) = (Log::Redis, Acknowledge::Kafka);
    (options.history_size, options.history_ttl) = (10, Duration::from_secs(60));
    let access = Access::new(&config.channel).expect("there is no expression");
    for content_type in [None, Some(&b"application/protobuf"[..])] {
        let Ok(record) = events::decode::<Publish>(content_type, input) else { continue };
        let Ok(publish) = record::read(record, Some(b"key"), &access, &config) else { continue };
        // What counts as JSON goes into frames of text as it is.
        if let Ok(Told::Publication { data, .. }) = Told::unpack(publish.body.clone())
            && data.kind == PayloadKind::Json
        {
            assert!(std::str::from_utf8(&data.bytes).is_ok() && as_json(&data.bytes).is_some(), "{data:?}");
        }
        let again = |publish| {
            let written = record::written(publish).expect("what was read is packed");
            record::read(written, None, &access, &config).expect("it was read before")
        };
        let publish = again(&publish);
        assert_eq!(format!("{:?}", again(&publish)), format!("{publish:?}"));
    }
}

/// A record is an error, or the bytes of what it says.
pub(crate) fn records(input: &[u8]) {
    if let Ok(record) = Record::decode(input) {
        let mut encoded = Vec::new();
        record.encode(&mut encoded);
        assert_eq!(encoded, input, "{record:?}");
        serde_json::to_string(&record).expect("every record can be printed");
    }
}

/// The head of the segment that `segments` reads.
pub(crate) const SEGMENT: segment::Head =
    segment::Head { store: 7, segment: SegmentId(1), start: 1, shard: 0, shards: 1, size: 8192 };

/// What lies behind a segment's head is read as a second reader reads it.
pub(crate) fn segments(input: &[u8]) {
    let mut file = vec![0; HEAD_BYTES as usize];
    let head = SEGMENT.encode().0;
    file[..head.len()].copy_from_slice(&head);
    file.extend_from_slice(input);
    let entry = Entry::read(SEGMENT.segment, SEGMENT.store, &file).expect("the head is whole");
    let mut records = Vec::new();
    let read = read_segment(&Catalog::default(), &entry, &file, |place, record| {
        let mut encoded = Vec::new();
        record.encode(&mut encoded);
        records.push((place.batch.0, encoded));
    });
    let expected = oracle::read(&file);
    let (end, has_hole) = match read {
        Ok(end) => (end, false),
        Err(Damage::Hole { at, .. }) => (at, true),
        Err(Damage::Unreadable { .. }) => {
            return assert!(expected.contradicts_itself || expected.records.len() > records.len());
        }
        Err(damage) => panic!("{damage}: no other segment names this one"),
    };
    assert_eq!(oracle::Segment { records, end: end as usize, has_hole, contradicts_itself: false }, expected);
}
