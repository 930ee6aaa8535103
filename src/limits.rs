//! Every bound that is not configurable, and the relations that must hold between them.

/// Shards of one node. A channel's set of subscribed shards is a `u64` mask.
pub const SHARDS_MAX: usize = 64;

/// Longest channel name, bytes.
pub const CHANNEL_NAME_BYTES_MAX: usize = 255;

/// Longest reason in a WebSocket close frame, bytes (RFC 6455, 5.5: 125 with the code).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Arena bytes after which the outbox is flushed within a tick, so that what is sent is still in the
/// second-level cache (1 MiB on current server cores).
pub const ARENA_FLUSH_BYTES: usize = 256 * 1024;

/// Most bytes gathered for one send call: loopback and LAN sockets take that much at once.
pub const SEND_BYTES_MAX: usize = 64 * 1024;

/// Pushes to server-side subscriptions of one connect that are held back until its reply is out; a session
/// past it is told to reconnect.
pub const HELD_PUSHES_MAX: usize = 1024;

/// Commands of one client that may wait for another shard's answer at the same time. Few in tests, so that the
/// simulation gets there.
pub const ASKS_IN_FLIGHT_MAX: usize = if cfg!(test) { 2 } else { 1024 };

/// How long a closing conn may take to read its close frame before its socket is shut, milliseconds.
pub const LINGER_MS: u64 = 2_000;

/// Refused commands in a row after which a session is closed with 3509.
pub const REFUSALS_MAX: u16 = 1000;

/// Longest name of a device that is remembered with its session, bytes; longer ones are not.
pub const DEVICE_NAME_BYTES_MAX: usize = 128;

/// Channels that one sweep of the hub looks at; ten sweeps a second visit a million channels in 100 s.
pub const SWEEP_BUDGET: usize = 1024;

/// How long a publish with an idempotency key is remembered, milliseconds.
pub const IDEMPOTENCY_WINDOW_MS: u64 = 5 * 60 * 1000;

/// Idempotency keys remembered per shard; past it the oldest goes.
pub const IDEMPOTENCY_KEYS_MAX: usize = 100_000;

/// Longest head of an HTTP request on a shard, bytes. Browsers with many cookies stay below 8 KiB.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most headers of an HTTP request on a shard.
pub const HTTP_HEADERS_MAX: usize = 64;

/// Most channels that `client.channel_limit` can allow: looking one up walks them.
pub const CHANNELS_PER_SESSION_MAX: usize = 65_535;

/// Bytes that are kept of a client whose session cannot take them yet; past it the client is not read.
pub const HELD_BYTES_MAX: usize = 64 * 1024;

/// Orders of the control plane that a shard takes before it looks at its sockets again.
pub const ORDERS_PER_TICK: usize = 256;

/// Orders that may wait for one shard; past it the control plane waits.
pub const ORDERS_WAITING_MAX: usize = 1024;

/// Ring events that a shard has room for before it grows its list.
pub const EVENTS_PER_TICK: usize = 4096;

/// Ticks after which a busy shard lets its executor look around.
pub const BURST_TICKS: u32 = 8;

/// Descriptors that are kept for everything but clients: listeners, rings, the API, files.
pub const DESCRIPTORS_RESERVED: usize = 256;

/// Longest token, bytes; it bounds the channels that a token can name too. Identity providers that put a user's
/// groups into tokens reach a few KiB.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Longest key set that is read from an endpoint, bytes. Sets with certificate chains reach tens of KiB.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;

/// Most keys of a key set: a token that names no key is tried with each of its algorithm. Providers that rotate
/// publish two to ten.
pub const KEY_SET_KEYS_MAX: usize = 32;

/// Most connections that `http_server.backlog` lets wait: `listen` takes a C int, and `net.core.somaxconn` is
/// rarely above 16 bits.
pub const BACKLOG_MAX: u32 = 65_535;

/// Log lines that may wait for standard error; past it they are dropped and counted. At 200 bytes a line a
/// stalled terminal holds 3 MiB.
pub const LOG_LINES_MAX: usize = 16_384;
