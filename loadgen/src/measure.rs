//! What is measured: how long things took, gathered per second.

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::LATENCY_NS_MAX;

/// What is measured in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// From when a connection was due until it was welcomed and subscribed.
    Connect,
    /// From when a connection broke until its client was subscribed again.
    Reconnect,
    /// From when a message was due until a subscriber had it.
    Delivery,
    /// The same for subscribers that had stopped reading.
    SlowDelivery,
    /// From when a message was due until its publisher was answered.
    Reply,
    /// From when somebody was due to join a channel until it was told that it has.
    Join,
    /// From when a question who is in a channel was due until its answer.
    Presence,
    /// From when a device said that it has received messages until that was answered.
    Received,
    /// From when something was due until this program did it: how far the load can be trusted.
    Lateness,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::Reconnect,
        Self::Delivery,
        Self::SlowDelivery,
        Self::Reply,
        Self::Join,
        Self::Presence,
        Self::Received,
        Self::Lateness,
    ];

    /// Whether it tells how fast the server is. The others are the load generator's doing.
    pub fn is_of_the_server(self) -> bool {
        !matches!(self, Self::SlowDelivery | Self::Lateness)
    }

    /// For a person.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reconnect => "reconnect",
            Self::Delivery => "delivery",
            Self::SlowDelivery => "delivery, slow",
            Self::Reply => "reply",
            Self::Join => "join",
            Self::Presence => "presence",
            Self::Received => "received",
            Self::Lateness => "sent late by",
        }
    }
}

/// What is counted and takes no time worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Messages to rooms.
    InRooms,
    /// Messages to users.
    Direct,
    /// Indications that somebody writes.
    Typing,
    /// Users who left a room for another one.
    Moves,
    /// Connections that clients lost.
    Drops,
    /// Connections that the server has ended, or that were gone with it, and not by the clients' doing.
    Ended,
    /// Subscriptions that the server has ended.
    Unsubscribed,
    /// Messages that the server would not take for a while.
    Refused,
    /// Messages that came when their subscriber was back.
    Recovered,
    /// Messages that came again, since it was not answered that they were received.
    Redelivered,
    /// Subscribers who were told that they will not get all that they missed.
    Gaps,
    /// What was due when nobody could do it.
    NotDone,
}

impl Count {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::InRooms,
        Self::Direct,
        Self::Typing,
        Self::Moves,
        Self::Drops,
        Self::Ended,
        Self::Unsubscribed,
        Self::Refused,
        Self::Recovered,
        Self::Redelivered,
        Self::Gaps,
        Self::NotDone,
    ];

    /// For a person.
    pub fn name(self) -> &'static str {
        match self {
            Self::InRooms => "messages to rooms",
            Self::Direct => "messages to users",
            Self::Typing => "typing",
            Self::Moves => "moves between rooms",
            Self::Drops => "connections lost",
            Self::Ended => "connections ended by the server",
            Self::Unsubscribed => "subscriptions ended by the server",
            Self::Refused => "messages refused for a while",
            Self::Recovered => "messages recovered",
            Self::Redelivered => "messages that came again",
            Self::Gaps => "recoveries refused",
            Self::NotDone => "errands that nobody could do",
        }
    }
}

/// A histogram of nanoseconds with three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("the bounds make sense")
}

/// Which part of a run an interval belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Before it counts.
    #[default]
    WarmUp,
    /// It counts.
    Measured,
    /// Nothing new is sent; the latency of what was under way counts.
    Drain,
}

/// What happened in a second, or in what was left of one.
#[derive(Debug, Serialize, Deserialize)]
pub struct Interval {
    /// Which part of the run.
    pub stage: Stage,
    /// When it began, nanoseconds since the run began.
    pub begin_ns: u64,
    /// When it ended, nanoseconds since the run began.
    pub end_ns: u64,
    /// How long the load process was at work, nanoseconds; of several, the one that was at work longest.
    pub busy_ns: u64,
    /// Processor time that the load process used, nanoseconds; of several, all together.
    pub cpu_ns: u64,
    #[serde(serialize_with = "write_histograms", deserialize_with = "read_histograms")]
    histograms: [Histogram<u64>; Measure::ALL.len()],
    counts: [u64; Count::ALL.len()],
}

