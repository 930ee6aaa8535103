//! What a channel keeps, how its subscribers recover, and how much one answer may bring.

use std::sync::Arc;

use crate::limits::HISTORY_FILTER_NODES_MAX;
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{Publication, TagsFilter};

/// What the hub needs to know of a channel's options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubOptions {
    /// Publications kept; 0 keeps none.
    pub history_size: u32,
    /// How long each is kept, milliseconds; 0 keeps none.
    pub history_ttl_ms: u64,
    /// How long epoch and offset outlive the last use, milliseconds; 0 is for ever.
    pub history_meta_ttl_ms: u64,
    /// Whether a publication does not go to the client that published it.
    pub excludes_publisher: bool,
    /// Whether members of the channel must say that they have received what is published.
    pub at_least_once: bool,
    /// Members who have not received a publication are to be told of it by a push after so long, milliseconds; 0 for never.
    pub push_after_ms: u64,
    /// Whether publications and positions are kept on disk, before anybody is told of them.
    pub is_durable: bool,
    /// Whether its order is given elsewhere, for several nodes: what is here is a mirror of it.
    pub is_mirrored: bool,
    /// Whether what is published goes there by way of Kafka, and is acknowledged by it.
    pub is_relayed: bool,
    /// Whether it tells whether a user is online.
    pub tells_status: bool,
    /// The number of the channel's namespace in the configuration, 0 for none: whoever counts by it need not look the name
    /// up again.
    pub namespace: u32,
}

impl HubOptions {
    /// Whether the channel keeps publications.
    pub fn has_history(self) -> bool {
        self.history_size > 0 && self.history_ttl_ms > 0
    }
}

/// What recovery brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecoveryMode {
    /// Everything that was missed.
    #[default]
    Stream,
    /// The latest publication alone: a client that wants the state, not the way there.
    Cache,
}

/// How much one answer may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Most publications of one answer.
    pub publications: usize,
    /// Their bytes, as [`Publication::weight`](crate::model::Publication::weight) counts them.
    pub bytes: usize,
}

impl Limit {
    /// As many as it allows, but one in any case.
    pub fn fit<'a>(self, publications: impl Iterator<Item = &'a Arc<Publication>>) -> Vec<Arc<Publication>> {
        let mut bytes = 0;
        let fit = publications.take(self.publications).take_while(|publication| {
            let is_first = bytes == 0;
            bytes += publication.weight();
            is_first || bytes <= self.bytes
        });
        fit.cloned().collect()
    }

    /// The same of what passes a filter. No more is looked at than one page may cost: it is shorter then, and who pages goes on
    /// behind its last.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] where nothing passes of what may be looked at, and more lies behind it.
    pub fn page<'a>(
        self,
        publications: impl Iterator<Item = &'a Arc<Publication>>,
        tags: Option<&TagsFilter>,
    ) -> Result<Vec<Arc<Publication>>, Error> {
        let Some(tags) = tags else { return Ok(self.fit(publications)) };
        let (mut looks, mut is_cut) = (HISTORY_FILTER_NODES_MAX / tags.cost(), false);
        let looked_at = publications.take_while(|_| {
            is_cut = looks == 0;
            looks = looks.saturating_sub(1);
            !is_cut
        });
        let page = self.fit(looked_at.filter(|publication| tags.passes(publication.tags.as_ref())));
        match is_cut && page.is_empty() {
            true => Err(ErrorKind::LimitExceeded.because(
                "limit exceeded: more lies there than may be looked at, and the subscription's filter keeps all of it out: read from \
                 another place",
            )),
            false => Ok(page),
        }
    }
}
