//! The client's side in Protobuf.

use std::borrow::Cow;

use super::heard::{Answer, ClientInfo, Connected, FromNode, HistoryPage, Publication, Pushed, Refreshed, Subscribed};
use crate::model::{Expiry, PayloadRef, PresenceStats, Recover};
use crate::protocol::centrifuge::codes::{CodedDisconnect, CodedError, CodedUnsubscribe};
use crate::protocol::centrifuge::filter_node;
use crate::protocol::centrifuge::refused::{Malformed, REJECT_UNRECOVERED};
use crate::protocol::centrifuge::wire_type::{Fields, PutField, Value, next_message};
use crate::protocol::word::{Command, Connect, History, Subscribe, Verb};

/// Appends a command with its length before it.
pub(super) fn encode_command(command: &Command<'_>, out: &mut Vec<u8>) {
    out.put_delimited(|out| {
        out.put_number(1, command.id.into());
        put_verb(&command.verb, out);
    });
}

fn put_verb(verb: &Verb<'_>, out: &mut Vec<u8>) {
    match verb {
        Verb::Connect(connect) => out.put_message(4, |out| put_connect(connect, out)),
        Verb::Subscribe(subscribe) => out.put_message(5, |out| put_subscribe(subscribe, out)),
        Verb::Unsubscribe { channel } => out.put_message(6, |out| out.put_text(1, channel)),
        Verb::Publish { channel, data } => out.put_message(7, |out| {
            out.put_text(1, channel);
            out.put_bytes(2, &data.bytes);
        }),
        Verb::Presence { channel } => out.put_message(8, |out| out.put_text(1, channel)),
        Verb::PresenceStats { channel } => out.put_message(9, |out| out.put_text(1, channel)),
        Verb::History(history) => out.put_message(10, |out| put_history(history, out)),
        Verb::Ping => out.put_message(11, |_| {}),
        Verb::Send { data } => out.put_message(12, |out| out.put_bytes(1, &data.bytes)),
        Verb::Rpc { method, data } => out.put_message(13, |out| {
            out.put_bytes(1, &data.bytes);
            out.put_text(2, method);
        }),
        Verb::Refresh { token } => out.put_message(14, |out| out.put_text(1, token)),
        Verb::SubRefresh { channel, token } => out.put_message(15, |out| {
            out.put_text(1, channel);
            out.put_text(2, token);
        }),
        Verb::Pong | Verb::Unknown | Verb::Unavailable(_) => {}
    }
}

fn put_data(field: u32, data: Option<&PayloadRef<'_>>, out: &mut Vec<u8>) {
    if let Some(data) = data {
        out.put_bytes(field, &data.bytes);
    }
}

fn put_connect(connect: &Connect<'_>, out: &mut Vec<u8>) {
    out.put_text(1, &connect.token);
    put_data(2, connect.data.as_ref(), out);
    for (channel, recover) in &connect.subs {
        out.put_message(3, |out| {
            out.put_text(1, channel);
            out.put_message(2, |out| put_recover(recover, out));
        });
    }
    out.put_text(4, &connect.name);
    out.put_text(5, &connect.version);
    for (name, value) in &connect.headers {
        out.put_message(6, |out| {
            out.put_text(1, name);
            out.put_text(2, value);
        });
    }
}

fn put_recover(recover: &Recover, out: &mut Vec<u8>) {
    out.put_flag(3, recover.recover);
    out.put_text(6, &recover.since.epoch);
    out.put_number(7, recover.since.offset);
}

fn put_subscribe(subscribe: &Subscribe<'_>, out: &mut Vec<u8>) {
    out.put_text(1, &subscribe.channel);
    out.put_text(2, &subscribe.token);
    put_recover(&subscribe.recover, out);
    put_data(8, subscribe.data.as_ref(), out);
    out.put_flag(9, subscribe.positioned);
    out.put_flag(10, subscribe.recoverable);
    out.put_flag(11, subscribe.join_leave);
    if let Some(Ok(filter)) = &subscribe.filter {
        out.put_message(13, |out| filter_node::put_protobuf(filter.root(), out));
    }
    out.put_number(14, if subscribe.whole { REJECT_UNRECOVERED } else { 0 });
}

fn put_history(history: &History<'_>, out: &mut Vec<u8>) {
    out.put_text(1, &history.channel);
    // An int32: negative numbers travel as 64 bits.
    out.put_number(7, i64::from(history.filter.limit) as u64);
    if let Some(since) = &history.filter.since {
        out.put_message(8, |out| {
            out.put_number(1, since.offset);
            out.put_text(2, &since.epoch);
        });
    }
    out.put_flag(9, history.filter.reverse);
}

// ---------------------------------------------------------------- reading

/// Reads the reply or push at `at` and moves `at` behind it; `None` at the end of the frame.
pub(super) fn decode<'a>(frame: &'a [u8], at: &mut usize) -> Option<Result<FromNode<'a>, Malformed>> {
    next_message(frame, at).map(|message| reply(message?))
}

