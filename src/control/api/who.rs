//! Whose sessions a call is about.

use crate::broker::order::Who;
use crate::model::ClientId;
use crate::model::refusal::{Error, ErrorKind};

/// The sessions that `user` and `client` name.
///
/// # Errors
/// 107 for a `session`, which no client of this node has: to leave it out would hit all of the user's sessions.
pub(super) fn who(user: &str, client: Option<&str>, session: Option<&str>) -> Result<Who, Error> {
    if session.is_some_and(|session| !session.is_empty()) {
        return Err(ErrorKind::BadRequest.because("bad request: session is not supported: name the client"));
    }
    let client = client.filter(|client| !client.is_empty());
    Ok(Who { user: user.into(), client: client.map(|client| client_id(client, "client")).transpose()? })
}

/// Reads a client id.
///
/// # Errors
/// 107 for what cannot be one; `field` names it.
pub(super) fn client_id(text: &str, field: &'static str) -> Result<ClientId, Error> {
    text.parse().map_err(|_| ErrorKind::BadRequest.because(format!("bad request: {field}: \"{text}\" is no client id")))
}
