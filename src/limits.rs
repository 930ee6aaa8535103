//! Every bound that is not configurable, and the relations that must hold between them.

/// Shards of one node. A channel's set of subscribed shards is a `u64` mask.
pub const SHARDS_MAX: usize = 64;

/// Longest channel name, bytes.
pub const CHANNEL_NAME_BYTES_MAX: usize = 255;

/// Longest reason in a WebSocket close frame, bytes (RFC 6455, 5.5: 125 with the code).
pub const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Bytes encoded in one batch after which what the batch before it still has to send leaves within the tick, so that
/// what is sent is still in the second-level cache (1 MiB on current server cores). Two batches are the most that waits.
pub const ARENA_FLUSH_BYTES: usize = 256 * 1024;

/// Spans (frames attached to conns) of one batch after which the same happens: 10 MiB of them. A full frame of
/// publishes into a room of 100,000 would make gigabytes.
pub const SPANS_FLUSH: usize = 512 * 1024;

/// Conns that are sent to in one go: some 100 µs of sends, after which the shard may glance at its ring. Few in tests, so
/// that the simulation gets there.
pub const SLICE_SENDS: usize = if cfg!(test) { 4 } else { 32 };

/// Slices after which the shard goes on with what else there is to do: some 400 µs of sends.
pub const SLICES_PER_LOOK: usize = if cfg!(test) { 2 } else { 4 };

/// Slices that a tick sends while nothing else is to be done: timers wait for some milliseconds at the most.
pub const SLICES_PER_TICK: usize = 8 * SLICES_PER_LOOK;

/// Bytes of a slice, however few conns they are for: as long as a slice of short messages takes.
pub const SLICE_BYTES: usize = 128 * 1024;

/// Conns beyond which a room is large: what is sent to it comes after what is sent to few.
pub const LARGE_ROOM: usize = SLICES_PER_LOOK * SLICE_SENDS;

/// Time without a look at the ring after which a shard glances at it, nanoseconds: long beside the microsecond that a
/// glance costs, short beside what a quiet client's way through the kernel takes. Tests, whose clock stands still in a tick,
/// do not wait for it.
pub const GLANCE_NS: u64 = 150_000;

/// Conns that are read at a glance; the others wait for the tick. Few in tests.
pub const GLANCE_READS: usize = if cfg!(test) { 4 } else { 32 };

/// What may wait for large rooms, bytes to send, before nothing more is made for them: 64 slices by bytes, a burst of 64
/// short messages into a room of 1,000. The more waits, the more leaves in one send. Little in tests, so that the
/// simulation gets there.
pub const LARGE_BYTES_WAITING_MAX: usize = if cfg!(test) { 2_000 } else { 64 * SLICE_BYTES };

/// Most bytes gathered for one send call: loopback and LAN sockets take that much at once.
pub const SEND_BYTES_MAX: usize = 64 * 1024;

/// Pushes to server-side subscriptions of one connect that are held back until its reply is out; a session
/// past it is told to reconnect.
pub const HELD_PUSHES_MAX: usize = 1024;

/// What one question to another shard counts, bytes, besides the message of a publish: its letter, what it keeps for the
/// answer, its name.
pub const ASK_BYTES: u32 = 256;

/// What one client may have asked of other shards without an answer, bytes, but for the last question; past it the client
/// is not read. 1,024 small questions, as many as an SDK sends when it comes back; 256 KiB every 100 µs are far more
/// than one connection brings. Little in tests, so that the simulation gets there: two questions.
pub const BYTES_IN_FLIGHT_MAX: u32 = if cfg!(test) { 2 * ASK_BYTES } else { 256 * 1024 };

/// What a question for a list (history, presence) counts: its answer may fill a whole reply, so nothing more is asked
/// until it is there.
pub const LIST_ASK_BYTES: u32 = BYTES_IN_FLIGHT_MAX;

/// What a subscribe with recovery counts: its answer may fill a reply, too, but seldom does, and an SDK that comes back asks for
/// one a channel. Eight at once.
pub const RECOVERY_ASK_BYTES: u32 = if cfg!(test) { BYTES_IN_FLIGHT_MAX } else { BYTES_IN_FLIGHT_MAX / 8 };

/// Backends may ask for all channels of a session at once.
const _: () = assert!(CHANNELS_PER_SESSION_MAX < ((u32::MAX - BYTES_IN_FLIGHT_MAX) / RECOVERY_ASK_BYTES) as usize);

/// What may wait for room in the mailbox of a home, bytes of asks, before a shard reads nothing more from its clients.
/// Four clients that have as much in flight as they may do not stop the others.
pub const ASKS_WAITING_BYTES_MAX: usize = if cfg!(test) { 700 } else { 1024 * 1024 };

/// The window of a shard at a home, bytes: what the shard's asks have made for other shards, once per copy, and what
/// waits for room in their mailboxes. Past it the home takes no more asks of the shard. It must keep a shard with
/// subscribers busy while the home does something else: 1 ms at 1 GB/s.
pub const WINDOW_BYTES: usize = if cfg!(test) { 700 } else { 1024 * 1024 };

/// Publishes are acknowledged in steps of so many bytes of what they have made, where it waits for room.
pub const WINDOW_STEP_BYTES: usize = WINDOW_BYTES / 8;

/// Bytes that a mailbox holds unread in one lane, or two letters where these are larger. A full mailbox of small letters
/// holds less.
pub const MAILBOX_BYTES_MAX: usize = 1024 * 1024;

const _: () = assert!(4 * BYTES_IN_FLIGHT_MAX as usize <= WINDOW_BYTES || cfg!(test));

/// Most time between two ticks of a shard that counts as time in which it looked, milliseconds. The wheel wakes a shard ten
/// times a second; what is longer is a pause, and no client's delay.
pub const TICKS_APART_MS_MAX: u64 = 1_000;

/// How long a closing conn may take to read its close frame before its socket is shut, milliseconds.
pub const LINGER_MS: u64 = 2_000;

/// How long a peer that has ended its side is still answered, and then how long the answers may take to leave,
/// milliseconds. Other shards answer within milliseconds; a token whose key has to be fetched takes longest.
pub const HALF_CLOSED_MS: u64 = 6_000;

const _: () = assert!(KEY_FETCH_INTERVAL_MS + KEY_FETCH_TIMEOUT_MS < HALF_CLOSED_MS && LINGER_MS < HALF_CLOSED_MS);

/// Conns and sessions for which a shard has room in its tables from the start. What is not touched takes no memory; a table
/// that grows is copied while everybody waits, and leaves its old place behind. Some 19 MB of addresses. Few in tests.
pub const SESSIONS_RESERVED: usize = if cfg!(test) { 64 } else { 65_536 };

/// Work that a session may cause in one tick before the others have their turn, nanoseconds by the table of prices: a list
/// of 500, 200 small questions. The shard glances at its ring between two turns.
pub const TURN_NS: u64 = 100_000;

/// The same of a session that publishes to large rooms, and of all together what is attached for rooms: the more of a burst
/// is there before the first send, the more leaves in each. A publish into a room of 20,000 is about one such turn, and
/// twenty into a room of 1,000.
pub const ROOM_TURN_NS: u64 = 4 * TURN_NS;

/// Work that all sessions together may cause in one tick before their turns become short, nanoseconds. Six sessions may
/// have a whole turn in it.
pub const TICK_NS: u64 = 6 * TURN_NS;

/// A short turn, nanoseconds: a few commands, or whatever is the first.
pub const SHORT_TURN_NS: u64 = 4_000;

/// Work that the tokens of all strangers together may cause in one tick, nanoseconds: the others of them wait for the next.
/// Ten signatures on P-256. Few in tests.
pub const STRANGERS_TURN_NS: u64 = if cfg!(test) { 20_000 } else { 1_000_000 };

/// Work of a session after which its user is charged, nanoseconds.
pub const BILL_NS: u32 = 1_000_000;

