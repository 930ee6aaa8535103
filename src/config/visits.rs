//! Of whom it is told that they come and go: by the access log, and by events.

use super::Config;
use crate::model::ClientId;

impl Config {
    /// Whether somebody wants to know that this client has come or gone.
    pub fn is_told_of(&self, client: ClientId) -> bool {
        self.access_log.takes(client) || self.cluster.kafka.tells_logins()
    }

    /// Whether somebody wants to know who was refused.
    pub fn is_told_of_refusals(&self) -> bool {
        self.access_log.enabled || self.cluster.kafka.tells_logins()
    }
}
