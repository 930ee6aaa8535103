//! What the methods of the role `notify` share.

use crate::cluster::redis::fault::Fault;
use crate::control::state::ControlState;
use crate::limits::NOTIFY_NAME_BYTES_MAX;
use crate::model::refusal::{Error, ErrorKind};
use crate::roles::notify::standing::Standing;

/// Badges and mutes.
///
/// # Errors
/// 108 where the process does not have the role.
pub(super) fn standing(state: &ControlState) -> Result<&Standing, Error> {
    let view = state.roles.notify.as_ref().ok_or(ErrorKind::NotAvailable)?;
    Ok(&view.standing)
}

/// The user that a call is about.
///
/// # Errors
/// 107 for none, or for a name that no user has.
pub(super) fn user(user: &str) -> Result<&str, Error> {
    match user.len() {
        1..=NOTIFY_NAME_BYTES_MAX => Ok(user),
        0 => Err(ErrorKind::BadRequest.because("bad request: name a user")),
        _ => Err(too_long()),
    }
}

/// The channel that a call is about; `None` is all.
///
/// # Errors
/// 107 for a name that no channel has.
pub(super) fn channel(channel: &str) -> Result<Option<&str>, Error> {
    match channel.len() {
        0 => Ok(None),
        1..=NOTIFY_NAME_BYTES_MAX => Ok(Some(channel)),
        _ => Err(too_long()),
    }
}

/// Redis does not do what it was asked.
pub(super) fn away(fault: Fault) -> Error {
    ErrorKind::Internal.because(format!("internal server error: {fault}"))
}

fn too_long() -> Error {
    ErrorKind::BadRequest.because(format!("bad request: names have at most {NOTIFY_NAME_BYTES_MAX} bytes"))
}
