//! `history`

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::payload::Data;
use super::presence::ClientInfo;
use super::shape::{object, whole_or_null};
use super::subscribe::StreamPosition;
use crate::broker::order::Order;
use crate::control::state::ControlState;
use crate::model::refusal::Error;
use crate::model::{self, HistoryFilter};

/// Read a channel's past publications.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "HistoryRequest")]
pub(super) struct History {
    /// The channel; its namespace must keep history.
    channel: String,
    /// How many at the most; 0 asks for the position only, -1 for all.
    #[serde(default, deserialize_with = "whole_or_null")]
    limit: Option<i32>,
    /// Only those after this place; with `reverse` those before it.
    #[serde(default, deserialize_with = "object")]
    since: Option<StreamPosition>,
    /// Newest first.
    reverse: Option<bool>,
}

/// A part of a channel's history.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HistoryResult {
    /// In the order asked for.
    publications: Vec<Publication>,
    /// Which life of the channel the offsets belong to.
    epoch: Arc<str>,
    /// The offset of the channel's latest publication.
    offset: u64,
}

/// A message in a channel.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Publication {
    /// The message; bytes that are no JSON are given as text, or else in base64.
    data: Data,
    /// The client that published it; left out where a backend did.
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<ClientInfo>,
    /// Its number in the stream, from 1.
    offset: u64,
    /// Names and values that the publishing backend added.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<Box<str>, Box<str>>,
}

impl From<&model::Publication> for Publication {
    fn from(publication: &model::Publication) -> Self {
        Self {
            data: Data::from(&publication.data),
            info: publication.info.as_deref().map(ClientInfo::from),
            offset: publication.offset,
            tags: publication.tags.iter().flatten().cloned().collect(),
        }
    }
}

impl Method for History {
    const NAME: &'static str = "history";
    type Result = HistoryResult;

    async fn run(self, state: &ControlState) -> Result<HistoryResult, Error> {
        let channel: Arc<str> = Arc::from(self.channel);
        let filter = HistoryFilter {
            limit: self.limit.unwrap_or_default(),
            since: self.since.map(Into::into),
            reverse: self.reverse.unwrap_or_default(),
        };
        let order = |answer| Order::History { channel: channel.clone(), filter, answer };
        let page = state.shards.ask(&channel, order).await?;
        Ok(HistoryResult {
            publications: page.publications.iter().map(|publication| Publication::from(&**publication)).collect(),
            epoch: page.position.epoch,
            offset: page.position.offset,
        })
    }
}
