//! What runs out: the connection's token, a subscription's token.
//!
//! A client is given a grace period after the expiry that it was told, since it renews only then.

use std::sync::Arc;

use super::{Context, ExpireAt, Flags, Session};
use crate::time::Duration;

/// Whether something that a token is to begin or to renew is over already, by clocks that differ by `leeway` at most.
pub(super) fn has_expired(expire_at_unix_s: Option<i64>, leeway: Duration, context: Context<'_>) -> bool {
    let by_unix_s = context.now.unix_s().saturating_sub_unsigned(leeway.as_millis() / 1000);
    expire_at_unix_s.is_some_and(|at| at <= by_unix_s)
}

/// What has run out.
#[derive(Debug, PartialEq, Eq)]
pub enum Overdue {
    /// The connection token: the session ends.
    Connection,
    /// A server-side subscription's token: the session ends, too.
    ServerSubscription,
    /// A client's subscription token: the subscription ends.
    Subscription(Arc<str>),
}

impl Session {
    /// What has run out, one at a time; call again after it was dealt with.
    pub fn overdue(&self, context: Context<'_>) -> Option<Overdue> {
        let client = &context.config.client;
        let now_ms = context.now.unix_ms;
        let past = |at: ExpireAt, grace_ms: u64| at.unix_s().is_some_and(|at| now_ms >= due_ms(at, grace_ms));
        if past(self.expire_at, client.expired_close_delay.as_millis()) {
            return Some(Overdue::Connection);
        }
        let grace_ms = client.expired_sub_close_delay.as_millis();
        let expired = self
            .subscriptions
            .iter()
            .find(|subscription| subscription.is_live() && past(subscription.expire_at, grace_ms))?;
        Some(if expired.flags.has(Flags::SERVER_SIDE) {
            Overdue::ServerSubscription
        } else {
            Overdue::Subscription(expired.channel.clone())
        })
    }

    /// When the session next wants to be looked at, monotonic milliseconds.
    pub fn next_due_ms(&self, context: Context<'_>) -> u64 {
        let client = &context.config.client;
        let mono = |at: i64, grace_ms: u64| {
            let left_ms = due_ms(at, grace_ms).saturating_sub(context.now.unix_ms).max(0);
            context.now.mono_ms.saturating_add(left_ms as u64)
        };
        let connection = self.expire_at.unix_s().map(|at| mono(at, client.expired_close_delay.as_millis()));
        let grace_ms = client.expired_sub_close_delay.as_millis();
        let live = self.subscriptions.iter().filter(|subscription| subscription.is_live());
        let expiring = live.filter_map(|subscription| subscription.expire_at.unix_s());
        let subscription = expiring.map(|at| mono(at, grace_ms)).min();
        [Some(self.heartbeat.next_ms()), connection, subscription].into_iter().flatten().min().unwrap_or(u64::MAX)
    }
}

fn due_ms(at_unix_s: i64, grace_ms: u64) -> i64 {
    at_unix_s.saturating_mul(1000).saturating_add_unsigned(grace_ms)
}
