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

/// Messages that are unanswered while clients miss them: enough that the server is never idle, far below its own bounds.
pub const RECOVERY_UNANSWERED_MAX: u32 = 256;

/// Most messages that are missed in all channels of a recovery together: ids and sequences have four bytes.
pub const MISSED_MAX: u64 = 10_000_000;

/// Longest frame that is read from a server, bytes.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Loopback addresses that the connections of a load process come from: each has some 28,000 ports.
pub const SOURCE_ADDRESSES: u32 = 250;

/// Most load processes of a run.
pub const PROCESSES_MAX: u32 = 64;

/// The number of an abusing process among load processes, for the addresses that it comes from: no run beside it has as
/// many.
pub const ABUSE_PROCESS: u32 = PROCESSES_MAX;

/// The same for the process of a crash trial.
pub const CRASH_PROCESS: u32 = ABUSE_PROCESS + 1;

/// Messages on a page of a channel's history: as many as servers commonly give at once.
pub const PAGE_MESSAGES: u32 = 300;

/// How long a node that was started again may take until it takes connections, milliseconds: recovery reads all that it
/// keeps.
pub const RESTART_PATIENCE_MS: u64 = 60_000;

/// Messages of one client of a crash trial that may be unanswered; past it the schedule waits.
pub const CRASH_UNANSWERED_MAX: usize = 256;

/// Most runs that are laid side by side: charts have as many colours.
pub const COMPARED_MAX: usize = 8;

/// Most clients of a scenario.
pub const CLIENTS_MAX: u64 = 1_000_000;

/// Most subscriptions of bystanders: each has its name here and its memory in the server.
pub const SUBSCRIPTIONS_MAX: u64 = 10_000_000;

/// Most pairs of a publisher and one who hears it: each pair's place in the sequence takes four bytes.
pub const PAIRS_MAX: u64 = 100_000_000;

/// Shortest time between two words of a subscriber that says how far it has received, nanoseconds. Each turn is looked at,
/// whether there is something to say or not: so a thousand subscribers have a hundred thousand a second at the most.
pub const RECEIVED_EVERY_NS_MIN: u64 = 10_000_000;

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

/// What a load process and the one that started it may say in one line, bytes: a second's histograms take some 100 KiB,
/// a tally of a million streams some 20 MiB.
pub const LINE_BYTES_MAX: u64 = 64 << 20;

/// Streams that load processes can tell each other about: with up to ten digits for each of two numbers, the longest
/// tally fits into a line.
pub const SHARED_STREAMS_MAX: usize = 2_500_000;
const _: () = assert!(SHARED_STREAMS_MAX as u64 * 2 * 11 + 1024 < LINE_BYTES_MAX);

/// From the word to begin until the load does, milliseconds: all load processes must have heard it.
pub const LOAD_LEAD_MS: u64 = 50;

/// How often a run that was not asked to end looks whether it is, milliseconds.
pub const STOP_LOOK_MS: u64 = 100;

/// From the word to end a run until its load does, milliseconds: all load processes must have heard it, and each looks
/// that often.
pub const STOP_LEAD_MS: u64 = 500;
const _: () = assert!(STOP_LEAD_MS >= STOP_LOOK_MS + LOAD_LEAD_MS);

/// A load process that has something to do and says nothing for so long is given up, milliseconds: longer than its own
/// patience while clients gather and while messages arrive.
pub const SILENCE_MS: u64 = 20_000;
const _: () = assert!(SILENCE_MS > GATHER_PATIENCE_MS && SILENCE_MS > DRAIN_PATIENCE_MS);

/// Longest waits that the histograms tell apart, nanoseconds: ten minutes. Longer ones count as this.
pub const LATENCY_NS_MAX: u64 = 600 * 1_000_000_000;

/// Descriptors that are kept for everything but connections.
pub const DESCRIPTORS_RESERVED: u64 = 64;

/// Messages of a channel of a chat that are remembered one by one, to see that all who hear them agree about their
/// order: many more than are under way to its slowest reader.
pub const LEDGER_MESSAGES: usize = 128;

/// Messages sent to a channel of which it is remembered what became of them, so that one that comes again is found, and one
/// that was answered is not taken for another: some minutes of a busy room.
pub const LEDGER_SENT: usize = 16_384;

/// Lives of a channel's stream that are remembered: a subscriber who has not been told of a new one for longer than that many
/// failovers take is told apart no more.
pub const FORMER_LIVES_MAX: usize = 8;

/// How long a client that a server has cut off, or could not take, stays away at least, milliseconds: about as long as the
/// first backoff of SDKs.
pub const RETURN_PAUSE_MS_MIN: u64 = 100;

/// Users that are looked at for one who can do a chat's errand, before nobody does it.
pub const CANDIDATES_MAX: u32 = 64;
