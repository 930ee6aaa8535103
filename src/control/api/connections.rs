//! `connections`

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Method, read_lists, where_user_is};
use crate::broker::order::{Order, SessionInfo, check_list};
use crate::control::nodes::Elsewhere;
use crate::control::state::ControlState;
use crate::model::refusal::Error;
use crate::protocol::centrifuge::Encoding;

/// Which sessions does a user have, and on which devices?
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "ConnectionsRequest")]
pub(super) struct Connections {
    /// Whose sessions are listed.
    user: String,
}

/// A user's sessions.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct ConnectionsResult {
    /// By client id.
    connections: BTreeMap<String, ConnectionInfo>,
}

/// A session, as its shard knows it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct ConnectionInfo {
    /// As in the request.
    user: Arc<str>,
    /// The device's id: claim `device` or header `X-Device`; empty where neither names it.
    device: Box<str>,
    /// Its kind: claim `device_kind` or header `X-Device-Kind`; empty where neither names it.
    device_kind: Box<str>,
    /// The SDK or application, as it calls itself.
    app_name: Box<str>,
    /// `websocket` or `tcp`.
    transport: Box<str>,
    /// `json` or `protobuf`.
    protocol: Box<str>,
    /// The client's address, as the socket has it or a trusted proxy says.
    address: IpAddr,
    /// The shard that serves it.
    shard: u16,
    /// When it connected, Unix milliseconds.
    connected_at_ms: i64,
    /// In how many seconds it expires; left out if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    /// Its channels.
    state: ConnectionState,
}

/// What a session holds.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct ConnectionState {
    /// Its channels, by name.
    channels: BTreeMap<Arc<str>, ChannelContext>,
}

/// A session in a channel.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct ChannelContext {}

impl ConnectionInfo {
    fn new(user: Arc<str>, session: SessionInfo) -> Self {
        let channels = session.channels.into_iter().map(|channel| (channel, ChannelContext {}));
        Self {
            user,
            device: session.device.id,
            device_kind: session.device.kind,
            app_name: session.device.app,
            transport: if session.format.is_websocket() { "websocket" } else { "tcp" }.into(),
            protocol: match session.format.encoding() {
                Encoding::Json => "json".into(),
                Encoding::Protobuf => "protobuf".into(),
            },
            address: session.address,
            shard: session.shard,
            connected_at_ms: session.connected_unix_ms,
            ttl: session.expiry.expires.then_some(session.expiry.ttl_s),
            state: ConnectionState { channels: channels.collect() },
        }
    }
}

impl Method for Connections {
    const NAME: &'static str = "connections";
    type Result = ConnectionsResult;

    async fn run(self, state: &ControlState) -> Result<ConnectionsResult, Error> {
        let user: Arc<str> = Arc::from(self.user);
        let lists = state.shards.ask_all(|answer| Order::Sessions { user: user.clone(), answer }).await?;
        check_list(lists.iter().flatten().map(SessionInfo::bytes).sum())?;
        let by_id = lists.into_iter().flatten().map(|session| {
            let client = session.client.to_string();
            (client, ConnectionInfo::new(user.clone(), session))
        });
        Ok(ConnectionsResult { connections: by_id.collect() })
    }

    fn elsewhere(&self) -> Option<Elsewhere> {
        // Nobody's sessions are listed nowhere.
        if self.user.is_empty() { None } else { where_user_is(&self.user, self) }
    }

    fn gather(mut own: ConnectionsResult, others: Vec<Box<RawValue>>) -> Result<ConnectionsResult, Error> {
        for other in read_lists::<ConnectionsResult>(&others)? {
            own.connections.extend(other.connections);
        }
        Ok(own)
    }
}
