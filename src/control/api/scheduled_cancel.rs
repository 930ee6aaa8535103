//! `scheduled_cancel`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Method;
use super::reply::Done;
use crate::broker::order::Order;
use crate::broker::schedule_order::ScheduleOrder;
use crate::control::state::ControlState;
use crate::model::refusal::{Error, ErrorKind};

/// Do not publish what `publish` or `broadcast` has scheduled.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "ScheduledCancelRequest")]
pub(super) struct ScheduledCancel {
    /// The channel.
    channel: String,
    /// `scheduled` of the answer that it had.
    id: String,
}

impl Method for ScheduledCancel {
    const NAME: &'static str = "scheduled_cancel";
    type Result = Done;

    async fn run(self, state: &ControlState) -> Result<Done, Error> {
        let channel: Arc<str> = Arc::from(self.channel);
        let unknown = |()| ErrorKind::NotAvailable.because("not available: no such scheduled publication");
        let id = self.id.parse().map_err(unknown)?;
        let order = |answer| Order::Schedule(ScheduleOrder::Cancel(channel.clone(), id, answer));
        state.shards.ask(&channel, order).await?;
        Ok(Done {})
    }
}
