//! What shards have asked of buckets, and the answers by shard.

use std::time::Instant;

use super::metrics::Call;
use crate::broker::bridge::{self, Answer, Outgoing, ScheduleAsk};
use crate::cluster::redis::fault::{Fault, Remedy};
use crate::cluster::redis::streams::Publish;
use crate::model::ledger::{Happened, LedgerAsk, Note};
use crate::model::refusal::{Error, ErrorKind};
use crate::shard::bridge::BridgeEnd;

/// What a message counts besides its bytes: the request and its options.
const ENTRY_BYTES: usize = 256;

/// What a note, a user or a device counts besides its bytes.
const NAME_BYTES: usize = 64;

/// What a shard has asked.
#[derive(Debug)]
pub(super) struct Request {
    /// Which shard.
    pub(super) shard: u16,
    /// What.
    pub(super) what: Outgoing,
    /// When.
    pub(super) since: Instant,
}

impl Request {
    pub(super) fn channel(&self) -> &str {
        match &self.what {
            Outgoing::Publish(publish) => &publish.channel,
            Outgoing::Enter(presence) | Outgoing::Exit(presence) => &presence.channel,
            Outgoing::Leave(channel)
            | Outgoing::Renew(channel)
            | Outgoing::PresenceStats(channel)
            | Outgoing::Presence { channel, .. }
            | Outgoing::Tell { channel, .. }
            | Outgoing::Join { channel, .. }
            | Outgoing::Read { channel, .. }
            | Outgoing::Remove { channel, .. }
            | Outgoing::Ledger { channel, .. }
            | Outgoing::Schedule { channel, .. } => channel,
        }
    }

    /// What a message, or what is asked of a ledger, or is to come, counts in bytes; nothing else counts.
    pub(super) fn weight(&self) -> usize {
        match &self.what {
            Outgoing::Publish(publish) => ENTRY_BYTES + publish.channel.len() + publish.body.len(),
            Outgoing::Tell { channel, body, .. } => ENTRY_BYTES + channel.len() + body.len(),
            Outgoing::Enter(presence) | Outgoing::Exit(presence) => {
                ENTRY_BYTES + presence.channel.len() + presence.info.weight()
            }
            Outgoing::Ledger { ask, .. } => ledger_weight(ask),
            Outgoing::Schedule { channel, ask, .. } => match &**ask {
                ScheduleAsk::Add(_, publish) => ENTRY_BYTES + channel.len() + publish.body.len(),
                _ => ENTRY_BYTES,
            },
            _ => 0,
        }
    }

    /// How many entries it has, of which a call takes so many.
    pub(super) fn entries(&self) -> usize {
        match &self.what {
            Outgoing::Ledger { ask, .. } => ledger_entries(ask),
            _ => 1,
        }
    }

    /// By which call it goes where it goes alone.
    pub(super) fn call(&self) -> Call {
        match &self.what {
            Outgoing::Publish(_) => Call::Append,
            Outgoing::Tell { .. } => Call::Fleeting,
            Outgoing::Join { .. } => Call::Join,
            Outgoing::Read { .. } => Call::Read,
            Outgoing::Leave(_) => Call::Leave,
            Outgoing::Remove { .. } => Call::Remove,
            Outgoing::Enter(_) => Call::Enter,
            Outgoing::Exit(_) => Call::Exit,
            Outgoing::Renew(_) => Call::Renew,
            Outgoing::Presence { .. } => Call::Presence,
            Outgoing::PresenceStats(_) => Call::PresenceStats,
            Outgoing::Ledger { ask, .. } => call_of(ask),
            Outgoing::Schedule { ask, .. } => match &**ask {
                ScheduleAsk::Add(..) => Call::Schedule,
                ScheduleAsk::Cancel(_) => Call::Unschedule,
                ScheduleAsk::List(_) => Call::Scheduled,
            },
        }
    }

    /// Whether another may go by the same call, after it.
    pub(super) fn goes_with(&self, next: &Self) -> bool {
        match (self.call(), next.call()) {
            (Call::Append | Call::Fleeting, Call::Append | Call::Fleeting) => true,
            (Call::Join, Call::Join) | (Call::Leave, Call::Leave) => true,
            (Call::Enter, Call::Enter) | (Call::Exit, Call::Exit) | (Call::Renew, Call::Renew) => true,
            (Call::Attach, Call::Attach) | (Call::Detach, Call::Detach) | (Call::Note, Call::Note) => true,
            // One alone.
            _ => std::ptr::eq(self, next),
        }
    }

    /// Whether its answer has publications, or a list.
    pub(super) fn reads(&self) -> bool {
        matches!(&self.what, Outgoing::Read { .. } | Outgoing::Join { after: Some(_), .. })
            || matches!(self.call(), Call::Letters | Call::Scheduled | Call::Presence)
    }

