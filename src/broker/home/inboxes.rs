//! Members and their devices at the channel's home: what the rest of the home does for the inboxes, and they for it.

use std::sync::Arc;

use super::said::{Said, device_id, sent, told};
use super::{Home, Outcome, Spread, Spreading};
use crate::broker::letter::InboxAnswer;
use crate::delivery::{Account, Count, Delivery, InboxOptions, Listener, Seat, Whose};
use crate::hub::{Hub, NewPublication, ShardSet};
use crate::model::ledger::Attached;
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{ClientId, ClientInfo, Payload, Subscribed};
use crate::session::{InboxAsk, InboxWord, Terms};
use crate::time::Now;

impl Home {
    /// A backend says that a user belongs to a channel.
    ///
    /// # Errors
    /// As `Policy::inbox_options`; [`ErrorKind::LimitExceeded`] where there are too many.
    pub(in crate::broker) fn add_member(&mut self, channel: &Arc<str>, user: &Arc<str>, now: Now) -> Result<(), Error> {
        let resolved = self.policy.access.resolve(channel)?;
        let is_named = resolved.admits_user(user);
        let options = self.policy.inbox_options(channel)?;
        let shelf = self.hub.shelf(channel, now);
        let since = if is_named { 0 } else { shelf.map_or(0, |shelf| shelf.top()) };
        self.delivery.add_member(channel, user, since, options, shelf).map(drop)
    }

    /// A backend says that a user belongs to a channel no longer.
    pub(in crate::broker) fn remove_member(&mut self, channel: &str, user: &str) {
        self.delivery.remove_member(channel, user);
    }

    /// The inboxes, of which that of a channel stands where its stream does: that may have begun anew while nobody was there.
    pub(in crate::broker) fn inboxes(&mut self, channel: &str, now: Now) -> &Delivery {
        if let Some(shelf) = self.hub.shelf(channel, now) {
            self.delivery.agree(channel, shelf);
        }
        &self.delivery
    }

    /// Forgets one dead letter of a channel, or all; how many those were.
    pub(in crate::broker) fn purge(&mut self, channel: &Arc<str>, offset: Option<u64>) -> usize {
        let is_durable = self.policy.inbox_options(channel).is_ok_and(|options| options.is_durable);
        self.delivery.purge(channel, offset, is_durable)
    }

    /// A session is about to subscribe, which makes a member of its user where the namespace says so: whether that is on its way
    /// to the disk. Then the subscription has to wait for it.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] where there are too many members; [`ErrorKind::Internal`] where the disk takes nothing.
    pub(in crate::broker) fn enlist(&mut self, channel: &Arc<str>, terms: &Terms, now: Now) -> Result<bool, Error> {
        if terms.device.is_none() {
            return Ok(false);
        }
        let resolved = self.policy.access.resolve(channel)?;
        let user = &terms.info.user;
        let makes_members = |options: &InboxOptions| options.is_durable && options.members_subscribe;
        let Some(options) = resolved.inbox_options().filter(makes_members) else { return Ok(false) };
        if resolved.admits_user(user) {
            return Ok(false);
        }
        if !self.delivery.is_member(channel, user) {
            self.hub.log.check_room()?;
            let shelf = self.hub.shelf(channel, now);
            self.delivery.join(channel, user, shelf.map_or(0, |shelf| shelf.top()), options, shelf)?;
            self.dispatch();
            self.enlisted.push_back((self.hub.log.newest(), channel.clone(), user.clone()));
        }
        let committed = self.hub.log.committed();
        while self.enlisted.pop_front_if(|(batch, ..)| *batch <= committed).is_some() {}
        Ok(self.enlisted.iter().any(|(_, of, member)| of == channel && member == user))
    }