/// Commands in a row that are refused with 111 after which a session is closed with 3013. Below [`REFUSALS_MAX`], so that
/// the reason is told.
pub const EXCESSES_MAX: u16 = 256;

const _: () = assert!(EXCESSES_MAX < REFUSALS_MAX);

/// Refused commands in a row after which a session is closed with 3509.
pub const REFUSALS_MAX: u16 = 1000;

/// Names of devices that sessions of a shard share: official SDKs, in a version or two.
pub const DEVICE_NAMES_SHARED: usize = 8;

/// Longest name of a device that is remembered with its session, bytes; longer ones are not.
pub const DEVICE_NAME_BYTES_MAX: usize = 128;

/// Most devices of one user that `client.devices` can allow: a place is looked for among them.
pub const DEVICES_PER_USER_MAX: u32 = 1024;

/// Most kinds of devices with a policy of their own: each connect looks through them.
pub const DEVICE_KINDS_MAX: usize = 64;

/// What a stream takes in memory without what it keeps, about: its channel, name, epoch and place in two tables (measured:
/// 809 bytes of a channel of 20 letters with one short publication).
pub const STREAM_BYTES: usize = 640;

/// What a kept publication takes in memory beside its data, about.
pub const PUBLICATION_BYTES: usize = 160;

/// Channels that one sweep of the hub looks at; ten sweeps a second visit a million channels in 100 s.
pub const SWEEP_BUDGET: usize = 1024;

/// Streams, or publications of a stream, that are freed at once where there are more of them than anybody has just used: a
/// millisecond at most. Few in tests.
pub const FREED_AT_ONCE: usize = if cfg!(test) { 64 } else { 4096 };

/// How long a publish with an idempotency key is remembered, milliseconds.
pub const IDEMPOTENCY_WINDOW_MS: u64 = 5 * 60 * 1000;

/// Idempotency keys remembered per shard; past it the oldest goes.
pub const IDEMPOTENCY_KEYS_MAX: usize = 100_000;

/// Longest idempotency key, bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Most dead letters of the channels at home on one shard: some days of a service that is not well, and little to walk.
pub const DEAD_LETTERS_MAX: usize = if cfg!(test) { 64 } else { 10_000 };

/// Most bytes of their publications: with 32 shards, 2 GiB where all is wrong.
pub const DEAD_LETTER_BYTES_MAX: usize = if cfg!(test) { 64 * 1024 } else { 64 * 1024 * 1024 };

/// Most devices that one dead letter lists: enough to see whether it is the message or a device that is at fault.
pub const DEAD_LETTER_DEVICES_MAX: usize = 16;

/// Dead letters that a device was sent once more and are looked at when it says that it has received something beyond them.
pub const REQUEUED_PER_RECEIVED: usize = 256;

/// Newest events of at-least-once channels that a shard keeps for `trace`: some 8 MiB.
pub const TRACE_EVENTS_MAX: usize = if cfg!(test) { 1_024 } else { 65_536 };

/// Most events of one message in an answer of `trace`, the newest: some MiB.
pub const TRACE_EVENTS_PER_CALL_MAX: usize = 10_000;

/// Most members of one channel, and the room that is planned for.
pub const MEMBERS_MAX: usize = 1_000_000;

/// Bytes of a block of members, some thirty: one is gone through for each look-up, and moved where a row gets longer.
pub const MEMBERS_BLOCK_BYTES: usize = 1024;

/// Such a block grows by so many bytes: what it takes beyond its rows is little where a channel has few members.
pub const MEMBERS_BLOCK_STEP_BYTES: usize = 64;

/// Channels of at least once that a user can be the first member in, by own subscriptions, on one shard: what is kept of members
/// stays until they are removed. A user has far fewer conversations that nobody has written in before. Few in tests.
pub const CHANNELS_FOUNDED_MAX: u32 = if cfg!(test) { 64 } else { 10_000 };

/// Devices that go along with everybody and are looked at before one publication leaves, since they may have too much unreceived:
/// others have their turn at the next. Half a millisecond at most.
pub const STOPS_PER_PUBLICATION: usize = 256;

/// Buckets that one node asks at once for what is due.
pub const SCHEDULES_AT_ONCE: usize = 16;

/// By how much the second of the nodes that may publish what is due waits for the first, and so on, milliseconds: longer than a call
/// and its word to the others take.
pub const SCHEDULE_TURN_MS: u64 = 500;

/// Later than so many turns no node waits for the others.
pub const SCHEDULE_TURNS_MAX: usize = 8;

/// Members that one call adds or removes, and that one page lists.
pub const MEMBERS_PER_CALL_MAX: usize = 10_000;

/// Most dead letters in one answer: with the longest messages some 16 MiB are a reply.
pub const DEAD_LETTERS_PER_CALL_MAX: usize = 1_000;

/// Publications that a device which comes back is sent at first: all channels of a session together fit what may be held
/// until its connect reply is out. What it says that it has received brings the rest.
pub const ARRIVAL_PUBLICATIONS: u32 = 8;

/// Bytes of them, but for the first: those of 128 channels are as much as a default queue.
pub const ARRIVAL_BYTES_MAX: usize = 8 * 1024;

/// Publications that a device is passed over at once, since they are not for it: asking the largest filter about all of them
/// takes some hundred microseconds. Few in tests.
pub const PASSED_OVER_AT_ONCE: usize = if cfg!(test) { 8 } else { 1_024 };

/// So many of them count as one look of a sweep.
pub const PASSED_OVER_PER_LOOK: usize = 4;

/// Members that a sweep looks at for devices that were away too long: a million in a quarter of an hour, in some microseconds
/// each time.
pub const MEMBERS_LOOKED_AT_PER_SWEEP: usize = 128;

/// Bytes of publications that are sent again at once, but for the first: a sixteenth of a default queue.
pub const AGAIN_BYTES_MAX: usize = 64 * 1024;

/// Others hear of received and read in channels of so many members at most: what each says goes to all others.
pub const RECEIPT_MEMBERS_MAX: usize = 100;

/// The newest messages of a larger channel of which it is counted how many have received and read them: some 30 KiB.
pub const RECEIPTS_OPEN_MAX: usize = 256;

/// For how long a node that shares a larger channel with others counts who has received and read what its devices have sent, from the
/// last of it on, at least half of this, milliseconds.
pub const RECEIPTS_WATCH_MS: u64 = 2 * 3_600_000;

/// Changes of received and read are told together after so long: nobody reads ticks faster.
pub const POSITIONS_DELAY_MS: u64 = 500;

/// Devices and channels that are looked at in one sweep, ten times a second; each KiB that one is sent by its name counts as
/// another. Some milliseconds at the most. Few in tests.
pub const LOOKS_PER_SWEEP: usize = if cfg!(test) { 64 } else { 4_096 };

/// Members that are looked at for pushes in one sweep, and are to be told of something: half a millisecond. A million are looked at
/// in half a minute. Few in tests.
pub const PUSH_LOOKS_PER_SWEEP: usize = if cfg!(test) { 64 } else { 4_096 };

/// Publications that one walk over a channel's members is about.
pub const PUSHED_AT_ONCE: u64 = 64;

/// Groups of publications of about the same time that wait to be noticed in a channel: one has a sixteenth of the time that is
/// waited for, or where walks are slow all that comes.
pub const PUSH_GROUPS_MAX: usize = 64;

/// Members whom one event tells of. Few in tests.
pub const PUSH_USERS_MAX: usize = if cfg!(test) { 10 } else { 1_000 };

/// How often a node asks which channels that nodes share are to be looked at for pushes, milliseconds: sixteen small calls.
pub const PUSH_LOOK_MS: u64 = 1_000;

/// Channels that one such call gives a node.
pub const PUSH_DUE_PER_CALL: u32 = 16;

