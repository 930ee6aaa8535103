//! A dialect and its framing together: what fan-out encodes a push for once.
//!
//! Owns the choice of both for a conn, and the one match per frame that comes in and per word that goes out. Never
//! `dyn`: a conn's format is one byte, which each of its subscriptions carries.

use super::centrifuge::codes::CodedDisconnect;
use super::centrifuge::{self, Commands, Encoding, json, protobuf};
use super::word::{Push, Reply};
use crate::model::refusal::Disconnect;
use crate::wire::{http, length, websocket};

/// Which dialect is spoken, in which framing.
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

    /// Reads the commands of one frame. For TCP, which has no frames, one line is a frame, or one message with
    /// the length before it.
    pub fn commands(self, frame: &[u8]) -> Commands<'_> {
        centrifuge::decode(self.encoding(), frame)
    }

    /// Appends a reply as one frame.
    pub fn write_reply(self, reply: &Reply<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        match self.encoding() {
            Encoding::Json => json::encode_reply(reply, out),
            Encoding::Protobuf => protobuf::encode_reply(reply, out),
        }
        self.frame(start, out);
    }

    /// Appends a push as one frame.
    pub fn write_push(self, push: &Push<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        match self.encoding() {
            Encoding::Json => json::encode_push(push, out),
            Encoding::Protobuf => protobuf::encode_push(push, out),
        }
        self.frame(start, out);
    }

    /// Appends the last word to a client: a close frame, or where there is none a push.
    pub fn write_goodbye(self, disconnect: &Disconnect, out: &mut Vec<u8>) {
        if self.is_websocket() {
            let told = CodedDisconnect::from(disconnect);
            websocket::write_close(told.code, &told.reason, out);
        } else {
            self.write_push(&Push::Disconnect(disconnect), out);
        }
    }

    /// Makes a frame of the word that begins at `start`. Its head tells its length, so it is written behind the word
    /// and then turned to the front: one move of the word, as a copy from scratch space would be.
    fn frame(self, start: usize, out: &mut Vec<u8>) {
        let end = out.len();
        let word_bytes = end - start;
        match self {
            Self::WebSocketJson => websocket::write_header(websocket::Opcode::Text, word_bytes, out),
            Self::WebSocketProtobuf => {
                let prefix_bytes = length::varint_len(word_bytes as u64);
                websocket::write_header(websocket::Opcode::Binary, prefix_bytes + word_bytes, out);
                length::write_varint(word_bytes as u64, out);
            }
            Self::TcpJson => return out.push(b'\n'),
            Self::TcpProtobuf => length::write_varint(word_bytes as u64, out),
        }
        let head_bytes = out.len() - end;
        out[start..].rotate_right(head_bytes);
    }
}
