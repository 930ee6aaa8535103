//! Who waits for what ledgers say, and what is to be noted in them.

use std::sync::Arc;

use slab::Slab;

use super::departures::Departures;
use super::mirrors::{Tried, Until};
use super::notes::Notes;
use crate::broker::body::Told;
use crate::broker::bridge::{Outgoing, Ticket};
use crate::broker::letter::Asker;
use crate::broker::order::Responder;
use crate::delivery::{Change, DeadLetter, MemberDevices, Positions, Unread};
use crate::model::ledger::{DeviceName, LedgerAsk, LetterBody};
use crate::model::{Position, Publication};
use crate::session::Terms;

/// Who wants what of a ledger.
#[derive(Debug)]
pub(in crate::broker) enum Wanted {
    /// A session of this shard subscribes on these terms, and wants the row of its device.
    Row(u16, Asker, Arc<str>, Box<Terms>, Tried),
    /// Notes of this channel.
    Notes(Arc<str>),
    /// A backend wants a page of members.
    Members(Responder<Positions>),
    /// A backend wants to know how far a member is, with each device.
    Devices(Responder<MemberDevices>),
    /// A backend wants to know what a member has not read.
    Unread(Responder<Unread>),
    /// A session of this shard wants to know what its user has not read.
    OwnUnread(u16, Asker),
    /// A session of this shard, on this device, wants to know how far members are: of a small channel all.
    OwnPositions(u16, Asker, Arc<str>, DeviceName),
    /// The same, where the channel is small.
    AllPositions(u16, Asker),
    /// A backend changes members: of these the first have been told, and so many.
    Change(MemberChange),
    /// A backend wants dead letters of this channel.
    Letters(Arc<str>, Responder<Vec<DeadLetter>>),
    /// A backend requeues the dead letter of this channel at this offset.
    Requeue(Arc<str>, u64, Responder<Position>),
    /// A backend, if one waits, purges dead letters.
    Purge(Option<Responder<usize>>),
    /// Positions that move in this channel are to be told of. Nobody waits.
    Watched(Arc<str>),
    /// A device has left this channel. Nobody waits.
    Left(Arc<str>, DeviceName),
}

/// Users that a backend adds to a channel, or removes.
#[derive(Debug)]
pub(in crate::broker) struct MemberChange {
    /// Which channel.
    pub(in crate::broker) channel: Arc<str>,
    /// Who.
    pub(in crate::broker) users: Vec<Arc<str>>,
    /// So many of them were told to the ledger.
    pub(in crate::broker) told: usize,
    /// Whether they belong to it from now on.
    pub(in crate::broker) belong: bool,
    /// Who waits.
    pub(in crate::broker) answer: Responder<()>,
}

/// What a session that subscribes has to wait for.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::broker) enum Awaits {
    /// Nothing.
    Nothing,
    /// Something of the mirror.
    Mirror(Until),
    /// The row of its device.
    Row,
}

/// What a home asks of ledgers.
#[derive(Debug, Default)]
pub(in crate::broker) struct Ledgers {
    pub(super) wanted: Slab<Wanted>,
    pub(super) notes: Notes,
    pub(super) departures: Departures,
}

impl Ledgers {
    /// Whether somebody waits for a ledger.
    pub(in crate::broker) fn are_awaited(&self) -> bool {
        self.waited_for() > 0 || self.notes.is_ready()
    }

    /// How much somebody waits for.
    pub(super) fn waited_for(&self) -> usize {
        self.wanted.len() - self.departures.sent()
    }

    /// A device has left a channel: its ledger is told.
    pub(super) fn detach(&mut self, channel: Arc<str>, name: DeviceName, outgoing: &mut Vec<Outgoing>) {
        self.departures.send();
        let ticket = Ticket(self.wanted.insert(Wanted::Left(channel.clone(), name.clone())) as u64);
        outgoing.push(Outgoing::Ledger { ticket, channel, ask: Box::new(LedgerAsk::Detach(name)) });
    }

    /// A change of a device or a position that a ledger keeps.
    pub(super) fn take_change(&mut self, change: &Change, outgoing: &mut Vec<Outgoing>) {
        if let Some(name) = change.detached() {
            self.detach(change.channel.clone(), name, outgoing);
        } else if let Some(note) = change.note(pack) {
            self.notes.push(&change.channel, note);
        }
    }
}

/// A publication as a letter keeps it.
fn pack(publication: &Publication) -> LetterBody {
    let Publication { offset, data, info, tags, time_unix_ms } = publication.clone();
    let body = Told::Publication { data, info, tags, exclude: None, ttl_ms: None }.pack();
    LetterBody { offset, time_unix_ms, body }
}
