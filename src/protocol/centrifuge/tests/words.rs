//! Strategies for words.

use std::borrow::Cow;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use crate::model::refusal::{Disconnect, ErrorKind, Unsubscribe};
use crate::model::*;
use crate::protocol::centrifuge::codes;
use crate::protocol::word::*;

/// What a push or a reply borrows from.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) id: u32,
    pub(super) channel: String,
    pub(super) publication: Publication,
    pub(super) info: Arc<ClientInfo>,
    pub(super) clients: Vec<Arc<ClientInfo>>,
    pub(super) connected: Connected,
    pub(super) subscribed: Subscribed,
    pub(super) page: HistoryPage,
    pub(super) refreshed: Refreshed,
    pub(super) expiry: Expiry,
    pub(super) stats: PresenceStats,
    pub(super) error: ErrorKind,
    pub(super) code: u16,
    pub(super) reason: String,
}

impl Parts {
    /// One reply of every kind.
    pub(super) fn replies(&self) -> Vec<Reply<'_>> {
        let error = self.error.because(self.reason.clone());
        let bodies = [
            ReplyBody::Error(error),
            ReplyBody::Connect(&self.connected),
            ReplyBody::Subscribe(&self.subscribed),
            ReplyBody::Unsubscribe,
            ReplyBody::Publish,
            ReplyBody::Presence(&self.clients),
            ReplyBody::PresenceStats(self.stats),
            ReplyBody::History(&self.page),
            ReplyBody::Ping,
            ReplyBody::Rpc(&self.publication.data),
            ReplyBody::Refresh(&self.refreshed),
            ReplyBody::SubRefresh(self.expiry),
        ];
        bodies.into_iter().map(|body| Reply { id: self.id, body }).collect()
    }

    /// What is closed with.
    pub(super) fn disconnect(&self) -> Disconnect {
        codes::disconnect_of(self.code).because(self.reason.clone())
    }

    /// One push of every kind.
    pub(super) fn pushes<'a>(&'a self, disconnect: &'a Disconnect) -> Vec<Push<'a>> {
        let channel = &self.channel[..];
        let reason = Unsubscribe::Insufficient;
        vec![
            Push::Ping,
            Push::Publication { channel, publication: &self.publication },
            Push::Join { channel, info: &self.info },
            Push::Leave { channel, info: &self.info },
            Push::Unsubscribe { channel, reason },
            Push::Message { data: &self.publication.data },
            Push::Subscribe { channel, subscribed: &self.subscribed },
            Push::Disconnect(disconnect),
            Push::Refresh(self.expiry),
        ]
    }
}

/// Names as they are, and names as they should not be.
fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof!["[a-z:$#_0-9-]{0,20}", any::<String>()]
}

fn cow() -> impl Strategy<Value = Cow<'static, str>> {
    text().prop_map(Cow::Owned)
}

/// A JSON value on one line.
pub(super) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(text(), inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn bytes(kind: PayloadKind) -> BoxedStrategy<Vec<u8>> {
    match kind {
        PayloadKind::Json => json().prop_map(|json| json.to_string().into_bytes()).boxed(),
        PayloadKind::Binary => vec(any::<u8>(), 1..200).boxed(),
    }
}

fn payload(kind: PayloadKind) -> impl Strategy<Value = Payload> {
    bytes(kind).prop_map(move |bytes| Payload { bytes: bytes.into(), kind })
}

fn payload_ref(kind: PayloadKind) -> impl Strategy<Value = PayloadRef<'static>> {
    bytes(kind).prop_map(move |bytes| PayloadRef { bytes: bytes.into(), kind })
}

fn position() -> impl Strategy<Value = Position> {
    (any::<u64>(), text()).prop_map(|(offset, epoch)| Position { offset, epoch: epoch.into() })
}

fn recover() -> impl Strategy<Value = Recover> {
    (any::<bool>(), position()).prop_map(|(recover, since)| Recover { recover, since })
}