fn reply(message: &[u8]) -> Result<FromNode<'_>, Malformed> {
    let (mut id, mut body) = (0, None);
    for field in Fields(message) {
        match field? {
            (1, value) => id = short(value)?,
            (number @ (2 | 4..=15), value) => body = Some((number, value.bytes()?)),
            _ => {}
        }
    }
    match (id, body) {
        (0, None) => Ok(FromNode::Ping),
        (0, Some((4, bytes))) => push(bytes),
        (0, Some(_)) | (_, None | Some((4, _))) => Err(Malformed),
        (id, Some((number, bytes))) => Ok(FromNode::Reply { id, answer: answer(number, bytes)? }),
    }
}

fn answer(number: u64, message: &[u8]) -> Result<Answer<'_>, Malformed> {
    Ok(match number {
        2 => Answer::Error(error(message)?),
        5 => Answer::Connect(Box::new(connected(message)?)),
        6 => Answer::Subscribe(Box::new(subscribed(message)?)),
        7 => Answer::Unsubscribe,
        8 => Answer::Publish,
        9 => Answer::Presence(presence(message)?),
        10 => Answer::PresenceStats(presence_stats(message)?),
        11 => Answer::History(history(message)?),
        12 => Answer::Ping,
        13 => Answer::Rpc(bytes_field(message, 1)?),
        14 => Answer::Refresh(refreshed(message)?),
        _ => Answer::SubRefresh(expiry(message)?),
    })
}

fn push(message: &[u8]) -> Result<FromNode<'_>, Malformed> {
    let (mut channel, mut body) = ("", None);
    for field in Fields(message) {
        match field? {
            (2, value) => channel = value.text()?,
            (number @ (4..=9 | 11 | 12), value) => body = Some((number, value.bytes()?)),
            _ => {}
        }
    }
    let (number, bytes) = body.ok_or(Malformed)?;
    let push = match number {
        4 => Pushed::Publication(publication(bytes)?),
        5 => Pushed::Join(info(bytes_field(bytes, 1)?)?),
        6 => Pushed::Leave(info(bytes_field(bytes, 1)?)?),
        7 => Pushed::Unsubscribe(unsubscribe(bytes)?),
        8 => Pushed::Message(bytes_field(bytes, 1)?),
        9 => Pushed::Subscribe(Box::new(subscribe_push(bytes)?)),
        11 => Pushed::Disconnect(disconnect(bytes)?),
        _ => Pushed::Refresh(expiry(bytes)?),
    };
    Ok(FromNode::Push { channel: channel.into(), push })
}

fn short(value: Value<'_>) -> Result<u32, Malformed> {
    u32::try_from(value.number()?).map_err(|_| Malformed)
}

fn bytes_field(message: &[u8], number: u64) -> Result<&[u8], Malformed> {
    let mut bytes = &b""[..];
    for field in Fields(message) {
        let (field, value) = field?;
        if field == number {
            bytes = value.bytes()?;
        }
    }
    Ok(bytes)
}

fn error(message: &[u8]) -> Result<CodedError<'_>, Malformed> {
    let mut error = CodedError { code: 0, message: Cow::Borrowed(""), temporary: false };
    for field in Fields(message) {
        match field? {
            (1, value) => error.code = short(value)?,
            (2, value) => error.message = value.text()?.into(),
            (3, value) => error.temporary = value.flag()?,
            _ => {}
        }
    }
    Ok(error)
}

fn unsubscribe(message: &[u8]) -> Result<CodedUnsubscribe<'_>, Malformed> {
    let mut unsubscribe = CodedUnsubscribe { code: 0, reason: Cow::Borrowed("") };
    for field in Fields(message) {
        match field? {
            (2, value) => unsubscribe.code = short(value)?,
            (3, value) => unsubscribe.reason = value.text()?.into(),
            _ => {}
        }
    }
    Ok(unsubscribe)
}

fn disconnect(message: &[u8]) -> Result<CodedDisconnect<'_>, Malformed> {
    let mut disconnect = CodedDisconnect { code: 0, reason: Cow::Borrowed("") };
    for field in Fields(message) {
        match field? {
            (1, value) => disconnect.code = u16::try_from(value.number()?).map_err(|_| Malformed)?,
            (2, value) => disconnect.reason = value.text()?.into(),
            _ => {}
        }
    }
    Ok(disconnect)
}

fn expiry(message: &[u8]) -> Result<Expiry, Malformed> {
    let mut expiry = Expiry::default();
    for field in Fields(message) {
        match field? {
            (1, value) => expiry.expires = value.flag()?,
            (2, value) => expiry.ttl_s = short(value)?,
            _ => {}
        }
    }
    Ok(expiry)
}

fn presence_stats(message: &[u8]) -> Result<PresenceStats, Malformed> {
    let mut stats = PresenceStats::default();
    for field in Fields(message) {
        match field? {
            (1, value) => stats.num_clients = short(value)?,
            (2, value) => stats.num_users = short(value)?,
            _ => {}
        }
    }
    Ok(stats)
}

