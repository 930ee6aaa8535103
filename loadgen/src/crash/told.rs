//! What a crash trial tells: what was counted in each life of the node, and in all of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What a node did wrong, as its clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// What was acknowledged is not in the history.
    Missing,
    /// What a client was shown is not in the history.
    Vanished,
    /// Offsets below the newest are not in the history.
    Hole,
    /// An offset is of two messages.
    Reused,
    /// A message is at two offsets.
    Twice,
    /// A subscriber was given an offset again.
    Duplicate,
    /// A subscriber was not given an offset, and not told of it.
    Gap,
    /// A subscriber was told that it cannot recover.
    Unrecovered,
    /// A channel has begun a new epoch.
    Epoch,
    /// A publisher's messages are not in their order.
    OutOfOrder,
    /// Something that was never sent.
    Strange,
    /// A connection ended while the node was not killed.
    Disconnected,
}

impl Wrong {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 12] = [
        Self::Missing,
        Self::Vanished,
        Self::Hole,
        Self::Reused,
        Self::Twice,
        Self::Duplicate,
        Self::Gap,
        Self::Unrecovered,
        Self::Epoch,
        Self::OutOfOrder,
        Self::Strange,
        Self::Disconnected,
    ];
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Missing => "acknowledged and missing",
            Self::Vanished => "shown to a client and missing",
            Self::Hole => "histories with holes",
            Self::Reused => "offsets used twice",
            Self::Twice => "messages at two offsets",
            Self::Duplicate => "duplicates to a subscriber",
            Self::Gap => "gaps that nobody told of",
            Self::Unrecovered => "recoveries refused",
            Self::Epoch => "epochs changed",
            Self::OutOfOrder => "messages out of order",
            Self::Strange => "messages that nobody sent",
            Self::Disconnected => "connections ended by the node",
        })
    }
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Publishes that were answered.
    pub acknowledged: u64,
    /// Publishes that were refused.
    pub refused: u64,
    /// Publishes that were under way when the node was killed.
    pub unanswered: u64,
    /// Of those, the ones that it has kept.
    pub unanswered_kept: u64,
    /// Messages that subscribers were given when they came back.
    pub recovered: u64,
    /// What was wrong.
    pub wrong: BTreeMap<Wrong, u64>,
}

impl Counts {
    /// How many of a kind.
    pub fn of(&self, wrong: Wrong) -> u64 {
        self.wrong.get(&wrong).copied().unwrap_or(0)
    }

    /// Adds those of another life.
    pub fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.unanswered_kept += other.unanswered_kept;
        self.recovered += other.recovered;
        for (wrong, count) in &other.wrong {
            *self.wrong.entry(*wrong).or_default() += count;
        }
    }
}

/// A life of the node: from its start, over the look at what it kept, to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Life {
    /// From the start until it took connections, nanoseconds.
    pub start_ns: u64,
    /// From then until all clients were back, nanoseconds.
    pub back_ns: u64,
    /// Under load, nanoseconds.
    pub load_ns: u64,
    /// What was counted: what its clients found when they came back, and what they sent after.
    pub counts: Counts,
}

/// What came of a trial.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// What made it.
    pub command: String,
    /// What the node says that it is.
    pub version: String,
    /// The lives of the node. The last one begins with the last look.
    pub lives: Vec<Life>,
    /// The first things that were wrong.
    pub examples: Vec<String>,
    /// Whether it was ended before all lives were lived.
    pub is_interrupted: bool,
}

impl Told {
    /// What was counted in all lives.
    pub fn total(&self) -> Counts {
        self.lives.iter().fold(Counts::default(), |mut total, life| {
            total.add(&life.counts);
            total
        })
    }

    /// How often the node was killed.
    pub fn kills(&self) -> usize {
        self.lives.len().saturating_sub(1)
    }

    /// Whether the node did nothing wrong, and was asked for something.
    pub fn is_good(&self) -> bool {
        let total = self.total();
        total.acknowledged > 0 && total.wrong.is_empty()
    }
}
