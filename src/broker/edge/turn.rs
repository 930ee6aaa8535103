//! How much work clients may cause, and what the one whose input is being read has caused.

use crate::config::{ClientConfig, Duration};
use crate::protocol::word::Verb;
use crate::work::Limit;

/// The limits in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) session: Option<Limit>,
    pub(super) user: Option<Limit>,
}

impl Limits {
    pub(super) fn of(config: &ClientConfig) -> Self {
        let limit = |work: Duration, burst: Duration| Limit::new(work.as_millis(), burst.as_millis());
        Self {
            session: limit(config.work_limit, config.work_burst),
            user: limit(config.user_work_limit, config.user_work_burst),
        }
    }
}

/// The session whose input is being read, and what it has caused since it had its turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    pub(super) session: u32,
    pub(super) work_ns: u64,
    /// It has made something for a large room.
    pub(super) is_for_many: bool,
    /// It is had at a glance, between others' work.
    pub(super) is_glance: bool,
    /// It had given way, and this is what it waited for.
    pub(super) is_due: bool,
    /// How many that have given way may have their turn in this tick.
    pub(super) due: usize,
    /// What those have caused that had theirs.
    pub(super) due_ns: u64,
    /// What all sessions together have caused in this tick.
    pub(super) tick_ns: u64,
    /// Of that, the lists.
    pub(super) lists_ns: u64,
    /// Rooms have yet to hear of what was done in ticks before.
    pub(super) is_behind: bool,
    /// What had been attached to conns for rooms when the tick began.
    pub(super) attached_before: u64,
    /// Nodes of filters that had been asked when the tick began.
    pub(super) asked_before: u64,
    /// What the tokens of strangers have cost in this tick, of all of them together.
    pub(super) strangers_ns: u64,
}

/// By how much a session has exceeded what it may cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum Excess {
    None,
    Some,
    /// By a whole burst.
    Double,
}

impl Excess {
    /// Whether a command is refused for it.
    pub(in crate::broker) fn refuses(self, verb: &Verb<'_>) -> bool {
        match verb {
            // What ends work, or keeps a client alive, is always taken.
            Verb::Unsubscribe { .. } | Verb::Pong => false,
            // What keeps it connected, too, but not for ever: a token takes work.
            Verb::Refresh { .. } | Verb::SubRefresh { .. } => self == Self::Double,
            _ => self != Self::None,
        }
    }
}
