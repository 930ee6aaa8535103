//! Words in Protobuf. Commands are read in place; payloads travel as they are.

use std::borrow::Cow;
use std::sync::Arc;

use super::codes::{CodedDisconnect, CodedError, CodedUnsubscribe};
use super::filter_node;
use super::refused::{MAP_PUBLISH, MAP_SUBSCRIPTION, Malformed, REJECT_UNRECOVERED, TRACKED_KEYS};
use super::wire_type::{Fields, PutField, Value, next_message};
use crate::model::refusal::Error;
use crate::model::{
    ClientInfo, Expiry, HistoryFilter, Payload, PayloadKind, PayloadRef, Position, Publication, Subscribed,
};
use crate::protocol::word::{Command, Connect, Connected, History, Push, Reply, ReplyBody, Subscribe, Verb};

/// Reads the length-prefixed command at `at` and moves `at` behind it; `None` at the end of the frame.
pub(super) fn decode_command<'a>(frame: &'a [u8], at: &mut usize) -> Option<Result<Command<'a>, Malformed>> {
    next_message(frame, at).map(|message| command(message?))
}

fn command(message: &[u8]) -> Result<Command<'_>, Malformed> {
    let mut id = 0;
    // "Server will only take the first non-null request": first by field number.
    let mut request: Option<(u64, &[u8])> = None;
    for field in Fields(message) {
        match field? {
            (1, value) => id = u32::try_from(value.number()?).map_err(|_| Malformed)?,
            (number @ 4..=15, value) => {
                let bytes = value.bytes()?;
                if request.is_none_or(|(other, _)| number <= other) {
                    request = Some((number, bytes));
                }
            }
            _ => {}
        }
    }
    let verb = match request {
        None if id == 0 => Verb::Pong,
        None => Verb::Unknown,
        Some((4, bytes)) => Verb::Connect(Box::new(connect(bytes)?)),
        Some((5, bytes)) => subscribe_verb(bytes)?,
        Some((6, bytes)) => Verb::Unsubscribe { channel: text_field(bytes, 1)? },
        Some((7, bytes)) if type_field(bytes, 3)? != 0 => Verb::Unavailable(MAP_PUBLISH),
        Some((7, bytes)) => Verb::Publish { channel: text_field(bytes, 1)?, data: data_field(bytes, 2)? },
        Some((8, bytes)) => Verb::Presence { channel: text_field(bytes, 1)? },
        Some((9, bytes)) => Verb::PresenceStats { channel: text_field(bytes, 1)? },
        Some((10, bytes)) => Verb::History(history(bytes)?),
        Some((11, _)) => Verb::Ping,
        Some((12, bytes)) => Verb::Send { data: data_field(bytes, 1)? },
        Some((13, bytes)) => Verb::Rpc { method: text_field(bytes, 2)?, data: data_field(bytes, 1)? },
        Some((14, bytes)) => Verb::Refresh { token: text_field(bytes, 1)? },
        Some((_, bytes)) if type_field(bytes, 3)? != 0 => Verb::Unavailable(TRACKED_KEYS),
        Some((_, bytes)) => Verb::SubRefresh { channel: text_field(bytes, 1)?, token: text_field(bytes, 2)? },
    };
    Ok(Command { id, verb })
}

fn last_field(message: &[u8], number: u64) -> Result<Option<Value<'_>>, Malformed> {
    let mut last = None;
    for field in Fields(message) {
        let (field, value) = field?;
        if field == number {
            last = Some(value);
        }
    }
    Ok(last)
}

fn text_field(message: &[u8], number: u64) -> Result<Cow<'_, str>, Malformed> {
    Ok(Cow::Borrowed(last_field(message, number)?.map_or(Ok(""), Value::text)?))
}

fn data_field(message: &[u8], number: u64) -> Result<PayloadRef<'_>, Malformed> {
    Ok(payload(last_field(message, number)?.map_or(Ok(&b""[..]), Value::bytes)?))
}

fn type_field(message: &[u8], number: u64) -> Result<u64, Malformed> {
    last_field(message, number)?.map_or(Ok(0), Value::number)
}

fn payload(bytes: &[u8]) -> PayloadRef<'_> {
    PayloadRef { bytes: Cow::Borrowed(bytes), kind: PayloadKind::Binary }
}

/// In proto3 an empty field and an absent one are the same.
fn some_payload(bytes: &[u8]) -> Option<PayloadRef<'_>> {
    (!bytes.is_empty()).then(|| payload(bytes))
}

