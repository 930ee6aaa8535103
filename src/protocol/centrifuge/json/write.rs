//! Replies and pushes: what is zero, false or empty is left out, as the SDKs expect.

use std::sync::Arc;

use uuid::Uuid;

use super::object::{Object, write_object, write_text};
use crate::model::refusal::Error;
use crate::model::{ClientInfo, Payload, Publication, Subscribed};
use crate::protocol::centrifuge::codes::{CodedDisconnect, CodedError, CodedUnsubscribe};
use crate::protocol::word::{Connected, Push, Reply, ReplyBody};

/// Appends a reply.
pub fn encode_reply(reply: &Reply<'_>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.number("id", reply.id);
    write_body(&reply.body, &mut object);
    object.end();
}

/// Appends a body as [`ReplyBody::Encoded`] takes it: a key and its value.
pub fn encode_body(body: &ReplyBody<'_>, out: &mut Vec<u8>) {
    write_body(body, &mut Object::part(out));
}

fn write_body(body: &ReplyBody<'_>, object: &mut Object<'_>) {
    match body {
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
                    let mut id = Uuid::encode_buffer();
                    object.object(info.client.hyphenated().encode_lower(&mut id), |object| write_info(info, object));
                }
            });
        }),
        ReplyBody::Encoded(bytes) => object.raw(bytes),
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
        ReplyBody::Rpc(data) => object.object("rpc", |object| write_payload("data", Some(data), object)),
        ReplyBody::Refresh(refreshed) => object.object("refresh", |object| {
            write_client("client", refreshed.client, object);
            object.some_text("version", refreshed.version);
            object.expiry(refreshed.expiry);
        }),
        ReplyBody::SubRefresh(expiry) => object.object("sub_refresh", |object| object.expiry(*expiry)),
    }
}

fn write_error(error: &Error, object: &mut Object<'_>) {
    let error = CodedError::from(error);
    object.number("code", error.code);
    object.text("message", &error.message);
    object.flag("temporary", error.temporary);
}

fn write_payload(key: &str, payload: Option<&Payload>, object: &mut Object<'_>) {
    if let Some(payload) = payload {
        object.payload(key, &payload.bytes, payload.kind);
    }
}

fn write_client(key: &str, client: Uuid, object: &mut Object<'_>) {
    let mut id = Uuid::encode_buffer();
    object.text(key, client.hyphenated().encode_lower(&mut id));
}

fn write_connected(connected: &Connected, object: &mut Object<'_>) {
    write_client("client", connected.client, object);
    object.some_text("version", connected.version);
    object.expiry(connected.expiry);
    write_payload("data", connected.data.as_ref(), object);
    if !connected.subs.is_empty() {
        object.object("subs", |subs| {
            for (channel, subscribed) in &connected.subs {
                write_object(subs.foreign_key(channel), |sub| write_subscribed(subscribed, sub));
            }
        });
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
    object.positive("offset", subscribed.told_offset());
    object.flag("positioned", subscribed.positioned);
    write_payload("data", subscribed.data.as_ref(), object);
    object.flag("was_recovering", subscribed.was_recovering);
}

fn write_publications(publications: &[Arc<Publication>], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, publication) in publications.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_object(out, |object| write_publication(publication, object));
    }
    out.push(b']');
}

fn write_publication(publication: &Publication, object: &mut Object<'_>) {
    write_payload("data", Some(&publication.data), object);
    if let Some(info) = &publication.info {
        object.object("info", |object| write_info(info, object));
    }
    object.positive("offset", publication.offset);
    if let Some(tags) = &publication.tags {
        object.object("tags", |object| {
            for (key, value) in tags {
                write_text(value, object.foreign_key(key));
            }
        });
    }
    object.positive("time", publication.time_unix_ms.max(0).unsigned_abs());
}

fn write_info(info: &ClientInfo, object: &mut Object<'_>) {
    object.text("user", &info.user);
    write_client("client", info.client, object);
    write_payload("conn_info", info.conn_info.as_deref(), object);
    write_payload("chan_info", info.chan_info.as_deref(), object);
}

/// Appends a push's body. A ping is the empty object.
pub fn encode_push(push: &Push<'_>, out: &mut Vec<u8>) {
    let mut reply = Object::begin(out);
    if !matches!(push, Push::Ping) {
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
            let told = CodedUnsubscribe::from(*reason);
            object.text("channel", channel);
            object.object("unsubscribe", |object| {
                object.number("code", told.code);
                object.text("reason", &told.reason);
            });
        }
        Push::Message { data } => object.object("message", |object| write_payload("data", Some(data), object)),
        Push::Subscribe { channel, subscribed } => {
            object.text("channel", channel);
            object.object("subscribe", |object| {
                object.flag("recoverable", subscribed.recoverable);
                object.some_text("epoch", &subscribed.position.epoch);
                object.positive("offset", subscribed.told_offset());
                object.flag("positioned", subscribed.positioned);
                write_payload("data", subscribed.data.as_ref(), object);
            });
        }
        Push::Disconnect(disconnect) => object.object("disconnect", |object| {
            let told = CodedDisconnect::from(*disconnect);
            object.number("code", told.code);
            object.text("reason", &told.reason);
            object.flag("reconnect", told.reconnect());
        }),
        Push::Refresh(expiry) => object.object("refresh", |object| object.expiry(*expiry)),
    }
}
