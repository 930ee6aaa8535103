//! `presence`

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::payload::Data;
use crate::broker::order::Order;
use crate::control::state::ControlState;
use crate::model;
use crate::model::refusal::Error;

/// Who is in a channel?
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "PresenceRequest")]
pub(super) struct Presence {
    /// The channel; its namespace must have `presence`.
    channel: String,
}

/// Who is in a channel.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PresenceResult {
    /// By client id.
    presence: BTreeMap<String, ClientInfo>,
}

/// A client as others see it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ClientInfo {
    /// Its user, empty when anonymous.
    user: Arc<str>,
    /// Client id: one per session.
    client: String,
    /// `info` of its connection token.
    #[serde(skip_serializing_if = "Option::is_none")]
    conn_info: Option<Data>,
    /// `info` of its subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    chan_info: Option<Data>,
}

impl From<&model::ClientInfo> for ClientInfo {
    fn from(info: &model::ClientInfo) -> Self {
        Self {
            user: info.user.clone(),
            client: info.client.to_string(),
            conn_info: info.conn_info.as_deref().map(Data::from),
            chan_info: info.chan_info.as_deref().map(Data::from),
        }
    }
}

impl Method for Presence {
    const NAME: &'static str = "presence";
    type Result = PresenceResult;

    async fn run(self, state: &ControlState) -> Result<PresenceResult, Error> {
        let channel: Arc<str> = Arc::from(self.channel);
        let order = |answer| Order::Presence { channel: channel.clone(), answer };
        let clients = state.shards.ask(&channel, order).await?;
        let by_id = clients.iter().map(|info| (info.client.to_string(), ClientInfo::from(&**info)));
        Ok(PresenceResult { presence: by_id.collect() })
    }
}
