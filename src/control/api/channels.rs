//! `channels`

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::shape::whole_or_null;
use super::{Method, first, read_lists, where_user_is};
use crate::broker::order::{Order, Part, check_list};
use crate::control::nodes::Elsewhere;
use crate::control::state::ControlState;
use crate::hub::Pattern;
use crate::limits::LISTED_BYTES;
use crate::model::refusal::{Error, ErrorKind};

/// Which channels have subscribers? Looks at every channel: not for every second.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "ChannelsRequest")]
pub(super) struct Channels {
    /// Only names that match: `*` stands for any characters, `?` for one, `[a-z]` for one of these, `[!a-z]` for another
    /// one, `{a,b}` for one of several; a backslash takes the next character as it is. Empty matches all.
    pattern: Option<String>,
    /// Only those whose names follow this one: the last of the page before.
    after: String,
    /// How many at the most; fewer: there are no more. 0 or none is all, if they have 16 MiB at the most.
    #[serde(deserialize_with = "whole_or_null")]
    limit: Option<u32>,
}

/// The channels with subscribers.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct ChannelsResult {
    /// By name.
    channels: BTreeMap<Arc<str>, ChannelInfo>,
}

/// One channel.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct ChannelInfo {
    /// Clients that are subscribed.
    num_clients: u32,
}

impl Method for Channels {
    const NAME: &'static str = "channels";
    type Result = ChannelsResult;

    async fn run(self, state: &ControlState) -> Result<ChannelsResult, Error> {
        let limit = self.page_limit();
        let after = (!self.after.is_empty()).then(|| Arc::from(self.after));
        let part = Part { after, limit };
        let pattern = Pattern::new(&self.pattern.unwrap_or_default());
        let pattern = pattern.map_err(|why| ErrorKind::BadRequest.because(format!("bad request: pattern: {why}")))?;
        let pattern = Arc::new(pattern);
        let order = |answer| Order::Channels { pattern: pattern.clone(), part: part.clone(), answer };
        let lists = state.shards.ask_all(order).await?;
        check_list(lists.iter().flatten().map(|(channel, _)| channel.len() + LISTED_BYTES).sum())?;
        let channels = lists.into_iter().flatten();
        let mut channels = channels.map(|(channel, num_clients)| (channel, ChannelInfo { num_clients })).collect();
        first(&mut channels, limit);
        Ok(ChannelsResult { channels })
    }

    fn elsewhere(&self) -> Option<Elsewhere> {
        where_user_is("", self)
    }

    fn page_limit(&self) -> usize {
        self.limit.unwrap_or_default() as usize
    }

    /// A channel has subscribers on several nodes. What is first of all is among the first of each node that has it.
    fn gather(mut own: ChannelsResult, others: Vec<Box<RawValue>>, page_limit: usize) -> Result<ChannelsResult, Error> {
        for other in read_lists::<ChannelsResult>(&others)? {
            for (channel, ChannelInfo { num_clients }) in other.channels {
                own.channels.entry(channel).or_insert(ChannelInfo { num_clients: 0 }).num_clients += num_clients;
            }
        }
        first(&mut own.channels, page_limit);
        Ok(own)
    }
}
