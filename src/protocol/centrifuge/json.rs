//! Words in JSON.
//!
//! Reading is left to `serde_json`, which borrows from the frame; writing is by hand, since a publication is
//! written for every format of every fan-out and must not allocate. `data` stays the raw JSON that the
//! client sent, on one line.

use std::borrow::Cow;

use base64::Engine as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::Malformed;
use crate::protocol::codes::Error;
use crate::protocol::word::{
    ClientInfo, Command, Connect, Connected, Expiry, History, HistoryFilter, Payload, PayloadKind, PayloadRef,
    Position, Publication, Push, Recover, Reply, ReplyBody, Subscribe, Subscribed, Verb,
};

type Text<'a> = Cow<'a, str>;

#[derive(Deserialize)]
struct RawCommand<'a> {
    #[serde(default)]
    id: u32,
    #[serde(borrow, default)]
    connect: Option<RawConnect<'a>>,
    #[serde(borrow, default)]
    subscribe: Option<RawSubscribe<'a>>,
    #[serde(borrow, default)]
    unsubscribe: Option<RawChannel<'a>>,
    #[serde(borrow, default)]
    publish: Option<RawPublish<'a>>,
    #[serde(borrow, default)]
    presence: Option<RawChannel<'a>>,
    #[serde(borrow, default)]
    presence_stats: Option<RawChannel<'a>>,
    #[serde(borrow, default)]
    history: Option<RawHistory<'a>>,
    #[serde(default)]
    ping: Option<IgnoredAny>,
    #[serde(borrow, default)]
    send: Option<RawData<'a>>,
    #[serde(borrow, default)]
    rpc: Option<RawRpc<'a>>,
    #[serde(borrow, default)]
    refresh: Option<RawRefresh<'a>>,
    #[serde(borrow, default)]
    sub_refresh: Option<RawSubRefresh<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawConnect<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    subs: Option<Pairs<'a, RawSubscribe<'a>>>,
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
    recover: bool,
    #[serde(borrow)]
    epoch: Text<'a>,
    offset: u64,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    positioned: bool,
    recoverable: bool,
    join_leave: bool,
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
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawHistory<'a> {
    #[serde(borrow)]
    channel: Text<'a>,
    limit: i32,
    #[serde(borrow)]
    since: Option<RawPosition<'a>>,
    reverse: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPosition<'a> {
    offset: u64,
    #[serde(borrow)]
    epoch: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawData<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRpc<'a> {
    #[serde(borrow)]
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
}

/// A JSON object in the order of its members, without a hash table.
struct Pairs<'a, T>(Vec<(Text<'a>, T)>);

impl<'de: 'a, 'a, T: Deserialize<'de> + 'a> Deserialize<'de> for Pairs<'a, T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<'a, T>(std::marker::PhantomData<&'a T>);
        impl<'de: 'a, 'a, T: Deserialize<'de> + 'a> serde::de::Visitor<'de> for Visitor<'a, T> {
            type Value = Pairs<'a, T>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    pairs.push((key, map.next_value()?));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Visitor(std::marker::PhantomData))
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Text<'a>);

/// Reads the command at `at` and moves `at` behind it; `None` at the end of the frame.
pub(super) fn decode_command<'a>(frame: &'a [u8], at: &mut usize) -> Option<Result<Command<'a>, Malformed>> {
    let rest = &frame[*at..];
    let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if blank == rest.len() {
        *at = frame.len();
        return None;
    }
    let mut stream = serde_json::Deserializer::from_slice(&rest[blank..]).into_iter::<RawCommand<'a>>();
    let raw = match stream.next() {
        Some(Ok(raw)) => raw,
        _ => return Some(Err(Malformed)),
    };
    let end = *at + blank + stream.byte_offset();
    let alone = is_empty_object(&frame[*at + blank..end]);
    *at = end;
    Some(Ok(word(raw, alone)))
}

fn is_empty_object(json: &[u8]) -> bool {
    json == b"{}" || (json.len() > 2 && json[1..json.len() - 1].iter().all(u8::is_ascii_whitespace))
}

