//! What a client knows of one channel.

use super::chronicle::Listener;
use crate::model::ClientId;

/// A place in a stream: epoch and offset.
pub(super) type Place = (String, u64);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    #[default]
    Idle,
    Asked,
    Live,
    Leaving,
}

/// What the client knows of one channel.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    pub(super) stage: Stage,
    /// Where it stands, while the channel has been telling; kept for recovery.
    pub(super) place: Option<Place>,
    /// The last offset of a channel that does not tell its place.
    pub(super) last: Option<u64>,
    /// It wants publications whose tag is at least this.
    pub(super) least: Option<u32>,
    /// What it heard since it last had to begin anew.
    pub(super) part: Vec<String>,
    /// How often it was ended.
    pub(super) ends: u32,
}

impl Subscription {
    pub(super) fn is_on(&self) -> bool {
        matches!(self.stage, Stage::Live | Stage::Leaving)
    }

    pub(super) fn listener(&self, client: ClientId) -> Listener<'_> {
        Listener { client, epoch: self.place.as_ref().map(|(epoch, _)| &**epoch), least: self.least }
    }
}
