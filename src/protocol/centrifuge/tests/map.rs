//! The one translation from words to the messages of `client.proto`, field by field.

use super::proto;
use crate::model::*;
use crate::protocol::centrifuge::codes::{CodedDisconnect, CodedError, CodedUnsubscribe};
use crate::protocol::word::*;

fn bytes(payload: Option<&Payload>) -> Vec<u8> {
    payload.map_or_else(Vec::new, |payload| payload.bytes.to_vec())
}

fn data(payload: Option<&PayloadRef<'_>>) -> Vec<u8> {
    payload.map_or_else(Vec::new, |payload| payload.bytes.to_vec())
}

fn channel(channel: &str) -> Option<proto::ChannelRequest> {
    Some(proto::ChannelRequest { channel: channel.to_string() })
}

pub(super) fn command(command: &Command<'_>) -> proto::Command {
    let mut message = proto::Command { id: command.id, ..Default::default() };
    match &command.verb {
        Verb::Connect(connect) => message.connect = Some(connect_request(connect)),
        Verb::Subscribe(subscribe) => message.subscribe = Some(subscribe_request(subscribe)),
        Verb::Unsubscribe { channel: name } => message.unsubscribe = channel(name),
        Verb::Publish { channel, data: payload } => {
            let channel = channel.to_string();
            message.publish = Some(proto::PublishRequest { channel, data: data(Some(payload)), ..Default::default() });
        }
        Verb::Presence { channel: name } => message.presence = channel(name),
        Verb::PresenceStats { channel: name } => message.presence_stats = channel(name),
        Verb::History(History { channel, filter }) => {
            let since = filter.since.as_ref();
            message.history = Some(proto::HistoryRequest {
                channel: channel.to_string(),
                limit: filter.limit,
                since: since.map(|Position { offset, epoch }| proto::StreamPosition {
                    offset: *offset,
                    epoch: epoch.to_string(),
                }),
                reverse: filter.reverse,
            });
        }
        Verb::Ping => message.ping = Some(proto::Empty {}),
        Verb::Send { data: payload } => message.send = Some(proto::Data { data: data(Some(payload)) }),
        Verb::Rpc { method, data: payload } => {
            message.rpc = Some(proto::RpcRequest { method: method.to_string(), data: data(Some(payload)) });
        }
        Verb::Refresh { token } => message.refresh = Some(proto::RefreshRequest { token: token.to_string() }),
        Verb::SubRefresh { channel, token } => {
            let (channel, token) = (channel.to_string(), token.to_string());
            message.sub_refresh = Some(proto::SubRefreshRequest { channel, token, ..Default::default() });
        }
        Verb::Pong | Verb::Unavailable(_) | Verb::Unknown => {}
    }
    message
}

fn connect_request(connect: &Connect<'_>) -> proto::ConnectRequest {
    let sub = |recover| subscribe_request(&Subscribe { recover, ..Subscribe::default() });
    proto::ConnectRequest {
        token: connect.token.to_string(),
        data: data(connect.data.as_ref()),
        subs: connect.subs.iter().map(|(channel, recover)| (channel.to_string(), sub(recover.clone()))).collect(),
        name: connect.name.to_string(),
        version: connect.version.to_string(),
        headers: connect.headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        ..Default::default()
    }
}

fn subscribe_request(subscribe: &Subscribe<'_>) -> proto::SubscribeRequest {
    proto::SubscribeRequest {
        channel: subscribe.channel.to_string(),
        token: subscribe.token.to_string(),
        recover: subscribe.recover.recover,
        epoch: subscribe.recover.since.epoch.to_string(),
        offset: subscribe.recover.since.offset,
        data: data(subscribe.data.as_ref()),
        positioned: subscribe.positioned,
        recoverable: subscribe.recoverable,
        join_leave: subscribe.join_leave,
        flag: if subscribe.whole { 2 } else { 0 },
        tf: subscribe
            .filter
            .as_ref()
            .map(|filter| filter_node(filter.as_ref().expect("a filter is made whole").root())),
        ..Default::default()
    }
}