/// Channels that a node looks at at once.
pub const PUSH_CHANNELS_AT_ONCE: usize = 16;

/// For how long nobody else is given a channel that a node looks at, milliseconds: so late it is looked at where that node has died.
pub const PUSH_LEASE_MS: u64 = 30_000;

/// By so much clocks of the servers of a Redis Cluster may be apart, milliseconds, for nobody to be told twice.
pub const PUSH_CLOCKS_APART_MS: u64 = 5_000;

/// Channels of which a node remembers that they were armed lately: 4 MiB with names of 40 bytes.
pub const ARMED_CHANNELS_MAX: usize = 32_768;

/// How long withdrawals of pushes are gathered, milliseconds.
pub const PUSH_WITHDRAW_DELAY_MS: u64 = 500;

/// What was published so long before the newest record of the store, and as long as is waited for, is looked at for pushes once more
/// after a start, milliseconds: sweeps were that late.
pub const PUSH_RESTART_MS: u64 = 2_000;

/// Members and devices that a round of the survey looks at in one sweep: a million in two minutes, for some 100 µs each time.
/// Few in tests.
pub const SURVEY_LOOKS_PER_SWEEP: usize = if cfg!(test) { 64 } else { 1_024 };

/// Inboxes that are told of another configuration in one sweep. Few in tests.
pub const INBOXES_RENEWED_PER_SWEEP: usize = if cfg!(test) { 64 } else { 1_024 };

/// How long a message's id of a client is remembered: a phone that was in a drawer for a night.
pub const CLIENT_MESSAGE_WINDOW_MS: u64 = 24 * 60 * 60 * 1000;

/// Most ids of clients' messages that a shard remembers; beyond, the oldest go.
pub const CLIENT_MESSAGES_MAX: usize = 1_000_000;

/// Those of one user: a message every nine seconds all day. Who sends more has own older ones forgotten, and nobody else's.
pub const CLIENT_MESSAGES_PER_USER_MAX: usize = CLIENT_MESSAGES_MAX / 100;

/// Longest id of a client's message, bytes.
pub const CLIENT_MESSAGE_ID_BYTES_MAX: usize = 128;
/// How far off a scheduled publication can be, milliseconds: a week. It lies in memory until then,
/// also where it is on disk, too.
pub const SCHEDULE_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;

/// Scheduled publications of the channels at home on one shard. Few in tests.
pub const SCHEDULED_MAX: usize = if cfg!(test) { 300 } else { 100_000 };

/// Their bytes.
pub const SCHEDULE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a scheduled publication takes in memory beside its channel's name, data and tags, about: its order and its places
/// in three tables.
pub const SCHEDULED_BYTES: usize = 400;

/// Scheduled publications that a shard publishes in one tick: as many as orders. Few in tests.
pub const SCHEDULED_PER_TICK: usize = if cfg!(test) { 8 } else { ORDERS_PER_TICK };

/// Scheduled publications that one call lists.
pub const SCHEDULED_LISTED_MAX: usize = 100;

/// Longest `ttl` of a publication, milliseconds: ten years, as anything that is kept.
pub const TTL_MS_MAX: u64 = KEEP_MS_MAX;

/// Publications with a `ttl` of their own that a channel keeps at the same time: passing over all of them takes some hundred
/// microseconds. Few in tests.
pub const ENDS_PER_STREAM_MAX: usize = if cfg!(test) { 4 } else { 4096 };

/// What the end of one takes in memory, about.
pub const END_BYTES: usize = 56;

/// Longest filter of a subscription, bytes as it lies in the command: some 200 values of a list. Kept, it takes four times as
/// much at the most.
pub const FILTER_BYTES_MAX: usize = 4096;

/// Most nodes of a filter: a page of conditions. Each is asked for each publication.
pub const FILTER_NODES_MAX: u32 = 64;

/// Most values of a filter's lists together.
pub const FILTER_VALUES_MAX: u32 = 256;

/// Deepest filter, nodes one in the other.
pub const FILTER_DEPTH_MAX: u32 = 16;

/// Most nodes of all different filters in a channel on one shard: all are asked for one publication, within a session's
/// turn. Few in tests.
pub const ROOM_FILTER_NODES_MAX: u32 = if cfg!(test) { 128 } else { 16_384 };

/// Most nodes of a subscription's filter that are asked for one page of history: as many as for one publication, so that a page costs no more.
/// Few in tests.
pub const HISTORY_FILTER_NODES_MAX: u32 = ROOM_FILTER_NODES_MAX;

const _: () = assert!(ROOM_FILTER_NODES_MAX as u64 * crate::work::price::FILTER_NODE_NS <= ROOM_TURN_NS);

/// Longest `version_epoch` of a publish, bytes: the channel keeps it. That of an idempotency key.
pub const VERSION_EPOCH_BYTES_MAX: usize = IDEMPOTENCY_KEY_BYTES_MAX;

/// Channels at home on one shard that tell whether a user is online and have subscribers: each is looked up every second, some
/// milliseconds for all of them, and takes some 200 bytes. Few in tests.
pub const FOLLOWED_MAX: usize = if cfg!(test) { 64 } else { 16_384 };

/// How often users that are followed are looked at, milliseconds: so late a change is told at the most, and no more often.
pub const FOLLOWED_LOOK_MS: u64 = 1_000;

/// Longest pattern of channels' names, bytes: several times the longest name.
pub const PATTERN_BYTES_MAX: usize = 1024;

/// HTTP conns that the control plane has at the same time; one more takes the place of one that idles, or is told 503.
/// Backends keep one per worker.
pub const HTTP_CONNS_MAX: usize = 512;

/// Those of them that may be strangers: neither through the internal port nor with the API's key.
pub const HTTP_STRANGERS_MAX: usize = 128;

/// Those of them that gave way and have not gone yet.
pub const HTTP_LEAVING_MAX: usize = 32;

const _: () = assert!(HTTP_STRANGERS_MAX + HTTP_LEAVING_MAX < HTTP_CONNS_MAX);

/// Requests without the API's key that wait for the control plane when a shard refuses another one; with the key, twice
/// as many. It takes a conn over in some tens of microseconds.
pub const HTTP_WAITING_MAX: usize = 128;

/// How long an HTTP conn may take for the head of its next request, or stay without one, milliseconds.
pub const HTTP_HEAD_TIMEOUT_MS: u64 = 60_000;

/// How long an HTTP conn may take for the body of a request, milliseconds.
pub const HTTP_BODY_TIMEOUT_MS: u64 = 30_000;

/// How long an HTTP peer may leave what it was sent unread before its conn is dropped, milliseconds.
pub const HTTP_UNREAD_TIMEOUT_MS: u32 = 30_000;

/// How long HTTP conns may go on after the shards have ended, milliseconds.
pub const HTTP_LINGER_MS: u64 = 1_000;

/// How long a gRPC connection may take for its TLS, milliseconds.
pub const GRPC_TLS_TIMEOUT_MS: u64 = if cfg!(test) { 500 } else { 10_000 };

/// How long a gRPC connection that has never shown the key may stay without a call, milliseconds.
pub const GRPC_IDLE_MS: u64 = if cfg!(test) { 1_000 } else { HTTP_HEAD_TIMEOUT_MS };

/// Calls that a gRPC connection may have under way; its peer keeps what is more to itself.
pub const GRPC_STREAMS_MAX: u32 = 256;

/// Calls that the gRPC API reads and carries out at the same time, as many as HTTP conns can: others wait for their turn.
pub const GRPC_CALLS_MAX: usize = HTTP_CONNS_MAX;

/// Calls with a wrong key after which a gRPC connection ends at once; after the first of them it takes calls until its peer has heard
/// that it ends.
pub const GRPC_WRONG_KEYS_MAX: usize = 16;

/// Most bytes of the headers of a gRPC call.
pub const GRPC_HEADERS_BYTES_MAX: u32 = HTTP_HEAD_BYTES_MAX as u32;

