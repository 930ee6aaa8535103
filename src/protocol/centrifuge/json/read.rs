//! Commands: one pass over the frame, nothing copied but strings with escapes.
//!
//! Names that are not known are skipped, since newer SDKs send newer fields; nesting is skipped without
//! recursion. A name that is known and comes twice is refused, since two readers could take different ones.

use std::fmt;

use serde::Deserialize;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::publish::decode_publish;
use super::send::decode_send;
use super::shape::{Object, Pairs, Text, given, or_default, payload};
use crate::model::{HistoryFilter, Position, Recover};
use crate::protocol::centrifuge::filter_node;
use crate::protocol::centrifuge::refused::{
    MAP_PUBLISH, MAP_SUBSCRIPTION, Malformed, REJECT_UNRECOVERED, TRACKED_KEYS,
};
use crate::protocol::word::{Command, Connect, History, Subscribe, Verb};

/// Reads the command at `at` and moves `at` behind it; `None` at the end of the frame.
pub(crate) fn decode_command<'a>(frame: &'a str, at: &mut usize) -> Option<Result<Command<'a>, Malformed>> {
    let rest = &frame[*at..];
    let blank = rest.bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    if blank == rest.len() {
        *at = frame.len();
        return None;
    }
    let rest = &rest[blank..];
    let usual = decode_publish(rest).or_else(|| decode_send(rest));
    let Some((command, read)) = usual.or_else(|| decode_any(rest)) else { return Some(Err(Malformed)) };
    *at += blank + read;
    Some(Ok(command))
}

/// Reads any command at the beginning of `text`; the command and its length in bytes.
pub(super) fn decode_any(text: &str) -> Option<(Command<'_>, usize)> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<RawCommand<'_>>();
    let RawCommand(command) = stream.next()?.ok()?;
    Some((command, stream.byte_offset()))
}

struct RawCommand<'a>(Command<'a>);

/// In the order of their field numbers: "Server will only take the first non-null request".
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    Id,
    Connect,
    Subscribe,
    Unsubscribe,
    Publish,
    Presence,
    PresenceStats,
    History,
    Ping,
    Send,
    Rpc,
    Refresh,
    SubRefresh,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for RawCommand<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CommandVisitor)
    }
}

struct CommandVisitor;

impl<'de> Visitor<'de> for CommandVisitor {
    type Value = RawCommand<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a command")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut id, mut seen) = (0, 0u16);
        let mut request: Option<(Name, Verb<'de>)> = None;
        while let Some(name) = map.next_key::<Name>()? {
            let bit = 1 << name as u16;
            if name != Name::Other && seen & bit != 0 {
                return Err(A::Error::custom("a name comes twice"));
            }
            seen |= bit;
            if name == Name::Id {
                id = map.next_value::<Option<u32>>()?.unwrap_or_default();
            } else if let Some(verb) = verb(name, &mut map)?
                && request.as_ref().is_none_or(|(first, _)| name < *first)
            {
                request = Some((name, verb));
            }
        }
        let absent = if id == 0 { Verb::Pong } else { Verb::Unknown };
        Ok(RawCommand(Command { id, verb: request.map_or(absent, |(_, verb)| verb) }))
    }
}

