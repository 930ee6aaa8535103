//! What a shard counts, for the outside to read. The shard alone writes; nobody waits for anybody.

use super::counter::{Counter, Gauge};
use super::ending::Endings;
use super::histogram::{BytesHistogram, DurationHistogram};
use super::namespaces::Namespaces;

/// What a shard counts of its part of the store.
#[derive(Debug, Default)]
pub struct StoreMetrics {
    /// From the first record of a batch to its end on the disk.
    pub commits: DurationHistogram,
    /// From the request to write and sync a batch to its end.
    pub syncs: DurationHistogram,
    /// Bytes of each write that was given to the disk: a batch, or the first block of a segment.
    pub batch_bytes: BytesHistogram,
    /// Writes that have failed: one shuts the shard's part of the store.
    pub failures: Counter,
    /// Bytes that wait to be written.
    pub waiting_bytes: Gauge,
    /// Bytes of the segments that hold something.
    pub kept_bytes: Gauge,
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
    /// Revocations of tokens in force; all shards have the same.
    pub revocations: Gauge,
    /// Channels at home here.
    pub channels: Gauge,
    /// Bytes that the streams of the channels at home here take, about.
    pub stream_bytes: Gauge,
    /// Streams that went because memory was short. Only grows.
    pub stream_evictions: Gauge,
    /// Dead letters of channels at home here.
    pub dead_letters_kept: Gauge,
    /// Dead letters that went for newer ones. Only grows.
    pub dead_letters_forgotten: Gauge,
    /// Publications that are to come in channels at home here.
    pub scheduled: Gauge,
    /// Publications and removals that wait for the disk, or for their turn after it.
    pub commits_waiting: Gauge,
    /// Channels of several nodes that are mirrored here.
    pub mirrors: Gauge,
    /// Publications and removals that wait for the answer of a bucket.
    pub buckets_waiting: Gauge,
    /// Sessions of which buckets have yet to hear that they have come or gone.
    pub presences_waiting: Gauge,
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
    /// Letters sent to other shards.
    pub letters: Counter,
    /// Times that a conn was not read on since other shards were behind.
    pub holds: Counter,
    /// Times that asks of a shard were left in their mailbox since its window was shut.
    pub windows_shut: Counter,
    /// Times that no receive buffer was left.
    pub buffer_shortages: Counter,
    /// How long ticks took.
    pub ticks: DurationHistogram,
    /// How long what buckets told lay on its way from the bridge before the shard took it.
    pub told_waits: DurationHistogram,
    /// Its part of the store, if there is one.
    pub store: StoreMetrics,
    /// Why conns ended.
    pub endings: Endings,
    /// What is counted for each namespace of channels.
    pub namespaces: Namespaces,
}