impl Default for Interval {
    fn default() -> Self {
        let histograms = std::array::from_fn(|_| histogram());
        let counts = [0; Count::ALL.len()];
        Self { stage: Stage::default(), begin_ns: 0, end_ns: 0, busy_ns: 0, cpu_ns: 0, histograms, counts }
    }
}

impl Interval {
    /// Adds one.
    #[inline]
    pub fn record(&mut self, measure: Measure, ns: u64) {
        self.histograms[measure as usize].saturating_record(ns);
    }

    /// All of one kind.
    pub fn histogram(&self, measure: Measure) -> &Histogram<u64> {
        &self.histograms[measure as usize]
    }

    /// Counts so many.
    #[inline]
    pub fn count(&mut self, count: Count, number: u64) {
        self.counts[count as usize] += number;
    }

    /// How many of each that there were.
    pub fn counts(&self) -> impl Iterator<Item = (Count, u64)> {
        Count::ALL.into_iter().zip(self.counts).filter(|(_, number)| *number > 0)
    }

    /// How long it was, nanoseconds.
    pub fn span_ns(&self) -> u64 {
        self.end_ns - self.begin_ns
    }

    /// Adds what happened in the same second in another load process.
    ///
    /// # Panics
    /// When it is of another second.
    pub fn add(&mut self, other: &Self) {
        assert_eq!((self.stage, self.begin_ns), (other.stage, other.begin_ns), "one second of one run");
        self.end_ns = self.end_ns.max(other.end_ns);
        self.busy_ns = self.busy_ns.max(other.busy_ns);
        self.cpu_ns += other.cpu_ns;
        for (histogram, other) in self.histograms.iter_mut().zip(&other.histograms) {
            histogram.add(other).expect("all histograms have the same bounds");
        }
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count += other;
        }
    }

    /// Makes it empty, to be used again.
    pub fn clear(&mut self) {
        (self.busy_ns, self.cpu_ns) = (0, 0);
        self.histograms.iter_mut().for_each(Histogram::reset);
        self.counts.fill(0);
    }
}

/// Writes a histogram as what was recorded and how often: exact, since whoever reads it has the same buckets.
fn write_histograms<S: Serializer>(histograms: &[Histogram<u64>], serializer: S) -> Result<S::Ok, S::Error> {
    let recorded = histograms.iter().map(|histogram| {
        let buckets = histogram.iter_recorded();
        buckets.map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value())).collect::<Vec<_>>()
    });
    serializer.collect_seq(recorded)
}

fn read_histograms<'a, D: Deserializer<'a>>(deserializer: D) -> Result<[Histogram<u64>; Measure::ALL.len()], D::Error> {
    let recorded = <[Vec<(u64, u64)>; Measure::ALL.len()]>::deserialize(deserializer)?;
    Ok(recorded.map(|buckets| {
        let mut histogram = histogram();
        buckets.into_iter().for_each(|(ns, count)| histogram.saturating_record_n(ns, count));
        histogram
    }))
}

/// A histogram in numbers; nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many were measured.
    pub count: u64,
    /// How many a second.
    pub per_s: f64,
    /// Half took at most this long.
    pub p50_ns: u64,
    /// Nine of ten took no longer, nanoseconds.
    pub p90_ns: u64,
    /// 99 of 100 took no longer, nanoseconds.
    pub p99_ns: u64,
    /// 999 of 1,000.
    pub p99_9_ns: u64,
    /// 9,999 of 10,000.
    pub p99_99_ns: u64,
    /// The longest, nanoseconds.
    pub max_ns: u64,
}

