//! The users that a call is about.

use std::sync::Arc;

use crate::limits::MEMBERS_PER_CALL_MAX;
use crate::model::refusal::{Error, ErrorKind};

/// The users of a call, as they are shared.
///
/// # Errors
/// [`ErrorKind::BadRequest`] for one without a name; [`ErrorKind::LimitExceeded`] for more than [`MEMBERS_PER_CALL_MAX`].
pub(super) fn members(users: Vec<String>) -> Result<Vec<Arc<str>>, Error> {
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
