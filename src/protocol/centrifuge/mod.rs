//! Adapter of the Centrifugo client protocol (<https://centrifugal.dev/docs/transports/client_protocol>),
//! in JSON and in Protobuf. Field numbers and names are those of `client.proto` in centrifugal/protocol.
//!
//! One frame carries one or more commands; each reply or push that the node writes is a frame of its own.

pub mod client;
pub mod codes;
mod filter_node;
pub mod json;
pub mod protobuf;
mod refused;
mod wire_type;

pub use refused::Malformed;

use crate::protocol::word::{Command, ReplyBody};

/// How words become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One JSON object per word.
    Json,
    /// One length-prefixed Protobuf message per word.
    Protobuf,
}

impl Encoding {
    /// How many there are.
    pub const COUNT: usize = 2;

    /// A number below [`Encoding::COUNT`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Appends the body of a reply as [`ReplyBody::Encoded`] takes it, so that many replies need it encoded once.
    pub fn write_body(self, body: &ReplyBody<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Json => json::encode_body(body, out),
            Self::Protobuf => protobuf::encode_body(body, out),
        }
    }
}

/// The commands of one frame, in order. After a [`Malformed`] it ends.
#[derive(Debug)]
pub struct Commands<'a> {
    frame: Encoded<'a>,
    at: usize,
    end: usize,
}

#[derive(Debug)]
enum Encoded<'a> {
    /// `None` where it is no UTF-8: looked at once, so that the strings in it need not be.
    Json(Option<&'a str>),
    Protobuf(&'a [u8]),
}

/// Reads the commands of one frame: JSON objects, or Protobuf messages with the length before each.
pub fn decode(encoding: Encoding, frame: &[u8]) -> Commands<'_> {
    let end = frame.len();
    let frame = match encoding {
        Encoding::Json => Encoded::Json(simdutf8::basic::from_utf8(frame).ok()),
        Encoding::Protobuf => Encoded::Protobuf(frame),
    };
    Commands { frame, at: 0, end }
}

impl Commands<'_> {
    /// Where in the frame the next command begins.
    pub fn offset(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = Result<Command<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.end {
            return None;
        }
        let decoded = match self.frame {
            Encoded::Json(Some(text)) => json::decode_command(text, &mut self.at),
            Encoded::Json(None) => Some(Err(Malformed)),
            Encoded::Protobuf(bytes) => protobuf::decode_command(bytes, &mut self.at),
        };
        if matches!(decoded, Some(Err(_))) {
            self.at = self.end;
        }
        decoded
    }
}

#[cfg(test)]
pub(crate) mod tests;
