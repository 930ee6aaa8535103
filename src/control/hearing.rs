//! What other nodes say of users, done on this one: sessions that have lost their place, tokens that were called back, calls for
//! users who have sessions here.

use std::sync::Arc;

use super::api::carry_out_here;
use super::nodes::Nodes;
use super::state::ControlState;
use crate::auth::Revocation;
use crate::broker::order::{Order, Who};
use crate::cluster::bridge::told::Told;

/// Does what is said, until the bridge has ended.
pub(super) async fn hear(state: Arc<ControlState>) {
    while let Some(nodes) = &state.nodes
        && let Some(told) = nodes.next().await
    {
        let state = state.clone();
        // None waits for another.
        tokio::spawn(async move {
            if let Some(nodes) = &state.nodes {
                take(told, nodes, &state).await;
            }
        });
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
        Told::Missed(bucket) => {
            for revocation in nodes.revocations(bucket).await {
                revoke(revocation, nodes, state).await;
            }
        }
        Told::Asked(bucket, question) => {
            if let Some(question) = nodes.question(bucket, &question) {
                let result = carry_out_here(state, &question.method, question.request.get()).await;
                nodes.answer(question, result).await;
            }
        }
        Told::Answered(answer) => nodes.answered(&answer),
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
