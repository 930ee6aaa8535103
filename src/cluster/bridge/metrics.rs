//! What the bridge counts, for the outside to read. Its thread alone writes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::broker::counter::{Counter, Gauge};
use crate::broker::histogram::DurationHistogram;

/// What is asked of Redis on behalf of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Publications, and fleeting messages beside them.
    Append,
    /// Fleeting messages alone.
    Fleeting,
    /// Channels that begin to be listened to, and pages of their streams.
    Join,
    /// A page of a stream.
    Read,
    /// Channels that are listened to no more.
    Leave,
    /// The removal of a stream's publications.
    Remove,
    /// Devices that subscribe to channels of at least once.
    Attach,
    /// Devices that have left such channels.
    Detach,
    /// What has become of devices and read positions.
    Note,
    /// Positions that are to be told of.
    Watch,
    /// Users who belong to a channel from now on.
    Add,
    /// Users who belong to it no longer.
    RemoveMembers,
    /// A page of the members.
    Members,
    /// One member with all devices.
    Member,
    /// Dead letters.
    Letters,
    /// A dead letter that is sent once more.
    Requeue,
    /// Dead letters that are forgotten.
    Purge,
    /// A publication that is to come.
    Schedule,
    /// One that is not to come any more.
    Unschedule,
    /// What is to come in a channel.
    Scheduled,
    /// Sessions that come to channels.
    Enter,
    /// Sessions that leave channels.
    Exit,
    /// Lists of who is in channels that live on.
    Renew,
    /// Who is in a channel.
    Presence,
    /// How many are in a channel.
    PresenceStats,
}

impl Call {
    const ALL: [Self; 25] = [
        Self::Append,
        Self::Fleeting,
        Self::Join,
        Self::Read,
        Self::Leave,
        Self::Remove,
        Self::Attach,
        Self::Detach,
        Self::Note,
        Self::Watch,
        Self::Add,
        Self::RemoveMembers,
        Self::Members,
        Self::Member,
        Self::Letters,
        Self::Requeue,
        Self::Purge,
        Self::Schedule,
        Self::Unschedule,
        Self::Scheduled,
        Self::Enter,
        Self::Exit,
        Self::Renew,
        Self::Presence,
        Self::PresenceStats,
    ];

    /// The Function's.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Fleeting => "fleeting",
            Self::Join => "join",
            Self::Read => "read",
            Self::Leave => "leave",
            Self::Remove => "remove",
            Self::Attach => "ledger_attach",
            Self::Detach => "ledger_detach",
            Self::Note => "ledger_note",
            Self::Watch => "ledger_watch",
            Self::Add => "ledger_add",
            Self::RemoveMembers => "ledger_remove",
            Self::Members => "ledger_members",
            Self::Member => "ledger_member",
            Self::Letters => "letters",
            Self::Requeue => "letter_requeue",
            Self::Purge => "letters_purge",
            Self::Schedule => "schedule_add",
            Self::Unschedule => "schedule_cancel",
            Self::Scheduled => "schedule_list",
            Self::Enter => "presence_add",
            Self::Exit => "presence_remove",
            Self::Renew => "presence_renew",
            Self::Presence => "presence_page",
            Self::PresenceStats => "presence_stats",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct BridgeMetrics {
    durations: [DurationHistogram; Call::ALL.len()],
    /// How long what shards asked waited for the bridge, and for the turn of its bucket, before it left for Redis.
    pub waits: DurationHistogram,
    failures: Mutex<BTreeMap<&'static str, u64>>,
    /// Requests that wait or are in flight.
    pub waiting: Gauge,
    /// Bytes of the messages among them.
    pub waiting_bytes: Gauge,
    /// Messages that buckets have told this node.
    pub heard: Counter,
    /// Messages that shards had no room for.
    pub dropped: Counter,
    /// What other nodes said of users that the control plane had no room for.
    pub told_dropped: Counter,
    /// Buckets of which something was not heard.
    pub holes: Counter,
    /// Messages that came by Kafka. The thread that reads them there writes.
    pub relayed_heard: Arc<Counter>,
    /// Buckets of which something did not come by Kafka.
    pub relayed_holes: Counter,
    /// Buckets that have begun another generation.
    pub generations: Counter,
    /// Leases that were lost.
    pub leases_lost: Counter,
    /// Sessions, and those in lists of channels, that this node has cleared away for dead nodes.
    pub cleared: Counter,
    /// Nodes whose leases live, this one among them.
    pub nodes: Gauge,
    /// What would keep a node from starting with Redis as it was last seen.
    pub unfit: Gauge,
    /// Milliseconds from the start of the process' count to the last renewal of the lease.
    renewed_ms: AtomicU64,
    since: Instant,
}

impl Default for BridgeMetrics {
    fn default() -> Self {
        Self {
            durations: Default::default(),
            waits: DurationHistogram::default(),
            failures: Mutex::default(),
            waiting: Gauge::default(),
            waiting_bytes: Gauge::default(),
            heard: Counter::default(),
            dropped: Counter::default(),
            told_dropped: Counter::default(),
            holes: Counter::default(),
            relayed_heard: Arc::default(),
            relayed_holes: Counter::default(),
            generations: Counter::default(),
            leases_lost: Counter::default(),
            cleared: Counter::default(),
            nodes: Gauge::default(),
            unfit: Gauge::default(),
            renewed_ms: AtomicU64::new(0),
            since: Instant::now(),
        }
    }
}

impl BridgeMetrics {
    /// A call was answered, or has failed, so many nanoseconds after it began.
    pub(super) fn called(&self, call: Call, took_ns: u64) {
        self.durations[call as usize].record(took_ns);
    }

    /// What was asked at these times leaves for Redis.
    pub(super) fn left(&self, asked: impl Iterator<Item = Instant>) {
        let now = Instant::now();
        asked.for_each(|since| self.waits.record(now.duration_since(since).as_nanos() as u64));
    }

    /// A call has failed in this way.
    pub(super) fn failed(&self, kind: &'static str) {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    /// The lease was taken or renewed.
    pub(super) fn renewed(&self) {
        self.renewed_ms.store(self.since.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Seconds since the lease was last renewed.
    pub fn lease_age_s(&self) -> f64 {
        let age_ms = (self.since.elapsed().as_millis() as u64).saturating_sub(self.renewed_ms.load(Ordering::Relaxed));
        age_ms as f64 / 1e3
    }

    /// Per Function, how long its calls took.
    pub fn durations(&self) -> impl Iterator<Item = (&'static str, &DurationHistogram)> {
        Call::ALL.into_iter().map(Call::name).zip(&self.durations)
    }

    /// Per kind of fault, how often calls failed with it.
    pub fn failures(&self) -> Vec<(&'static str, u64)> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.iter().map(|(kind, number)| (*kind, *number)).collect()
    }
}