/// One entry of a map field: key 1, value 2.
fn entry(message: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let (mut key, mut value) = ("", &b""[..]);
    for field in Fields(message) {
        match field? {
            (1, field) => key = field.text()?,
            (2, field) => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

fn connect(message: &[u8]) -> Result<Connect<'_>, Malformed> {
    let mut connect = Connect::default();
    for field in Fields(message) {
        match field? {
            (1, value) => connect.token = value.text()?.into(),
            (2, value) => connect.data = some_payload(value.bytes()?),
            (3, value) => {
                let (channel, sub) = entry(value.bytes()?)?;
                connect.subs.push((channel.into(), subscribe(sub)?.recover));
            }
            (4, value) => connect.name = value.text()?.into(),
            (5, value) => connect.version = value.text()?.into(),
            (6, value) => {
                let (name, value) = entry(value.bytes()?)?;
                let value = simdutf8::basic::from_utf8(value).map_err(|_| Malformed)?;
                connect.headers.push((name.into(), value.into()));
            }
            _ => {}
        }
    }
    Ok(connect)
}

fn subscribe(message: &[u8]) -> Result<Subscribe<'_>, Malformed> {
    let mut subscribe = Subscribe::default();
    for field in Fields(message) {
        match field? {
            (1, value) => subscribe.channel = value.text()?.into(),
            (2, value) => subscribe.token = value.text()?.into(),
            (3, value) => subscribe.recover.recover = value.flag()?,
            (6, value) => subscribe.recover.since.epoch = value.text()?.into(),
            (7, value) => subscribe.recover.since.offset = value.number()?,
            (8, value) => subscribe.data = some_payload(value.bytes()?),
            (9, value) => subscribe.positioned = value.flag()?,
            (10, value) => subscribe.recoverable = value.flag()?,
            (11, value) => subscribe.join_leave = value.flag()?,
            (13, value) => subscribe.filter = Some(filter_node::from_protobuf(value.bytes()?)),
            (14, value) => subscribe.whole = value.number()? & REJECT_UNRECOVERED != 0,
            _ => {}
        }
    }
    Ok(subscribe)
}

fn subscribe_verb(message: &[u8]) -> Result<Verb<'_>, Malformed> {
    if type_field(message, 15)? != 0 {
        return Ok(Verb::Unavailable(MAP_SUBSCRIPTION));
    }
    Ok(Verb::Subscribe(Box::new(subscribe(message)?)))
}

fn history(message: &[u8]) -> Result<History<'_>, Malformed> {
    let mut channel = Cow::Borrowed("");
    let mut filter = HistoryFilter::default();
    for field in Fields(message) {
        match field? {
            (1, value) => channel = value.text()?.into(),
            // An int32: negative numbers travel as 64 bits.
            (7, value) => filter.limit = value.number()? as i32,
            (8, value) => filter.since = Some(position(value.bytes()?)?),
            (9, value) => filter.reverse = value.flag()?,
            _ => {}
        }
    }
    Ok(History { channel, filter })
}

fn position(message: &[u8]) -> Result<Position, Malformed> {
    let mut position = Position::default();
    for field in Fields(message) {
        match field? {
            (1, value) => position.offset = value.number()?,
            (2, value) => position.epoch = value.text()?.into(),
            _ => {}
        }
    }
    Ok(position)
}

// ---------------------------------------------------------------- writing

fn put_client(field: u32, client: uuid::Uuid, out: &mut Vec<u8>) {
    let mut id = uuid::Uuid::encode_buffer();
    out.put_text(field, client.hyphenated().encode_lower(&mut id));
}

fn put_payload(field: u32, payload: Option<&Payload>, out: &mut Vec<u8>) {
    if let Some(payload) = payload {
        out.put_bytes(field, &payload.bytes);
    }
}

fn put_expiry(expires: u32, ttl: u32, expiry: Expiry, out: &mut Vec<u8>) {
    out.put_flag(expires, expiry.expires);
    out.put_number(ttl, expiry.ttl_s.into());
}

/// Appends a reply's message, without its length.
pub fn encode_reply(reply: &Reply<'_>, out: &mut Vec<u8>) {
    out.put_number(1, reply.id.into());
    encode_body(&reply.body, out);
}

/// Appends a body as [`ReplyBody::Encoded`] takes it: a field.
pub fn encode_body(body: &ReplyBody<'_>, out: &mut Vec<u8>) {
    match body {
        ReplyBody::Error(error) => out.put_message(2, |out| put_error(error, out)),
        ReplyBody::Connect(connected) => out.put_message(5, |out| put_connected(connected, out)),
        ReplyBody::Subscribe(subscribed) => out.put_message(6, |out| put_subscribed(subscribed, out)),
        ReplyBody::Unsubscribe => out.put_message(7, |_| {}),
        ReplyBody::Publish => out.put_message(8, |_| {}),
        ReplyBody::Presence(clients) => out.put_message(9, |out| {
            for info in *clients {
                out.put_message(1, |out| {
                    put_client(1, info.client, out);
                    out.put_message(2, |out| put_info(info, out));
                });
            }
        }),
        ReplyBody::Encoded(bytes) => out.extend_from_slice(bytes),
        ReplyBody::PresenceStats(stats) => out.put_message(10, |out| {
            out.put_number(1, stats.num_clients.into());
            out.put_number(2, stats.num_users.into());
        }),
        ReplyBody::History(page) => out.put_message(11, |out| {
            put_publications(1, &page.publications, out);
            out.put_text(2, &page.position.epoch);
            out.put_number(3, page.position.offset);
        }),
        ReplyBody::Ping => out.put_message(12, |_| {}),
        ReplyBody::Rpc(data) => out.put_message(13, |out| put_payload(1, Some(data), out)),
        ReplyBody::Refresh(refreshed) => out.put_message(14, |out| {
            put_client(1, refreshed.client, out);
            out.put_text(2, refreshed.version);
            put_expiry(3, 4, refreshed.expiry, out);
        }),
        ReplyBody::SubRefresh(expiry) => out.put_message(15, |out| put_expiry(1, 2, *expiry, out)),
    }
}