/// How long a gRPC connection may be silent before it is asked whether it lives, milliseconds.
pub const GRPC_PING_INTERVAL_MS: u64 = 30_000;

/// How long the answer to that may take, milliseconds.
pub const GRPC_PING_TIMEOUT_MS: u64 = 20_000;

/// How long the control plane waits after a connection that it could not accept, milliseconds.
pub const ACCEPT_RETRY_MS: u64 = 100;

/// Most bytes of publications or clients in one reply of the backend API: twice what a call may bring. A history page ends
/// there, longer presence is refused.
pub const API_REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a channel or a session takes in a list of the backend API, or a list among those that are kept, beside names and
/// what was encoded, about, bytes.
pub const LISTED_BYTES: usize = 64;

/// Lists of members that a shard keeps encoded between two questions, bytes: sixteen of the longest that
/// `client.reply_max_size` allows by default.
pub const MEMBER_LISTS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Longest body of a call to the backend API, bytes.
pub const API_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long the shards may take for one call to the backend API, milliseconds. Backends commonly give up
/// after 10 s and must hear an answer before that.
pub const API_CALL_TIMEOUT_MS: u64 = 8_000;

/// Most channels of one broadcast.
pub const BROADCAST_CHANNELS_MAX: usize = 100_000;

/// Most commands of one batch.
pub const BATCH_COMMANDS_MAX: usize = 10_000;

/// Most values in one message of gRPC, each field once and a message in place of four: an empty text takes two bytes on the wire, and
/// thirty-six times as much when it is read. In JSON the same takes eight times its bytes.
pub const GRPC_VALUES_MAX: usize = 1_000_000;

const _: () = assert!(GRPC_VALUES_MAX > 8 * BROADCAST_CHANNELS_MAX && GRPC_VALUES_MAX > 50 * BATCH_COMMANDS_MAX);

/// How long the control plane waits until a shard has taken an order that needs no answer, milliseconds. The order arrives in
/// any case.
pub const ORDER_TIMEOUT_MS: u64 = 5_000;

/// How long an endpoint may take for its key set, milliseconds. With [`KEY_FETCH_INTERVAL_MS`] it stays below
/// the 10 s in which clients expect to be connected.
pub const KEY_FETCH_TIMEOUT_MS: u64 = 4_000;

/// Between two fetches of key sets, milliseconds: tokens with made-up keys must not turn into requests.
pub const KEY_FETCH_INTERVAL_MS: u64 = 1_000;

/// After this, key sets are fetched anew unasked, so that a key that was withdrawn stops working,
/// milliseconds.
pub const KEY_REFRESH_MS: u64 = 60 * 60 * 1000;

/// Longest wait between two attempts while an endpoint fails, milliseconds.
pub const KEY_RETRY_MS_MAX: u64 = 60_000;

/// Sessions that may wait for keys at the same time; one more is told to come again.
pub const KEY_WAITERS_MAX: usize = 10_000;

/// Longest user name that the demo page can take, bytes.
pub const DEMO_USER_BYTES_MAX: usize = 64;

const _: () = assert!(KEY_FETCH_INTERVAL_MS + KEY_FETCH_TIMEOUT_MS < 10_000);

/// Longest head of an HTTP request on a shard, bytes. Browsers with many cookies stay below 8 KiB.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Longest header of the PROXY protocol, bytes: as much as nginx takes. Addresses and the usual fields stay below 600; only a
/// client's whole certificate is longer.
pub const PROXY_HEADER_BYTES_MAX: usize = 4096;

/// Most headers of an HTTP request on a shard.
pub const HTTP_HEADERS_MAX: usize = 64;

/// Most channels that `client.channel_limit` can allow: looking one up walks them.
pub const CHANNELS_PER_SESSION_MAX: usize = 65_535;

/// Bytes that are kept of a client whose session cannot take them yet; past it the client is not read.
pub const HELD_BYTES_MAX: usize = 64 * 1024;

/// Orders of the control plane that a shard takes before it looks at its sockets again.
pub const ORDERS_PER_TICK: usize = 256;

/// Sessions, subscriptions, channels, members and publications that a shard looks at in one tick on behalf of backends:
/// what is more is looked at in the next. A millisecond at most. Few in tests, so that the simulations get there.
pub const LOOKS_PER_TICK: usize = if cfg!(test) { 64 } else { 2048 };

/// Those of them that one order has before the next has its turn.
pub const LOOKS_PER_STEP: usize = LOOKS_PER_TICK / 4;

/// Sessions that a shard tells to go in one tick of its drain: some milliseconds. Few in tests.
pub const FAREWELLS_PER_TICK: usize = if cfg!(test) { 8 } else { 512 };

/// Orders that may wait for one shard; past it the control plane waits.
pub const ORDERS_WAITING_MAX: usize = 1024;

/// Ring events that a shard has room for before it grows its list.
pub const EVENTS_PER_TICK: usize = 4096;

/// Descriptors of a node beside its conns and its shards: the control plane, the log, files that are looked into.
const DESCRIPTORS_OF_NODE: usize = 32;

/// Descriptors of a shard beside its conns: its rings, what wakes it, its listeners; and its callers, twice, since one
/// that gives way goes a tick later.
const DESCRIPTORS_OF_SHARD: usize = 16 + 2 * CALLERS_PER_SHARD;

/// Descriptors that are kept for everything but clients, of as many as the process may open: strangers count twice, since
/// one that gives way goes a tick later.
pub const fn descriptors_reserved(allowed: usize, shards: usize) -> usize {
    DESCRIPTORS_OF_NODE + HTTP_CONNS_MAX + 2 * strangers_reserved(allowed) + shards * DESCRIPTORS_OF_SHARD
}

/// Places that a node keeps for strangers, conns of which nothing is known yet, where clients have all others: what
/// comes within the time that a request takes to follow its connection. More can be had by giving way.
pub const fn strangers_reserved(allowed: usize) -> usize {
    let share = allowed / 128;
    if share < 64 {
        64
    } else if share > 512 {
        512
    } else {
        share
    }
}

/// Turns of the wheel for which somebody waits for a place that a stranger of another shard has: that shard finds out at
/// its next turn.
pub const PLACE_TURNS_MAX: u8 = 4;

/// Conns of the internal port on one shard of which no whole request has come.
pub const CALLERS_PER_SHARD: usize = 8;

/// Most bytes that a node holds for strangers: parts of heads, and first messages that wait for the keys of their
/// tokens. Ten thousand connect commands with tokens of 2 KiB that wait at once stay below it. Little in tests, so that a few get there.
pub const STRANGER_BYTES_MAX: usize = if cfg!(test) { 256 * 1024 } else { 64 * 1024 * 1024 };

/// Longest token, bytes; it bounds the channels that a token can name too. Identity providers that put a user's
/// groups into tokens reach a few KiB.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Longest message before a session is connected, bytes, where `client.message_size_limit` allows more: a token, and
/// beside it the subscribe commands that SDKs send in the message of their connect command, 128 of them with tokens of
/// 256 bytes (docs/decisions/first-message.md). Nothing else is held for a stranger but what a tick brings.
pub const FIRST_MESSAGE_BYTES_MAX: usize = 64 * 1024;

const _: () = assert!(TOKEN_BYTES_MAX + 128 * 384 <= FIRST_MESSAGE_BYTES_MAX);

/// Most that `client.token.leeway` can allow, milliseconds. Hosts that keep time at all are seconds apart; a longer leeway
/// only lengthens the life of tokens that were withdrawn.
pub const TOKEN_LEEWAY_MS_MAX: u64 = 5 * 60 * 1000;

/// Most revocations of tokens in force: some megabytes on each shard, which a snapshot of the store says in one tick. Whoever
/// has to call back more tokens calls back a time of issue.
pub const REVOCATIONS_MAX: usize = if cfg!(test) { 100 } else { 16_384 };