fn filter_node(condition: &Condition) -> proto::FilterNode {
    let many = |op: &str, conditions: &[Condition]| proto::FilterNode {
        op: op.into(),
        nodes: conditions.iter().map(filter_node).collect(),
        ..Default::default()
    };
    let (key, test) = match condition {
        Condition::All(conditions) => return many("and", conditions),
        Condition::Any(conditions) => return many("or", conditions),
        Condition::Not(condition) => return many("not", std::slice::from_ref(condition)),
        Condition::Tag { key, test } => (key.to_string(), test),
    };
    let (cmp, val, vals) = match test {
        Test::Is(value) => ("eq", &**value, None),
        Test::IsNot(value) => ("neq", &**value, None),
        Test::In(values) => ("in", "", Some(values)),
        Test::NotIn(values) => ("nin", "", Some(values)),
        Test::Exists => ("ex", "", None),
        Test::Missing => ("nex", "", None),
        Test::StartsWith(value) => ("sw", &**value, None),
        Test::EndsWith(value) => ("ew", &**value, None),
        Test::Contains(value) => ("ct", &**value, None),
        Test::Above(value) => ("gt", &**value, None),
        Test::AtLeast(value) => ("gte", &**value, None),
        Test::Below(value) => ("lt", &**value, None),
        Test::AtMost(value) => ("lte", &**value, None),
    };
    let vals = vals.into_iter().flat_map(Values::iter).map(String::from).collect();
    proto::FilterNode { key, cmp: cmp.into(), val: val.into(), vals, ..Default::default() }
}

pub(super) fn reply(reply: &Reply<'_>) -> proto::Reply {
    let mut message = proto::Reply { id: reply.id, ..Default::default() };
    match &reply.body {
        ReplyBody::Error(error) => {
            let CodedError { code, message: text, temporary } = CodedError::from(error);
            message.error = Some(proto::Error { code, message: text.into(), temporary });
        }
        ReplyBody::Connect(connected) => message.connect = Some(connect_result(connected)),
        ReplyBody::Subscribe(subscribed) => message.subscribe = Some(subscribe_result(subscribed)),
        ReplyBody::Unsubscribe => message.unsubscribe = Some(proto::Empty {}),
        ReplyBody::Publish => message.publish = Some(proto::Empty {}),
        ReplyBody::Presence(clients) => {
            let presence = clients.iter().map(|info| (info.client.to_string(), client_info(info))).collect();
            message.presence = Some(proto::PresenceResult { presence });
        }
        ReplyBody::Encoded(_) => unreachable!("words are compared before they are encoded"),
        ReplyBody::PresenceStats(PresenceStats { num_clients, num_users }) => {
            let (num_clients, num_users) = (*num_clients, *num_users);
            message.presence_stats = Some(proto::PresenceStatsResult { num_clients, num_users });
        }
        ReplyBody::History(page) => {
            message.history = Some(proto::HistoryResult {
                publications: page.publications.iter().map(|publication| self::publication(publication)).collect(),
                epoch: page.position.epoch.to_string(),
                offset: page.position.offset,
            });
        }
        ReplyBody::Ping => message.ping = Some(proto::Empty {}),
        ReplyBody::Rpc(payload) => message.rpc = Some(proto::Data { data: bytes(Some(payload)) }),
        ReplyBody::Refresh(refreshed) => {
            message.refresh = Some(proto::RefreshResult {
                client: refreshed.client.to_string(),
                version: refreshed.version.to_owned(),
                expires: refreshed.expiry.expires,
                ttl: refreshed.expiry.ttl_s,
            });
        }
        ReplyBody::SubRefresh(expiry) => message.sub_refresh = Some(self::expiry(*expiry)),
    }
    message
}

