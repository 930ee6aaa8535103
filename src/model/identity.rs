//! Who somebody is, how long that holds, and how many are there.

use std::sync::Arc;

use uuid::Uuid;

use super::Payload;

/// The identity of one session, told to its client and to others in presence. Random.
pub type ClientId = Uuid;

/// Who did something, as other clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The user, empty when anonymous.
    pub user: Arc<str>,
    /// The session.
    pub client: ClientId,
    /// `info` of the connection token.
    pub conn_info: Option<Payload>,
    /// `info` of the subscription token or of a server-side subscription.
    pub chan_info: Option<Payload>,
}

/// Whether and when something expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// Whether it expires.
    pub expires: bool,
    /// In how many seconds.
    pub ttl_s: u32,
}

/// Counts of presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceStats {
    /// Sessions.
    pub num_clients: u32,
    /// Distinct users.
    pub num_users: u32,
}
