use std::borrow::Cow;

use proptest::prelude::*;
use prost::Message;

use super::words::{self, Parts};
use super::{commands, map, proto};
use crate::model::{Payload, PayloadKind};
use crate::protocol::Format;
use crate::protocol::centrifuge::client::{
    Answer, ClientInfo, Connected, FrameViolation, FromNode, HistoryPage, Incoming, Publication, Pushed, Refreshed,
    Subscribed, decode, next_frame, write_command,
};
use crate::protocol::centrifuge::{Encoding, Malformed};
use crate::protocol::word::{self, Push, Reply, ReplyBody};
use crate::wire::websocket::{self, Decoded, Opcode, Sender};

const FORMATS: [Format; Format::COUNT] =
    [Format::WebSocketJson, Format::WebSocketProtobuf, Format::TcpJson, Format::TcpProtobuf];

fn kind(format: Format) -> PayloadKind {
    match format.encoding() {
        Encoding::Json => PayloadKind::Json,
        Encoding::Protobuf => PayloadKind::Binary,
    }
}

fn bytes(payload: Option<&Payload>) -> &[u8] {
    payload.map_or(b"", |payload| &payload.bytes)
}

fn info(info: &crate::model::ClientInfo) -> ClientInfo<'_> {
    ClientInfo {
        user: Cow::Borrowed(&*info.user),
        client: info.client.to_string().into(),
        conn_info: bytes(info.conn_info.as_deref()),
        chan_info: bytes(info.chan_info.as_deref()),
    }
}

fn publication(publication: &crate::model::Publication) -> Publication<'_> {
    let tags = publication.tags.iter().flatten();
    Publication {
        data: &publication.data.bytes,
        info: publication.info.as_deref().map(info),
        offset: publication.offset,
        tags: tags.map(|(key, value)| (Cow::Borrowed(&**key), Cow::Borrowed(&**value))).collect(),
        time_unix_ms: publication.time_unix_ms,
    }
}

fn subscribed(subscribed: &crate::model::Subscribed) -> Subscribed<'_> {
    Subscribed {
        expires: subscribed.expiry.expires,
        ttl_s: subscribed.expiry.ttl_s,
        recoverable: subscribed.recoverable,
        epoch: Cow::Borrowed(&*subscribed.position.epoch),
        publications: subscribed.publications.iter().map(|one| publication(one)).collect(),
        recovered: subscribed.recovered,
        offset: subscribed.told_offset(),
        positioned: subscribed.positioned,
        data: bytes(subscribed.data.as_ref()),
        was_recovering: subscribed.was_recovering,
    }
}

fn connected(connected: &word::Connected) -> Connected<'_> {
    Connected {
        client: connected.client.to_string().into(),
        version: connected.version.into(),
        expires: connected.expiry.expires,
        ttl_s: connected.expiry.ttl_s,
        data: bytes(connected.data.as_ref()),
        subs: connected.subs.iter().map(|(channel, sub)| (Cow::Borrowed(&**channel), subscribed(sub))).collect(),
        ping_s: connected.ping_s,
        pong: connected.pong,
        node: Cow::Borrowed(&*connected.node),
        time_unix_ms: connected.time_unix_ms,
    }
}