fn expiry(expiry: Expiry) -> proto::Expiry {
    proto::Expiry { expires: expiry.expires, ttl: expiry.ttl_s }
}

fn connect_result(connected: &Connected) -> proto::ConnectResult {
    let subs = connected.subs.iter();
    proto::ConnectResult {
        client: connected.client.to_string(),
        version: connected.version.to_owned(),
        expires: connected.expiry.expires,
        ttl: connected.expiry.ttl_s,
        data: bytes(connected.data.as_ref()),
        subs: subs.map(|(channel, subscribed)| (channel.to_string(), subscribe_result(subscribed))).collect(),
        ping: connected.ping_s,
        pong: connected.pong,
        node: connected.node.to_string(),
        time: connected.time_unix_ms,
    }
}

fn subscribe_result(subscribed: &Subscribed) -> proto::SubscribeResult {
    proto::SubscribeResult {
        expires: subscribed.expiry.expires,
        ttl: subscribed.expiry.ttl_s,
        recoverable: subscribed.recoverable,
        epoch: subscribed.position.epoch.to_string(),
        publications: subscribed.publications.iter().map(|publication| self::publication(publication)).collect(),
        recovered: subscribed.recovered,
        offset: subscribed.told_offset(),
        positioned: subscribed.positioned,
        data: bytes(subscribed.data.as_ref()),
        was_recovering: subscribed.was_recovering,
    }
}

fn publication(publication: &Publication) -> proto::Publication {
    let tags = publication.tags.iter().flatten();
    proto::Publication {
        data: publication.data.bytes.to_vec(),
        info: publication.info.as_deref().map(client_info),
        offset: publication.offset,
        tags: tags.map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        time: publication.time_unix_ms,
    }
}

fn client_info(info: &ClientInfo) -> proto::ClientInfo {
    proto::ClientInfo {
        user: info.user.to_string(),
        client: info.client.to_string(),
        conn_info: bytes(info.conn_info.as_deref()),
        chan_info: bytes(info.chan_info.as_deref()),
    }
}

pub(super) fn push(push: &Push<'_>) -> proto::Reply {
    let mut message = proto::Push::default();
    let mut at = |channel: &str| message.channel = channel.to_owned();
    match push {
        Push::Ping => return proto::Reply::default(),
        Push::Publication { channel, publication } => {
            at(channel);
            message.r#pub = Some(self::publication(publication));
        }
        Push::Join { channel, info } => {
            at(channel);
            message.join = Some(proto::Info { info: Some(client_info(info)) });
        }
        Push::Leave { channel, info } => {
            at(channel);
            message.leave = Some(proto::Info { info: Some(client_info(info)) });
        }
        Push::Unsubscribe { channel, reason } => {
            at(channel);
            let CodedUnsubscribe { code, reason } = CodedUnsubscribe::from(*reason);
            message.unsubscribe = Some(proto::Unsubscribe { code, reason: reason.into() });
        }
        Push::Message { data } => message.message = Some(proto::Data { data: bytes(Some(data)) }),
        Push::Subscribe { channel, subscribed } => {
            at(channel);
            message.subscribe = Some(proto::Subscribe {
                recoverable: subscribed.recoverable,
                epoch: subscribed.position.epoch.to_string(),
                offset: subscribed.told_offset(),
                positioned: subscribed.positioned,
                data: bytes(subscribed.data.as_ref()),
            });
        }
        Push::Disconnect(disconnect) => {
            let told = CodedDisconnect::from(*disconnect);
            let code = told.code.into();
            // SDKs decide by the code's range, and the field must say the same.
            let reconnect = !matches!(code, 3500..4000 | 4500..5000);
            message.disconnect = Some(proto::Disconnect { code, reason: told.reason.into(), reconnect });
        }
        Push::Refresh(expiry) => message.refresh = Some(self::expiry(*expiry)),
    }
    proto::Reply { push: Some(message), ..Default::default() }
}