    /// A session is about to subscribe: whether it is a member's, whose device there is room for. Who is named by the
    /// channel is a member, and who subscribes where the namespace makes members of them.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] where there are too many members, or the user has too many devices, or was the first in
    /// too many channels; as [`Home::check_reserve`] where the device is not known.
    pub(super) fn admit_device(
        &mut self,
        channel: &Arc<str>,
        terms: &Terms,
        attached: Option<&Attached>,
        now: Now,
    ) -> Result<bool, Error> {
        let Some(device) = &terms.device else { return Ok(false) };
        let resolved = self.policy.access.resolve(channel)?;
        let Some(options) = resolved.inbox_options() else { return Ok(false) };
        if options.is_shared {
            return Ok(self.admit_attached(channel, terms, options, attached, now));
        }
        let user = &terms.info.user;
        let whose = Whose { user, device: &device.id };
        if options.is_durable && !self.delivery.has_device(channel, whose) {
            self.check_reserve()?;
        }
        let shelf = self.hub.shelf(channel, now);
        if resolved.admits_user(user) {
            self.delivery.join(channel, user, 0, options, shelf)?;
        } else if options.members_subscribe {
            self.delivery.join(channel, user, shelf.map_or(0, |shelf| shelf.top()), options, shelf)?;
        } else if !self.delivery.is_member(channel, user) {
            return Ok(false);
        }
        self.delivery.admit(channel, whose, now)?;
        Ok(true)
    }

    /// A session of a member has joined: its device is sent what follows its floor, after the answer.
    pub(super) fn seat_device(
        &mut self,
        channel: &Arc<str>,
        terms: &Terms,
        (shard, session): (u16, u32),
        subscribed: &mut Subscribed,
        now: Now,
    ) {
        let Some(shelf) = self.hub.shelf(channel, now) else { return };
        let whose = Whose { user: &terms.info.user, device: device_id(&terms.device) };
        let seat = Seat { client: terms.info.client, shard, session };
        let kind = terms.device.as_ref().map_or("", |device| &device.kind);
        let is_pushed = self.policy.access.resolve(channel).is_ok_and(|resolved| resolved.pushes_to(kind));
        let listener = Listener { seat, filter: terms.filter.clone(), is_pushed, is_background: false };
        let arrival = self.delivery.arrive(channel, whose, listener, shelf, now);
        subscribed.recovered = arrival.whole;
        subscribed.since = arrival.floor;
        subscribed.was_recovering |= !arrival.whole;
    }

    /// A publication has got its place.
    pub(super) fn expect_received(&mut self, channel: &str, offset: u64, exclude: Option<ClientId>, now: Now) {
        if let Some(shelf) = self.hub.shelf(channel, now)
            && shelf.get(offset).is_some()
        {
            self.delivery.published(channel, offset, exclude, shelf, now);
        }
        // Who must not get it by the way is told before it goes.
        self.dispatch();
    }

    /// Looks at devices that have had time to say what they have received, if more may be sent to them: what has not left for their
    /// shards is not sent once more, and they are not given up on it.
    pub(in crate::broker) fn look_at_devices(&mut self, may_send: bool, now: Now) {
        self.ledgers.notes.retry(now);
        self.tell_departures(now);
        let policy = &self.policy;
        self.delivery.renew(|channel| policy.inbox_options(channel).ok());
        if may_send {
            self.delivery.sweep(&mut self.hub, now);
        }
        if let Some(found) = self.delivery.survey(&mut self.hub, now) {
            for (number, counts) in (0..).zip(&*self.policy.namespaces) {
                counts.tell_behind(found.get(&number).copied().unwrap_or_default());
            }
        }
        self.dispatch();
    }

    /// What inboxes have to say is told in its order among publications; what they count is counted.
    pub(in crate::broker) fn dispatch(&mut self) {
        if !self.delivery.has_output() {
            return;
        }
        if self.delivery.has_news() {
            self.tell_news();
        }
        for (account, count) in self.delivery.counts() {
            let counts = match account {
                Account::Namespace(number) => self.policy.counts(number),
                Account::Channel(channel) => self.policy.counts_of(&channel),
            };
            match count {
                Count::Unreceived(more) => counts.unreceived.add(more),
                Count::Redelivery => counts.redeliveries.add(1),
                Count::GivenUp => counts.dead_letters.add(1),
                Count::Lost => counts.lost.add(1),
                Count::Pushed(members) => counts.pushed.add(members),
            }
        }
    }

