//! Every bound that is not configurable, and the relations that must hold between them.

/// Shards of one node. A channel's set of subscribed shards is a `u64` mask.
pub const SHARDS_MAX: usize = 64;

/// Longest channel name, bytes.
pub const CHANNEL_NAME_BYTES_MAX: usize = 255;

/// Longest reason in a WebSocket close frame, bytes (RFC 6455, 5.5: 125 with the code).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;
