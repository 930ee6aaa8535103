//! What is asked of a crowd, and what it tells.

use super::kind::Kind;
use crate::target::Target;

/// Who is to ask for too much of whom.
#[derive(Clone, Debug)]
pub struct Order {
    /// What is done.
    pub kind: Kind,
    /// To which server, by the Centrifugo client protocol.
    pub target: Target,
    /// What tokens are signed with; without it there are none.
    pub secret: Option<String>,
    /// What the room's name begins with, such as a namespace: `chat:`.
    pub channel_prefix: String,
    /// Clients in the room.
    pub members: u32,
    /// Those who ask for too much.
    pub abusers: u32,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What abusers did: connections of those who say nothing, requests, batches of commands.
    pub acts: u64,
    /// Bytes that they were given to send.
    pub bytes_said: u64,
    /// Bytes that they and the members were sent.
    pub bytes_heard: u64,
    /// Connections of abusers that the server ended, or would not have.
    pub cut: u64,
    /// Connections of members that the server ended: somebody who did nothing wrong.
    pub members_lost: u64,
}
