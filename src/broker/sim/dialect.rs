//! What a simulated client writes and reads, in any format, by way of `serde_json` and `prost`: implementations of the
//! protocol that are not the node's. Words are JSON values, as the protocol spells them; so are those that travel as
//! Protobuf.

use prost::Message as _;
use serde_json::Value;

use crate::protocol::Format;
use crate::protocol::centrifuge::Encoding;
use crate::protocol::centrifuge::tests::proto;

/// How clients speak.
pub(crate) const FORMATS: [Format; Format::COUNT] =
    [Format::WebSocketJson, Format::WebSocketProtobuf, Format::TcpJson, Format::TcpProtobuf];

/// What the node sent.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// A reply or a push.
    Word(Value),
    /// A WebSocket close frame.
    Close(u16),
    /// Another WebSocket control frame.
    Control,
}

/// Commands as they lie in one frame.
pub(crate) fn encode(format: Format, commands: &[Value]) -> Vec<u8> {
    let mut frame = Vec::new();
    for command in commands {
        match format.encoding() {
            Encoding::Json => {
                if !frame.is_empty() {
                    frame.push(b'\n');
                }
                frame.extend_from_slice(command.to_string().as_bytes());
            }
            Encoding::Protobuf => {
                let command: proto::Command = serde_json::from_str(&command.to_string()).expect("a command");
                frame.extend_from_slice(&command.encode_length_delimited_to_vec());
            }
        }
    }
    frame
}

/// Takes the next whole message out of what has come.
pub(crate) fn next(format: Format, bytes: &mut Vec<u8>) -> Option<Heard> {
    match format {
        Format::WebSocketJson | Format::WebSocketProtobuf => next_frame(format, bytes),
        Format::TcpJson => {
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            let line: Vec<u8> = bytes.drain(..=end).collect();
            Some(Heard::Word(word(format, &line)))
        }
        Format::TcpProtobuf => {
            let mut rest = &bytes[..];
            let len = prost::decode_length_delimiter(&mut rest).ok()?;
            let end = bytes.len() - rest.len() + len;
            if bytes.len() < end {
                return None;
            }
            let message: Vec<u8> = bytes.drain(..end).collect();
            Some(Heard::Word(word(format, &message)))
        }
    }
}

fn next_frame(format: Format, bytes: &mut Vec<u8>) -> Option<Heard> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (start, len) = match second {
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().expect("eight bytes")) as usize),
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().expect("two bytes")))),
        len => (2, usize::from(len)),
    };
    if bytes.len() < start + len {
        return None;
    }
    let frame: Vec<u8> = bytes.drain(..start + len).collect();
    let payload = &frame[start..];
    let data = if format.encoding() == Encoding::Json { 0x81 } else { 0x82 };
    Some(match first {
        0x88 => Heard::Close(payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]))),
        0x89 | 0x8a => Heard::Control,
        first => {
            assert_eq!(first, data, "the node sends whole messages of the kind that was agreed on");
            Heard::Word(word(format, payload))
        }
    })
}

fn word(format: Format, payload: &[u8]) -> Value {
    match format.encoding() {
        Encoding::Json => serde_json::from_slice(payload).expect("the node speaks JSON"),
        Encoding::Protobuf => {
            let reply = proto::Reply::decode_length_delimited(payload).expect("the node speaks Protobuf");
            let text = serde_json::to_string(&reply).expect("clients publish JSON");
            serde_json::from_str(&text).expect("it was just written")
        }
    }
}