fn put_error(error: &Error, out: &mut Vec<u8>) {
    let error = CodedError::from(error);
    out.put_number(1, error.code.into());
    out.put_text(2, &error.message);
    out.put_flag(3, error.temporary);
}

fn put_connected(connected: &Connected, out: &mut Vec<u8>) {
    put_client(1, connected.client, out);
    out.put_text(2, connected.version);
    put_expiry(3, 4, connected.expiry, out);
    put_payload(5, connected.data.as_ref(), out);
    for (channel, subscribed) in &connected.subs {
        out.put_message(6, |out| {
            out.put_text(1, channel);
            out.put_message(2, |out| put_subscribed(subscribed, out));
        });
    }
    out.put_number(7, connected.ping_s.into());
    out.put_flag(8, connected.pong);
    out.put_text(10, &connected.node);
    out.put_number(11, connected.time_unix_ms.max(0).unsigned_abs());
}

fn put_subscribed(subscribed: &Subscribed, out: &mut Vec<u8>) {
    put_expiry(1, 2, subscribed.expiry, out);
    out.put_flag(3, subscribed.recoverable);
    out.put_text(6, &subscribed.position.epoch);
    put_publications(7, &subscribed.publications, out);
    out.put_flag(8, subscribed.recovered);
    out.put_number(9, subscribed.told_offset());
    out.put_flag(10, subscribed.positioned);
    put_payload(11, subscribed.data.as_ref(), out);
    out.put_flag(12, subscribed.was_recovering);
}

fn put_publications(field: u32, publications: &[Arc<Publication>], out: &mut Vec<u8>) {
    for publication in publications {
        out.put_message(field, |out| put_publication(publication, out));
    }
}

fn put_publication(publication: &Publication, out: &mut Vec<u8>) {
    out.put_bytes(4, &publication.data.bytes);
    if let Some(info) = &publication.info {
        out.put_message(5, |out| put_info(info, out));
    }
    out.put_number(6, publication.offset);
    for (key, value) in publication.tags.iter().flat_map(|tags| tags.iter()) {
        out.put_message(7, |out| {
            out.put_text(1, key);
            out.put_text(2, value);
        });
    }
    out.put_number(9, publication.time_unix_ms.max(0).unsigned_abs());
}

fn put_info(info: &ClientInfo, out: &mut Vec<u8>) {
    out.put_text(1, &info.user);
    put_client(2, info.client, out);
    put_payload(3, info.conn_info.as_deref(), out);
    put_payload(4, info.chan_info.as_deref(), out);
}

/// Appends a push's message, without its length. A ping is the empty message.
pub fn encode_push(push: &Push<'_>, out: &mut Vec<u8>) {
    if !matches!(push, Push::Ping) {
        out.put_message(4, |out| put_push(push, out));
    }
}

fn put_push(push: &Push<'_>, out: &mut Vec<u8>) {
    match push {
        Push::Ping => unreachable!("a ping is no push message"),
        Push::Publication { channel, publication } => {
            out.put_text(2, channel);
            out.put_message(4, |out| put_publication(publication, out));
        }
        Push::Join { channel, info } => {
            out.put_text(2, channel);
            out.put_message(5, |out| out.put_message(1, |out| put_info(info, out)));
        }
        Push::Leave { channel, info } => {
            out.put_text(2, channel);
            out.put_message(6, |out| out.put_message(1, |out| put_info(info, out)));
        }
        Push::Unsubscribe { channel, reason } => {
            let told = CodedUnsubscribe::from(*reason);
            out.put_text(2, channel);
            out.put_message(7, |out| {
                out.put_number(2, told.code.into());
                out.put_text(3, &told.reason);
            });
        }
        Push::Message { data } => out.put_message(8, |out| put_payload(1, Some(data), out)),
        Push::Subscribe { channel, subscribed } => {
            out.put_text(2, channel);
            out.put_message(9, |out| {
                out.put_flag(1, subscribed.recoverable);
                out.put_text(4, &subscribed.position.epoch);
                out.put_number(5, subscribed.told_offset());
                out.put_flag(6, subscribed.positioned);
                put_payload(7, subscribed.data.as_ref(), out);
            });
        }
        Push::Disconnect(disconnect) => out.put_message(11, |out| {
            let told = CodedDisconnect::from(*disconnect);
            out.put_number(1, told.code.into());
            out.put_text(2, &told.reason);
            out.put_flag(3, told.reconnect());
        }),
        Push::Refresh(expiry) => out.put_message(12, |out| put_expiry(1, 2, *expiry, out)),
    }
}
