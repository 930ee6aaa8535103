//! The home's dealings with the ledgers of channels of at least once that several nodes share: what it asks them and for whom,
//! what is noted there, and what they tell.
//!
//! A node has the rows of the devices that are connected here. What it can decide by them it decides, and has it noted; the rest
//! is the ledger's to decide: what a device says that is not connected here, or of what this node has yet to hear.

use std::sync::Arc;

use super::Home;
use super::commits::Waiter;
use super::hearing::publication;
use super::mirrors::{Tried, Until};
use super::notes::NoteKey;
use super::reach::Wish;
use super::said::{Question, Said, device_id};
use super::wanted::{Awaits, Wanted};
use crate::broker::bridge::{Kept, Outgoing, Ticket};
use crate::broker::letter::InboxAnswer;
use crate::broker::packed::meta_ttl_ms;
use crate::delivery::{InboxOptions, MemberPosition, Whose};
use crate::limits::{
    ASKED_OF_BUCKETS_MAX, DEPARTURES_PER_SWEEP, FOUNDED_PER_BUCKET_MAX, LEDGER_ROWS_TRIED_MAX, MEMBERS_MAX,
    RECEIPTS_WATCH_MS,
};
use crate::model::ledger::{
    Attach, Attached, DeviceName, Enlist, Happened, LedgerAsk, LedgerNews, LetterBody, Note, Noted, Requeued,
};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{ClientId, Life, Publication};
use crate::session::{InboxAsk, InboxWord, Place, Terms};
use crate::time::Now;

impl Home {
    /// Asks a ledger something.
    pub(in crate::broker) fn ask_ledger(&mut self, channel: &Arc<str>, ask: LedgerAsk, wanted: Wanted) {
        let ticket = Ticket(self.ledgers.wanted.insert(wanted) as u64);
        self.mirrors.outgoing.push(Outgoing::Ledger { ticket, channel: channel.clone(), ask: Box::new(ask) });
    }

    /// Whether more may be asked of ledgers.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where too much waits.
    pub(in crate::broker) fn check_ledger_room(&self) -> Result<(), Error> {
        match self.ledgers.waited_for() < ASKED_OF_BUCKETS_MAX && self.ledgers.notes.has_room() {
            true => Ok(()),
            false => Err(ErrorKind::Internal.because("internal server error: too much waits for what the nodes share")),
        }
    }

    /// A ledger has answered: who wanted it.
    ///
    /// # Panics
    /// When nobody did.
    pub(in crate::broker) fn ledger_answered(&mut self, ticket: Ticket) -> Wanted {
        self.ledgers.wanted.remove(ticket.0 as usize)
    }

    /// What is promised to members of a channel that several nodes share, where anything is.
    pub(in crate::broker) fn shared_inbox(&self, channel: &str) -> Option<InboxOptions> {
        self.policy.inbox_options(channel).ok().filter(|options| options.is_shared)
    }

    // ------------------------------------------------------------ subscriptions

    /// Whether a session that subscribes may be a member's, by the channel's ledger.
    pub(in crate::broker) fn asks_ledger(&self, channel: &str, terms: &Terms) -> bool {
        terms.device.is_some() && self.shared_inbox(channel).is_some()
    }

    /// What a session that subscribes has to wait for. `attached` is what the ledger has said of its device, if it was asked:
    /// it does no longer where the stream has begun anew since.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where the bucket cannot be reached.
    pub(in crate::broker) fn awaited_by_subscriber(
        &mut self,
        channel: &Arc<str>,
        terms: &Terms,
        attached: &mut Option<Box<Attached>>,
        tried: &mut Tried,
        now: Now,
    ) -> Result<Awaits, Error> {
        let asks_ledger = self.asks_ledger(channel, terms);
        let wish = match attached.as_deref() {
            Some(Attached { row: Some(row), .. }) => Wish::Arrive(terms, row.floor),
            None if asks_ledger => Wish::Listen(terms),
            _ => Wish::Subscribe(terms),
        };
        if let Some(until) = self.awaited_of_mirror(channel, wish, *tried, now)? {
            return Ok(Awaits::Mirror(until));
        }
        if !asks_ledger {
            return Ok(Awaits::Nothing);
        }
        let key = self.mirrors.find(channel).expect("it was waited for");
        match attached.as_deref() {
            Some(Attached { row: Some(_), life, .. }) if self.mirrors[key].life != Some(*life) => {
                // One of the two has yet to hear that the stream has begun anew.
                *attached = None;
                tried.rows += 1;
                if tried.rows > LEDGER_ROWS_TRIED_MAX {
                    return Err(ErrorKind::Internal.because("internal server error: the stream begins anew"));
                }
                self.join_once_more(key);
                Ok(Awaits::Mirror(Until::CaughtUp))
            }
            None if !self.delivery.is_here(channel, whose_of(terms)) => Ok(Awaits::Row),
            _ => Ok(Awaits::Nothing),
        }
    }