fn word(raw: RawCommand<'_>, pong: bool) -> Command<'_> {
    let verb = if let Some(connect) = raw.connect {
        Verb::Connect(Box::new(connect_word(connect)))
    } else if let Some(subscribe) = raw.subscribe {
        Verb::Subscribe(Box::new(subscribe_word(subscribe)))
    } else if let Some(RawChannel { channel }) = raw.unsubscribe {
        Verb::Unsubscribe { channel }
    } else if let Some(RawPublish { channel, data }) = raw.publish {
        Verb::Publish { channel, data: payload(data) }
    } else if let Some(RawChannel { channel }) = raw.presence {
        Verb::Presence { channel }
    } else if let Some(RawChannel { channel }) = raw.presence_stats {
        Verb::PresenceStats { channel }
    } else if let Some(RawHistory { channel, limit, since, reverse }) = raw.history {
        let since = since.map(|RawPosition { offset, epoch }| Position { offset, epoch: epoch.into() });
        Verb::History(History { channel, filter: HistoryFilter { limit, since, reverse } })
    } else if raw.ping.is_some() {
        Verb::Ping
    } else if let Some(RawData { data }) = raw.send {
        Verb::Send { data: payload(data) }
    } else if let Some(RawRpc { data, method }) = raw.rpc {
        Verb::Rpc { method, data: payload(data) }
    } else if let Some(RawRefresh { token }) = raw.refresh {
        Verb::Refresh { token }
    } else if let Some(RawSubRefresh { channel, token }) = raw.sub_refresh {
        Verb::SubRefresh { channel, token }
    } else if pong {
        Verb::Pong
    } else {
        Verb::Unknown
    };
    Command { id: raw.id, verb }
}

fn connect_word(raw: RawConnect<'_>) -> Connect<'_> {
    let subs = raw.subs.map_or_else(Vec::new, |subs| subs.0);
    Connect {
        token: raw.token,
        data: raw.data.map(|data| payload(Some(data))),
        subs: subs.into_iter().map(|(channel, sub)| (channel, recover(&sub))).collect(),
        name: raw.name,
        version: raw.version,
        headers: raw.headers.map_or_else(Vec::new, |headers| headers.0),
    }
}

fn recover(raw: &RawSubscribe<'_>) -> Recover {
    Recover { recover: raw.recover, since: Position { offset: raw.offset, epoch: (&*raw.epoch).into() } }
}

fn subscribe_word(raw: RawSubscribe<'_>) -> Subscribe<'_> {
    Subscribe {
        recover: recover(&raw),
        channel: raw.channel,
        token: raw.token,
        data: raw.data.map(|data| payload(Some(data))),
        positioned: raw.positioned,
        recoverable: raw.recoverable,
        join_leave: raw.join_leave,
    }
}

fn payload(raw: Option<&RawValue>) -> PayloadRef<'_> {
    let bytes = raw.map_or(&b""[..], |raw| raw.get().as_bytes());
    PayloadRef { bytes: one_line(bytes), kind: PayloadKind::Json }
}

/// JSON has line breaks only between its tokens: as spaces they mean the same and split no line.
pub fn one_line(json: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\n', b'\r', json).is_none() {
        return Cow::Borrowed(json);
    }
    Cow::Owned(json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect())
}

// ---------------------------------------------------------------- writing

/// Writes `{"key":value,…}` without trailing commas.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    /// The key must need no escape.
    fn key(&mut self, key: &str) -> &mut Vec<u8> {
        self.out.extend_from_slice(if self.first { b"\"" } else { b",\"" });
        self.first = false;
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    fn number(&mut self, key: &str, value: impl itoa::Integer) {
        let out = self.key(key);
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn positive(&mut self, key: &str, value: u64) {
        if value != 0 {
            self.number(key, value);
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        write_text(value, self.key(key));
    }

    fn some_text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.key(key).extend_from_slice(b"true");
        }
    }

    fn payload(&mut self, key: &str, payload: Option<&Payload>) {
        if let Some(payload) = payload {
            write_payload(payload, self.key(key));
        }
    }

    fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        let mut object = Object::begin(self.key(key));
        write(&mut object);
        object.end();
    }

    fn expiry(&mut self, expiry: Expiry) {
        self.flag("expires", expiry.expires);
        self.positive("ttl", expiry.ttl_s.into());
    }
}

