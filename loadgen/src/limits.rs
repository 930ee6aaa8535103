//! Every bound of the load generator, named in one place.

use ringpost::ring::RingSize;

/// The ring of the load thread. 16,384 completions and 2,048 receive buffers take a message for each of thousands
/// of subscribers in one turn; at 8 MiB the buffers still fit into a last-level cache.
pub const RING: RingSize = RingSize { entries: 4096, buffers: 2048, buffer_bytes: 4096 };

/// Events that there is room for before the list grows.
pub const EVENTS_PER_TURN: usize = 16 * 1024;

/// Connections that are opened at the same time while the clients of a scenario gather: below the backlogs that
/// servers commonly listen with.
pub const HANDSHAKES_MAX: usize = 100;

/// Connections that may be under way at the same time when a schedule opens them; past it the schedule waits, and
/// what it waits counts as latency.
pub const ARRIVALS_MAX: usize = 4096;

/// Smallest receive buffer that a scenario may ask for, bytes. Below it a loopback connection, whose segments are as
/// long, is slow for that reason alone.
pub const RECEIVE_BUFFER_BYTES_MIN: usize = 16 * 1024;

/// Largest receive buffer that a scenario may ask for, bytes.
pub const RECEIVE_BUFFER_BYTES_MAX: usize = 64 << 20;

/// Connections that are opened in one turn of the load thread: between turns it reads what the earlier ones are told.
pub const ARRIVALS_PER_TURN: usize = 256;

/// Messages of one publisher that may be unanswered in an open loop; past it the schedule waits, and what it waits
/// counts as latency.
pub const UNANSWERED_MAX: usize = 4096;

/// Longest frame that is read from a server, bytes.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Loopback addresses that connections come from: each has some 28,000 ports.
pub const SOURCE_ADDRESSES: u32 = 250;

/// Most clients of a scenario.
pub const CLIENTS_MAX: u64 = 1_000_000;

/// Most subscriptions of bystanders: each has its name here and its memory in the server.
pub const SUBSCRIPTIONS_MAX: u64 = 10_000_000;

/// Most pairs of a publisher and one who hears it: each pair's place in the sequence takes four bytes.
pub const PAIRS_MAX: u64 = 100_000_000;

/// Longest application payload, bytes.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// Missing messages that are remembered one by one, to tell those that come late from those that come twice.
pub const MISSING_REMEMBERED_MAX: usize = 65_536;

/// Faults that are described in words; the others are counted.
pub const FAULT_EXAMPLES_MAX: usize = 8;

/// Clients of whom none comes in for so long are given up, milliseconds. A connection that the kernel has to ask for
/// twice takes a second or three.
pub const GATHER_PATIENCE_MS: u64 = 10_000;

/// Messages of which none arrives for so long, when no more are sent, are given up, milliseconds.
pub const DRAIN_PATIENCE_MS: u64 = 5_000;

/// How long a scrape of the server's metrics may take, milliseconds.
pub const SCRAPE_TIMEOUT_MS: u64 = 2_000;

/// Longest waits that the histograms tell apart, nanoseconds: ten minutes. Longer ones count as this.
pub const LATENCY_NS_MAX: u64 = 600 * 1_000_000_000;

/// Descriptors that are kept for everything but connections.
pub const DESCRIPTORS_RESERVED: u64 = 64;

/// Messages of a channel of a chat that are remembered one by one, to see that all who hear them agree about their
/// order: many more than are under way to its slowest reader.
pub const LEDGER_MESSAGES: usize = 128;

/// Users that are looked at for one who can do a chat's errand, before nobody does it.
pub const CANDIDATES_MAX: u32 = 64;