fn connect(kind: PayloadKind) -> impl Strategy<Value = Connect<'static>> {
    let subs = btree_map(text(), recover(), 0..3);
    let headers = btree_map(text(), text(), 0..3);
    (cow(), option::of(payload_ref(kind)), subs, cow(), cow(), headers).prop_map(
        |(token, data, subs, name, version, headers)| Connect {
            token,
            data,
            subs: subs.into_iter().map(|(channel, recover)| (channel.into(), recover)).collect(),
            name,
            version,
            headers: headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        },
    )
}

/// A filter within the bounds.
fn filter() -> impl Strategy<Value = TagsFilter> {
    let some = || text().prop_filter("not empty", |text| !text.is_empty()).prop_map(String::into_boxed_str);
    let values = || vec(text().prop_map(String::into_boxed_str), 1..4).prop_map(Values::from_iter);
    let test = prop_oneof![
        some().prop_map(Test::Is),
        some().prop_map(Test::IsNot),
        values().prop_map(Test::In),
        values().prop_map(Test::NotIn),
        Just(Test::Exists),
        Just(Test::Missing),
        some().prop_map(Test::StartsWith),
        some().prop_map(Test::EndsWith),
        some().prop_map(Test::Contains),
        some().prop_map(Test::Above),
        some().prop_map(Test::AtLeast),
        some().prop_map(Test::Below),
        some().prop_map(Test::AtMost),
    ];
    let leaf = (some(), test).prop_map(|(key, test)| Condition::Tag { key, test });
    let condition = leaf.prop_recursive(3, 12, 3, |inner| {
        let several = vec(inner.clone(), 1..4).prop_map(Vec::into_boxed_slice);
        prop_oneof![
            several.clone().prop_map(Condition::All),
            several.prop_map(Condition::Any),
            inner.prop_map(|condition| Condition::Not(Box::new(condition))),
        ]
    });
    condition.prop_map(|condition| TagsFilter::new(condition).expect("it is small"))
}

fn subscribe(kind: PayloadKind) -> impl Strategy<Value = Subscribe<'static>> {
    (cow(), cow(), option::of(payload_ref(kind)), recover(), any::<[bool; 4]>(), option::of(filter())).prop_map(
        |(channel, token, data, recover, [positioned, recoverable, join_leave, whole], filter)| Subscribe {
            channel,
            token,
            data,
            recover,
            positioned,
            recoverable,
            join_leave,
            whole,
            filter: filter.map(Ok),
        },
    )
}

fn history() -> impl Strategy<Value = History<'static>> {
    (cow(), any::<i32>(), option::of(position()), any::<bool>()).prop_map(|(channel, limit, since, reverse)| History {
        channel,
        filter: HistoryFilter { limit, since, reverse },
    })
}

/// Any command with an id, with payloads of the encoding's kind.
pub(in crate::protocol) fn command(kind: PayloadKind) -> impl Strategy<Value = Command<'static>> {
    let verb = prop_oneof![
        connect(kind).prop_map(|connect| Verb::Connect(Box::new(connect))),
        subscribe(kind).prop_map(|subscribe| Verb::Subscribe(Box::new(subscribe))),
        cow().prop_map(|channel| Verb::Unsubscribe { channel }),
        (cow(), payload_ref(kind)).prop_map(|(channel, data)| Verb::Publish { channel, data }),
        cow().prop_map(|channel| Verb::Presence { channel }),
        cow().prop_map(|channel| Verb::PresenceStats { channel }),
        history().prop_map(Verb::History),
        Just(()).prop_map(|()| Verb::Ping),
        payload_ref(kind).prop_map(|data| Verb::Send { data }),
        (cow(), payload_ref(kind)).prop_map(|(method, data)| Verb::Rpc { method, data }),
        cow().prop_map(|token| Verb::Refresh { token }),
        (cow(), cow()).prop_map(|(channel, token)| Verb::SubRefresh { channel, token }),
        Just(()).prop_map(|()| Verb::Unknown),
    ];
    (1..=u32::MAX, verb).prop_map(|(id, verb)| Command { id, verb })
}

