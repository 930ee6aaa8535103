//! Whom a push is to tell of a message, as an event.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use uuid::Uuid;

use crate::delivery::{Push, PushTo, PushWhat};
use crate::events::{PushKind, PushOffline, PushReason, PushUser, data};
use crate::limits::PUSH_DATA_BYTES_MAX;
use crate::model::Publication;

/// The event.
pub(super) fn event(push: &Push) -> PushOffline {
    let kind = match push.what {
        PushWhat::Offline { .. } => PushKind::Offline,
        PushWhat::Withdrawn => PushKind::Withdrawn,
    };
    let event = PushOffline {
        id: id(push, kind).to_string(),
        kind: kind.as_str().into(),
        channel: push.channel.to_string(),
        epoch: push.epoch.to_string(),
        offset: push.offset,
        users: users(push, kind),
        ..PushOffline::default()
    };
    match &push.what {
        PushWhat::Offline { publication: Some(publication), .. } => with_message(event, publication),
        PushWhat::Offline { publication: None, .. } | PushWhat::Withdrawn => event,
    }
}

/// The same for the same event when it comes again: of publications by their part, of withdrawals by their first user.
fn id(push: &Push, kind: PushKind) -> Uuid {
    let which = match (&push.what, push.users.first()) {
        (PushWhat::Offline { part, .. }, _) => part.to_string(),
        (PushWhat::Withdrawn, first) => first.map_or_else(String::new, |first| first.user.to_string()),
    };
    let offset = push.offset.to_string();
    // Whatever channels and users are called, the parts between them tell them apart.
    let named = [&*push.channel, &*push.epoch, &offset, kind.as_str(), &which].join("\0");
    let hash = digest(&SHA256, named.as_bytes());
    let bytes = hash.as_ref()[..16].try_into().expect("a hash has more bytes");
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn users(push: &Push, kind: PushKind) -> Vec<PushUser> {
    let reason = |is_background| match (kind, is_background) {
        (PushKind::Withdrawn, _) => "",
        (PushKind::Offline, true) => PushReason::Background.as_str(),
        (PushKind::Offline, false) => PushReason::Away.as_str(),
    };
    let user = |to: &PushTo| PushUser {
        user: to.user.to_string(),
        unread: to.unread,
        reason: reason(to.is_background).into(),
    };
    push.users.iter().map(user).collect()
}

fn with_message(event: PushOffline, publication: &Publication) -> PushOffline {
    let Publication { data: payload, info, tags, time_unix_ms, .. } = publication;
    let truncated = payload.bytes.len() > PUSH_DATA_BYTES_MAX;
    let (data, b64data) = match truncated {
        true => (Bytes::new(), payload.bytes.slice(..PUSH_DATA_BYTES_MAX)),
        false => data::split(payload),
    };
    let tags = tags.iter().flatten().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let sender = info.as_ref().map(|info| info.user.to_string()).unwrap_or_default();
    PushOffline { time_unix_ms: *time_unix_ms, sender, data, b64data, truncated, tags, ..event }
}
