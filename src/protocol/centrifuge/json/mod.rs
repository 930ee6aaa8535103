//! Words in JSON.
//!
//! Reading is left to `serde_json`, which borrows from the frame; writing is by hand, since a publication is
//! written for every format of every fan-out and must not allocate. `data` stays the raw JSON that the
//! client sent, on one line.

pub(super) mod object;
mod publish;
mod read;
mod send;
pub(super) mod shape;
mod write;

use std::borrow::Cow;

pub(crate) use object::write_payload;
pub(super) use read::decode_command;
pub use write::{encode_body, encode_push, encode_reply};

/// JSON has line breaks only between its tokens: as spaces they mean the same and split no line.
pub fn one_line(json: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\n', b'\r', json).is_none() {
        return Cow::Borrowed(json);
    }
    Cow::Owned(json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect())
}
