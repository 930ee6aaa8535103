//! What a home sends over the bridge for somebody: publications and removals, which the bucket answers, and announcements.

use std::sync::Arc;

use super::asked::AskedOf;
use super::commits::Waiter;
use super::{Home, Later, Outcome};
use crate::broker::body::Told;
use crate::broker::bridge::{Outgoing, Publish, Receipt, Ticket};
use crate::hub::{Hub, HubOptions, NewPublication};
use crate::limits::{CLIENT_MESSAGE_WINDOW_MS, IDEMPOTENCY_WINDOW_MS};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{ClientId, ClientInfo, Keep, Position};

impl Home {
    /// Sends a message to its channel's bucket.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where too much waits for the buckets.
    pub(super) fn publish_to_bucket(
        &mut self,
        channel: &str,
        message: NewPublication,
        options: HubOptions,
        exclude: Option<ClientId>,
        bytes: usize,
    ) -> Result<Outcome<Position>, Error> {
        let (ticket, channel) = self.ask_bucket(channel, options, bytes)?;
        let publish = packed(ticket, channel, message, options, exclude);
        self.mirrors.outgoing.push(if publish.keep.size > 0 || publish.key.is_some() {
            Outgoing::Publish(Box::new(publish))
        } else {
            Outgoing::Tell { ticket: Some(ticket), channel: publish.channel, body: publish.body }
        });
        Ok(Outcome::Later(Later::OverBridge(ticket)))
    }

    /// Has a channel's publications taken away.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where too much waits for the buckets.
    pub(super) fn remove_from_bucket(&mut self, channel: &str, options: HubOptions) -> Result<Outcome<()>, Error> {
        let (ticket, channel) = self.ask_bucket(channel, options, channel.len())?;
        self.mirrors.outgoing.push(Outgoing::Remove { ticket, channel });
        Ok(Outcome::Later(Later::OverBridge(ticket)))
    }

    fn ask_bucket(&mut self, channel: &str, options: HubOptions, bytes: usize) -> Result<(Ticket, Arc<str>), Error> {
        if !self.mirrors.asked.has_room() {
            return Err(ErrorKind::Internal.because("internal server error: too much waits for what the nodes share"));
        }
        let known = self.mirrors.find(channel).map(|key| self.mirrors[key].channel.clone());
        let channel = known.unwrap_or_else(|| Arc::from(channel));
        let counts = self.policy.counts(options.namespace).clone();
        let asked = AskedOf { channel: channel.clone(), counts, bytes, waiter: None };
        Ok((self.mirrors.asked.expect(asked), channel))
    }

    /// Has all who listen told who came or left.
    pub(super) fn tell_of(&mut self, channel: &Arc<str>, info: &Arc<ClientInfo>, joined: bool) {
        let body = Told::Announcement { info: info.clone(), joined }.pack();
        self.mirrors.outgoing.push(Outgoing::Tell { ticket: None, channel: channel.clone(), body });
    }

    /// A publication has its place, or was refused: who is told.
    pub(in crate::broker) fn published(
        &mut self,
        ticket: Ticket,
        result: Result<Receipt, Error>,
    ) -> Option<(Waiter, Result<Position, Error>)> {
        let AskedOf { channel, counts, waiter, .. } = self.mirrors.asked.answered(ticket);
        match &result {
            Ok(receipt) => {
                counts.publishes.add(1);
                if let Some(key) = self.mirrors.find(&channel)
                    && self.mirrors[key].life == Some(receipt.life)
                {
                    let promised = &mut self.mirrors[key].promised;
                    *promised = receipt.offset.max(*promised);
                }
            }
            Err(error) if matches!(waiter, Some(Waiter::Client(..))) => counts.errors.count(error.kind),
            Err(_) => {}
        }
        // Clients are not told the place, but of what they have given an id.
        let is_told = matches!(waiter, Some(Waiter::Publisher(_) | Waiter::Republisher(..) | Waiter::Sender(..)));
        let place = |receipt: Receipt| if is_told { receipt.position() } else { Position::default() };
        Some((waiter?, result.map(place)))
    }

    /// A channel's publications are no more, up to an offset, or that was refused: who is told.
    pub(in crate::broker) fn removed(
        &mut self,
        ticket: Ticket,
        result: Result<u64, Error>,
    ) -> Option<(Waiter, Result<Position, Error>)> {
        let AskedOf { channel, waiter, .. } = self.mirrors.asked.answered(ticket);
        if let Ok(up_to) = result
            && let Some(key) = self.mirrors.find(&channel)
        {
            self.forget_in_mirror(key, up_to);
        }
        Some((waiter?, result.map(|_| Position::default())))
    }
}

/// A message as a bucket takes it.
pub(super) fn packed(
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
    }
}

/// How long the offsets and the epoch of a channel's stream outlive their last use, milliseconds.
pub(super) fn meta_ttl_ms(options: HubOptions) -> u64 {
    options.history_meta_ttl_ms.max(options.history_ttl_ms)
}
