//! The client's side of the protocol, for tests, benches and load generators: writes commands, reads what
//! the node sends.
//!
//! Commands are the node's own words. What the node sends is read into types that borrow from the input and
//! are spelled as the protocol spells them: to receive a publication allocates nothing.

mod borrowed;
mod frame;
mod heard;
mod json;
mod protobuf;

pub use frame::{FrameViolation, Incoming, next_frame};
pub use heard::{Answer, ClientInfo, Connected, FromNode, HistoryPage, Publication, Pushed, Refreshed, Subscribed};

use super::{Encoding, Malformed};
use crate::protocol::Format;
use crate::protocol::word::Command;
use crate::wire::websocket;

/// Appends a command as it lies in a frame; one frame takes several, one after the other.
///
/// [`Verb::Unknown`](crate::protocol::word::Verb::Unknown) and
/// [`Verb::Unavailable`](crate::protocol::word::Verb::Unavailable) become commands without a request.
pub fn encode_command(encoding: Encoding, command: &Command<'_>, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Json => json::encode_command(command, out),
        Encoding::Protobuf => protobuf::encode_command(command, out),
    }
}

/// Appends commands that [`encode_command`] wrote as one frame. Only WebSocket frames are masked.
pub fn write_frame(format: Format, commands: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    match format {
        Format::WebSocketJson => websocket::write_masked(websocket::Opcode::Text, commands, mask, out),
        Format::WebSocketProtobuf => websocket::write_masked(websocket::Opcode::Binary, commands, mask, out),
        Format::TcpJson | Format::TcpProtobuf => out.extend_from_slice(commands),
    }
}

/// Appends one command as one frame. `body` is scratch space that is kept between calls.
pub fn write_command(format: Format, command: &Command<'_>, mask: [u8; 4], body: &mut Vec<u8>, out: &mut Vec<u8>) {
    body.clear();
    encode_command(format.encoding(), command, body);
    write_frame(format, body, mask, out);
}

/// What the node sent in one frame, in order. After a [`Malformed`] it ends.
#[derive(Debug)]
pub struct Words<'a> {
    frame: &'a [u8],
    at: usize,
    encoding: Encoding,
}

/// Reads the replies and pushes of one frame; for TCP, one line or one message with the length before it.
pub fn decode(format: Format, frame: &[u8]) -> Words<'_> {
    Words { frame, at: 0, encoding: format.encoding() }
}

impl<'a> Iterator for Words<'a> {
    type Item = Result<FromNode<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let decoded = match self.encoding {
            Encoding::Json => json::decode(self.frame, &mut self.at),
            Encoding::Protobuf => protobuf::decode(self.frame, &mut self.at),
        };
        if matches!(decoded, Some(Err(_))) {
            self.at = self.frame.len();
        }
        decoded
    }
}
