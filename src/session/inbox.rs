//! What a device says of what it has received, and what its user asks: calls to methods of the node's own, `inbox.…`. What
//! needs no answer may be said without waiting for one.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::access::Resolved;
use super::inbox_ask::{InboxAsk, InboxWord, Place};
use super::permission::Permission;
use super::received::Received;
use super::step::{Ask, Step};
use super::{Context, Session};
use crate::limits::{CLIENT_MESSAGE_ID_BYTES_MAX, WAIT_MS_MAX};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{Payload, PayloadRef};

/// Methods of these names are the node's.
const RESERVED: &str = "inbox.";

/// Those whose answer says nothing but that they were taken.
const SAID: [&str; 4] = ["received", "retry", "read", "background"];

/// The methods.
const METHODS: [&str; 7] = ["received", "retry", "read", "positions", "unread", "background", "send"];

/// What is said as [`Verb::Send`](crate::protocol::word::Verb::Send): what a call would have.
#[derive(Debug, Deserialize)]
struct Sent<'a, Data> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    data: Data,
}

/// A method without what all begin with, where it may be said so.
fn said(method: &str) -> Option<&str> {
    method.strip_prefix(RESERVED).filter(|method| SAID.contains(method))
}

/// The data of a call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(default)]
    epoch: Box<str>,
    offset: Option<u64>,
    /// Seconds.
    #[serde(default)]
    delay: u32,
    /// Nobody looks at the device.
    background: Option<bool>,
    #[serde(default)]
    id: Box<str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl<'a> Call<'a> {
    fn read(data: &'a [u8]) -> Result<Self, Error> {
        serde_json::from_slice(data).map_err(|error| ErrorKind::BadRequest.because(format!("bad request: {error}")))
    }

    fn place(self) -> Result<Place, Error> {
        let offset = self.offset.ok_or_else(|| ErrorKind::BadRequest.because("bad request: `offset` is missing"))?;
        Ok(Place { epoch: self.epoch, offset })
    }
}

impl Session {
    /// A call: of the node's own methods, since no application answers others.
    pub(super) fn rpc<'a>(&mut self, method: &str, data: PayloadRef<'_>, context: Context<'_>) -> Step<'a> {
        let Some(method) = method.strip_prefix(RESERVED) else {
            return Step::Refuse(
                ErrorKind::NotAvailable.because("not available: no application answers rpc on this node"),
            );
        };
        if !METHODS.contains(&method) {
            return Step::Refuse(ErrorKind::MethodNotFound.into());
        }
        Call::read(&data.bytes).and_then(|call| self.inbox(method, call, context)).unwrap_or_else(Step::Refuse)
    }

