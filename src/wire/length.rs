//! Length-prefixed messages: a base-128 varint (as Protobuf's), then that many bytes.

use std::ops::Range;

/// What lies at the beginning of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Not enough bytes for one message.
    Partial,
    /// A message with its length before it.
    Whole {
        /// Where its bytes are.
        payload: Range<usize>,
        /// Where the next one begins.
        consumed: usize,
    },
}

/// Why the input cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LengthViolation {
    /// The length is no varint of up to 32 bits.
    #[error("malformed length")]
    Malformed,
    /// The message is longer than allowed.
    #[error("message too long")]
    TooLong,
}

/// Looks for one message of at most `max` bytes.
///
/// # Errors
/// See [`LengthViolation`].
pub fn next(input: &[u8], max: usize) -> Result<Message, LengthViolation> {
    let mut len = 0u64;
    for (at, byte) in input.iter().take(5).enumerate() {
        len |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            if len > max as u64 {
                return Err(LengthViolation::TooLong);
            }
            let start = at + 1;
            let end = start + len as usize;
            return Ok(match input.len() < end {
                true => Message::Partial,
                false => Message::Whole { payload: start..end, consumed: end },
            });
        }
    }
    if input.len() < 5 { Ok(Message::Partial) } else { Err(LengthViolation::Malformed) }
}

/// Bytes that a varint takes.
pub fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends a varint.
pub fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