    /// How the row of a session's device is asked for.
    ///
    /// # Errors
    /// As [`Home::check_ledger_room`] and `Policy::inbox_options`.
    pub(in crate::broker) fn attachment(&mut self, channel: &Arc<str>, terms: &Terms) -> Result<LedgerAsk, Error> {
        self.check_ledger_room()?;
        let resolved = self.policy.access.resolve(channel)?;
        let options = self.policy.inbox_options(channel)?;
        let (user, name) = (&terms.info.user, name_of(whose_of(terms)));
        self.ledgers.departures.forget(channel, &name);
        let enlist = match resolved.admits_user(user) {
            true => Enlist::FromBeginning,
            false if options.members_subscribe => Enlist::FromTop,
            false => Enlist::No,
        };
        Ok(LedgerAsk::Attach(Attach {
            name,
            enlist,
            devices_max: options.devices_max as u32,
            device_ttl_ms: options.device_ttl_ms,
            members_max: MEMBERS_MAX as u32,
            founded_max: FOUNDED_PER_BUCKET_MAX,
            meta_ttl_ms: meta_ttl_ms(self.policy.hub_options(channel)?),
        }))
    }

    /// As `Home::admit_device`, by what the ledger has said.
    pub(super) fn admit_attached(
        &mut self,
        channel: &Arc<str>,
        terms: &Terms,
        options: InboxOptions,
        attached: Option<&Attached>,
        now: Now,
    ) -> bool {
        let whose = whose_of(terms);
        let Some(Attached { row, members, .. }) = attached else { return self.delivery.is_here(channel, whose) };
        let (Some(row), Some(shelf)) = (row, self.hub.shelf(channel, now)) else { return false };
        self.delivery.admit_row(channel, whose, (row, *members), options, shelf, now);
        let names = [name_of(whose)];
        for Requeued { letter, attempts } in &row.requeued {
            if let Some(publication) = unpack(channel, letter) {
                self.delivery.hear_requeued(channel, &names, (&publication, *attempts), now);
            }
        }
        true
    }

    /// A session that was given a row does not subscribe after all.
    pub(in crate::broker) fn let_row_go(&mut self, channel: &Arc<str>, terms: &Terms) {
        let whose = whose_of(terms);
        if !self.delivery.let_go(channel, whose) {
            self.ledgers.detach(channel.clone(), name_of(whose), &mut self.mirrors.outgoing);
        }
        self.dispatch();
    }

    /// Nobody knows whether the ledger has taken a device for connected here, whose session does not subscribe.
    pub(in crate::broker) fn doubt_row(&mut self, channel: &Arc<str>, terms: &Terms, now: Now) {
        self.ledgers.departures.keep(channel.clone(), name_of(whose_of(terms)), now);
    }

    /// A ledger was told that a device has left, or could not be.
    pub(in crate::broker) fn left(&mut self, channel: Arc<str>, name: DeviceName, is_told: bool, now: Now) {
        self.ledgers.departures.answered();
        if !is_told {
            self.ledgers.departures.keep(channel, name, now);
        }
    }

    /// Has ledgers told again of devices that have left, and are not back.
    pub(super) fn tell_departures(&mut self, now: Now) {
        for _ in 0..DEPARTURES_PER_SWEEP {
            let Some((channel, name)) = self.ledgers.departures.next(now) else { return };
            if !self.delivery.is_here(&channel, Whose { user: &name.user, device: &name.device }) {
                self.ledgers.detach(channel, name, &mut self.mirrors.outgoing);
            }
        }
    }

    /// How users are told to a ledger who belong to its channel from now on.
    ///
    /// # Errors
    /// As `Policy::inbox_options`.
    pub(in crate::broker) fn addition(&self, channel: &str, users: &[Arc<str>]) -> Result<LedgerAsk, Error> {
        let resolved = self.policy.access.resolve(channel)?;
        Ok(LedgerAsk::Add {
            users: users.iter().map(|user| (user.clone(), resolved.admits_user(user))).collect(),
            members_max: MEMBERS_MAX as u32,
            meta_ttl_ms: meta_ttl_ms(self.policy.hub_options(channel)?),
        })
    }

