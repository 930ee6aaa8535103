//! The table of prices, nanoseconds of a shard's time. Orders of magnitude of what was measured on a server core, rounded
//! up: what counts is that nothing is free.

/// A command: read, looked at, answered (`make gate`: 1,700 to 3,200 instructions).
pub const COMMAND_NS: u64 = 1_000;

/// A byte of a command, or of an answer: checked, copied, sent.
pub const BYTE_NS: u64 = 2;

/// A publication that reaches a subscriber, or somebody's coming or going. Alone it costs a system call of some 4,000,
/// with others in one send 100 to 400.
pub const DELIVERY_NS: u64 = 1_000;

/// What has to be done at once of a delivery: it is attached to its conn, whose send comes in a later slice (`make gate`:
/// 84 instructions in a burst, 243 alone).
pub const ATTACHING_NS: u64 = 20;

/// A member of a channel, where the list has changed since it was last asked for: looked up, sorted, encoded.
pub const MEMBER_NS: u64 = 200;

/// A publication in an answer, but for its bytes.
pub const PUBLICATION_NS: u64 = 500;

/// A node of a filter, asked about a publication: a search among the tags, a comparison.
pub const FILTER_NODE_NS: u64 = 20;

/// A signature of a token, checked with a shared secret.
pub const HMAC_NS: u64 = 1_500;

/// A signature checked with an RSA key of 4,096 bits; one of 2,048 bits takes a third.
pub const RSA_NS: u64 = 60_000;

/// A signature checked with a key on P-256.
pub const P256_NS: u64 = 100_000;

/// A signature checked with a key on P-384 or P-521.
pub const LONG_CURVE_NS: u64 = 500_000;

/// A signature checked with an Ed25519 key.
pub const ED25519_NS: u64 = 100_000;
