//! What applications send.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::IgnoredAny;

/// How an application payload is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PayloadKind {
    /// One JSON value, checked, on one line: line feeds and carriage returns are replaced by spaces. Empty
    /// where a command came without one.
    Json,
    /// Bytes nobody has looked into. A JSON adapter must check them before it embeds them.
    Binary,
}

/// An application payload borrowed from a receive buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadRef<'a> {
    /// The bytes, at most the size of the frame that carried them.
    pub bytes: Cow<'a, [u8]>,
    /// How to read them.
    pub kind: PayloadKind,
}

impl PayloadRef<'_> {
    /// Copies the payload so that it can outlive the receive buffer. One allocation.
    pub fn to_payload(&self) -> Payload {
        Payload { bytes: Bytes::copy_from_slice(&self.bytes), kind: self.kind }
    }
}

/// An application payload that is shared: cloning counts a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Shared with whoever else holds the message.
    pub bytes: Bytes,
    /// How to read them.
    pub kind: PayloadKind,
}

impl Payload {
    /// A payload that is known to be one JSON value on one line.
    pub fn json(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), kind: PayloadKind::Json }
    }

    /// About as many bytes as it takes in a frame: bytes that are no text become base64 in JSON.
    pub fn weight(&self) -> usize {
        match self.kind {
            PayloadKind::Json => self.bytes.len(),
            PayloadKind::Binary => self.bytes.len().div_ceil(3) * 4,
        }
    }

    /// A payload of bytes nobody has looked into.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), kind: PayloadKind::Binary }
    }
}

/// The bytes as text, if they are one JSON value. That they are UTF-8 is looked at, too: what only skips over a value does not look.
pub fn as_json(bytes: &[u8]) -> Option<&str> {
    let text = simdutf8::basic::from_utf8(bytes).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok().map(|_| text)
}