    fn tell_news(&mut self) {
        let by = self.me;
        self.spreads.extend(self.delivery.out().map(|dispatch| Spread {
            channel: dispatch.channel.clone(),
            shards: ShardSet::of(dispatch.seat.shard),
            what: Spreading::Dispatch(Box::new(dispatch)),
            by,
        }));
        let Self { delivery, hub, ledgers, mirrors, pushes, .. } = self;
        pushes.extend(delivery.pushes());
        for change in delivery.changes() {
            match change.is_shared {
                true => ledgers.take_change(&change, &mut mirrors.outgoing),
                false => _ = hub.log.append(&change.record()),
            }
        }
    }

    /// Does what a device of a member says, or answers what its user asks, in JSON, for a session of shard `by`.
    ///
    /// # Errors
    /// As `Policy::inbox_options` and the methods of [`Delivery`](crate::delivery::Delivery); as [`Home::publish`].
    pub(in crate::broker) fn inbox(&mut self, channel: &str, ask: InboxAsk, by: u16, now: Now) -> Result<Said, Error> {
        let said = self.take_inbox_ask(channel, ask, by, now);
        self.dispatch();
        self.counted(channel, said)
    }

    fn take_inbox_ask(&mut self, channel: &str, ask: InboxAsk, by: u16, now: Now) -> Result<Said, Error> {
        // What the inbox goes by saves looking at the name, where it is of the configuration in force.
        let options = self.delivery.options(channel).map_or_else(|| self.policy.inbox_options(channel), Ok)?;
        if options.is_shared && !matches!(ask.word, InboxWord::Send { .. }) {
            return self.take_shared_ask(channel, ask, now);
        }
        let InboxAsk { user, client, device, word } = ask;
        if options.is_durable && word.moves() {
            self.check_reserve()?;
        }
        let whose = Whose { user: &user, device: device_id(&device) };
        let hear = match word {
            InboxWord::Received(place) => {
                let shelf = self.hub.shelf(channel, now).ok_or(ErrorKind::UnrecoverablePosition)?;
                self.delivery.received(channel, whose, client, (&place.epoch, place.offset), shelf, now)?
            }
            InboxWord::Retry { place, delay_ms } => {
                self.delivery.retry(channel, whose, (&place.epoch, place.offset), delay_ms, now)?;
                0
            }
            InboxWord::Read(place) => self.delivery.read(channel, whose, (&place.epoch, place.offset), now)?,
            InboxWord::Positions => {
                return Ok(Said::Now(told(&self.inboxes(channel, now).positions_for(channel, whose)?)));
            }
            InboxWord::Unread => return Ok(Said::Now(told(&self.inboxes(channel, now).unread(channel, &user)?))),
            InboxWord::Background { is_background } => {
                self.delivery.look_away(channel, client, is_background, now)?;
                return Ok(Said::Now(InboxAnswer::Taken(0)));
            }
            InboxWord::Send { id, data, info } => return self.send(channel, (&user, &id), data, info, by, now),
        };
        Ok(if options.is_durable { Said::Kept(hear) } else { Said::Now(InboxAnswer::Taken(hear)) })
    }

    /// Publishes a message of a user once per id.
    fn send(
        &mut self,
        channel: &str,
        (user, id): (&str, &str),
        data: Payload,
        info: Arc<ClientInfo>,
        by: u16,
        now: Now,
    ) -> Result<Said, Error> {
        let options = self.policy.hub_options(channel)?;
        let exclude = options.excludes_publisher.then_some(info.client);
        let message = NewPublication {
            info: Some(info),
            idempotency_key: Some(Hub::client_message_key(user, id)),
            ..NewPublication::new(data)
        };
        Ok(match self.publish(channel, message, options, exclude, by, now)? {
            Outcome::Done(position) => Said::Now(InboxAnswer::Told(sent(&position))),
            Outcome::Later(pending) => Said::Sent(pending),
        })
    }
}