    /// A session here sends a message to a channel that nodes share: where that is large, it is to be counted who receives and
    /// reads it. The ledger is asked before the message goes.
    pub(super) fn watch_receipts(&mut self, channel: &str, client: ClientId, now: Now) {
        if self.delivery.wants_watch(channel, client, now) {
            let channel = Arc::<str>::from(channel);
            self.ask_ledger(&channel, LedgerAsk::Watch(RECEIPTS_WATCH_MS), Wanted::Watched(channel.clone()));
        }
    }

    // ------------------------------------------------------------ notes

    /// Has what is to be noted sent: the end of a tick, so that one call takes all that has come in it.
    pub(in crate::broker) fn send_notes(&mut self) {
        while let Some((channel, notes)) = self.ledgers.notes.next() {
            self.ask_ledger(&channel, LedgerAsk::Note(notes), Wanted::Notes(channel.clone()));
        }
    }

    /// How many notes wait, or are on their way.
    pub(in crate::broker) fn notes_waiting(&self) -> usize {
        self.ledgers.notes.len()
    }

    /// Whether [`Home::send_notes`] has something to send.
    pub(in crate::broker) fn has_notes(&self) -> bool {
        self.ledgers.notes.is_ready()
    }

    /// A ledger was told notes, or was not: who has waited for it.
    pub(in crate::broker) fn noted(
        &mut self,
        channel: &Arc<str>,
        result: Result<Vec<Noted>, Error>,
        now: Now,
    ) -> Vec<(Waiter, Result<(), Error>)> {
        let outcome = self.ledgers.notes.answered(channel, result, now);
        self.delivery.cut_off(channel, outcome.has_failed);
        let life = self.mirrors.find(channel).and_then(|key| self.mirrors[key].life);
        for (note, noted) in outcome.unkept {
            let DeviceName { user, device } = &note.name;
            match (noted, &note.what) {
                (Noted::NoMember, _) => _ = self.delivery.remove_member(channel, user),
                // Forgotten, or of a life of which this node has yet to hear that it is over: the device comes again.
                (_, Happened::Floor { .. } | Happened::GivenUp(_)) if note.life.is_some() && note.life == life => {
                    self.delivery.interrupt(channel, Whose { user, device });
                }
                _ => {}
            }
        }
        self.dispatch();
        outcome.settled
    }

    /// Somebody waits until that is noted; given back where it is not going to be.
    pub(in crate::broker) fn wait_for_note(&mut self, channel: &str, key: &NoteKey, waiter: Waiter) -> Option<Waiter> {
        self.ledgers.notes.wait(channel, key, waiter)
    }

    // ------------------------------------------------------------ what devices say and ask

    /// As `Home::inbox`, in a channel that several nodes share.
    pub(super) fn take_shared_ask(&mut self, channel: &str, ask: InboxAsk, now: Now) -> Result<Said, Error> {
        self.check_ledger_room()?;
        let InboxAsk { user, client, device, word } = ask;
        let whose = Whose { user: &user, device: device_id(&device) };
        let question = match word {
            InboxWord::Received(place) => return self.received_shared(channel, (whose, client), &place, now),
            InboxWord::Read(place) => return self.read_shared(channel, whose, &place, now),
            InboxWord::Retry { place, delay_ms } => {
                if !self.delivery.is_here(channel, whose) {
                    let why = "not available: the device is not subscribed to the channel";
                    return Err(ErrorKind::NotAvailable.because(why));
                }
                self.delivery.retry(channel, whose, (&place.epoch, place.offset), delay_ms, now)?;
                return Ok(Said::Now(InboxAnswer::Taken(0)));
            }
            InboxWord::Unread => Question::Unread,
            InboxWord::Positions => Question::Positions(whose.device.into()),
            InboxWord::Background { is_background } => {
                let life = self.hub.shelf(channel, now).and_then(|shelf| {
                    self.delivery.agree(channel, shelf);
                    Life::parse(shelf.epoch())
                });
                self.delivery.look_away(channel, client, is_background, now)?;
                self.dispatch();
                return Ok(Said::Noted(channel.into(), NoteKey::floor(life, name_of(whose)), 0));
            }
            InboxWord::Send { .. } => unreachable!("it is published"),
        };
        Ok(Said::Asked(channel.into(), user, question))
    }