/// Longest name in a revocation, bytes: a user, a device, a token's id.
pub const REVOKED_NAME_BYTES_MAX: usize = 512;

/// Most revocations of one page of their list.
pub const REVOCATIONS_PER_PAGE_MAX: usize = 1000;

const _: () = assert!(REVOCATIONS_PER_PAGE_MAX * (2 * REVOKED_NAME_BYTES_MAX + 256) < API_REPLY_BYTES_MAX);

/// Longest key set that is read from an endpoint, bytes. Sets with certificate chains reach tens of KiB.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;

/// Most keys of a key set: a token that names no key is tried with each of its algorithm. Providers that rotate
/// publish two to ten.
pub const KEY_SET_KEYS_MAX: usize = 32;

/// Most connections that `http_server.backlog` lets wait: `listen` takes a C int, and `net.core.somaxconn` is
/// rarely above 16 bits.
pub const BACKLOG_MAX: u32 = 65_535;

/// Submission entries of a ring of a shard's executor, of which it has three. It carries one task and no I/O, so this
/// is little; its timers need some.
pub const EXECUTOR_RING_ENTRIES: u32 = 128;

/// Memory that a shard's executor registers for I/O, bytes: the least that it takes.
pub const EXECUTOR_IO_BYTES: usize = 64 * 1024;

/// Most submission entries of a shard's ring: it has four times as many completions, of which the kernel takes 65,536.
pub const RING_ENTRIES_MAX: u32 = 16_384;

/// Most receive buffers of a shard: the kernel's bound of a buffer ring.
pub const RECEIVE_BUFFERS_MAX: u16 = 32_768;

/// Letters that all other shards together may leave with a shard where `shards.mailbox_capacity` is 0: 2 MiB.
pub const MAILBOX_LETTERS_SHARED: usize = 32_768;

/// Most and least letters of one mailbox where `shards.mailbox_capacity` is 0. A tick of a busy shard makes hundreds
/// for another.
pub const MAILBOX_LETTERS: (usize, usize) = (512, 8_192);

/// Most letters of one mailbox: 4 MiB each way for each pair of shards.
pub const MAILBOX_LETTERS_MAX: usize = 65_536;

/// Most bytes that `client.message_size_limit` allows a message: it is copied whole for each shard, and the API takes
/// no more than half of it.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most bytes that `client.queue_max_size` lets wait for one client.
pub const QUEUE_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Most connections and rates of them that can be configured: descriptors are C integers.
pub const CONNECTIONS_MAX: u32 = i32::MAX as u32;

/// Most publications that one reply can be allowed to carry.
pub const REPLY_PUBLICATIONS_MAX: usize = 100_000;

/// Most publications that a channel can be allowed to keep.
pub const HISTORY_PUBLICATIONS_MAX: u32 = 1_000_000;

/// Most bytes that `channel.history_memory` allows: a tebibyte, more than hosts have.
pub const HISTORY_BYTES_MAX: u64 = 1 << 40;

/// Longest time that can be configured for anybody to wait, milliseconds: a day. Clients are told it in seconds.
pub const WAIT_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// Longest time that can be configured for anything to be kept, milliseconds: ten years.
pub const KEEP_MS_MAX: u64 = 3650 * 24 * 60 * 60 * 1000;

/// Requests of signals and of the node's owner that may wait: a second one to leave is the last that matters.
pub const REQUESTS_WAITING_MAX: usize = 16;

/// Letters of a method's name that the access log keeps of a call: the longest has 16.
pub const LOGGED_METHOD_BYTES_MAX: usize = 64;

/// Lines of the access log that may wait for its file; past it they are dropped and counted. As many as clients come or go
/// in half a second of a storm; with names of users of 40 bytes 2 MiB.
pub const ACCESS_LINES_MAX: usize = 8_192;

/// How long a node that ends waits for the access log's file to take what waits, milliseconds.
pub const ACCESS_LOG_LINGER_MS: u64 = 2_000;

/// Log lines that may wait for standard error; past it they are dropped and counted. At 200 bytes a line a
/// stalled terminal holds 3 MiB.
pub const LOG_LINES_MAX: usize = 16_384;

/// Bytes after which a batch of a shard's store is full: a disk writes them in a millisecond or two, and the next batch waits
/// as long. Little in tests, so that batches fill.
pub const STORE_BATCH_BYTES_MAX: usize = if cfg!(test) { 1024 } else { 1024 * 1024 };

/// What may wait for a shard's store to be written, bytes, before publishes that need it are refused: what a disk writes in
/// some ten milliseconds.
pub const STORE_WAITING_BYTES_MAX: usize = 8 * STORE_BATCH_BYTES_MAX;

/// What may wait before what devices say of what they have received, and new ones of them, are refused as well: where the disk is
/// full nothing of it goes away.
pub const STORE_RESERVE_BYTES_MAX: usize = 2 * STORE_WAITING_BYTES_MAX;

/// Answers that may wait for a shard's disk before more of them are refused: some 50 MiB. Few in tests.
pub const ANSWERS_WAITING_MAX: usize = if cfg!(test) { 1_024 } else { 262_144 };

/// What may wait before a snapshot is appended to only once per batch: less than a batch, so that publications do not wait
/// behind it.
pub const STORE_SNAPSHOT_WAITING_BYTES_MAX: usize = STORE_BATCH_BYTES_MAX / 4;

/// What a shard appends to a snapshot in one tick, bytes: a fraction of a millisecond. Little in tests, so that snapshots
/// take several ticks.
pub const SNAPSHOT_BYTES_PER_TICK: usize = STORE_SNAPSHOT_WAITING_BYTES_MAX;

/// Changes whose batch is committed that a shard makes in one tick: a millisecond at most, without their deliveries. Few in
/// tests, so that the simulations get there.
pub const COMMITS_PER_TICK: usize = if cfg!(test) { 8 } else { 1024 };

/// Changes of channels that wait for their batch, or for their turn after it, bytes, before publishes that need the disk are
/// refused: what is made faster than rooms can be told of it. Beside what the journal lets wait for the disk itself.
pub const COMMITS_WAITING_BYTES_MAX: usize = 8 * STORE_WAITING_BYTES_MAX;

/// Blocks whose memory is kept for the next ones: one is being written, one filled, and one is the first of a segment.
pub const STORE_BUFFERS_KEPT: usize = 3;

/// Segments of a shard that are not worth a snapshot, however little lives: a write of all that lives every four.
pub const STORE_SNAPSHOT_SEGMENTS: u64 = 4;

/// Ends of earlier segments that the first block of a segment names: one a shard, and as many more as the number of shards was
/// changed while shards wrote nothing.
pub const STORE_ENDS_MAX: usize = 4_000;

/// Bytes of a new segment that are written and synced at once: a batch that is synced at the same time waits for them, some
/// tenths of a millisecond.
pub const STORE_ZEROS_BYTES: usize = 256 * 1024;

const _: () = assert!(20 * STORE_ENDS_MAX < STORE_SEGMENT_BYTES_MIN as usize / 4);

/// Least size of a segment, bytes, that can be configured: the largest batch without its last record, and a first block, take
/// half of it.
pub const STORE_SEGMENT_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// A segment holds so many of the largest messages that clients may send: a record holds one, and what tokens say of its
/// publisher.
pub const STORE_SEGMENT_MESSAGES_MIN: u64 = 4;

/// Most bytes that `store.segment_size` allows: recovery reads a segment whole.
pub const STORE_SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Most bytes that `store.max_size` allows: a pebibyte, more than a node's disks have.
pub const STORE_BYTES_MAX: u64 = 1 << 50;

/// Segments of the store that are kept for reuse, per shard, however little lives: those of two snapshots. Where more lives, as
/// many as there are segments.
pub const STORE_SPARES_PER_SHARD: u64 = 4;

