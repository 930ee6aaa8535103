//! `dead_letters_show`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Method;
use super::dead_letters_list::DeadLetter;
use super::shape::whole;
use crate::broker::inbox_order::InboxOrder;
use crate::broker::order::Order;
use crate::control::state::ControlState;
use crate::delivery::DeadLetterFilter;
use crate::model::refusal::{Error, ErrorKind};

/// Show one publication that was given up.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "DeadLettersShowRequest")]
pub(super) struct DeadLettersShow {
    /// The channel.
    channel: String,
    /// The publication's number in the stream.
    #[serde(deserialize_with = "whole")]
    offset: u64,
}

impl Method for DeadLettersShow {
    const NAME: &'static str = "dead_letters_show";
    type Result = DeadLetter;

    async fn run(self, state: &ControlState) -> Result<DeadLetter, Error> {
        let channel = Arc::<str>::from(self.channel);
        let filter = DeadLetterFilter {
            after: (channel.clone(), self.offset.saturating_sub(1)),
            channel,
            user: Box::default(),
            since_unix_ms: i64::MIN,
            limit: 1,
        };
        let filter = Arc::new(filter);
        let order = |answer| Order::Inbox(InboxOrder::DeadLetters(filter.clone(), answer));
        let letters = state.shards.ask(&filter.channel, order).await?;
        let found = letters.iter().find(|letter| letter.publication.offset == self.offset);
        found.map(DeadLetter::from).ok_or_else(|| ErrorKind::NotAvailable.because("not available: no such dead letter"))
    }
}