    fn received_shared(
        &mut self,
        channel: &str,
        (whose, client): (Whose<'_>, ClientId),
        place: &Place,
        now: Now,
    ) -> Result<Said, Error> {
        let decides = self.decides(channel, whose, place);
        let (true, Some(shelf)) = (decides, self.hub.shelf(channel, now)) else {
            let floor = place.offset;
            let (is_noticed, is_background) = self.delivery.look_of(channel, whose);
            let noticed = if is_noticed { floor } else { 0 };
            let what = Happened::Floor { floor, received: floor, noticed, failed: 0, has_lost: false, is_background };
            return self.note_directly(channel, name_of(whose), place, what);
        };
        let life = Life::parse(shelf.epoch());
        let hear = self.delivery.received(channel, whose, client, (&place.epoch, place.offset), shelf, now)?;
        self.dispatch();
        Ok(Said::Noted(channel.into(), NoteKey::floor(life, name_of(whose)), hear))
    }

    fn read_shared(&mut self, channel: &str, whose: Whose<'_>, place: &Place, now: Now) -> Result<Said, Error> {
        let decides = self.decides(channel, whose, place);
        let (true, Some(shelf)) = (decides, self.hub.shelf(channel, now)) else {
            // A read position is the user's, whichever device says it.
            let name = DeviceName { user: whose.user.clone(), device: Box::default() };
            return self.note_directly(channel, name, place, Happened::Read(place.offset));
        };
        let life = Life::parse(shelf.epoch());
        self.delivery.agree(channel, shelf);
        let hear = self.delivery.read(channel, whose, (&place.epoch, place.offset), now)?;
        self.dispatch();
        Ok(Said::Noted(channel.into(), NoteKey::read(life, whose.user), hear))
    }

    /// Whether this node knows enough to say what becomes of what a device says of a place.
    fn decides(&self, channel: &str, whose: Whose<'_>, place: &Place) -> bool {
        let is_known =
            |(epoch, top): (&Arc<str>, u64)| (place.epoch.is_empty() || *place.epoch == **epoch) && place.offset <= top;
        self.delivery.is_here(channel, whose) && self.hub.mirror(channel).is_some_and(|at| is_known((at.epoch, at.top)))
    }

    fn note_directly(&mut self, channel: &str, name: DeviceName, place: &Place, what: Happened) -> Result<Said, Error> {
        let life = match place.epoch.is_empty() {
            true => None,
            false => Some(Life::parse(&place.epoch).ok_or(ErrorKind::UnrecoverablePosition)?),
        };
        let note = Note { life, name, what };
        let (channel, key) = (Arc::from(channel), NoteKey::of(&note));
        self.ledgers.notes.push(&channel, note);
        Ok(Said::Noted(channel, key, 0))
    }

    // ------------------------------------------------------------ what ledgers tell

    /// A ledger tells who listens to its channel something.
    pub(in crate::broker) fn ledger_told(&mut self, channel: &str, life: Life, news: LedgerNews, now: Now) {
        match news {
            LedgerNews::Gone { user } => _ = self.delivery.remove_member(channel, &user),
            LedgerNews::Members(members) => self.delivery.count_members(channel, members),
            LedgerNews::Purged(offset) => self.delivery.hear_purged(channel, offset),
            news if self.mirrors.find(channel).is_some_and(|key| self.mirrors[key].life == Some(life)) => {
                self.hear_news(channel, news, now);
            }
            // Of a life that is over, or that this node has yet to hear of: whose devices then come again.
            _ => {}
        }
        self.dispatch();
    }

    fn hear_news(&mut self, channel: &str, news: LedgerNews, now: Now) {
        match news {
            LedgerNews::Moved { user, received, read } => {
                self.delivery.hear_positions(channel, MemberPosition { user, received, read }, now);
            }
            LedgerNews::Floor { name: DeviceName { user, device }, floor } => {
                if let Some(shelf) = self.hub.shelf(channel, now) {
                    self.delivery.hear_floor(channel, Whose { user: &user, device: &device }, floor, shelf, now);
                }
            }
            LedgerNews::Requeued { letter, names } => {
                if let Some(publication) = unpack(channel, &letter) {
                    self.delivery.hear_requeued(channel, &names, (&publication, 0), now);
                }
            }
            LedgerNews::Counted { user, is_read, from, to } => {
                self.delivery.hear_counted(channel, &user, is_read, (from, to), now);
            }
            LedgerNews::Gone { .. } | LedgerNews::Members(_) | LedgerNews::Purged(_) => {}
        }
    }
}

fn whose_of(terms: &Terms) -> Whose<'_> {
    Whose { user: &terms.info.user, device: device_id(&terms.device) }
}

fn name_of(whose: Whose<'_>) -> DeviceName {
    DeviceName { user: whose.user.clone(), device: whose.device.into() }
}

/// A publication that a letter keeps, if it can be read.
pub(in crate::broker) fn unpack(channel: &str, letter: &LetterBody) -> Option<Arc<Publication>> {
    let LetterBody { offset, time_unix_ms, body } = letter.clone();
    let taken = publication(channel, Kept { offset, time_unix_ms, body })?;
    Some(taken.publication)
}
