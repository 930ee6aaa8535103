//! Who somebody is, how long that holds, and how many are there.

use std::sync::Arc;

use uuid::Uuid;

use super::{Payload, WORD_BYTES};

/// The identity of one session, told to its client and to others in presence. Random.
pub type ClientId = Uuid;

/// Who did something, as other clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The user, empty when anonymous.
    pub user: Arc<str>,
    /// Client id: one per session, made by the node.
    pub client: ClientId,
    /// `info` of the connection token.
    pub conn_info: Option<Box<Payload>>,
    /// `info` of the subscription token or of a server-side subscription.
    pub chan_info: Option<Box<Payload>>,
}

impl ClientInfo {
    /// About as many bytes as it takes in a frame, whatever the dialect: what budgets of bytes count.
    pub fn weight(&self) -> usize {
        let infos = [&self.conn_info, &self.chan_info].into_iter().flatten().map(|info| info.weight());
        WORD_BYTES + self.user.len() + infos.sum::<usize>()
    }
}

/// Whether and when something expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// Without it the session lasts as long as its conn.
    pub expires: bool,
    /// In how many seconds.
    pub ttl_s: u32,
}

/// Counts of presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceStats {
    /// Sessions in the channel, on all shards.
    pub num_clients: u32,
    /// Distinct users among them; all anonymous ones are one.
    pub num_users: u32,
}
