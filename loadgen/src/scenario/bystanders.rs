//! Bystanders: clients beside the work, who connect, subscribe and do nothing more. What they cost those who work.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::checks::clients;
use crate::limits::SUBSCRIPTIONS_MAX;
use crate::plan::Plan;

/// Clients that are there, in channels of their own, while others work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bystanders {
    /// How many.
    pub count: u32,
    /// How many channels they are spread over; 0: they subscribe to nothing.
    pub channel_count: u32,
    /// To how many of these each one subscribes.
    pub channels_each: u32,
}

impl Default for Bystanders {
    fn default() -> Self {
        Self { count: 0, channel_count: 0, channels_each: 1 }
    }
}

impl Bystanders {
    /// Adds them to a plan, behind its clients and channels.
    pub(super) fn join(&self, plan: &mut Plan) -> anyhow::Result<()> {
        let Self { count, channel_count, channels_each } = *self;
        clients(&[count.saturating_add(plan.clients.len() as u32)])?;
        if count == 0 {
            return Ok(());
        }
        ensure!(
            channels_each <= channel_count || channel_count == 0,
            "`bystanders.channels_each` is {channels_each}: there are {channel_count} channels (`channel_count`)"
        );
        let subscriptions = u64::from(count) * u64::from(channels_each);
        ensure!(
            subscriptions <= SUBSCRIPTIONS_MAX,
            "bystanders with more than {SUBSCRIPTIONS_MAX} subscriptions are asked for"
        );
        let first = plan.channels;
        // One after the other around the circle, so that every channel gets its share.
        let channel = |turn: u64| first + (turn % u64::from(channel_count)) as u32;
        plan.clients.extend((0..u64::from(count)).map(|number| {
            let each = if channel_count == 0 { 0 } else { u64::from(channels_each) };
            (number * each..(number + 1) * each).map(channel).collect()
        }));
        plan.channels += channel_count;
        Ok(())
    }
}
