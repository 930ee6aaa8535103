//! What a token or a backend grants in one channel.

use crate::model::Payload;

/// A subscription's terms where they differ from the namespace's options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Shown to others as `chan_info`.
    pub info: Option<Payload>,
    /// Given to the client with the subscription.
    pub data: Option<Payload>,
    /// When the subscription ends unless it is refreshed, Unix seconds.
    pub expire_at_unix_s: Option<i64>,
    /// Options to take instead of the namespace's.
    pub overrides: Overrides,
}

/// Options of a namespace that one subscription takes differently; `None` keeps the namespace's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `presence`
    pub presence: Option<bool>,
    /// `join_leave`
    pub join_leave: Option<bool>,
    /// `force_push_join_leave`
    pub force_push_join_leave: Option<bool>,
    /// `force_recovery`
    pub force_recovery: Option<bool>,
    /// `force_positioning`
    pub force_positioning: Option<bool>,
}
