//! What came of something that is done at once, or later.

use super::commits::Pending;
use crate::broker::bridge::Ticket;

/// What came of something that changes a channel.
#[derive(Debug)]
pub(in crate::broker) enum Outcome<T> {
    /// It has happened.
    Done(T),
    /// It happens later: see `Home::wait`.
    Later(Later),
}

/// When something happens, or has happened, as far as this home can tell.
#[derive(Debug)]
#[must_use = "somebody has to wait for it"]
pub(in crate::broker) enum Later {
    /// When it is on disk.
    OnDisk(Pending),
    /// When its bucket has answered.
    OverBridge(Ticket),
}
