//! `connections`

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::shape::whole_or_null;
use super::{Method, first, payload, read_lists, where_user_is};
use crate::broker::order::{Order, Part, SessionInfo, check_list};
use crate::control::nodes::Elsewhere;
use crate::control::state::ControlState;
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{Attributes, ClientId};
use crate::protocol::centrifuge::Encoding;

/// Which sessions does a user have, and on which devices? All of them at once, or in pages.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "ConnectionsRequest")]
pub(super) struct Connections {
    /// Whose sessions are listed.
    user: String,
    /// Only those whose client ids follow this one: the last of the page before. A session that stays is on one of the pages,
    /// whichever come and go meanwhile.
    after: String,
    /// How many at the most; fewer: there are no more. 0 or none is all, if they have 16 MiB at the most.
    #[serde(deserialize_with = "whole_or_null")]
    limit: Option<u32>,
}

impl Connections {
    fn part(&self) -> Result<Part<ClientId>, Error> {
        let unknown = |_| ErrorKind::BadRequest.because("bad request: after: no client has such an id");
        let after = match self.after.as_str() {
            "" => None,
            after => Some(after.parse().map_err(unknown)?),
        };
        Ok(Part { after, limit: self.page_limit() })
    }
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
    /// The name of the node that it is connected to.
    node: String,
    /// The shard of the node that serves it.
    shard: u16,
    /// When it connected, Unix milliseconds.
    connected_at_ms: i64,
    /// In how many seconds it expires; left out if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    /// `info` of its connection token, or what `refresh` has put in its place; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Box<RawValue>>,
    /// What `session_attributes` has said of it.
    attributes: Attributes,
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
    fn new(user: Arc<str>, node: String, session: SessionInfo) -> Self {
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
            node,
            shard: session.shard,
            connected_at_ms: session.connected_unix_ms,
            ttl: session.expiry.expires.then_some(session.expiry.ttl_s),
            info: session.info.as_ref().map(payload::write),
            attributes: Arc::unwrap_or_clone(session.attributes),
            state: ConnectionState { channels: channels.collect() },
        }
    }
}

impl Method for Connections {
    const NAME: &'static str = "connections";
    type Result = ConnectionsResult;

    async fn run(self, state: &ControlState) -> Result<ConnectionsResult, Error> {
        let (part, limit) = (self.part()?, self.page_limit());
        let user: Arc<str> = Arc::from(self.user);
        let order = |answer| Order::Sessions { user: user.clone(), part: part.clone(), answer };
        let lists = state.shards.ask_all(order).await?;
        check_list(lists.iter().flatten().map(SessionInfo::bytes).sum())?;
        let node = state.config().name.clone();
        let by_id = lists.into_iter().flatten().map(|session| {
            let client = session.client.to_string();
            (client, ConnectionInfo::new(user.clone(), node.clone(), session))
        });
        let mut connections = by_id.collect();
        first(&mut connections, limit);
        Ok(ConnectionsResult { connections })
    }

    fn elsewhere(&self) -> Option<Elsewhere> {
        // Nobody's sessions are listed nowhere.
        if self.user.is_empty() { None } else { where_user_is(&self.user, self) }
    }

    fn page_limit(&self) -> usize {
        self.limit.unwrap_or_default() as usize
    }

    fn gather(
        mut own: ConnectionsResult,
        others: Vec<Box<RawValue>>,
        page_limit: usize,
    ) -> Result<ConnectionsResult, Error> {
        for other in read_lists::<ConnectionsResult>(&others)? {
            own.connections.extend(other.connections);
        }
        first(&mut own.connections, page_limit);
        Ok(own)
    }
}
