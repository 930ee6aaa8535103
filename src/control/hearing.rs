//! What other nodes say of users, done on this one: sessions that have lost their place, tokens that were called back, calls for
//! users who have sessions here, users who are followed here.
//!
//! Some of it is done at once, and none of that waits for another; past [`TOLD_AT_ONCE`](crate::limits::TOLD_AT_ONCE) the rest waits with the bridge, which
//! bounds it. What was missed is read again: of its bucket, however it came to be missed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::api::carry_out_here;
use super::nodes::Nodes;
use super::state::ControlState;
use crate::auth::Revocation;
use crate::broker::order::{Order, Who};
use crate::cluster::bridge::told::Told;
use crate::limits::{NODE_ANSWER_MS, REVOKED_LOOK_MS, TOLD_AT_ONCE};
use crate::model::bucket_of;
use crate::vital;

/// Does what is said, until the bridge has ended.
pub(super) async fn hear(state: Arc<ControlState>) {
    let places = Arc::new(Semaphore::new(TOLD_AT_ONCE));
    while let Some(nodes) = &state.nodes
        && let Some(told) = nodes.next().await
    {
        match told {
            Told::Answered(answer) => nodes.answered(&answer),
            Told::Changed(user) => state.followed.changed(&user),
            told => {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let state = state.clone();
                tokio::spawn(async move {
                    if let Some(nodes) = &state.nodes {
                        take(told, nodes, &state).await;
                    }
                    drop(place);
                });
            }
        }
    }
}

async fn take(told: Told, nodes: &Nodes, state: &ControlState) {
    match told {
        Told::Dismissed { user, client, why } => {
            let who = Arc::new(Who { user: (*user).into(), client: Some(client) });
            let order =
                |answer| Order::Disconnect { who: who.clone(), whitelist: Arc::default(), reason: why.clone(), answer };
            // A shard that has ended has no sessions.
            let _ = state.shards.ask_all(order).await;
        }
        Told::Revoked(revocation) => revoke(revocation, nodes, state).await,
        Told::Asked(bucket, question) => {
            if let Some(question) = nodes.question(bucket, &question) {
                let carry_out = carry_out_here(state, &question.method, question.request.get());
                // Who has asked waits no longer.
                if let Ok(result) = timeout(Duration::from_millis(NODE_ANSWER_MS), carry_out).await {
                    nodes.answer(question, result).await;
                }
            }
        }
        Told::Answered(_) | Told::Changed(_) => unreachable!("these are done at once"),
    }
}

/// Makes up for what was missed, until the node ends: what was called back in the bucket, and who is online.
pub(super) async fn make_up(state: Arc<ControlState>) {
    while let Some(nodes) = &state.nodes {
        let bucket = nodes.next_missed().await;
        let buckets = state.config().cluster.redis.buckets;
        state.followed.missed(|user| bucket_of(user, buckets) == bucket);
        let place = nodes.place_to_read().await;
        let state = state.clone();
        tokio::spawn(vital::task(async move {
            if let Some(nodes) = &state.nodes {
                for revocation in nodes.revocations(bucket).await {
                    revoke(revocation, nodes, &state).await;
                }
            }
            drop(place);
        }));
    }
}

/// Asks in which buckets tokens were called back, until the node ends: an announcement may have been lost.
pub(super) async fn watch_revocations(state: Arc<ControlState>) {
    let mut timer = interval(Duration::from_millis(REVOKED_LOOK_MS));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0;
    while let Some(nodes) = &state.nodes {
        timer.tick().await;
        // While Redis is away nobody can call tokens back either.
        if let Ok(now) = nodes.revoked_since(count).await {
            count = now;
        }
    }
}

/// Tokens were called back on another node.
async fn revoke(revocation: Revocation, nodes: &Nodes, state: &ControlState) {
    if !nodes.learn(&revocation) {
        return;
    }
    let revocation = Arc::new(revocation);
    let order = |answer| Order::Revoke { revocation: revocation.clone(), answer };
    if let Err(error) = state.shards.ask_all(order).await {
        tracing::error!(?error, "tokens that were called back on another node are not refused here");
    }
}