    /// A call whose answer nobody waits for: at least once, what was not taken is sent again. All else that is sent would be for
    /// an application behind the node: without one nobody can take it, and there is no reply to say so in.
    pub(super) fn send<'a>(&mut self, data: PayloadRef<'a>, context: Context<'_>) -> Step<'a> {
        // Of all that devices say this is said most: it is read where it lies.
        if let Cow::Borrowed(bytes) = data.bytes
            && let Some(received) = Received::read(bytes)
        {
            return self.received(received, context).unwrap_or_else(Step::Refuse);
        }
        if let Ok(Sent { method, data }) = serde_json::from_slice(&data.bytes) {
            return match said(&method) {
                Some(method) => self.inbox(method, data, context).unwrap_or_else(Step::Refuse),
                None => Step::Done,
            };
        }
        // Data that is no call is refused if it is the node's.
        let Ok(Sent { method, data }) = serde_json::from_slice::<Sent<'_, &RawValue>>(&data.bytes) else {
            return Step::Done;
        };
        match said(&method) {
            Some(method) => {
                let call = Call::read(data.get().as_bytes());
                call.and_then(|call| self.inbox(method, call, context)).unwrap_or_else(Step::Refuse)
            }
            None => Step::Done,
        }
    }

    fn received<'a>(&self, received: Received<'a>, context: Context<'_>) -> Result<Step<'a>, Error> {
        let Received { channel, epoch, offset } = received;
        self.resolve_inbox(channel, context)?;
        let word = InboxWord::Received(Place { epoch: epoch.into(), offset });
        Ok(self.ask_inbox(Cow::Borrowed(channel), word))
    }

    /// A channel where something is to be received at least once, for a session that has a user.
    fn resolve_inbox<'a>(&self, channel: &'a str, context: Context<'a>) -> Result<Resolved<'a>, Error> {
        let resolved = context.access.resolve_for_client(channel)?;
        if !resolved.is_at_least_once() {
            return Err(
                ErrorKind::NotAvailable.because("not available: nothing is received at least once in the channel")
            );
        }
        if self.user().is_empty() {
            return Err(ErrorKind::PermissionDenied.into());
        }
        Ok(resolved)
    }

    fn ask_inbox<'a>(&self, channel: Cow<'a, str>, word: InboxWord) -> Step<'a> {
        let (user, client, device) = (self.user().clone(), self.info.client, self.device.clone());
        Step::Ask(Ask::Inbox(channel, Box::new(InboxAsk { user, client, device, word })))
    }

    fn inbox<'a>(&self, method: &str, call: Call<'_>, context: Context<'_>) -> Result<Step<'a>, Error> {
        let resolved = self.resolve_inbox(&call.channel, context)?;
        if method == "send"
            && let Some(step) = self.refusal(&resolved, Permission::publish(resolved.options), context)
        {
            return Ok(step);
        }
        // The frame may go before the question is answered.
        let channel = call.channel.to_string();
        let word = match method {
            "received" => InboxWord::Received(call.place()?),
            "retry" => {
                let delay_ms = (u64::from(call.delay) * 1000).min(WAIT_MS_MAX);
                InboxWord::Retry { place: call.place()?, delay_ms }
            }
            "read" => InboxWord::Read(call.place()?),
            "positions" => InboxWord::Positions,
            "unread" => InboxWord::Unread,
            "background" => {
                let missing = || ErrorKind::BadRequest.because("bad request: `background` is missing");
                let is_background = call.background.ok_or_else(missing)?;
                InboxWord::Background { is_background }
            }
            _ => self.message(call)?,
        };
        Ok(self.ask_inbox(Cow::Owned(channel), word))
    }

    fn message(&self, call: Call<'_>) -> Result<InboxWord, Error> {
        let Some(data) = call.data else {
            return Err(ErrorKind::BadRequest.because("bad request: `data` is missing"));
        };
        if !(1..=CLIENT_MESSAGE_ID_BYTES_MAX).contains(&call.id.len()) {
            let why = format!("bad request: `id` must have 1 to {CLIENT_MESSAGE_ID_BYTES_MAX} bytes");
            return Err(ErrorKind::BadRequest.because(why));
        }
        let in_channel = self.subscription(&call.channel).and_then(|subscription| subscription.info.as_ref());
        let info = in_channel.unwrap_or(&self.info).clone();
        let data = Payload::json(data.get().replace(['\n', '\r'], " "));
        Ok(InboxWord::Send { id: call.id, data, info })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::compact_json::changed;

    const WRITTEN: [&str; 2] = [
        r#"{"method":"inbox.received","data":{"channel":"a:Grüße","epoch":"Qm1X","offset":70}}"#,
        r#"{"data":{"offset":7,"channel":"a"},"method":"inbox.received"}"#,
    ];

    proptest! {
        #[test]
        fn what_both_readers_take_they_take_alike(text in changed(&WRITTEN)) {
            if let Some(Received { channel, epoch, offset }) = Received::read(text.as_bytes()) {
                let Sent { method, data } = serde_json::from_slice::<Sent<'_, Call<'_>>>(text.as_bytes()).unwrap();
                prop_assert_eq!(&*method, "inbox.received");
                prop_assert_eq!((&*data.channel, &*data.epoch, data.offset), (channel, epoch, Some(offset)));
            }
        }
    }
}
