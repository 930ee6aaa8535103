//! `dead_letters_list`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::history::Publication;
use super::shape::whole_or_null;
use crate::broker::inbox_order::InboxOrder;
use crate::broker::order::{Order, check_list};
use crate::control::state::ControlState;
use crate::delivery::{self, DeadLetterFilter};
use crate::limits::DEAD_LETTERS_PER_CALL_MAX;
use crate::model::refusal::Error;

/// List publications that were given up for a device, by channel and offset.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "DeadLettersListRequest")]
pub(super) struct DeadLettersList {
    /// Of this channel; empty is all channels of this node alone. Those that nodes share are listed by name.
    channel: String,
    /// With a device of this user; empty is anybody.
    user: String,
    /// Given up then or later, Unix milliseconds.
    #[serde(deserialize_with = "whole_or_null")]
    since_ms: Option<i64>,
    /// With a larger offset than this: that of the last of the page before. Needs a channel.
    #[serde(deserialize_with = "whole_or_null")]
    after: Option<u64>,
    /// How many at the most; 0 or none is 100, and 1,000 are the most.
    #[serde(deserialize_with = "whole_or_null")]
    limit: Option<u32>,
}

/// Publications of one answer, where nothing is asked for.
const DEFAULT_LIMIT: usize = 100;

/// Publications that were given up.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DeadLettersListResult {
    /// By channel and offset.
    dead_letters: Vec<DeadLetter>,
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
        let filter = Arc::new(DeadLetterFilter {
            channel: Arc::from(self.channel),
            after: self.after.unwrap_or_default(),
            user: self.user.into(),
            since_unix_ms: self.since_ms.unwrap_or(i64::MIN),
            limit,
        });
        let order = |answer| Order::Inbox(InboxOrder::DeadLetters(filter.clone(), answer));
        let mut letters = match filter.channel.is_empty() {
            true => state.shards.ask_all(order).await?.concat(),
            false => state.shards.ask(&filter.channel, order).await?,
        };
        letters.sort_unstable_by(|one, other| {
            (&one.channel, one.publication.offset).cmp(&(&other.channel, other.publication.offset))
        });
        check_list(letters.iter().map(|letter| letter.publication.bytes()).sum())?;
        Ok(DeadLettersListResult { dead_letters: letters.iter().take(limit).map(DeadLetter::from).collect() })
    }
}
