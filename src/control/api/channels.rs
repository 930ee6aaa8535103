//! `channels`

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use crate::broker::order::{Order, check_list};
use crate::control::state::ControlState;
use crate::limits::LISTED_BYTES;
use crate::model::refusal::Error;

/// Which channels have subscribers? Looks at every channel: not for every second.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ChannelsRequest")]
pub(super) struct Channels {
    /// Only names that match: `*` stands for any characters. Empty matches all.
    pattern: Option<String>,
}

/// The channels with subscribers.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ChannelsResult {
    /// By name.
    channels: BTreeMap<Arc<str>, ChannelInfo>,
}

/// One channel.
#[derive(Debug, Serialize, JsonSchema)]
struct ChannelInfo {
    /// Clients that are subscribed.
    num_clients: u32,
}

impl Method for Channels {
    const NAME: &'static str = "channels";
    type Result = ChannelsResult;

    async fn run(self, state: &ControlState) -> Result<ChannelsResult, Error> {
        let pattern: Arc<str> = Arc::from(self.pattern.unwrap_or_default());
        let lists = state.shards.ask_all(|answer| Order::Channels { pattern: pattern.clone(), answer }).await?;
        check_list(lists.iter().flatten().map(|(channel, _)| channel.len() + LISTED_BYTES).sum())?;
        let channels = lists.into_iter().flatten();
        Ok(ChannelsResult {
            channels: channels.map(|(channel, num_clients)| (channel, ChannelInfo { num_clients })).collect(),
        })
    }
}
