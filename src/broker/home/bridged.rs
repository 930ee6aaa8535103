//! What a home sends over the bridge for somebody: publications and removals, which the bucket answers, and announcements.

use std::sync::Arc;

use super::asked::AskedOf;
use super::commits::Waiter;
use super::{Home, Later, Outcome};
use crate::broker::body::Told;
use crate::broker::bridge::{Outgoing, Receipt, Ticket};
use crate::broker::packed::packed;
use crate::hub::{HubOptions, NewPublication};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{ClientId, ClientInfo, Position};

impl Home {
    /// Sends a message to its channel's bucket, by way of Kafka where the namespace says so.
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
        let has_place = publish.keep.size > 0 || publish.key.is_some();
        self.mirrors.outgoing.push(if has_place || publish.is_relayed {
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
