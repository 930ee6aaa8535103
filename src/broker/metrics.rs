//! What a shard counts, for the outside to read. The shard alone writes; nobody waits for anybody.

use super::counter::{Counter, Gauge};
use super::ending::Endings;
use crate::model::refusal::ErrorKind;
use crate::protocol::centrifuge::codes::{self, ERROR_CODES};

/// Upper bounds of the tick histogram's buckets, microseconds; one more bucket takes the rest.
pub const TICK_BUCKETS_US: [u64; 12] = [10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 50_000, 250_000];

/// How long ticks took.
#[derive(Debug, Default)]
pub struct TickHistogram {
    buckets: [Counter; TICK_BUCKETS_US.len() + 1],
    sum_ns: Counter,
}

impl TickHistogram {
    /// Adds one tick.
    #[inline]
    pub fn record_ns(&self, ns: u64) {
        let bucket = TICK_BUCKETS_US.iter().position(|bound_us| ns <= bound_us * 1000);
        self.buckets[bucket.unwrap_or(TICK_BUCKETS_US.len())].add(1);
        self.sum_ns.add(ns);
    }

    /// Ticks per bucket, not cumulated.
    pub fn buckets(&self) -> [u64; TICK_BUCKETS_US.len() + 1] {
        std::array::from_fn(|at| self.buckets[at].get())
    }

    /// All ticks together, nanoseconds.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns.get()
    }
}

/// One shard's counts.
#[derive(Debug, Default)]
pub struct ShardMetrics {
    /// Open sockets.
    pub conns: Gauge,
    /// Sockets of which nothing is known yet.
    pub strangers: Gauge,
    /// Bytes that those have in hand.
    pub stranger_bytes: Gauge,
    /// Sessions, connected or not.
    pub sessions: Gauge,
    /// Subscriptions of the sessions here.
    pub subscriptions: Gauge,
    /// Channels at home here.
    pub channels: Gauge,
    /// Bytes that the streams of the channels at home here take, about.
    pub stream_bytes: Gauge,
    /// Streams that went because memory was short. Only grows.
    pub stream_evictions: Gauge,
    /// Bytes that wait for slow sockets.
    pub outbox_bytes: Gauge,
    /// Letters to other shards that found no room in their mailboxes and wait.
    pub mailbox_waiting: Gauge,
    /// What these letters keep in memory, bytes.
    pub mailbox_waiting_bytes: Gauge,
    /// The most that letters in other shards' mailboxes can keep in memory until they are read, bytes.
    pub mailbox_bytes: Gauge,
    /// Letters that wait in this shard's mailboxes.
    pub mailbox_depth: Gauge,
    /// Sockets accepted.
    pub accepts: Counter,
    /// Probes answered.
    pub probes: Counter,
    /// Times that accepting had to pause for want of descriptors.
    pub accept_pauses: Counter,
    /// Sessions that were welcomed.
    pub connects: Counter,
    /// Bytes of frames from clients.
    pub bytes_in: Counter,
    /// Bytes that sockets took.
    pub bytes_out: Counter,
    /// Commands from clients.
    pub commands: Counter,
    /// Replies and pushes for single clients.
    pub messages_out: Counter,
    /// Publications put in order at home here.
    pub publishes: Counter,
    /// Publications times the subscribers here that they went to.
    pub deliveries: Counter,
    /// Letters sent to other shards.
    pub letters: Counter,
    /// Times that a conn was not read on since other shards were behind.
    pub holds: Counter,
    /// Times that asks of a shard were left in their mailbox since its window was shut.
    pub windows_shut: Counter,
    /// Times that no receive buffer was left.
    pub buffer_shortages: Counter,
    /// How long ticks took.
    pub ticks: TickHistogram,
    /// Why conns ended.
    pub endings: Endings,
    /// By code of the client protocol.
    errors: [Counter; (*ERROR_CODES.end() - *ERROR_CODES.start() + 1) as usize],
}

impl ShardMetrics {
    /// Counts a refused command.
    pub fn error(&self, kind: ErrorKind) {
        let (code, ..) = codes::of_error(kind);
        self.errors[(code - ERROR_CODES.start()) as usize].add(1);
    }

    /// Refused commands by code.
    pub fn errors(&self) -> impl Iterator<Item = (u32, u64)> {
        ERROR_CODES.zip(self.errors.iter().map(Counter::get))
    }
}