/// How long after a file system has refused to take a segment away it is asked again, milliseconds. Until then the store may grow;
/// it is bounded by `store.max_size` all the same.
pub const STORE_DISCARD_RETRY_MS: u64 = 1_000;

/// Between two log lines of a shard that reads its store, segments: a gigabyte or so.
pub const STORE_PROGRESS_SEGMENTS: usize = 16;

/// Most buckets of a cluster: a Redis Cluster has as many slots, and a node listens to two channels a bucket.
pub const CLUSTER_BUCKETS_MAX: u16 = 16_384;

/// How long Redis may be waited for, milliseconds, at the most: half of a lease, so that a node that waits does not lose it.
pub const REDIS_WAIT_MS_MAX: u64 = LEASE_MS / 2;

/// How long a node counts as alive after it last said so to Redis, milliseconds: three renewals may be missed.
pub const LEASE_MS: u64 = 10_000;

/// How long a numbered call is repeated before it is given up, milliseconds: a failover by Sentinels or of a Cluster takes some
/// seconds. A publisher waits as long at the most.
pub const REDIS_RETRY_MS: u64 = 5_000;

/// How long presence, sessions and their attributes live in Redis after the last access, milliseconds. What a node puts counts
/// while its lease lives; this collects what nobody reaped.
pub const SESSION_TTL_MS: u64 = 1_800_000;

/// Longest name of a user whose sessions nodes share, bytes: with what sets it apart from channels it has the room of one. Sessions
/// of users with longer names are known on their own node only.
pub const SHARED_USER_BYTES_MAX: usize = CHANNEL_NAME_BYTES_MAX - 1;

/// What an application may say of one session, bytes as JSON: some numbers and names of views, no document. Each session has as
/// much in its node's memory and in Redis at the most: with 100,000 sessions 100 MB.
pub const SESSION_ATTRIBUTES_BYTES_MAX: usize = 1024;

/// How long a connect waits for the word of the other nodes before the node's own roster decides alone, milliseconds: a Redis that
/// is away keeps nobody out.
pub const ENROL_WAIT_MS: u64 = 1_000;

/// How often what Redis has of sessions is renewed, milliseconds: two renewals may fail.
pub const SESSION_RENEW_MS: u64 = SESSION_TTL_MS / 3;

/// How often what Redis has of who is in channels is renewed, milliseconds: two renewals may fail.
pub const PRESENCE_RENEW_MS: u64 = SESSION_TTL_MS / 3;

/// Lists of who is in channels that a shard has renewed in one sweep: ten times as many a second. Few in tests.
pub const PRESENCE_RENEWALS_PER_SWEEP: usize = if cfg!(test) { 2 } else { 1_024 };

/// How long a shard waits before it says again who is in channels, after a bucket has not taken it, milliseconds.
pub const PRESENCE_RETRY_MS: u64 = 1_000;

/// How long a shard waits before it says again who is in channels, after a bucket has lost what was said, or the node was taken for
/// dead, milliseconds: until mirrors listen again, so that who has left meanwhile is told to all.
pub const PRESENCE_REST_MS: u64 = 2_000;

const _: () = assert!(PRESENCE_REST_MS > 2 * MIRROR_RETRY_MS);

/// How long nobody is told who is in a bucket's channels after it has lost its lists, or the node was taken for dead, milliseconds:
/// by then all nodes have noticed, and have put their sessions there.
pub const PRESENCE_UNSURE_MS: u64 = REDIS_COMPARE_MS + 2 * PRESENCE_REST_MS;

/// Comings and goings of one shard that are on their way to buckets when more is said again: a node that comes back leaves Redis
/// room for others, and has said it of 100,000 sessions in some seconds. Few in tests.
pub const PRESENCES_SENT_MAX: usize = if cfg!(test) { 4 } else { 1_024 };

/// Entries of a channel's presence that one call reads, about: well under a millisecond of Redis.
pub const PRESENCE_PER_CALL: u32 = 1_024;

/// Sessions that are put again at once: a node that comes back leaves Redis room for others.
pub const SESSIONS_PUT_AT_ONCE: usize = 64;

/// What other nodes have said of users that may wait for the control plane, before more is dropped and looked up again: a user of
/// 10,000 sessions who is sent away.
pub const TOLD_MAX: usize = 16_384;

/// Its bytes: four of the longest answers to questions of this node.
pub const TOLD_BYTES_MAX: usize = 4 * API_REPLY_BYTES_MAX;

/// What other nodes have said that is being done at once: questions wait for shards, and none waits for one that a slow shard holds
/// up until there are so many.
pub const TOLD_AT_ONCE: usize = 256;

/// Sessions that come or go, and are on their way to the register. It waits for nothing: who brings them waits until it has had
/// its turn on the thread, and with it what shards ask of buckets; it is as much as there are sessions.
pub const REGISTER_INPUTS_MAX: usize = 4_096;

/// Calls of the register that are on their way at once; past it sessions wait for their turn, and begin on the word of the node's
/// own roster when that takes longer than [`ENROL_WAIT_MS`]: a Redis that answers in 100 ms lets 40,000 a second in.
pub const REGISTER_CALLS_MAX: usize = 4_096;

/// How often a node asks in which buckets tokens were called back, milliseconds: so late a revocation is heard of at the most whose
/// announcement was lost.
pub const REVOKED_LOOK_MS: u64 = 500;

/// How long a node waits for what it has asked others on behalf of a call, milliseconds: less than the call may take.
pub const NODE_ANSWER_MS: u64 = 5_000;

const _: () = assert!(NODE_ANSWER_MS < API_CALL_TIMEOUT_MS);

/// For how long it is known that a user was sent away, milliseconds: sessions of a node that was away for longer are not ended.
pub const SENT_AWAY_MS: u64 = 3_600_000;

/// Sessions that may stay where a user is sent away everywhere, for nodes that are away to know: 4 KiB of Redis. Where more may
/// stay, sessions of nodes that are away are not ended.
pub const SENT_AWAY_STAY_MAX: usize = 256;

/// Buckets whose revocations are read at once.
pub const REVOCATIONS_READ_AT_ONCE: usize = 16;

/// Most users of one call of `users_status`.
pub const USERS_STATUS_MAX: usize = 1_000;

/// How many users one call asks for, so that a call stays well under a millisecond of Redis.
pub const USERS_PER_CALL: usize = 128;

/// Revocations of tokens that one call reads, about.
pub const REVOCATIONS_PER_CALL: u32 = 256;

/// Members that one call adds, removes or lists: each takes some microseconds of Redis.
pub const MEMBERS_PER_CALL: usize = 256;

/// What one call notes of devices and positions: each takes some microseconds of Redis.
pub const NOTES_PER_CALL: usize = 128;

/// Dead letters that one call looks at.
pub const LETTERS_PER_CALL: usize = 256;

/// Buckets that are asked for dead letters at once: each may have a page of [`REDIS_PAGE_BYTES`].
pub const LETTERS_BUCKETS_AT_ONCE: u16 = 8;

/// For how long one page of the dead letters of all channels is looked for, milliseconds: all buckets of 1,024 that have none take a
/// twentieth of it.
pub const LETTERS_PAGE_MS: u64 = 2_000;

/// Bytes of publications after which such a page ends: with the last of them, of any size, it fits a reply.
pub const LETTERS_PAGE_BYTES_MAX: usize = API_REPLY_BYTES_MAX / 2;

/// How many entries of a dead node one call looks through: well under a millisecond of Redis.
pub const REAP_AT_ONCE: u32 = 256;

/// Connections on which publications wait for replicas, and hold up those behind them: with a replica that answers within half a
/// millisecond they carry 32,000 calls a second.
pub const REDIS_COPIED_WAYS: usize = 16;

/// What is told in the log once, such as keys in Redis under which something foreign lies: no more of them.
pub const TOLD_ONCE_MAX: usize = 1024;