fn verb<'de, A: MapAccess<'de>>(name: Name, map: &mut A) -> Result<Option<Verb<'de>>, A::Error> {
    match name {
        Name::Connect => read(map, connect),
        Name::Subscribe => read(map, subscribe),
        Name::Unsubscribe => read(map, |raw: RawChannel<'de>| Verb::Unsubscribe { channel: raw.channel.0 }),
        Name::Publish => read(map, publish),
        Name::Presence => read(map, |raw: RawChannel<'de>| Verb::Presence { channel: raw.channel.0 }),
        Name::PresenceStats => read(map, |raw: RawChannel<'de>| Verb::PresenceStats { channel: raw.channel.0 }),
        Name::History => read(map, history),
        Name::Ping => read(map, |RawPing {}| Verb::Ping),
        Name::Send => read(map, |raw: RawSend<'de>| Verb::Send { data: payload(raw.data) }),
        Name::Rpc => read(map, |raw: RawRpc<'de>| Verb::Rpc { method: raw.method.0, data: payload(raw.data) }),
        Name::Refresh => read(map, |raw: RawRefresh<'de>| Verb::Refresh { token: raw.token.0 }),
        Name::SubRefresh => read(map, sub_refresh),
        Name::Id | Name::Other => map.next_value::<IgnoredAny>().map(|_| None),
    }
}

fn read<'de, A, T>(map: &mut A, word: impl FnOnce(T) -> Verb<'de>) -> Result<Option<Verb<'de>>, A::Error>
where
    A: MapAccess<'de>,
    T: Deserialize<'de>,
{
    Ok(map.next_value::<Option<Object<T>>>()?.map(|Object(raw)| word(raw)))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawConnect<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    subs: Option<Pairs<'a, Object<RawSubscribe<'a>>>>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    version: Text<'a>,
    #[serde(borrow)]
    headers: Option<Pairs<'a, Text<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawSubscribe<'a> {
    #[serde(borrow)]
    channel: Text<'a>,
    #[serde(borrow)]
    token: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    recover: bool,
    #[serde(borrow)]
    epoch: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    offset: u64,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(deserialize_with = "or_default")]
    positioned: bool,
    #[serde(deserialize_with = "or_default")]
    recoverable: bool,
    #[serde(deserialize_with = "or_default")]
    join_leave: bool,
    #[serde(deserialize_with = "or_default")]
    flag: i64,
    #[serde(borrow)]
    tf: Option<&'a RawValue>,
    #[serde(rename = "type", deserialize_with = "or_default")]
    kind: i32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawChannel<'a> {
    #[serde(borrow)]
    channel: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPublish<'a> {
    #[serde(borrow)]
    channel: Text<'a>,
    #[serde(borrow, deserialize_with = "given")]
    data: Option<&'a RawValue>,
    #[serde(rename = "type", deserialize_with = "or_default")]
    kind: i32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawHistory<'a> {
    #[serde(borrow)]
    channel: Text<'a>,
    #[serde(deserialize_with = "or_default")]
    limit: i32,
    #[serde(borrow)]
    since: Option<Object<RawPosition<'a>>>,
    #[serde(deserialize_with = "or_default")]
    reverse: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPosition<'a> {
    #[serde(deserialize_with = "or_default")]
    offset: u64,
    #[serde(borrow)]
    epoch: Text<'a>,
}

#[derive(Deserialize)]
struct RawPing {}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawSend<'a> {
    #[serde(borrow, deserialize_with = "given")]
    data: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRpc<'a> {
    #[serde(borrow, deserialize_with = "given")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRefresh<'a> {
    #[serde(borrow)]
    token: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawSubRefresh<'a> {
    #[serde(borrow)]
    channel: Text<'a>,
    #[serde(borrow)]
    token: Text<'a>,
    #[serde(rename = "type", deserialize_with = "or_default")]
    kind: i32,
}

fn connect(raw: RawConnect<'_>) -> Verb<'_> {
    let subs = raw.subs.unwrap_or_default().0.into_iter();
    let headers = raw.headers.unwrap_or_default().0.into_iter();
    Verb::Connect(Box::new(Connect {
        token: raw.token.0,
        data: raw.data.map(|data| payload(Some(data))),
        subs: subs.map(|(channel, Object(sub))| (channel, recover(&sub))).collect(),
        name: raw.name.0,
        version: raw.version.0,
        headers: headers.map(|(name, Text(value))| (name, value)).collect(),
    }))
}

fn recover(raw: &RawSubscribe<'_>) -> Recover {
    Recover { recover: raw.recover, since: Position { offset: raw.offset, epoch: (&*raw.epoch.0).into() } }
}

fn subscribe(raw: RawSubscribe<'_>) -> Verb<'_> {
    if raw.kind != 0 {
        return Verb::Unavailable(MAP_SUBSCRIPTION);
    }
    Verb::Subscribe(Box::new(Subscribe {
        recover: recover(&raw),
        channel: raw.channel.0,
        token: raw.token.0,
        data: raw.data.map(|data| payload(Some(data))),
        positioned: raw.positioned,
        recoverable: raw.recoverable,
        join_leave: raw.join_leave,
        whole: raw.flag as u64 & REJECT_UNRECOVERED != 0,
        filter: raw.tf.map(filter_node::from_json),
    }))
}

fn publish(raw: RawPublish<'_>) -> Verb<'_> {
    if raw.kind != 0 {
        return Verb::Unavailable(MAP_PUBLISH);
    }
    Verb::Publish { channel: raw.channel.0, data: payload(raw.data) }
}

fn history(raw: RawHistory<'_>) -> Verb<'_> {
    let since = raw.since.map(|Object(since)| Position { offset: since.offset, epoch: (&*since.epoch.0).into() });
    let filter = HistoryFilter { limit: raw.limit, since, reverse: raw.reverse };
    Verb::History(History { channel: raw.channel.0, filter })
}

fn sub_refresh(raw: RawSubRefresh<'_>) -> Verb<'_> {
    if raw.kind != 0 {
        return Verb::Unavailable(TRACKED_KEYS);
    }
    Verb::SubRefresh { channel: raw.channel.0, token: raw.token.0 }
}