/// One entry of a map field: key 1, value 2.
fn entry(message: &[u8]) -> Result<(Cow<'_, str>, &[u8]), Malformed> {
    let (mut key, mut value) = ("", &b""[..]);
    for field in Fields(message) {
        match field? {
            (1, field) => key = field.text()?,
            (2, field) => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((key.into(), value))
}

fn presence(message: &[u8]) -> Result<Vec<(Cow<'_, str>, ClientInfo<'_>)>, Malformed> {
    let mut clients = Vec::new();
    for field in Fields(message) {
        if let (1, value) = field? {
            let (client, value) = entry(value.bytes()?)?;
            clients.push((client, info(value)?));
        }
    }
    Ok(clients)
}

fn info(message: &[u8]) -> Result<ClientInfo<'_>, Malformed> {
    let mut info = ClientInfo::default();
    for field in Fields(message) {
        match field? {
            (1, value) => info.user = value.text()?.into(),
            (2, value) => info.client = value.text()?.into(),
            (3, value) => info.conn_info = value.bytes()?,
            (4, value) => info.chan_info = value.bytes()?,
            _ => {}
        }
    }
    Ok(info)
}

fn publication(message: &[u8]) -> Result<Publication<'_>, Malformed> {
    let mut publication = Publication::default();
    for field in Fields(message) {
        match field? {
            (4, value) => publication.data = value.bytes()?,
            (5, value) => publication.info = Some(info(value.bytes()?)?),
            (6, value) => publication.offset = value.number()?,
            (7, value) => {
                let (key, value) = entry(value.bytes()?)?;
                let value = simdutf8::basic::from_utf8(value).map_err(|_| Malformed)?;
                publication.tags.push((key, value.into()));
            }
            (9, value) => publication.time_unix_ms = value.number()? as i64,
            _ => {}
        }
    }
    Ok(publication)
}

fn connected(message: &[u8]) -> Result<Connected<'_>, Malformed> {
    let mut connected = Connected::default();
    for field in Fields(message) {
        match field? {
            (1, value) => connected.client = value.text()?.into(),
            (2, value) => connected.version = value.text()?.into(),
            (3, value) => connected.expires = value.flag()?,
            (4, value) => connected.ttl_s = short(value)?,
            (5, value) => connected.data = value.bytes()?,
            (6, value) => {
                let (channel, value) = entry(value.bytes()?)?;
                connected.subs.push((channel, subscribed(value)?));
            }
            (7, value) => connected.ping_s = short(value)?,
            (8, value) => connected.pong = value.flag()?,
            (10, value) => connected.node = value.text()?.into(),
            (11, value) => connected.time_unix_ms = value.number()? as i64,
            _ => {}
        }
    }
    Ok(connected)
}

fn subscribed(message: &[u8]) -> Result<Subscribed<'_>, Malformed> {
    let mut subscribed = Subscribed::default();
    for field in Fields(message) {
        match field? {
            (1, value) => subscribed.expires = value.flag()?,
            (2, value) => subscribed.ttl_s = short(value)?,
            (3, value) => subscribed.recoverable = value.flag()?,
            (6, value) => subscribed.epoch = value.text()?.into(),
            (7, value) => subscribed.publications.push(publication(value.bytes()?)?),
            (8, value) => subscribed.recovered = value.flag()?,
            (9, value) => subscribed.offset = value.number()?,
            (10, value) => subscribed.positioned = value.flag()?,
            (11, value) => subscribed.data = value.bytes()?,
            (12, value) => subscribed.was_recovering = value.flag()?,
            _ => {}
        }
    }
    Ok(subscribed)
}

fn subscribe_push(message: &[u8]) -> Result<Subscribed<'_>, Malformed> {
    let mut subscribed = Subscribed::default();
    for field in Fields(message) {
        match field? {
            (1, value) => subscribed.recoverable = value.flag()?,
            (4, value) => subscribed.epoch = value.text()?.into(),
            (5, value) => subscribed.offset = value.number()?,
            (6, value) => subscribed.positioned = value.flag()?,
            (7, value) => subscribed.data = value.bytes()?,
            _ => {}
        }
    }
    Ok(subscribed)
}

fn history(message: &[u8]) -> Result<HistoryPage<'_>, Malformed> {
    let mut page = HistoryPage::default();
    for field in Fields(message) {
        match field? {
            (1, value) => page.publications.push(publication(value.bytes()?)?),
            (2, value) => page.epoch = value.text()?.into(),
            (3, value) => page.offset = value.number()?,
            _ => {}
        }
    }
    Ok(page)
}

fn refreshed(message: &[u8]) -> Result<Refreshed<'_>, Malformed> {
    let mut refreshed = Refreshed::default();
    for field in Fields(message) {
        match field? {
            (1, value) => refreshed.client = value.text()?.into(),
            (2, value) => refreshed.version = value.text()?.into(),
            (3, value) => refreshed.expires = value.flag()?,
            (4, value) => refreshed.ttl_s = short(value)?,
            _ => {}
        }
    }
    Ok(refreshed)
}