/// Publications that one call takes, so that a call stays under a millisecond, and bytes of them.
pub const REDIS_BATCH_MAX: usize = 128;
/// Bytes of publications that one call takes; a larger one goes alone.
pub const REDIS_BATCH_BYTES: usize = 256 * 1024;

/// Calls that may wait for a connection's next write without anybody waiting for room: one of each bucket of a cluster of the usual size.
pub const REDIS_CALLS_AT_ONCE: usize = 1_024;
/// Bytes of calls that go by one write: those of some hundred buckets that were ready together.
pub const REDIS_WRITE_BYTES: usize = 64 * 1024;

/// Bytes of messages that may wait for Redis before more are refused: a second of 64 MB/s.
pub const REDIS_WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Records that may wait for Kafka, of one process, before more are refused.
pub const KAFKA_WAITING_MAX: usize = 100_000;

/// Bytes of records that may wait for Kafka before more are refused.
pub const KAFKA_WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Records of one partition of the topic of calls that are carried out or wait for that, from the first that is not done on: so many
/// calls of a partition run beside each other.
pub const CALLS_WINDOW: usize = 128;

/// Bytes of those that are not done, past which no more are taken.
pub const CALLS_WINDOW_BYTES: usize = 1024 * 1024;

/// Bytes that librdkafka may hold of the topic of calls before it is asked for them.
pub const CALLS_FETCHED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Between two commits of what was carried out, milliseconds: what a node that is killed has done since is done again.
pub const CALLS_COMMIT_MS: u64 = 1000;

/// How long Kafka waits for a consumer of calls that says nothing before others get its partitions, milliseconds: as a lease.
pub const CALLS_SESSION_MS: u64 = 10_000;

/// How often it is looked what partitions the topic of calls has, milliseconds: so long it takes until a new topic is consumed.
pub const CALLS_TOPIC_MS: u64 = 10_000;

/// How long a node that drains goes on with calls that it has begun, milliseconds.
pub const CALLS_LEAVE_MS: u64 = 2000;

/// Before a call that was refused for the time being is tried again, milliseconds; twice as long each time.
pub const CALL_PAUSE_MS: u64 = 100;

/// The longest of those pauses, milliseconds.
pub const CALL_PAUSE_MS_MAX: u64 = 10_000;

/// Bytes of the reason for which a record lies in a topic of those that cannot be used.
pub const CALL_REASON_BYTES_MAX: usize = 1024;

/// Events of one topic that may wait for Kafka before more are dropped and counted: two topics take half of what the process may
/// have waiting, so that publishes find room.
pub const EVENTS_WAITING_MAX: usize = KAFKA_WAITING_MAX / 4;

/// Bytes of the same.
pub const EVENTS_WAITING_BYTES_MAX: usize = KAFKA_WAITING_BYTES_MAX / 4;

/// Clients who come and go that may wait to be made events of; past it they are dropped and counted: a second of a storm, 4 MiB.
pub const EVENT_LOG_VISITS_MAX: usize = 16_384;

/// Events of pushes that may wait to be written; past it they are dropped and counted: 10 MiB with a thousand users of 40 bytes each.
pub const EVENT_LOG_PUSHES_MAX: usize = 256;

/// Bytes of a message that an event of a push brings: what phones are sent.
pub const PUSH_DATA_BYTES_MAX: usize = 4_096;

/// How long a node that ends waits for Kafka to take what waits, milliseconds.
pub const EVENT_LOG_LINGER_MS: u64 = 2_000;

/// Records on their way from Kafka into buckets, of one node, before no more are read.
pub const MOVER_WAITING_MAX: usize = 65_536;

/// Bytes of records on their way from Kafka into buckets before no more are read.
pub const MOVER_WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Records of one partition that were read since the first that has not come to its bucket yet, before no more are read: 32 MiB.
/// Where the bucket of one is away for long, others get on until then.
pub const MOVER_UNSETTLED_MAX: usize = if cfg!(test) { 64 } else { 1_048_576 };

/// Messages times users that one process has on their way before it reads no more: some 100 MB.
pub const NOTIFY_OPEN_MAX: usize = 100_000;

/// Bytes of messages, once for each user who is to be told, that one process has on their way before it reads no more.
pub const NOTIFY_OPEN_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Pushes that one notification is made of.
pub const NOTIFY_ITEM_PUSHES_MAX: usize = 100;

/// Batches that ask Redis at the same time; each asks for one user after another.
pub const NOTIFY_LOOKUPS_MAX: usize = 64;

/// Longest name of a channel or a user of which the role `notify` takes note, bytes.
pub const NOTIFY_NAME_BYTES_MAX: usize = 1024;

/// Bytes of a message that a webhook carries.
pub const NOTIFY_DATA_BYTES_MAX: usize = 64 * 1024;

/// Longest reason that is kept with what is dead, bytes.
pub const NOTIFY_REASON_BYTES_MAX: usize = 512;

/// Channels of which a badge is kept, of one user.
pub const NOTIFY_BADGE_CHANNELS_MAX: usize = 10_000;

/// For how long a badge is kept after its last push, milliseconds: 90 days.
pub const NOTIFY_BADGE_TTL_MS: u64 = 90 * 24 * 3_600_000;

/// Channels that a user may have muted.
pub const NOTIFY_MUTES_MAX: usize = 1_000;

/// Users of one record of `push.offline` that the role `notify` takes.
pub const NOTIFY_RECORD_USERS_MAX: usize = 1_000;

/// Bytes of notifications in one webhook, but for a single one that is longer. What is dead must fit into a topic whose
/// `message.max.bytes` is Kafka's own, a megabyte.
pub const WEBHOOK_BODY_BYTES_MAX: usize = 512 * 1024;

const _: () = assert!(WEBHOOK_BODY_BYTES_MAX > 4 * NOTIFY_DATA_BYTES_MAX);

/// Bytes of an endpoint's answer that are read, so that its connection serves again.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Longest time that an endpoint may ask for before the next attempt, milliseconds.
pub const WEBHOOK_RETRY_AFTER_MS_MAX: u64 = 600_000;

/// Bytes of publications that one call reads, for all the channels that it joins: some milliseconds of Redis and of the link.
pub const REDIS_PAGE_BYTES: u32 = 1024 * 1024;

/// Calls that read pages at once: what a node that comes back has in memory of them, 16 MiB.
pub const REDIS_PAGES_AT_ONCE: usize = 16;

/// How long what is fleeting goes to all nodes at once after all, or most of many, were seen to listen, milliseconds: a node that has
/// stopped to listen hears so much for nothing.
pub const CROWDED_MS: u64 = 1_000;

/// Channels of which a node remembers that: half a megabyte.
pub const CROWDED_MAX: usize = 4_096;

/// Ticks whose requests may wait for the bridge before a shard drops what may be lost (fleeting messages without an answer): the
/// bridge has no processor then.
pub const BRIDGE_TICKS_WAITING_MAX: usize = 4096;

/// Bytes of what the nodes' channels were told that may wait for a shard before more is dropped as a told hole: a quarter of a
/// second of 64 MB/s.
pub const BRIDGE_DELIVERIES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a role may be without consuming before its process says that it is not well, milliseconds: a rebalance and a failover of
/// Redis take some seconds.
pub const ROLE_STALLED_MS: u64 = 60_000;

/// How long Kafka may take to say where a partition begins and ends, milliseconds.
pub const KAFKA_ASK_MS: u64 = 5_000;

/// How often librdkafka tells how a consumer is, milliseconds.
pub const KAFKA_STATISTICS_MS: u64 = 5_000;

const _: () = assert!(4 * KAFKA_STATISTICS_MS < ROLE_STALLED_MS);

/// Records that librdkafka fetches ahead for a role, bytes.
pub const KAFKA_FETCHED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long the role `state` knows a user who is offline, milliseconds: 90 days.
pub const STATE_KEEP_MS: u64 = 90 * 24 * 3_600_000;

