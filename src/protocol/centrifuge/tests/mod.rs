//! Against `prost` and `serde_json`, both ways, by way of random words.

mod client;
mod filter;
mod json;
mod map;
pub(crate) mod proto;
mod protobuf;
pub(in crate::protocol) mod words;

use crate::protocol::Format;
use crate::protocol::word::Command;

/// The commands of a frame that has no fault.
fn commands(format: Format, frame: &[u8]) -> Vec<Command<'_>> {
    format.commands(frame).map(|command| command.expect("a well-formed frame")).collect()
}
