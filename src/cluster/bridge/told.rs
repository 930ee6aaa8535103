//! What the control plane is told of users by other nodes, and of what may have been missed.

use std::sync::Arc;

use bytes::Bytes;

use crate::auth::Revocation;
use crate::model::ClientId;
use crate::model::refusal::Disconnect;

/// See the module.
#[derive(Debug)]
pub enum Told {
    /// A session here has no place any more among those of its user.
    Dismissed {
        /// Whose it is.
        user: Arc<str>,
        /// Which.
        client: ClientId,
        /// What it is told.
        why: Disconnect,
    },
    /// Tokens were called back.
    Revoked(Revocation),
    /// A node asks, in this bucket.
    Asked(u16, Bytes),
    /// A node has answered.
    Answered(Bytes),
    /// What was called back in this bucket may not have been heard.
    Missed(u16),
}
