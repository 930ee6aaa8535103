//! What the rest of the company reads and writes in Kafka: the kinds of records, how they lie in bytes, and by which headers a
//! stranger knows them. `docs/EVENTS.md` and `docs/events.proto` tell the same to people and to other languages; a test holds
//! the three together.
//!
//! Owns the schemas, never the way to Kafka. A schema only gets fields; what is no longer the same is a new version of it.

mod call;
pub mod data;
mod format;
mod login;
mod null;
mod publication;
mod publish;
mod push;
mod session;
#[cfg(test)]
mod tests;
mod unreadable;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use call::Call;
pub use format::Format;
pub use login::{LoginDevice, LoginKind, LoginSdk, UserLogin};
pub use publication::Publication;
pub use publish::{Publish, Publisher};
pub use push::{PushKind, PushOffline, PushReason, PushUser};
pub use session::{SessionCause, SessionUpdate};
pub use unreadable::Unreadable;

/// The header of a record that says how its value lies in bytes.
pub const CONTENT_TYPE: &str = "content-type";

/// The header of a record that says what it is.
pub const SCHEMA: &str = "ringpost-schema";

/// A kind of record. The same struct is its Protobuf message, by the numbers of its fields, and its JSON object, by their names.
pub trait Event: prost::Message + Default + std::fmt::Debug + Serialize + DeserializeOwned {
    /// Its name and version, as in `user.login.log/1`.
    const SCHEMA: &'static str;
}

/// A record's value.
pub fn encode<E: Event>(event: &E, format: Format) -> Vec<u8> {
    let mut value = Vec::new();
    encode_into(&mut value, event, format);
    value
}

/// The same, behind what is there.
pub fn encode_into<E: Event>(value: &mut Vec<u8>, event: &E, format: Format) {
    match format {
        Format::Json => serde_json::to_writer(value, event).expect("an event is written to memory as JSON"),
        Format::Protobuf => event.encode(value).expect("memory has room"),
    }
}

/// A record's headers.
pub fn headers<E: Event>(format: Format) -> [(&'static str, &'static [u8]); 2] {
    [(CONTENT_TYPE, format.content_type().as_bytes()), (SCHEMA, E::SCHEMA.as_bytes())]
}

/// A stranger's record, by its content-type header; without one it is JSON. What this version does not know of it is left out.
///
/// # Errors
/// Why it cannot be read.
pub fn decode<E: Event>(content_type: Option<&[u8]>, value: &[u8]) -> Result<E, Unreadable> {
    Ok(match Format::of(content_type)? {
        Format::Json => match simdutf8::basic::from_utf8(value) {
            // No string of it needs to be looked at by itself.
            Ok(text) => serde_json::from_str(text)?,
            Err(_) => serde_json::from_slice(value)?,
        },
        Format::Protobuf => E::decode(value)?,
    })
}
