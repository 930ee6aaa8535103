//! The client's side in JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::borrowed::{opaque, pairs};
use super::heard::{Answer, ClientInfo, FromNode, Publication, Pushed};
use crate::model::{Expiry, PayloadRef, PresenceStats, Recover};
use crate::protocol::centrifuge::filter_node;
use crate::protocol::centrifuge::json::object::{Object, write_object, write_text};
use crate::protocol::centrifuge::json::shape::Text;
use crate::protocol::centrifuge::refused::{Malformed, REJECT_UNRECOVERED};
use crate::protocol::word::{Command, Connect, History, Subscribe, Verb};

/// Appends a command and a line feed.
pub(super) fn encode_command(command: &Command<'_>, out: &mut Vec<u8>) {
    write_object(out, |object| {
        object.positive("id", command.id.into());
        write_verb(&command.verb, object);
    });
    out.push(b'\n');
}

fn write_verb(verb: &Verb<'_>, object: &mut Object<'_>) {
    match verb {
        Verb::Connect(connect) => object.object("connect", |object| write_connect(connect, object)),
        Verb::Subscribe(subscribe) => object.object("subscribe", |object| write_subscribe(subscribe, object)),
        Verb::Unsubscribe { channel } => object.object("unsubscribe", |object| object.some_text("channel", channel)),
        Verb::Publish { channel, data } => object.object("publish", |object| {
            object.some_text("channel", channel);
            write_data(Some(data), object);
        }),
        Verb::Presence { channel } => object.object("presence", |object| object.some_text("channel", channel)),
        Verb::PresenceStats { channel } => {
            object.object("presence_stats", |object| object.some_text("channel", channel));
        }
        Verb::History(history) => object.object("history", |object| write_history(history, object)),
        Verb::Ping => object.object("ping", |_| {}),
        Verb::Send { data } => object.object("send", |object| write_data(Some(data), object)),
        Verb::Rpc { method, data } => object.object("rpc", |object| {
            object.some_text("method", method);
            write_data(Some(data), object);
        }),
        Verb::Refresh { token } => object.object("refresh", |object| object.some_text("token", token)),
        Verb::SubRefresh { channel, token } => object.object("sub_refresh", |object| {
            object.some_text("channel", channel);
            object.some_text("token", token);
        }),
        Verb::Pong | Verb::Unknown | Verb::Unavailable(_) => {}
    }
}

fn write_data(data: Option<&PayloadRef<'_>>, object: &mut Object<'_>) {
    if let Some(data) = data.filter(|data| !data.bytes.is_empty()) {
        object.payload("data", &data.bytes, data.kind);
    }
}

fn write_connect(connect: &Connect<'_>, object: &mut Object<'_>) {
    object.some_text("token", &connect.token);
    write_data(connect.data.as_ref(), object);
    if !connect.subs.is_empty() {
        object.object("subs", |subs| {
            for (channel, recover) in &connect.subs {
                write_object(subs.foreign_key(channel), |object| write_recover(recover, object));
            }
        });
    }
    object.some_text("name", &connect.name);
    object.some_text("version", &connect.version);
    if !connect.headers.is_empty() {
        object.object("headers", |headers| {
            for (name, value) in &connect.headers {
                write_text(value, headers.foreign_key(name));
            }
        });
    }
}

fn write_recover(recover: &Recover, object: &mut Object<'_>) {
    object.flag("recover", recover.recover);
    object.some_text("epoch", &recover.since.epoch);
    object.positive("offset", recover.since.offset);
}

fn write_subscribe(subscribe: &Subscribe<'_>, object: &mut Object<'_>) {
    object.some_text("channel", &subscribe.channel);
    object.some_text("token", &subscribe.token);
    write_recover(&subscribe.recover, object);
    write_data(subscribe.data.as_ref(), object);
    object.flag("positioned", subscribe.positioned);
    object.flag("recoverable", subscribe.recoverable);
    object.flag("join_leave", subscribe.join_leave);
    object.positive("flag", if subscribe.whole { REJECT_UNRECOVERED } else { 0 });
    if let Some(Ok(filter)) = &subscribe.filter {
        object.object("tf", |object| filter_node::write_json(filter.root(), object));
    }
}

fn write_history(history: &History<'_>, object: &mut Object<'_>) {
    object.some_text("channel", &history.channel);
    let filter = &history.filter;
    if filter.limit != 0 {
        object.number("limit", filter.limit);
    }
    if let Some(since) = &filter.since {
        object.object("since", |object| {
            object.positive("offset", since.offset);
            object.some_text("epoch", &since.epoch);
        });
    }
    object.flag("reverse", filter.reverse);
}

// ---------------------------------------------------------------- reading

/// Reads the reply or push at `at` and moves `at` behind it; `None` at the end of the frame.
pub(super) fn decode<'a>(frame: &'a [u8], at: &mut usize) -> Option<Result<FromNode<'a>, Malformed>> {
    let mut stream = serde_json::Deserializer::from_slice(&frame[*at..]).into_iter::<FromNode<'a>>();
    let decoded = stream.next()?.map_err(|_| Malformed);
    *at += stream.byte_offset();
    Some(decoded)
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ReplyName {
    Id,
    Error,
    Push,
    Connect,
    Subscribe,
    Unsubscribe,
    Publish,
    Presence,
    PresenceStats,
    History,
    Ping,
    Rpc,
    Refresh,
    SubRefresh,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for FromNode<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReplyVisitor)
    }
}