/// Writes a string with what RFC 8259, 7 requires escaped.
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        if escape.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.extend_from_slice(escape);
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// Embeds a payload. Bytes that are no JSON value are given as a string: their text if they are UTF-8,
/// otherwise base64.
fn write_payload(payload: &Payload, out: &mut Vec<u8>) {
    match payload.kind {
        PayloadKind::Json => out.extend_from_slice(&payload.bytes),
        PayloadKind::Binary => match std::str::from_utf8(&payload.bytes) {
            Ok(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                out.extend_from_slice(&one_line(text.trim().as_bytes()));
            }
            Ok(text) => write_text(text, out),
            Err(_) => write_text(&base64::engine::general_purpose::STANDARD.encode(&payload.bytes), out),
        },
    }
}

/// Appends a reply's body.
pub fn encode_reply(reply: &Reply<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.number("id", reply.id);
    match &reply.body {
        ReplyBody::Error(error) => object.object("error", |object| write_error(error, object)),
        ReplyBody::Connect(connected) => object.object("connect", |object| write_connected(connected, object)),
        ReplyBody::Subscribe(subscribed) => {
            object.object("subscribe", |object| write_subscribed(subscribed, object));
        }
        ReplyBody::Unsubscribe => object.object("unsubscribe", |_| {}),
        ReplyBody::Publish => object.object("publish", |_| {}),
        ReplyBody::Presence(clients) => object.object("presence", |object| {
            object.object("presence", |object| {
                for info in *clients {
                    let mut id = uuid::Uuid::encode_buffer();
                    object.object(info.client.hyphenated().encode_lower(&mut id), |object| write_info(info, object));
                }
            });
        }),
        ReplyBody::PresenceStats(stats) => object.object("presence_stats", |object| {
            object.number("num_clients", stats.num_clients);
            object.number("num_users", stats.num_users);
        }),
        ReplyBody::History(page) => object.object("history", |object| {
            write_publications(&page.publications, object.key("publications"));
            object.text("epoch", &page.position.epoch);
            object.number("offset", page.position.offset);
        }),
        ReplyBody::Ping => object.object("ping", |_| {}),
        ReplyBody::Rpc(data) => object.object("rpc", |object| object.payload("data", Some(data))),
        ReplyBody::Refresh(refreshed) => object.object("refresh", |object| {
            write_client("client", refreshed.client, object);
            object.some_text("version", refreshed.version);
            object.expiry(refreshed.expiry);
        }),
        ReplyBody::SubRefresh(expiry) => object.object("sub_refresh", |object| object.expiry(*expiry)),
    }
    object.end();
}

fn write_error(error: &Error, object: &mut Object<'_>) {
    object.number("code", error.code);
    object.text("message", &error.message);
    object.flag("temporary", error.temporary);
}

fn write_client(key: &str, client: uuid::Uuid, object: &mut Object<'_>) {
    let mut id = uuid::Uuid::encode_buffer();
    object.text(key, client.hyphenated().encode_lower(&mut id));
}

fn write_connected(connected: &Connected, object: &mut Object<'_>) {
    write_client("client", connected.client, object);
    object.some_text("version", connected.version);
    object.expiry(connected.expiry);
    object.payload("data", connected.data.as_ref());
    if !connected.subs.is_empty() {
        let mut subs = Object::begin(object.key("subs"));
        for (channel, subscribed) in &connected.subs {
            let out = &mut *subs.out;
            if !subs.first {
                out.push(b',');
            }
            subs.first = false;
            write_text(channel, out);
            out.push(b':');
            let mut sub = Object::begin(out);
            write_subscribed(subscribed, &mut sub);
            sub.end();
        }
        subs.end();
    }
    object.positive("ping", connected.ping_s.into());
    object.flag("pong", connected.pong);
    object.some_text("node", &connected.node);
    object.positive("time", connected.time_unix_ms.max(0).unsigned_abs());
}