/// A reply as a client should hear it.
fn answered<'a>(reply: &'a Reply<'a>) -> FromNode<'a> {
    let answer = match &reply.body {
        ReplyBody::Error(error) => Answer::Error(error.into()),
        ReplyBody::Connect(welcome) => Answer::Connect(Box::new(connected(welcome))),
        ReplyBody::Subscribe(begun) => Answer::Subscribe(Box::new(subscribed(begun))),
        ReplyBody::Unsubscribe => Answer::Unsubscribe,
        ReplyBody::Publish => Answer::Publish,
        ReplyBody::Presence(clients) => {
            Answer::Presence(clients.iter().map(|client| (client.client.to_string().into(), info(client))).collect())
        }
        ReplyBody::Encoded(_) => unreachable!("words are compared before they are encoded"),
        ReplyBody::PresenceStats(stats) => Answer::PresenceStats(*stats),
        ReplyBody::History(page) => Answer::History(HistoryPage {
            publications: page.publications.iter().map(|one| publication(one)).collect(),
            epoch: Cow::Borrowed(&*page.position.epoch),
            offset: page.position.offset,
        }),
        ReplyBody::Ping => Answer::Ping,
        ReplyBody::Rpc(data) => Answer::Rpc(&data.bytes),
        ReplyBody::Refresh(refreshed) => Answer::Refresh(Refreshed {
            client: refreshed.client.to_string().into(),
            version: refreshed.version.into(),
            expires: refreshed.expiry.expires,
            ttl_s: refreshed.expiry.ttl_s,
        }),
        ReplyBody::SubRefresh(expiry) => Answer::SubRefresh(*expiry),
    };
    FromNode::Reply { id: reply.id, answer }
}

/// A push as a client should hear it.
fn pushed<'a>(push: &'a Push<'a>) -> FromNode<'a> {
    let (channel, pushed) = match push {
        Push::Ping => return FromNode::Ping,
        Push::Publication { channel, publication: one } => (*channel, Pushed::Publication(publication(one))),
        Push::Join { channel, info: who } => (*channel, Pushed::Join(info(who))),
        Push::Leave { channel, info: who } => (*channel, Pushed::Leave(info(who))),
        Push::Unsubscribe { channel, reason } => (*channel, Pushed::Unsubscribe((*reason).into())),
        Push::Message { data } => ("", Pushed::Message(&data.bytes)),
        Push::Subscribe { channel, subscribed: begun } => {
            let told = Subscribed {
                recoverable: begun.recoverable,
                epoch: Cow::Borrowed(&*begun.position.epoch),
                offset: begun.told_offset(),
                positioned: begun.positioned,
                data: bytes(begun.data.as_ref()),
                ..Subscribed::default()
            };
            (*channel, Pushed::Subscribe(Box::new(told)))
        }
        Push::Disconnect(disconnect) => ("", Pushed::Disconnect((*disconnect).into())),
        Push::Refresh(expiry) => ("", Pushed::Refresh(*expiry)),
    };
    FromNode::Push { channel: channel.into(), push: pushed }
}