struct ReplyVisitor;

impl<'de> Visitor<'de> for ReplyVisitor {
    type Value = FromNode<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a reply")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut id, mut answer, mut push) = (0, None, None);
        while let Some(name) = map.next_key()? {
            match name {
                ReplyName::Id => id = map.next_value()?,
                ReplyName::Push => push = Some(map.next_value::<RawPush<'de>>()?),
                ReplyName::Other => drop(map.next_value::<IgnoredAny>()?),
                name => answer = Some(read_answer(name, &mut map)?),
            }
        }
        match (id, answer, push) {
            (0, None, None) => Ok(FromNode::Ping),
            (0, None, Some(RawPush { channel, push })) => Ok(FromNode::Push { channel, push }),
            (0, Some(_), _) => Err(A::Error::custom("an answer without id")),
            (id, Some(answer), None) => Ok(FromNode::Reply { id, answer }),
            (..) => Err(A::Error::custom("an id without answer")),
        }
    }
}

fn read_answer<'de, A: MapAccess<'de>>(name: ReplyName, map: &mut A) -> Result<Answer<'de>, A::Error> {
    Ok(match name {
        ReplyName::Error => Answer::Error(map.next_value()?),
        ReplyName::Connect => Answer::Connect(map.next_value()?),
        ReplyName::Subscribe => Answer::Subscribe(map.next_value()?),
        ReplyName::Unsubscribe => map.next_value::<IgnoredAny>().map(|_| Answer::Unsubscribe)?,
        ReplyName::Publish => map.next_value::<IgnoredAny>().map(|_| Answer::Publish)?,
        ReplyName::Presence => Answer::Presence(map.next_value::<RawPresence<'de>>()?.presence),
        ReplyName::PresenceStats => Answer::PresenceStats(map.next_value::<RawStats>()?.into()),
        ReplyName::History => Answer::History(map.next_value()?),
        ReplyName::Ping => map.next_value::<IgnoredAny>().map(|_| Answer::Ping)?,
        ReplyName::Rpc => Answer::Rpc(map.next_value::<RawData<'de>>()?.data),
        ReplyName::Refresh => Answer::Refresh(map.next_value()?),
        ReplyName::SubRefresh => Answer::SubRefresh(map.next_value::<RawExpiry>()?.into()),
        ReplyName::Id | ReplyName::Push | ReplyName::Other => unreachable!("they are no answers"),
    })
}

struct RawPush<'a> {
    channel: Cow<'a, str>,
    push: Pushed<'a>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum PushName {
    Channel,
    Pub,
    Join,
    Leave,
    Unsubscribe,
    Message,
    Subscribe,
    Disconnect,
    Refresh,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for RawPush<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PushVisitor)
    }
}

struct PushVisitor;

impl<'de> Visitor<'de> for PushVisitor {
    type Value = RawPush<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a push")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut channel, mut push) = (Cow::Borrowed(""), None);
        while let Some(name) = map.next_key()? {
            push = Some(match name {
                PushName::Channel => {
                    channel = map.next_value::<Text<'de>>()?.0;
                    continue;
                }
                PushName::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                PushName::Pub => Pushed::Publication(map.next_value::<Publication<'de>>()?),
                PushName::Join => Pushed::Join(map.next_value::<RawInfo<'de>>()?.info),
                PushName::Leave => Pushed::Leave(map.next_value::<RawInfo<'de>>()?.info),
                PushName::Unsubscribe => Pushed::Unsubscribe(map.next_value()?),
                PushName::Message => Pushed::Message(map.next_value::<RawData<'de>>()?.data),
                PushName::Subscribe => Pushed::Subscribe(map.next_value()?),
                PushName::Disconnect => Pushed::Disconnect(map.next_value()?),
                PushName::Refresh => Pushed::Refresh(map.next_value::<RawExpiry>()?.into()),
            });
        }
        let push = push.ok_or_else(|| A::Error::custom("a push of nothing known"))?;
        Ok(RawPush { channel, push })
    }
}

#[derive(Deserialize)]
struct RawInfo<'a> {
    #[serde(borrow)]
    info: ClientInfo<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPresence<'a> {
    #[serde(borrow, deserialize_with = "pairs")]
    presence: Vec<(Cow<'a, str>, ClientInfo<'a>)>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawData<'a> {
    #[serde(borrow, deserialize_with = "opaque")]
    data: &'a [u8],
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawExpiry {
    expires: bool,
    ttl: u32,
}

impl From<RawExpiry> for Expiry {
    fn from(raw: RawExpiry) -> Self {
        Self { expires: raw.expires, ttl_s: raw.ttl }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawStats {
    num_clients: u32,
    num_users: u32,
}

impl From<RawStats> for PresenceStats {
    fn from(raw: RawStats) -> Self {
        Self { num_clients: raw.num_clients, num_users: raw.num_users }
    }
}
