//! Whose sessions a call is about.

use crate::broker::order::Who;
use crate::model::ClientId;

/// The sessions that `user` and `client` name. A `session` is another name that some servers give to a client; no client of
/// this node has one, so that it names nobody.
pub(super) fn who(user: &str, client: Option<&str>, session: Option<&str>) -> Who {
    let session = session.filter(|session| !session.is_empty()).map(|_| ClientId::nil());
    let client = client.filter(|client| !client.is_empty()).map(client_id);
    Who { user: user.into(), client: session.or(client) }
}

/// The client of this id; for what cannot be one, an id that no client has.
pub(super) fn client_id(text: &str) -> ClientId {
    text.parse().unwrap_or(ClientId::nil())
}
