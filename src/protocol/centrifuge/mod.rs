//! Adapter of the Centrifugo client protocol (<https://centrifugal.dev/docs/transports/client_protocol>),
//! in JSON and in Protobuf. Field numbers and names are those of `client.proto` in centrifugal/protocol.
//!
//! One frame carries one or more commands; each reply or push that the node writes is a frame of its own.

pub mod client;
pub mod format;
pub mod json;
pub mod protobuf;
mod wire_type;

pub use format::{Encoding, Format};

use super::word::Command;

// What newer versions of the protocol have and this node has not: a client that counts on one of these must be
// told, since without it the command would mean something else.
const TAGS_FILTER: &str = "not available: tags filter";
const MAP_SUBSCRIPTION: &str = "not available: subscriptions of another type than stream";
const MAP_PUBLISH: &str = "not available: publications of another type than stream";
const TRACKED_KEYS: &str = "not available: tracked keys";

/// A bit of a subscribe command's `flag`: what cannot be recovered whole is refused. Another bit, 1, asks for
/// numbers instead of channel names in pushes, which the node may leave aside.
const REJECT_UNRECOVERED: u64 = 2;

/// The peer does not speak the protocol; what it sent after this cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed command")]
pub struct Malformed;

/// The commands of one frame, in order. After a [`Malformed`] it ends.
#[derive(Debug)]
pub struct Commands<'a> {
    frame: &'a [u8],
    at: usize,
    encoding: Encoding,
}

/// Reads the commands of one frame. For TCP, which has no frames, one line is a frame, or one message with
/// the length before it.
pub fn decode(format: Format, frame: &[u8]) -> Commands<'_> {
    Commands { frame, at: 0, encoding: format.encoding() }
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
        let decoded = match self.encoding {
            Encoding::Json => json::decode_command(self.frame, &mut self.at),
            Encoding::Protobuf => protobuf::decode_command(self.frame, &mut self.at),
        };
        if matches!(decoded, Some(Err(_))) {
            self.at = self.frame.len();
        }
        decoded
    }
}

#[cfg(test)]
mod tests;
