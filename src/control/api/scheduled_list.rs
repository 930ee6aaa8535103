//! `scheduled_list`

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::payload::Data;
use super::shape::whole_or_null;
use crate::broker::order::Order;
use crate::broker::schedule_order::{ScheduleOrder, ToCome};
use crate::control::state::ControlState;
use crate::limits::SCHEDULED_LISTED_MAX;
use crate::model::refusal::Error;

/// List what is scheduled in a channel, in the order in which it is due.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "ScheduledListRequest")]
pub(super) struct ScheduledList {
    /// The channel.
    channel: String,
    /// How many at the most; 0 or none, and more than 100, is 100.
    #[serde(deserialize_with = "whole_or_null")]
    limit: Option<u32>,
}

/// What is scheduled in a channel.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ScheduledListResult {
    /// What is due first comes first.
    scheduled: Vec<ScheduledPublication>,
}

/// A publication that is to come.
#[derive(Debug, Serialize, JsonSchema)]
struct ScheduledPublication {
    /// By which `scheduled_cancel` names it.
    id: String,
    /// When it is due, Unix milliseconds.
    time: i64,
    /// The message; bytes that are no JSON are given as text, or else in base64.
    data: Data,
    /// Names and values that the backend added.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<Box<str>, Box<str>>,
}

impl From<ToCome> for ScheduledPublication {
    fn from(to_come: ToCome) -> Self {
        Self {
            id: to_come.id.to_string(),
            time: to_come.id.due_unix_ms,
            data: Data::from(&to_come.data),
            tags: to_come.tags.into_iter().flatten().collect(),
        }
    }
}

impl Method for ScheduledList {
    const NAME: &'static str = "scheduled_list";
    type Result = ScheduledListResult;

    async fn run(self, state: &ControlState) -> Result<ScheduledListResult, Error> {
        let channel: Arc<str> = Arc::from(self.channel);
        let limit = match self.limit.unwrap_or_default() as usize {
            0 => SCHEDULED_LISTED_MAX,
            limit => limit.min(SCHEDULED_LISTED_MAX),
        };
        let order = |answer| Order::Schedule(ScheduleOrder::List(channel.clone(), limit, answer));
        let list = state.shards.ask(&channel, order).await?;
        Ok(ScheduledListResult { scheduled: list.into_iter().map(ScheduledPublication::from).collect() })
    }
}
