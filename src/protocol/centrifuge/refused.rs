//! What of the protocol is refused: what cannot be read, and what this node has not.

// What newer versions of the protocol have and this node has not: a client that counts on one of these must be
// told, since without it the command would mean something else.
pub(super) const MAP_SUBSCRIPTION: &str = "not available: subscriptions of another type than stream";
pub(super) const MAP_PUBLISH: &str = "not available: publications of another type than stream";
pub(super) const TRACKED_KEYS: &str = "not available: tracked keys";

/// A bit of a subscribe command's `flag`: what cannot be recovered whole is refused. Another bit, 1, asks for
/// numbers instead of channel names in pushes, which the node may leave aside.
pub(super) const REJECT_UNRECOVERED: u64 = 2;

/// The peer does not speak the protocol; what it sent after this cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed command")]
pub struct Malformed;
