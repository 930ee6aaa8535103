//! Which users have a session: on this node, or on another that lives.

use std::sync::Arc;

use super::state::ControlState;
use crate::broker::order::Order;
use crate::limits::USERS_STATUS_MAX;
use crate::model::refusal::Error;

/// Looks users up, an answer each.
///
/// # Errors
/// 100 where Redis cannot be asked, or the node is ending.
pub(super) async fn look_up(state: &ControlState, users: &[Arc<str>]) -> Result<Vec<bool>, Error> {
    let mut online = Vec::with_capacity(users.len());
    for some in users.chunks(USERS_STATUS_MAX) {
        let some: Arc<[Arc<str>]> = some.into();
        let mut lists = state.shards.ask_all(|answer| Order::Online { users: some.clone(), answer }).await?;
        if let Some(nodes) = &state.nodes {
            lists.push(nodes.online(some.clone()).await?);
        }
        online.extend((0..some.len()).map(|at| lists.iter().any(|list| list[at])));
    }
    Ok(online)
}