/// Takes what lies in `stream` apart and compares it word by word.
fn is_heard(format: Format, mut stream: Vec<u8>, expected: &[FromNode<'_>]) -> Result<(), TestCaseError> {
    let (mut at, mut expected) = (0, expected.iter());
    while at < stream.len() {
        let Ok(Incoming::Words { frame, consumed }) = next_frame(format, &mut stream[at..], 1 << 20) else {
            return Err(TestCaseError::fail("no whole frame"));
        };
        for word in decode(format, &stream[at..][frame]) {
            prop_assert_eq!(Some(&word.unwrap()), expected.next());
        }
        at += consumed;
    }
    prop_assert_eq!(expected.next(), None);
    Ok(())
}

fn hear_all(format: Format, parts: &Parts) -> Result<(), TestCaseError> {
    let disconnect = parts.disconnect();
    let (replies, pushes) = (parts.replies(), parts.pushes(&disconnect));
    let mut stream = Vec::new();
    replies.iter().for_each(|reply| format.write_reply(reply, &mut stream));
    pushes.iter().for_each(|push| format.write_push(push, &mut stream));
    let expected: Vec<_> = replies.iter().map(answered).chain(pushes.iter().map(pushed)).collect();
    is_heard(format, stream, &expected)
}

proptest! {
    #[test]
    fn what_the_node_writes_the_client_hears(json in words::parts(PayloadKind::Json), binary in words::parts(PayloadKind::Binary)) {
        for format in FORMATS {
            hear_all(format, if kind(format) == PayloadKind::Json { &json } else { &binary })?;
        }
    }

    #[test]
    fn what_others_write_in_one_frame_the_client_hears(parts in words::parts(PayloadKind::Json)) {
        let disconnect = parts.disconnect();
        let (replies, pushes) = (parts.replies(), parts.pushes(&disconnect));
        let expected: Vec<_> = replies.iter().map(answered).chain(pushes.iter().map(pushed)).collect();
        let messages: Vec<proto::Reply> =
            replies.iter().map(map::reply).chain(pushes.iter().map(map::push)).collect();
        let lines: Vec<_> = messages.iter().map(|message| serde_json::to_string(message).unwrap()).collect();
        let delimited: Vec<u8> = messages.iter().flat_map(Message::encode_length_delimited_to_vec).collect();
        for (format, frame) in [(Format::WebSocketJson, lines.join("\n").into_bytes()), (Format::WebSocketProtobuf, delimited)] {
            let heard: Result<Vec<_>, _> = decode(format, &frame).collect();
            prop_assert_eq!(&heard.unwrap(), &expected);
        }
    }

    #[test]
    fn what_the_client_writes_the_node_reads(
        json in words::command(PayloadKind::Json), binary in words::command(PayloadKind::Binary), mask: [u8; 4],
    ) {
        for format in FORMATS {
            let command = if kind(format) == PayloadKind::Json { &json } else { &binary };
            let (mut body, mut frame) = (Vec::new(), Vec::new());
            write_command(format, command, mask, &mut body, &mut frame);
            if format.is_websocket() {
                let opcode = if kind(format) == PayloadKind::Json { Opcode::Text } else { Opcode::Binary };
                let Ok(Decoded::Frame(found)) = websocket::decode(&mut frame, Sender::Client, 1 << 20) else {
                    return Err(TestCaseError::fail("no whole frame"));
                };
                prop_assert_eq!((found.opcode, found.consumed), (opcode, frame.len()));
                frame = frame[found.payload].to_vec();
            }
            prop_assert_eq!(&commands(format, &frame)[0], command);
        }
    }
}

#[test]
fn a_publication_is_borrowed_from_the_frame() {
    let frame = br#"{"push":{"channel":"c","pub":{"data":{"a":1},"offset":7}}}"#;
    let word = decode(Format::TcpJson, frame).next().unwrap().unwrap();
    let FromNode::Push { channel: Cow::Borrowed("c"), push: Pushed::Publication(publication) } = word else {
        panic!("a borrowed publication: {word:?}")
    };
    assert_eq!(publication, Publication { data: br#"{"a":1}"#, offset: 7, ..Publication::default() });
    assert!(frame.as_ptr_range().contains(&publication.data.as_ptr()));
}

#[test]
fn control_frames_of_the_node_are_found() {
    let mut stream = Vec::new();
    websocket::write_frame(Opcode::Ping, b"p", &mut stream);
    websocket::write_close(3008, "slow", &mut stream);
    let ping = Incoming::Control { opcode: Opcode::Ping, payload: 2..3, consumed: 3 };
    assert_eq!(next_frame(Format::WebSocketJson, &mut stream, 99), Ok(ping));
    let close = Incoming::Control { opcode: Opcode::Close, payload: 2..8, consumed: 8 };
    assert_eq!(next_frame(Format::WebSocketJson, &mut stream[3..], 99), Ok(close));
}

#[test]
fn what_no_node_sends_is_told() {
    for format in [Format::WebSocketJson, Format::TcpJson] {
        for text in ["{\"id\":1}", "{\"connect\":{}}", "{\"push\":{}}", "[]", "{\"push\":{\"pub\":{}}}x"] {
            assert_eq!(decode(format, text.as_bytes()).last(), Some(Err(Malformed)), "{text}");
        }
    }
    for message in [&[2, 8, 1][..], &[2, 0x2a, 0], &[2, 0x22, 0], &[5, 0]] {
        assert_eq!(decode(Format::TcpProtobuf, message).last(), Some(Err(Malformed)), "{message:?}");
    }
    let mut binary = Vec::new();
    websocket::write_frame(Opcode::Binary, b"x", &mut binary);
    let violation = FrameViolation::WebSocket(websocket::Violation::Fragmentation);
    assert_eq!(next_frame(Format::WebSocketJson, &mut binary, 99), Err(violation));
}
