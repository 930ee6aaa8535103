use proptest::prelude::*;
use prost::Message;

use super::{commands, map, proto, words};
use crate::model::PayloadKind;
use crate::protocol::Format;
use crate::protocol::centrifuge::client::encode_command;
use crate::protocol::centrifuge::{Encoding, Malformed, protobuf};
use crate::protocol::word::{Command, Reply, ReplyBody, Verb};

const FORMAT: Format = Format::WebSocketProtobuf;

fn one(message: &proto::Command) -> Vec<u8> {
    message.encode_length_delimited_to_vec()
}

proptest! {
    #[test]
    fn commands_are_read_as_prost_writes_them(commands in prop::collection::vec(words::command(PayloadKind::Binary), 0..4)) {
        let frame: Vec<u8> = commands.iter().flat_map(|command| one(&map::command(command))).collect();
        prop_assert_eq!(super::commands(FORMAT, &frame), commands);
    }

    #[test]
    fn our_commands_are_read_by_prost(command in words::command(PayloadKind::Binary)) {
        let mut frame = Vec::new();
        encode_command(Encoding::Protobuf, &command, &mut frame);
        prop_assert_eq!(proto::Command::decode_length_delimited(&frame[..]).unwrap(), map::command(&command));
    }

    #[test]
    fn our_replies_and_pushes_are_read_by_prost(parts in words::parts(PayloadKind::Binary)) {
        let disconnect = parts.disconnect();
        for reply in parts.replies() {
            let mut body = Vec::new();
            protobuf::encode_reply(&reply, &mut body);
            let (mut part, mut again) = (Vec::new(), Vec::new());
            protobuf::encode_body(&reply.body, &mut part);
            protobuf::encode_reply(&Reply { id: reply.id, body: ReplyBody::Encoded(&part) }, &mut again);
            prop_assert_eq!(&again, &body, "encoded once for many replies");
            prop_assert_eq!(proto::Reply::decode(&body[..]).unwrap(), map::reply(&reply));
        }
        for push in parts.pushes(&disconnect) {
            let mut body = Vec::new();
            protobuf::encode_push(&push, &mut body);
            prop_assert_eq!(proto::Reply::decode(&body[..]).unwrap(), map::push(&push));
        }
    }
}

#[test]
fn an_empty_message_is_a_pong() {
    assert_eq!(commands(FORMAT, &[0]), [Command { id: 0, verb: Verb::Pong }]);
    assert_eq!(commands(FORMAT, &[2, 8, 0]), [Command { id: 0, verb: Verb::Pong }], "zero written out");
}

#[test]
fn the_first_request_by_number_is_taken() {
    let message = proto::Command {
        id: 7,
        refresh: Some(proto::RefreshRequest::default()),
        presence: Some(proto::ChannelRequest { channel: "a".into() }),
        ..Default::default()
    };
    assert_eq!(commands(FORMAT, &one(&message))[0].verb, Verb::Presence { channel: "a".into() });
}

#[test]
fn what_the_node_has_not_is_told_apart() {
    let subscribe = |change: fn(&mut proto::SubscribeRequest)| {
        let mut request = proto::SubscribeRequest { channel: "a".into(), ..Default::default() };
        change(&mut request);
        proto::Command { id: 1, subscribe: Some(request), ..Default::default() }
    };
    let unavailable = [
        subscribe(|request| request.kind = -1),
        proto::Command {
            id: 1,
            publish: Some(proto::PublishRequest { kind: 1, ..Default::default() }),
            ..Default::default()
        },
        proto::Command {
            id: 1,
            sub_refresh: Some(proto::SubRefreshRequest { kind: 2, ..Default::default() }),
            ..Default::default()
        },
    ];
    for message in unavailable {
        assert!(matches!(commands(FORMAT, &one(&message))[0].verb, Verb::Unavailable(_)), "{message:?}");
    }
    // A client that may be given deltas, or numbers for channels, takes the plain form as well.
    let plain = subscribe(|request| {
        request.delta = "fossil".into();
        request.flag = 3;
    });
    assert!(matches!(commands(FORMAT, &one(&plain))[0].verb, Verb::Subscribe(_)));
}

#[test]
fn a_broken_frame_ends_with_one_error() {
    let good = one(&proto::Command { id: 1, ping: Some(proto::Empty {}), ..Default::default() });
    let broken: [&[u8]; 9] = [
        &[5, 8, 1],
        &[0x80],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 1],
        &[2, 8, 0x80],
        &[2, 0x0b, 0],
        &[2, 0x00, 0],
        &[3, 0x22, 5, 0],
        &[2, 0x28, 1],
        &[6, 8, 0x80, 0x80, 0x80, 0x80, 0x10],
    ];
    for tail in broken {
        let frame = [&good, tail].concat();
        let decoded: Vec<_> = FORMAT.commands(&frame).collect();
        assert_eq!(decoded, [Ok(Command { id: 1, verb: Verb::Ping }), Err(Malformed)], "{tail:02x?}");
    }
}

#[test]
fn text_must_be_utf_8() {
    let mut frame = one(&proto::Command {
        id: 1,
        presence: Some(proto::ChannelRequest { channel: "channel".into() }),
        ..Default::default()
    });
    *frame.last_mut().unwrap() = 0xff;
    assert_eq!(FORMAT.commands(&frame).collect::<Vec<_>>(), [Err(Malformed)]);
}