    /// Its answer where it was not done, or where nobody knows; none where nobody waits for one.
    fn refused(self, error: &Error) -> Option<Answer> {
        let error = || error.clone();
        match self.what {
            Outgoing::Publish(publish) => Some(Answer::Published(publish.ticket, Err(error()))),
            Outgoing::Tell { ticket, .. } => ticket.map(|ticket| Answer::Published(ticket, Err(error()))),
            Outgoing::Join { channel, .. } => Some(Answer::Joined(channel, Err(error()))),
            Outgoing::Read { channel, .. } => Some(Answer::Read(channel, Err(error()))),
            Outgoing::Remove { ticket, .. } => Some(Answer::Removed(ticket, Err(error()))),
            Outgoing::Enter(presence) | Outgoing::Exit(presence) => {
                Some(Answer::Listed(presence.channel, presence.info.client, Err(error())))
            }
            Outgoing::Renew(channel) => Some(Answer::Renewed(channel, Err(error()))),
            Outgoing::Presence { channel, .. } => Some(Answer::Presence(channel, Err(error()))),
            Outgoing::PresenceStats(channel) => Some(Answer::PresenceStats(channel, Err(error()))),
            Outgoing::Schedule { ticket, .. } => Some(Answer::Schedule(ticket, Err(error()))),
            Outgoing::Ledger { ticket, .. } => Some(Answer::Ledger(ticket, Err(error()))),
            Outgoing::Leave(_) => None,
        }
    }
}

/// What homes are told of a fault. The log has it whole.
pub(super) fn error_of(fault: &Fault) -> Error {
    if matches!(fault, Fault::Foreign(_)) {
        return ErrorKind::Broken.because("internal server error: something in Redis is not Ringpost's");
    }
    ErrorKind::Internal.because(match fault.remedy() {
        _ if *fault == Fault::Uncopied => "internal server error: too few replicas of Redis have it; it is published",
        Remedy::Refuse => "internal server error: Redis takes nothing more for now",
        Remedy::Die => "internal server error: the node has lost its lease",
        _ => "internal server error: Redis has not answered",
    })
}

/// Answers by shard.
#[derive(Debug, Default)]
pub(super) struct Sorted(Vec<(u16, Vec<Answer>)>);

impl Sorted {
    /// One answer.
    pub(super) fn one(shard: u16, answer: Answer) -> Self {
        Self(vec![(shard, vec![answer])])
    }

    pub(super) fn put(&mut self, shard: u16, answer: Answer) {
        match self.0.iter_mut().find(|(of, _)| *of == shard) {
            Some((_, answers)) => answers.push(answer),
            None => self.0.push((shard, vec![answer])),
        }
    }

    /// All of these have failed so.
    pub(super) fn refused(requests: impl IntoIterator<Item = Request>, fault: &Fault) -> Self {
        let (mut sorted, error) = (Self::default(), error_of(fault));
        for request in requests {
            let shard = request.shard;
            if let Some(answer) = request.refused(&error) {
                sorted.put(shard, answer);
            }
        }
        sorted
    }

    /// Gives them to their shards.
    pub(super) fn give(self, ends: &[BridgeEnd]) {
        for (shard, answers) in self.0 {
            ends[usize::from(shard)].answer(answers);
        }
    }
}

/// A publication, as the Functions take it.
pub(super) fn of_publish(publish: &bridge::Publish) -> Publish<'_> {
    let key = publish.key.as_ref().map(|(key, window_ms)| (&**key, *window_ms));
    let version = publish.version.as_ref().map(|version| (version.number, &*version.epoch));
    let (channel, body, keep) = (&*publish.channel, &publish.body[..], publish.keep);
    Publish { channel, body, keep, key, sender: publish.sender.as_deref(), version }
}

/// By which call something of a ledger goes.
fn call_of(ask: &LedgerAsk) -> Call {
    match ask {
        LedgerAsk::Attach(_) => Call::Attach,
        LedgerAsk::Detach(_) => Call::Detach,
        LedgerAsk::Note(_) => Call::Note,
        LedgerAsk::Watch(_) => Call::Watch,
        LedgerAsk::Add { .. } => Call::Add,
        LedgerAsk::Remove(_) => Call::RemoveMembers,
        LedgerAsk::Members { .. } => Call::Members,
        LedgerAsk::Member(_) => Call::Member,
        LedgerAsk::Letters(_) => Call::Letters,
        LedgerAsk::Requeue(_) => Call::Requeue,
        LedgerAsk::Purge(_) => Call::Purge,
    }
}

/// What it counts in bytes while it waits. Who leaves is let go, however much waits.
fn ledger_weight(ask: &LedgerAsk) -> usize {
    match ask {
        LedgerAsk::Detach(_) => 0,
        LedgerAsk::Note(notes) => notes.iter().map(note_weight).sum(),
        LedgerAsk::Add { users, .. } => users.iter().map(|(user, _)| NAME_BYTES + user.len()).sum(),
        LedgerAsk::Remove(users) => users.iter().map(|user| NAME_BYTES + user.len()).sum(),
        _ => ENTRY_BYTES,
    }
}

fn note_weight(note: &Note) -> usize {
    let body = match &note.what {
        Happened::GivenUp(given_up) => given_up.letter.body.len(),
        _ => 0,
    };
    2 * NAME_BYTES + note.name.user.len() + note.name.device.len() + body
}

/// How many entries it has, each of which takes some microseconds of Redis.
fn ledger_entries(ask: &LedgerAsk) -> usize {
    match ask {
        LedgerAsk::Note(notes) => notes.len(),
        _ => 1,
    }
}
