//! Protobuf's wire format (<https://protobuf.dev/programming-guides/encoding/>): fields in place.

use super::Malformed;
use crate::wire::length::{self, Message, varint_len, write_varint};

/// One field's value as it lies in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire types 1 and 5: nothing of the protocol has them.
    Fixed,
}

impl<'a> Value<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(Malformed) }
    }

    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        simdutf8::basic::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub(super) fn number(self) -> Result<u64, Malformed> {
        if let Self::Varint(number) = self { Ok(number) } else { Err(Malformed) }
    }

    pub(super) fn flag(self) -> Result<bool, Malformed> {
        Ok(self.number()? != 0)
    }
}

/// The message with its length before it that lies at `at`, which moves behind it; `None` at the end of the frame.
#[inline]
pub(super) fn next_message<'a>(frame: &'a [u8], at: &mut usize) -> Option<Result<&'a [u8], Malformed>> {
    let rest = &frame[*at..];
    if rest.is_empty() {
        return None;
    }
    let Ok(Message::Whole { payload, consumed }) = length::next(rest, rest.len()) else {
        return Some(Err(Malformed));
    };
    *at += consumed;
    Some(Ok(&rest[payload]))
}

/// Reads a message's fields in order.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(len).map_err(|_| Malformed)?;
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Malformed> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.take(len)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return Err(Malformed),
        };
        if tag >> 3 == 0 { Err(Malformed) } else { Ok((tag >> 3, value)) }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| self.field())
    }
}

/// Appends fields; what is zero or empty is left out, as proto3 does.
pub(super) trait PutField {
    fn put_number(&mut self, field: u32, value: u64);
    fn put_bytes(&mut self, field: u32, value: &[u8]);
    fn put_flag(&mut self, field: u32, value: bool) {
        self.put_number(field, u64::from(value));
    }
    fn put_text(&mut self, field: u32, value: &str) {
        self.put_bytes(field, value.as_bytes());
    }
    /// A message, even if it is empty.
    fn put_message(&mut self, field: u32, write: impl FnOnce(&mut Vec<u8>));
    /// What `write` writes, with its length before it.
    fn put_delimited(&mut self, write: impl FnOnce(&mut Vec<u8>));
}

impl PutField for Vec<u8> {
    fn put_number(&mut self, field: u32, value: u64) {
        if value != 0 {
            write_varint(u64::from(field) << 3, self);
            write_varint(value, self);
        }
    }

    fn put_bytes(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            write_varint(u64::from(field) << 3 | 2, self);
            write_varint(value.len() as u64, self);
            self.extend_from_slice(value);
        }
    }

    fn put_message(&mut self, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
        write_varint(u64::from(field) << 3 | 2, self);
        self.put_delimited(write);
    }

    fn put_delimited(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        // Most messages are shorter than 128 bytes: leave one byte for the length, make room if it is more.
        let at = self.len();
        self.push(0);
        write(self);
        let len = self.len() - at - 1;
        if len < 0x80 {
            self[at] = len as u8;
            return;
        }
        let extra = varint_len(len as u64) - 1;
        let end = self.len();
        self.resize(end + extra, 0);
        self.copy_within(at + 1..end, at + 1 + extra);
        let mut rest = len as u64;
        for byte in &mut self[at..=at + extra] {
            *byte = (rest as u8 & 0x7f) | 0x80;
            rest >>= 7;
        }
        self[at + extra] &= 0x7f;
    }
}
