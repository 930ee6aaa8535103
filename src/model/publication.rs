//! Messages in a channel, and their places.

use std::sync::Arc;

use super::{ClientInfo, Payload, WORD_BYTES};

/// Application tags of a publication, sorted by key.
pub type Tags = Box<[(Box<str>, Box<str>)]>;

/// One message in a channel. Shared by `Arc` between history, shards and replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Place in the channel's order, from 1; 0 where the channel keeps no history.
    pub offset: u64,
    /// What the application sent.
    pub data: Payload,
    /// The publishing client; `None` when a backend published.
    pub info: Option<Arc<ClientInfo>>,
    /// Names and values that a backend added; a client cannot.
    pub tags: Option<Tags>,
    /// When the home shard took it, Unix milliseconds; 0 when it is not told to clients.
    pub time_unix_ms: i64,
}

impl Publication {
    /// What it keeps in memory, bytes: itself, and what the application has sent.
    pub fn bytes(&self) -> usize {
        let tags = self.tags.iter().flatten().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        size_of::<Self>() + self.data.bytes.len() + tags
    }

    /// About as many bytes as it takes in a frame, whatever the dialect: what budgets of bytes count.
    pub fn weight(&self) -> usize {
        weight(&self.data, self.info.as_deref(), self.tags.as_ref())
    }
}

/// As [`Publication::weight`], of one that is yet to be.
pub fn weight(data: &Payload, info: Option<&ClientInfo>, tags: Option<&Tags>) -> usize {
    let tags = tags.into_iter().flatten().map(|(key, value)| key.len() + value.len() + 8);
    WORD_BYTES + data.weight() + info.map_or(0, ClientInfo::weight) + tags.sum::<usize>()
}

/// A place in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The offset of the last publication seen, 0 before the first.
    pub offset: u64,
    /// Which life of the channel the offset belongs to.
    pub epoch: Arc<str>,
}

/// A wish to be given what was missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recover {
    /// Whether to recover at all.
    pub recover: bool,
    /// The last that the client has seen.
    pub since: Position,
}

/// Which part of a channel's history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// How many at the most; 0 asks for the position only, negative for all that the limits allow.
    pub limit: i32,
    /// Only those after (with `reverse`: before) this place.
    pub since: Option<Position>,
    /// From the newest to the oldest.
    pub reverse: bool,
}

/// A part of a channel's history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryPage {
    /// In the order asked for.
    pub publications: Vec<Arc<Publication>>,
    /// Where the stream stands.
    pub position: Position,
}
