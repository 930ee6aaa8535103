//! What is published in a channel that several nodes share, as its bucket takes it: by a home, or from Kafka.

use std::sync::Arc;

use super::body::Told;
use super::bridge::{Publish, Ticket};
use crate::hub::{Hub, HubOptions, NewPublication};
use crate::limits::{CLIENT_MESSAGE_WINDOW_MS, IDEMPOTENCY_WINDOW_MS};
use crate::model::{ClientId, Keep};

/// A message as a bucket takes it.
pub fn packed(
    ticket: Ticket,
    channel: Arc<str>,
    message: NewPublication,
    options: HubOptions,
    exclude: Option<ClientId>,
) -> Publish {
    let NewPublication { data, info, tags, skip_history, idempotency_key, version, ttl_ms, .. } = message;
    let is_kept = options.has_history() && !skip_history;
    let is_client_message = idempotency_key.as_deref().is_some_and(Hub::is_client_message_key);
    let window_ms = if is_client_message { CLIENT_MESSAGE_WINDOW_MS } else { IDEMPOTENCY_WINDOW_MS };
    let sender = info.as_ref().map(|info| info.user.clone()).filter(|_| is_client_message);
    let ttl_ms = ttl_ms.filter(|_| is_kept);
    Publish {
        ticket,
        channel,
        body: Told::Publication { data, info, tags, exclude, ttl_ms }.pack(),
        keep: Keep {
            size: if is_kept { options.history_size } else { 0 },
            ttl_ms: options.history_ttl_ms,
            meta_ttl_ms: meta_ttl_ms(options),
        },
        key: idempotency_key.map(|key| (key, window_ms as u32)),
        sender,
        version: version.filter(|_| is_kept),
        push_after_ms: options.push_after_ms,
        is_relayed: options.is_relayed,
    }
}

/// How long the offsets and the epoch of a channel's stream outlive their last use, milliseconds.
pub fn meta_ttl_ms(options: HubOptions) -> u64 {
    options.history_meta_ttl_ms.max(options.history_ttl_ms)
}
