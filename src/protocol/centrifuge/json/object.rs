//! Writes JSON objects without a tree and without an allocation.

use base64::Engine as _;
use serde::de::IgnoredAny;

use super::one_line;
use crate::model::{Expiry, PayloadKind};

/// Writes `{"key":value,…}` without trailing commas.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// A part of an object that others begin and end.
    pub(crate) fn part(out: &'a mut Vec<u8>) -> Self {
        Self { out, first: true }
    }

    /// Keys and values that were written as a part.
    pub(crate) fn raw(&mut self, part: &[u8]) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.extend_from_slice(part);
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }

    /// The key must need no escape.
    pub(crate) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        self.out.extend_from_slice(if self.first { b"\"" } else { b",\"" });
        self.first = false;
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A key that somebody else chose.
    pub(crate) fn foreign_key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        write_text(key, self.out);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn number(&mut self, key: &str, value: impl itoa::Integer) {
        let out = self.key(key);
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    pub(crate) fn positive(&mut self, key: &str, value: u64) {
        if value != 0 {
            self.number(key, value);
        }
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        write_text(value, self.key(key));
    }

    pub(crate) fn some_text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.key(key).extend_from_slice(b"true");
        }
    }

    pub(crate) fn payload(&mut self, key: &str, bytes: &[u8], kind: PayloadKind) {
        write_payload(bytes, kind, self.key(key));
    }

    pub(crate) fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        write_object(self.key(key), write);
    }

    /// An expiry that has a beginning has both fields: SDKs read `ttl` wherever they read `expires`.
    pub(crate) fn expiry(&mut self, expiry: Expiry) {
        if expiry.expires {
            self.flag("expires", true);
            self.number("ttl", expiry.ttl_s);
        }
    }
}

/// Writes one object.
pub(crate) fn write_object(out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
    let mut object = Object::begin(out);
    write(&mut object);
    object.end();
}

/// Writes a string with what RFC 8259, 7 requires escaped.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.push(b'"');
    // Names hardly ever have something to escape, and to look at all of it without a branch takes vectors.
    if bytes.iter().fold(false, |any, byte| any | must_be_escaped(*byte)) {
        write_escaped(bytes, out);
    } else {
        out.extend_from_slice(bytes);
    }
    out.push(b'"');
}

fn must_be_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn write_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                let [high, low] = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            _ => out.push(byte),
        }
    }
}

/// Embeds a payload. Bytes that are no JSON value are given as a string: their text if they are UTF-8,
/// otherwise base64. No bytes are null.
pub(crate) fn write_payload(bytes: &[u8], kind: PayloadKind, out: &mut Vec<u8>) {
    if bytes.is_empty() {
        return out.extend_from_slice(b"null");
    }
    match kind {
        PayloadKind::Json => out.extend_from_slice(bytes),
        PayloadKind::Binary => match std::str::from_utf8(bytes) {
            Ok(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                out.extend_from_slice(&one_line(text.trim().as_bytes()));
            }
            Ok(text) => write_text(text, out),
            Err(_) => write_text(&base64::engine::general_purpose::STANDARD.encode(bytes), out),
        },
    }
}
