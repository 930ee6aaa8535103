//! Finds the frames in what a node has sent.

use std::ops::Range;

use crate::protocol::Format;
use crate::wire::websocket::{self, Decoded, Opcode, Sender, Violation};
use crate::wire::{length, line};

/// What lies at the beginning of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Not a whole frame yet.
    Partial,
    /// Replies and pushes for [`decode`](super::decode).
    Words {
        /// Their bytes in the input, unmasked.
        frame: Range<usize>,
        /// Where the next frame begins.
        consumed: usize,
    },
    /// A WebSocket close, ping or pong.
    Control {
        /// Close, ping or pong.
        opcode: Opcode,
        /// Where its payload is.
        payload: Range<usize>,
        /// Where the next frame begins.
        consumed: usize,
    },
}

/// How the node broke the framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameViolation {
    /// The WebSocket protocol. A fragmented message is one: the node sends none.
    #[error(transparent)]
    WebSocket(#[from] Violation),
    /// The length of a line.
    #[error(transparent)]
    Line(#[from] line::LineTooLong),
    /// The length of a message.
    #[error(transparent)]
    Length(#[from] length::LengthViolation),
}

/// Looks for one frame of at most `max` bytes.
///
/// # Errors
/// See [`FrameViolation`].
pub fn next_frame(format: Format, input: &mut [u8], max: usize) -> Result<Incoming, FrameViolation> {
    match format {
        Format::WebSocketJson => next_websocket(Opcode::Text, input, max),
        Format::WebSocketProtobuf => next_websocket(Opcode::Binary, input, max),
        Format::TcpJson => Ok(match line::next(input, max)? {
            line::Line::Partial => Incoming::Partial,
            line::Line::Whole { line, consumed } => Incoming::Words { frame: line, consumed },
        }),
        Format::TcpProtobuf => Ok(match length::next(input, max)? {
            length::Message::Partial => Incoming::Partial,
            length::Message::Whole { consumed, .. } => Incoming::Words { frame: 0..consumed, consumed },
        }),
    }
}

fn next_websocket(data: Opcode, input: &mut [u8], max: usize) -> Result<Incoming, FrameViolation> {
    let websocket::Frame { fin, opcode, payload, consumed } = match websocket::decode(input, Sender::Server, max)? {
        Decoded::Partial => return Ok(Incoming::Partial),
        Decoded::Frame(frame) => frame,
    };
    if opcode.is_control() {
        return Ok(Incoming::Control { opcode, payload, consumed });
    }
    if !fin || opcode != data {
        return Err(Violation::Fragmentation.into());
    }
    Ok(Incoming::Words { frame: payload, consumed })
}