fn write_subscribed(subscribed: &Subscribed, object: &mut Object<'_>) {
    object.expiry(subscribed.expiry);
    object.flag("recoverable", subscribed.recoverable);
    object.some_text("epoch", &subscribed.position.epoch);
    if !subscribed.publications.is_empty() {
        write_publications(&subscribed.publications, object.key("publications"));
    }
    object.flag("recovered", subscribed.recovered);
    object.positive("offset", subscribed.position.offset);
    object.flag("positioned", subscribed.positioned);
    object.payload("data", subscribed.data.as_ref());
    object.flag("was_recovering", subscribed.was_recovering);
}

fn write_publications(publications: &[std::sync::Arc<Publication>], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, publication) in publications.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let mut object = Object::begin(out);
        write_publication(publication, &mut object);
        object.end();
    }
    out.push(b']');
}

fn write_publication(publication: &Publication, object: &mut Object<'_>) {
    object.payload("data", Some(&publication.data));
    if let Some(info) = &publication.info {
        object.object("info", |object| write_info(info, object));
    }
    object.positive("offset", publication.offset);
    if let Some(tags) = &publication.tags {
        let out = object.key("tags");
        out.push(b'{');
        for (at, (key, value)) in tags.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_text(key, out);
            out.push(b':');
            write_text(value, out);
        }
        out.push(b'}');
    }
    object.positive("time", publication.time_unix_ms.max(0).unsigned_abs());
}

fn write_info(info: &ClientInfo, object: &mut Object<'_>) {
    object.text("user", &info.user);
    write_client("client", info.client, object);
    object.payload("conn_info", info.conn_info.as_ref());
    object.payload("chan_info", info.chan_info.as_ref());
}

/// Appends a push's body. A ping is the empty object.
pub fn encode_push(push: &Push<'_>, out: &mut Vec<u8>) {
    let mut reply = Object::begin(out);
    if *push != Push::Ping {
        reply.object("push", |object| write_push(push, object));
    }
    reply.end();
}

fn write_push(push: &Push<'_>, object: &mut Object<'_>) {
    match push {
        Push::Ping => unreachable!("a ping is no push object"),
        Push::Publication { channel, publication } => {
            object.text("channel", channel);
            object.object("pub", |object| write_publication(publication, object));
        }
        Push::Join { channel, info } => {
            object.text("channel", channel);
            object.object("join", |object| object.object("info", |object| write_info(info, object)));
        }
        Push::Leave { channel, info } => {
            object.text("channel", channel);
            object.object("leave", |object| object.object("info", |object| write_info(info, object)));
        }
        Push::Unsubscribe { channel, reason } => {
            object.text("channel", channel);
            object.object("unsubscribe", |object| {
                object.number("code", reason.code);
                object.some_text("reason", &reason.reason);
            });
        }
        Push::Message { data } => object.object("message", |object| object.payload("data", Some(data))),
        Push::Subscribe { channel, subscribed } => {
            object.text("channel", channel);
            object.object("subscribe", |object| {
                object.flag("recoverable", subscribed.recoverable);
                object.some_text("epoch", &subscribed.position.epoch);
                object.positive("offset", subscribed.position.offset);
                object.flag("positioned", subscribed.positioned);
                object.payload("data", subscribed.data.as_ref());
            });
        }
        Push::Disconnect(disconnect) => object.object("disconnect", |object| {
            object.number("code", disconnect.code);
            object.text("reason", &disconnect.reason);
            object.flag("reconnect", disconnect.reconnect());
        }),
        Push::Refresh(expiry) => object.object("refresh", |object| object.expiry(*expiry)),
    }
}
