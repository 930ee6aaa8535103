//! Frames and commands in, publications out.

use std::hint::black_box;

use ringpost::model::{Payload, PayloadKind, PayloadRef, Publication};
use ringpost::protocol::Format;
use ringpost::protocol::centrifuge::client;
use ringpost::protocol::word::{Command, Push, Verb};
use ringpost::wire::websocket::{self, Decoded, Sender};

use super::{Operation, data};

const FORMATS: [(&str, Format); 2] = [("JSON", Format::WebSocketJson), ("Protobuf", Format::WebSocketProtobuf)];

pub(super) fn operations() -> Vec<Operation> {
    let each = |(name, format)| {
        [
            Operation::new("codec", format!("read a publish, {name}"), 1, move || read_publish(format)),
            Operation::new("codec", format!("write a publication, {name}"), 1, move || write_publication(format)),
        ]
    };
    FORMATS.into_iter().flat_map(each).collect()
}

/// Copies the frame to where it is unmasked in place, as a receive does, and reads it.
fn read_publish(format: Format) -> impl FnMut() {
    let sent = publish_frame(format);
    let mut frame = sent.clone();
    move || {
        frame.copy_from_slice(black_box(&sent));
        let Ok(Decoded::Frame(found)) = websocket::decode(&mut frame, Sender::Client, 65_536) else {
            unreachable!("the frame is whole");
        };
        let mut commands = format.commands(&frame[found.payload]);
        assert!(black_box(commands.next()).is_some());
    }
}

fn publish_frame(format: Format) -> Vec<u8> {
    let data = PayloadRef { bytes: data().into(), kind: PayloadKind::Json };
    let command = Command { id: 7, verb: Verb::Publish { channel: "chat:room".into(), data } };
    let (mut body, mut frame) = (Vec::new(), Vec::new());
    client::write_command(format, &command, [1, 2, 3, 4], &mut body, &mut frame);
    frame
}

fn write_publication(format: Format) -> impl FnMut() {
    let publication =
        Publication { offset: 1234, data: Payload::json(data()), info: None, tags: None, time_unix_ms: 1 << 40 };
    let mut out = Vec::with_capacity(4096);
    move || {
        let push = Push::Publication { channel: "chat:room", publication: &publication };
        out.clear();
        format.write_push(black_box(&push), &mut out);
        black_box(out.len());
    }
}
