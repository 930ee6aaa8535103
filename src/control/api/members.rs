//! The users that a call is about, and the change of who is a member.

use std::sync::Arc;

use super::reply::Done;
use crate::broker::inbox_order::InboxOrder;
use crate::broker::order::{Order, Responder};
use crate::control::state::ControlState;
use crate::limits::MEMBERS_PER_CALL_MAX;
use crate::model::refusal::{Error, ErrorKind};

/// What is asked of a channel's home about some users.
type Change = fn(Arc<str>, Vec<Arc<str>>, Responder<()>) -> InboxOrder;

/// Has a channel's home change who is a member.
///
/// # Errors
/// Those of [`members`], and what the home refuses.
pub(super) async fn change(
    state: &ControlState,
    channel: String,
    users: Vec<String>,
    change: Change,
) -> Result<Done, Error> {
    let (channel, users): (Arc<str>, _) = (channel.into(), members(users)?);
    state.shards.ask(&channel, |answer| Order::Inbox(change(channel.clone(), users, answer))).await?;
    Ok(Done {})
}

/// The users of a call, as they are shared.
///
/// # Errors
/// [`ErrorKind::BadRequest`] for one without a name; [`ErrorKind::LimitExceeded`] for more than [`MEMBERS_PER_CALL_MAX`].
fn members(users: Vec<String>) -> Result<Vec<Arc<str>>, Error> {
    if users.len() > MEMBERS_PER_CALL_MAX {
        let why = format!("limit exceeded: more than {MEMBERS_PER_CALL_MAX} users in one call");
        return Err(ErrorKind::LimitExceeded.because(why));
    }
    users.into_iter().map(member).collect()
}

/// A user.
///
/// # Errors
/// [`ErrorKind::BadRequest`] for one without a name.
pub(super) fn member(user: String) -> Result<Arc<str>, Error> {
    match user.is_empty() {
        true => Err(ErrorKind::BadRequest.because("bad request: a member is a user with a name")),
        false => Ok(user.into()),
    }
}
