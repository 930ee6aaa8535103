//! `dead_letters_list`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::dead_letters_cursor::Cursor;
use super::history::Publication;
use super::shape::whole_or_null;
use crate::broker::inbox_order::InboxOrder;
use crate::broker::order::{Order, check_list};
use crate::control::nodes::{LettersAt, SharedLetters, Sought};
use crate::control::state::ControlState;
use crate::delivery::{self, DeadLetterFilter, Place};
use crate::limits::DEAD_LETTERS_PER_CALL_MAX;
use crate::model::refusal::{Error, ErrorKind};

/// List publications that were given up for a device: of one channel by offset; or of all channels of this node and all that
/// nodes share, in pages.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "DeadLettersListRequest")]
pub(super) struct DeadLettersList {
    /// Of this channel; empty is all.
    channel: String,
    /// With a device of this user; empty is anybody.
    user: String,
    /// Given up then or later, Unix milliseconds.
    #[serde(deserialize_with = "whole_or_null")]
    since_ms: Option<i64>,
    /// With a larger offset than this: that of the last of the page before. Needs a channel.
    #[serde(deserialize_with = "whole_or_null")]
    after: Option<u64>,
    /// The `next` of the page before, without a channel.
    cursor: String,
    /// How many at the most; 0 or none is 100, and 1,000 are the most.
    #[serde(deserialize_with = "whole_or_null")]
    limit: Option<u32>,
}

/// Publications of one answer, where nothing is asked for.
const DEFAULT_LIMIT: usize = 100;

/// Publications that were given up.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DeadLettersListResult {
    /// By channel and offset; those of channels that nodes share behind this node's own, in an order that stays.
    dead_letters: Vec<DeadLetter>,
    /// Where the next page begins, as its `cursor`, without a channel; left out where all were looked at. A page may have fewer
    /// than were asked for, or none, and be followed by others.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A publication that was given up.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DeadLetter {
    /// The channel.
    channel: Arc<str>,
    /// Which life of the channel the offset belongs to.
    epoch: Arc<str>,
    /// The publication.
    publication: Publication,
    /// Devices that have not received it, at most 16 of them.
    failures: Vec<DeadLetterFailure>,
    /// Devices beyond those.
    more: u32,
}

/// A device that has not received a publication.
#[derive(Debug, Serialize, JsonSchema)]
struct DeadLetterFailure {
    /// Whose device.
    user: Arc<str>,
    /// The device's id, empty for sessions that name none.
    device: Box<str>,
    /// How often it was sent.
    attempts: u16,
    /// When it was given up, Unix milliseconds.
    at_ms: i64,
}

impl From<&delivery::DeadLetter> for DeadLetter {
    fn from(letter: &delivery::DeadLetter) -> Self {
        let failure = |one: &delivery::Failure| DeadLetterFailure {
            user: one.user.clone(),
            device: one.device.clone(),
            attempts: one.attempts,
            at_ms: one.at_unix_ms,
        };
        Self {
            channel: letter.channel.clone(),
            epoch: letter.epoch.clone(),
            publication: Publication::from(&*letter.publication),
            failures: letter.failures.iter().map(failure).collect(),
            more: letter.more,
        }
    }
}

impl Method for DeadLettersList {
    const NAME: &'static str = "dead_letters_list";
    type Result = DeadLettersListResult;

    async fn run(self, state: &ControlState) -> Result<DeadLettersListResult, Error> {
        let limit = match self.limit.unwrap_or_default() as usize {
            0 => DEFAULT_LIMIT,
            limit => limit.min(DEAD_LETTERS_PER_CALL_MAX),
        };
        if self.channel.is_empty() {
            return self.of_all(state, limit).await;
        }
        let channel = Arc::<str>::from(self.channel.as_str());
        let filter = self.filter(channel.clone(), (channel, self.after.unwrap_or_default()), limit);
        let order = |answer| Order::Inbox(InboxOrder::DeadLetters(filter.clone(), answer));
        let letters = state.shards.ask(&filter.channel, order).await?;
        answer(&letters, None)
    }
}

impl DeadLettersList {
    fn filter(&self, channel: Arc<str>, after: Place, limit: usize) -> Arc<DeadLetterFilter> {
        let (user, since_unix_ms) = (self.user.as_str().into(), self.since_ms.unwrap_or(i64::MIN));
        Arc::new(DeadLetterFilter { channel, after, user, since_unix_ms, limit })
    }

    /// A page of all channels: this node's own first, then those that nodes share.
    async fn of_all(self, state: &ControlState, limit: usize) -> Result<DeadLettersListResult, Error> {
        let unknown = || ErrorKind::BadRequest.because("bad request: cursor: it is none that was given");
        let (mut letters, at) = match Cursor::parse(&self.cursor).ok_or_else(unknown)? {
            Cursor::Own(after) => (self.of_node(state, after, limit).await?, LettersAt { bucket: 0, after: None }),
            Cursor::Shared(at) => (Vec::new(), at),
        };
        if letters.len() == limit {
            let next = letters.last().map(|last| Cursor::Own((last.channel.clone(), last.publication.offset)));
            return answer(&letters, next);
        }
        let Some(nodes) = &state.nodes else { return answer(&letters, None) };
        let (user, since_unix_ms) = (self.user.into(), self.since_ms.unwrap_or(i64::MIN));
        let SharedLetters { letters: shared, next, .. } =
            nodes.letters(at, Sought { user, since_unix_ms, limit: limit - letters.len() }).await?;
        letters.extend(shared);
        answer(&letters, next.map(Cursor::Shared))
    }

    /// The first of this node's own behind a place.
    async fn of_node(
        &self,
        state: &ControlState,
        after: Place,
        limit: usize,
    ) -> Result<Vec<delivery::DeadLetter>, Error> {
        let filter = self.filter("".into(), after, limit);
        let order = |answer| Order::Inbox(InboxOrder::DeadLetters(filter.clone(), answer));
        let mut letters = state.shards.ask_all(order).await?.concat();
        letters.sort_unstable_by(|one, other| {
            (&one.channel, one.publication.offset).cmp(&(&other.channel, other.publication.offset))
        });
        letters.truncate(limit);
        Ok(letters)
    }
}

fn answer(letters: &[delivery::DeadLetter], next: Option<Cursor>) -> Result<DeadLettersListResult, Error> {
    check_list(letters.iter().map(|letter| letter.publication.bytes()).sum())?;
    let dead_letters = letters.iter().map(DeadLetter::from).collect();
    Ok(DeadLettersListResult { dead_letters, next: next.map(|next| next.text()) })
}
