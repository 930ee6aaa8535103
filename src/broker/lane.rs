//! The lanes of the way from shard to shard, and what may overtake what (docs/decisions/credit.md).
//!
//! Letters of one lane of one pair of shards arrive in the order of sending. A shard may stop taking asks; it always
//! takes the other two, and those never wait for asks: so no two shards can wait for each other.

/// Which way a letter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// What was asked of a home. An ask never overtakes what was told before it ([`Lane::Answers`]).
    Asks,
    /// Publications, joins and leaves for subscribers, and the beginnings of subscriptions, which lie between them.
    Deliveries,
    /// Answers, receipts, and what is given back to homes. Overtakes the other two.
    Answers,
}

impl Lane {
    /// How many there are.
    pub const COUNT: usize = 3;

    /// Its number, from 0.
    #[inline]
    pub fn index(self) -> usize {
        self as usize
    }
}
