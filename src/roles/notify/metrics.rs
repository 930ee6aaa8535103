//! What the role counts. Its thread alone writes.

use crate::broker::counter::{Counter, Gauge};

/// See the module.
#[derive(Debug, Default)]
pub struct NotifyMetrics {
    /// Messages that users were to be told of, times users.
    pub pushes: Counter,
    /// Messages that were withdrawn, times users.
    pub withdrawals: Counter,
    /// Messages that were not told, since the user has muted the channel or all.
    pub muted: Counter,
    /// Messages, times users, that were read later than `notify.max_age` after they were written.
    pub too_late: Counter,
    /// Records that nothing could be made of.
    pub unreadable: Counter,
    /// Webhooks that were taken.
    pub taken: Counter,
    /// Attempts that failed.
    pub failed: Counter,
    /// Webhooks that the endpoint refused for good.
    pub refused: Counter,
    /// Webhooks that were given up after all attempts.
    pub given_up: Counter,
    /// Webhooks that were not sent, since Redis holds something foreign of their user.
    pub foreign: Counter,
    /// What could not even be kept in the topic of what is dead: too large for it.
    pub lost: Counter,
    /// Changes of sessions that clients are told.
    pub sessions: Counter,
    /// Messages times users that are on their way.
    pub open: Gauge,
}