/// One that has run out is told in seconds: none when nothing expires.
fn expiry() -> impl Strategy<Value = Expiry> {
    option::of(1..=u32::MAX).prop_map(|ttl| Expiry { expires: ttl.is_some(), ttl_s: ttl.unwrap_or_default() })
}

fn info(kind: PayloadKind) -> impl Strategy<Value = Arc<ClientInfo>> {
    (text(), any::<u128>(), option::of(payload(kind)), option::of(payload(kind))).prop_map(
        |(user, client, conn_info, chan_info)| {
            let (conn_info, chan_info) = (conn_info.map(Box::new), chan_info.map(Box::new));
            Arc::new(ClientInfo { user: user.into(), client: Uuid::from_u128(client), conn_info, chan_info })
        },
    )
}

fn publication(kind: PayloadKind) -> impl Strategy<Value = Publication> {
    let tags = option::of(btree_map(text(), text(), 1..3));
    (any::<u64>(), payload(kind), option::of(info(kind)), tags, 0..=i64::MAX).prop_map(
        |(offset, data, info, tags, time_unix_ms)| Publication {
            offset,
            data,
            info,
            tags: tags.map(|tags| tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect()),
            time_unix_ms,
        },
    )
}

fn subscribed(kind: PayloadKind) -> impl Strategy<Value = Subscribed> {
    let publications = vec(publication(kind).prop_map(Arc::new), 0..3);
    (expiry(), any::<[bool; 4]>(), position(), any::<u64>(), publications, option::of(payload(kind))).prop_map(
        |(expiry, [recoverable, positioned, recovered, was_recovering], position, since, publications, data)| {
            Subscribed {
                filter: None,
                expiry,
                recoverable,
                positioned,
                position,
                since,
                publications,
                recovered,
                was_recovering,
                data,
            }
        },
    )
}

fn connected(kind: PayloadKind) -> impl Strategy<Value = Connected> {
    let subs = btree_map(text(), subscribed(kind), 0..3);
    (any::<u128>(), expiry(), option::of(payload(kind)), subs, any::<u32>(), any::<bool>(), text(), 0..=i64::MAX)
        .prop_map(|(client, expiry, data, subs, ping_s, pong, node, time_unix_ms)| Connected {
            client: Uuid::from_u128(client),
            version: "0.1.0",
            expiry,
            data,
            subs: subs.into_iter().map(|(channel, subscribed)| (channel.into(), subscribed)).collect(),
            ping_s,
            pong,
            node: node.into(),
            time_unix_ms,
        })
}

/// What replies and pushes are made of.
pub(super) fn parts(kind: PayloadKind) -> impl Strategy<Value = Parts> {
    let page = (vec(publication(kind).prop_map(Arc::new), 0..3), position())
        .prop_map(|(publications, position)| HistoryPage { publications, position });
    let clients = vec(info(kind), 0..3).prop_map(|mut clients| {
        clients.sort_by_key(|info| info.client);
        clients
    });
    let stats = any::<(u32, u32)>().prop_map(|(num_clients, num_users)| PresenceStats { num_clients, num_users });
    let error = prop::sample::select(vec![ErrorKind::Internal, ErrorKind::BadRequest, ErrorKind::TooManyRequests]);
    let names = (1..=u32::MAX, text(), error, any::<u16>(), text());
    (names, publication(kind), info(kind), clients, connected(kind), subscribed(kind), page, expiry(), stats).prop_map(
        |(
            (id, channel, error, code, reason),
            publication,
            info,
            clients,
            connected,
            subscribed,
            page,
            expiry,
            stats,
        )| Parts {
            id,
            channel,
            publication,
            info,
            clients,
            connected,
            subscribed,
            page,
            refreshed: Refreshed { client: Uuid::from_u128(id.into()), version: "0.1.0", expiry },
            expiry,
            stats,
            error,
            code,
            reason,
        },
    )
}