impl Summary {
    /// Of what happened within `span_ns`.
    pub fn of(histogram: &Histogram<u64>, span_ns: u64) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self {
            count: histogram.len(),
            per_s: histogram.len() as f64 * 1e9 / span_ns as f64,
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p99_9_ns: at(0.999),
            p99_99_ns: at(0.9999),
            max_ns: histogram.max(),
        }
    }

    /// The percentiles and the maximum with their names.
    pub fn percentiles(&self) -> [(&'static str, u64); 6] {
        [
            ("p50", self.p50_ns),
            ("p90", self.p90_ns),
            ("p99", self.p99_ns),
            ("p99.9", self.p99_9_ns),
            ("p99.99", self.p99_99_ns),
            ("max", self.max_ns),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_have_three_digits() {
        let mut interval = Interval::default();
        for us in 1..=100_000 {
            interval.record(Measure::Reply, us * 1000);
        }
        let summary = Summary::of(interval.histogram(Measure::Reply), 2_000_000_000);
        let near = |ns: u64, us: u64| ns.abs_diff(us * 1000) <= us;
        assert!(near(summary.p50_ns, 50_000) && near(summary.p99_ns, 99_000), "{summary:?}");
        assert!(near(summary.p99_9_ns, 99_900) && near(summary.p99_99_ns, 99_990), "{summary:?}");
        assert!(near(summary.max_ns, 100_000), "{summary:?}");
        assert_eq!((summary.count, summary.per_s), (100_000, 50_000.0));
    }

    #[test]
    fn a_wait_beyond_all_bounds_counts_as_the_longest() {
        let mut interval = Interval::default();
        interval.record(Measure::Delivery, u64::MAX);
        assert_eq!(interval.histogram(Measure::Delivery).len(), 1);
        assert!(interval.histogram(Measure::Delivery).max() >= LATENCY_NS_MAX);
    }

    #[test]
    fn an_interval_that_was_cleared_is_as_new() {
        let mut interval = Interval { busy_ns: 7, ..Interval::default() };
        interval.record(Measure::Connect, 5);
        interval.count(Count::Typing, 3);
        assert_eq!(interval.counts().collect::<Vec<_>>(), [(Count::Typing, 3)]);
        interval.clear();
        assert!(interval.histogram(Measure::Connect).is_empty() && interval.busy_ns == 0);
        assert_eq!(interval.counts().count(), 0);
    }

    #[test]
    fn what_processes_measured_and_wrote_adds_up_to_what_one_measures() {
        let mut random = 1u64;
        let mut latencies = std::iter::from_fn(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            Some(random >> (random % 60))
        });
        let mut one = Interval { stage: Stage::Measured, begin_ns: 5, ..Interval::default() };
        let mut many = Interval { stage: Stage::Measured, begin_ns: 5, ..Interval::default() };
        for (busy_ns, end_ns) in [(2, 9), (3, 8), (1, 7)] {
            let mut part =
                Interval { stage: Stage::Measured, begin_ns: 5, end_ns, busy_ns, cpu_ns: 4, ..Interval::default() };
            for (ns, measure) in latencies.by_ref().take(10_000).zip(Measure::ALL.into_iter().cycle()) {
                one.record(measure, ns);
                part.record(measure, ns);
            }
            part.count(Count::Moves, busy_ns);
            let written = serde_json::to_string(&part).unwrap();
            many.add(&serde_json::from_str(&written).unwrap());
        }
        assert_eq!((many.stage, many.begin_ns, many.end_ns), (Stage::Measured, 5, 9));
        assert_eq!((many.busy_ns, many.cpu_ns), (3, 12));
        assert_eq!(many.counts().collect::<Vec<_>>(), [(Count::Moves, 6)]);
        for measure in Measure::ALL {
            assert_eq!(many.histogram(measure), one.histogram(measure));
            let summary = |interval: &Interval| Summary::of(interval.histogram(measure), 4);
            assert_eq!(summary(&many), summary(&one));
        }
    }
}
