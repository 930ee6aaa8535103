//! Tells followers whether users are online.
//!
//! Once a second the shards say which channels have new subscribers; who of the users may have changed is looked up, and what has
//! changed is published, on this node alone. Without other nodes all are looked up, which the shards do at once. Among other nodes
//! a user is looked up when a bucket has said something of the user's sessions, or may have, and all are when a node has come or
//! gone: its sessions count as long as its lease lives.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::followed::Followed;
use super::nodes::Nodes;
use super::online;
use super::state::ControlState;
use crate::broker::order::{Order, Publish};
use crate::limits::{FOLLOWED_LOOK_MS, SHARED_USER_BYTES_MAX};
use crate::model::Payload;

/// Tells followers, until the node ends.
pub(super) async fn follow(state: Arc<ControlState>) {
    let mut timer = interval(Duration::from_millis(FOLLOWED_LOOK_MS));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut living = Vec::new();
    loop {
        timer.tick().await;
        let may_be_asked = state.config().channel.namespaces.iter().any(|namespace| namespace.options.users_status);
        if !may_be_asked && state.followed.is_empty() {
            continue;
        }
        let Ok(news) = state.shards.ask_all(|answer| Order::Followed { answer }).await else { return };
        let gone = state.followed.take(news.into_iter().flatten().collect());
        if let Some(nodes) = &state.nodes {
            let now_living = nodes.living();
            if std::mem::replace(&mut living, now_living) != living {
                state.followed.mark(|_| true, |entry| entry.is_stale = true);
            }
            nodes.unfollow(gone).await;
            hear(nodes, &state.followed).await;
        }
        look_up(&state).await;
    }
}

/// Begins to hear of users of whom nothing is heard yet. Those that cannot be heard of now are heard of later.
async fn hear(nodes: &Nodes, followed: &Followed) {
    let users = followed.users(|user, entry| !entry.is_heard && user.len() <= SHARED_USER_BYTES_MAX);
    // Before they are looked up, so that no change lies between.
    if !users.is_empty() && nodes.follow(users.clone()).await.is_ok() {
        followed
            .mark(|user| users.binary_search_by(|other| (**other).cmp(user)).is_ok(), |entry| entry.is_heard = true);
    }
}

/// Looks up who may have changed, and tells what has.
async fn look_up(state: &ControlState) {
    let is_alone = state.nodes.is_none();
    let users = state.followed.users(|user, entry| {
        let is_only_here = is_alone || user.len() > SHARED_USER_BYTES_MAX;
        std::mem::take(&mut entry.is_stale) || is_only_here
    });
    let Ok(online) = online::look_up(state, &users).await else {
        // Redis is away: nothing is made up, and all of it is looked up later.
        return state
            .followed
            .mark(|user| users.binary_search_by(|other| (**other).cmp(user)).is_ok(), |entry| entry.is_stale = true);
    };
    let mut telling = Vec::new();
    for (user, online) in users.iter().zip(online) {
        for channel in state.followed.looked_up(user, online) {
            let publish = Box::new(publication(&channel, user, online));
            let pending = state.shards.order(&channel, |answer| Order::Publish(publish, answer)).await;
            telling.push((user, channel, online, pending));
        }
    }
    for (user, channel, online, pending) in telling {
        state.followed.told(user, &channel, pending.answer().await.map(|_| online));
    }
}

/// What followers are told.
#[derive(Debug, Serialize)]
struct Status<'a> {
    user: &'a str,
    online: bool,
}

fn publication(channel: &Arc<str>, user: &str, online: bool) -> Publish {
    let status = serde_json::to_vec(&Status { user, online }).expect("a name and a truth value are written as JSON");
    Publish {
        channel: channel.clone(),
        data: Payload::json(status),
        tags: None,
        skip_history: false,
        idempotency_key: None,
        version: None,
        ttl_ms: None,
        exclude_client: None,
    }
}
