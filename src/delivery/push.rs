//! What is to become of pushes to members of a channel.

use std::sync::Arc;

use crate::model::Publication;

/// What is to become of pushes to some members of a channel.
#[derive(Debug)]
pub struct Push {
    /// The channel.
    pub channel: Arc<str>,
    /// The life of its stream.
    pub epoch: Arc<str>,
    /// The place of a publication.
    pub offset: u64,
    /// What it is about.
    pub what: PushWhat,
    /// Who: [`PUSH_USERS_MAX`](crate::limits::PUSH_USERS_MAX) at the most.
    pub users: Vec<PushTo>,
}

/// What a push is about.
#[derive(Clone, Debug)]
pub enum PushWhat {
    /// The users are to be told of the publication.
    Offline {
        /// It, unless the history has dropped it meanwhile.
        publication: Option<Arc<Publication>>,
        /// Which of several for the same publication, from 0.
        part: u32,
    },
    /// The users have noticed all up to the offset.
    Withdrawn,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushTo {
    /// The user.
    pub user: Arc<str>,
    /// How many publications the user has not read.
    pub unread: u64,
    /// A device is here, and has said that nobody looks.
    pub is_background: bool,
}