/// Longest name of a user of which the role `state` takes note, bytes.
pub const STATE_USER_BYTES_MAX: usize = 1024;

/// Records that the role `state` applies at once: a call to Redis for each bucket that they touch.
pub const STATE_BATCH_MAX: usize = 512;

/// Calls of the role `state` that are on their way to Redis at the same time.
pub const STATE_CALLS_AT_ONCE: usize = 32;

/// Into so many parts the role `state` divides the buckets: a second it looks at one, or ends sessions of a dead node in it.
pub const STATE_LOOKS_PER_ROUND: u16 = 10;

/// Users that one call ends sessions of, or tells of after a rebuild.
pub const STATE_USERS_AT_ONCE: usize = 64;

/// Users of the nodes' register that one call looks at.
pub const STATE_ADOPTED_AT_ONCE: usize = 64;

/// How long the role `state` takes to compare all its sessions with the nodes' register, milliseconds: with ten million sessions some
/// thousand users a second, of which Redis is asked in one call for each 64.
pub const STATE_CHECK_MS: u64 = 3_600_000;

/// How long a session must have been missing in the nodes' register before the role `state` has it end, milliseconds. A node whose
/// Redis has lost some of it puts its sessions there anew within [`SESSION_RENEW_MS`].
pub const STATE_MISSED_MS: u64 = SESSION_RENEW_MS * 3 / 2;

/// For how long one process has taken it on itself to end the sessions of a dead node, milliseconds.
pub const STATE_CLAIM_MS: u64 = 60_000;

/// How often a node renews its lease, milliseconds: three renewals may fail before it is lost.
pub const LEASE_RENEW_MS: u64 = 3_000;

const _: () = assert!(3 * LEASE_RENEW_MS < LEASE_MS);

/// How often a node asks each bucket what it has sent, milliseconds: so late a loss without a following message is noticed.
pub const REDIS_COMPARE_MS: u64 = 5_000;

/// How long what was sent by Kafka may take to come before it counts as missing, milliseconds: a broker that is replaced takes as
/// long. Who counts on it reads it from the stream then.
pub const DELIVER_LATE_MS: u64 = 2_000;

/// How long a node that begins a term waits for Kafka before it hears its buckets without it, milliseconds: a broker that is there
/// answers sooner. What is told meanwhile and kept nowhere is lost.
pub const DELIVER_BEGINS_MS: u64 = 3_000;

/// In how many places messages of a bucket may be missing that may still come: so often others and the node itself may move into one by
/// turns while Kafka brings what the others say.
pub const DELIVER_GAPS_MAX: usize = 256;

/// Messages by Kafka that may wait to be taken before no more are read.
pub const DELIVER_WAITING_MAX: usize = 4_096;

/// How much a node reads ahead of what buckets tell it by Kafka, KiB.
pub const DELIVER_AHEAD_KIB_MAX: usize = 16 * 1024;

/// How often a node looks whether Redis is still one that it would start with, milliseconds: a handful of small calls.
pub const REDIS_LOOK_MS: u64 = 10_000;

/// Events from Redis that may wait to be taken before they are dropped as a told hole.
pub const REDIS_EVENTS_MAX: usize = 65_536;

/// What one shard has to note in the ledgers of its channels: as much as may be asked of buckets, since every device that has
/// received something may have to. Few in tests.
pub const LEDGER_NOTES_MAX: usize = ASKED_OF_BUCKETS_MAX;

/// Notes of one call: a Function holds Redis up for the time of a hundred small commands.
pub const LEDGER_NOTES_PER_CALL: usize = if cfg!(test) { 8 } else { 128 };

/// Devices that have left channels, of which one shard could not tell the ledgers. Few in tests.
pub const DEPARTURES_UNTOLD_MAX: usize = ASKED_OF_BUCKETS_MAX;

/// How long a shard waits before it tells a ledger again that a device has left, milliseconds: a session of the device that began
/// to subscribe before it was known that the ledger was not told is subscribed by then, or refused.
pub const DEPARTURE_RETRY_MS: u64 = MIRROR_UNSURE_MS + REDIS_RETRY_MS;

/// Of how many such devices ledgers are told in one sweep, ten times a second.
pub const DEPARTURES_PER_SWEEP: usize = 1_024;

/// Members that one call adds or removes.
pub const LEDGER_MEMBERS_PER_CALL: usize = if cfg!(test) { 4 } else { 128 };

/// In so many channels of one bucket a user is the first member at the most, by own subscriptions. Names spread over 1,024
/// buckets: who is within [`CHANNELS_FOUNDED_MAX`] has hardly ever more than twenty in one. Few in tests.
pub const FOUNDED_PER_BUCKET_MAX: u32 = if cfg!(test) { 8 } else { 64 };

/// How often a session that subscribes asks for its row, where the stream begins anew meanwhile.
pub const LEDGER_ROWS_TRIED_MAX: u8 = 4;

/// Publishes and removals of one shard that wait for the answer of their bucket: at 1,000 calls a second of 128 each, a second
/// of a bucket that is slow. Few in tests.
pub const ASKED_OF_BUCKETS_MAX: usize = if cfg!(test) { 64 } else { 65_536 };

/// Their bytes: with 8 shards as much as may wait for Redis.
pub const ASKED_OF_BUCKETS_BYTES_MAX: usize = if cfg!(test) { 64 * 1024 } else { 8 * 1024 * 1024 };

/// What one mirror holds while it waits for what lies before it: a second of a busy room. Few in tests.
pub const MIRROR_HELD_MAX: usize = if cfg!(test) { 16 } else { 1_024 };

/// What all mirrors of a shard hold, bytes; past it one lets go what it holds, and joins again.
pub const MIRRORS_HELD_BYTES_MAX: usize = if cfg!(test) { 16 * 1024 } else { 16 * 1024 * 1024 };

/// Pages that a mirror catches up by before it goes on at the top instead: a page has a MiB at the most. Few in tests.
pub const MIRROR_PAGES_MAX: u32 = if cfg!(test) { 4 } else { 16 };

/// What is read at once of what lies before a mirror, bytes: what a reply to a backend may bring.
pub const MIRROR_READ_BYTES_MAX: usize = if cfg!(test) { 4 * 1024 } else { API_REPLY_BYTES_MAX };

/// How long a mirror that nobody uses stays, milliseconds: a client that reconnects, or pages through a history, finds it.
pub const MIRROR_LINGER_MS: u64 = 5_000;

/// How long those who count on seeing all are left in doubt whether a mirror has missed something, milliseconds.
pub const MIRROR_UNSURE_MS: u64 = 10_000;

/// How long a mirror waits before it tries again to join: at first, and at the most, milliseconds.
pub const MIRROR_RETRY_MS: u64 = 500;

/// See [`MIRROR_RETRY_MS`].
pub const MIRROR_RETRY_MS_MAX: u64 = 8_000;

/// Mirrors whose time has come that are looked at in one sweep. Few in tests.
pub const MIRRORS_PER_SWEEP: usize = if cfg!(test) { 8 } else { 1_024 };

/// How long a call of a catalog of services may take, milliseconds.
pub const DISCOVERY_CALL_MS: u64 = 5000;

/// How long a node that drains tries to be taken off its catalog, milliseconds.
pub const DISCOVERY_LEAVE_MS: u64 = 2000;

/// Before a catalog that has refused is called again, milliseconds; twice as long each time.
pub const DISCOVERY_RETRY_MS: u64 = 500;

/// The longest of those pauses, milliseconds.
pub const DISCOVERY_RETRY_MS_MAX: u64 = 30_000;

/// How long a node whose health is bad stays in its catalog, milliseconds.
pub const DISCOVERY_FORGET_MS: u64 = 600_000;

/// Bytes of an answer of a catalog that are read.
pub const DISCOVERY_ANSWER_BYTES_MAX: usize = 1024;
