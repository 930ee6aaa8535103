//! Encoding and framing together: what fan-out encodes a push for once.

use super::{json, protobuf};
use crate::protocol::word::{Push, Reply};
use crate::wire::{http, length, websocket};

/// How words become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One JSON object per word.
    Json,
    /// One length-prefixed Protobuf message per word.
    Protobuf,
}

/// How bytes become frames, with the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Format {
    /// A WebSocket text message per word.
    WebSocketJson,
    /// A WebSocket binary message per word.
    WebSocketProtobuf,
    /// A line per word.
    TcpJson,
    /// A length-prefixed message per word.
    TcpProtobuf,
}

impl Format {
    /// How many formats there are.
    pub const COUNT: usize = 4;

    /// A number below [`Format::COUNT`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The encoding alone.
    pub const fn encoding(self) -> Encoding {
        match self {
            Self::WebSocketJson | Self::TcpJson => Encoding::Json,
            Self::WebSocketProtobuf | Self::TcpProtobuf => Encoding::Protobuf,
        }
    }

    /// The format of a WebSocket conn, and the subprotocol to answer with: the first that the client offers and the
    /// node knows decides, then the query of its URL (`format` or `cf_protocol`); JSON where nothing is said.
    pub fn of_upgrade(protocols: &[&str], query: &str) -> (Self, Option<&'static str>) {
        const KNOWN: [(&str, Format); 2] =
            [("centrifuge-json", Format::WebSocketJson), ("centrifuge-protobuf", Format::WebSocketProtobuf)];
        let known = |offered: &str| KNOWN.iter().find(|(name, _)| *name == offered);
        if let Some((name, format)) = http::offered(protocols).find_map(known) {
            return (*format, Some(name));
        }
        match ["format", "cf_protocol"].iter().any(|name| http::query_has(query, name, "protobuf")) {
            true => (Self::WebSocketProtobuf, None),
            false => (Self::WebSocketJson, None),
        }
    }

    /// The format of a TCP conn by the first bytes that came; `None` when one more is needed.
    ///
    /// JSON begins with a brace or a blank. So does a Protobuf command of 123 bytes, or of 9, 10, 13 or 32:
    /// but there the number of field `id` follows, which no JSON has in that place.
    pub fn of_tcp(input: &[u8]) -> Option<Self> {
        const ID_TAG: u8 = 1 << 3;
        match input {
            [] | [b'{' | b' ' | b'\t' | b'\n' | b'\r'] => None,
            [b'{' | b' ' | b'\t' | b'\n' | b'\r', second, ..] if *second != ID_TAG => Some(Self::TcpJson),
            _ => Some(Self::TcpProtobuf),
        }
    }

    /// Whether frames are WebSocket frames.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::WebSocketJson | Self::WebSocketProtobuf)
    }
}

/// Appends a reply as one frame. `body` is scratch space that is kept between calls.
pub fn write_reply(format: Format, reply: &Reply<'_>, body: &mut Vec<u8>, out: &mut Vec<u8>) {
    body.clear();
    match format.encoding() {
        Encoding::Json => json::encode_reply(reply, body),
        Encoding::Protobuf => protobuf::encode_reply(reply, body),
    }
    write_frame(format, body, out);
}

/// Appends a push as one frame. `body` is scratch space that is kept between calls.
pub fn write_push(format: Format, push: &Push<'_>, body: &mut Vec<u8>, out: &mut Vec<u8>) {
    body.clear();
    match format.encoding() {
        Encoding::Json => json::encode_push(push, body),
        Encoding::Protobuf => protobuf::encode_push(push, body),
    }
    write_frame(format, body, out);
}

fn write_frame(format: Format, body: &[u8], out: &mut Vec<u8>) {
    match format {
        Format::WebSocketJson => websocket::write_header(websocket::Opcode::Text, body.len(), out),
        Format::WebSocketProtobuf => {
            let prefix = length::varint_len(body.len() as u64);
            websocket::write_header(websocket::Opcode::Binary, prefix + body.len(), out);
            length::write_varint(body.len() as u64, out);
        }
        Format::TcpJson => {}
        Format::TcpProtobuf => length::write_varint(body.len() as u64, out),
    }
    out.extend_from_slice(body);
    if format == Format::TcpJson {
        out.push(b'\n');
    }
}
