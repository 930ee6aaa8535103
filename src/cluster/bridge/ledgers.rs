//! From what homes ask of ledgers to calls of the Functions, and from their answers back.

use super::requests::{Request, Sorted};
use crate::broker::bridge::{Answer, Outgoing, Ticket};
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::leases::Leases;
use crate::model::ledger::{Attach, DeviceName, LedgerAnswer, LedgerAsk, Note};
use crate::model::refusal::Error;

/// Asks a bucket for all of this, which goes by one call, or by several where it is much.
///
/// # Errors
/// What went wrong; some of it may have been done.
pub(super) async fn ask(
    functions: &Functions,
    leases: &Leases,
    bucket: u16,
    batch: &[Request],
) -> Result<Sorted, Fault> {
    let asks: Vec<_> = batch.iter().filter_map(asked).collect();
    let Some((_, channel, first)) = asks.first() else { return Ok(Sorted::default()) };
    let answer = match first {
        LedgerAsk::Attach(_) => return attach(functions, leases, bucket, batch).await,
        LedgerAsk::Detach(_) => {
            let names: Vec<_> = asks.iter().filter_map(|(_, channel, ask)| Some((*channel, detached(ask)?))).collect();
            functions.ledger_detach(bucket, &names).await?;
            let mut sorted = Sorted::default();
            batch.iter().for_each(|request| settle(&mut sorted, request, Ok(LedgerAnswer::Done)));
            return Ok(sorted);
        }
        LedgerAsk::Note(_) => return note(functions, bucket, batch).await,
        LedgerAsk::Watch(ttl_ms) => Ok(LedgerAnswer::Watched(functions.ledger_watch(bucket, channel, *ttl_ms).await?)),
        LedgerAsk::Add { users, members_max, meta_ttl_ms } => {
            let users = users.iter().map(|(user, begins)| (&**user, *begins));
            let added = functions.ledger_add(bucket, channel, users, *members_max, *meta_ttl_ms).await?;
            added.map(|()| LedgerAnswer::Done)
        }
        LedgerAsk::Remove(users) => {
            functions.ledger_remove(bucket, channel, users.iter().map(|user| &**user)).await?;
            Ok(LedgerAnswer::Done)
        }
        LedgerAsk::Members { after, limit } => {
            Ok(LedgerAnswer::Members(functions.ledger_members(channel, after, *limit, leases).await?))
        }
        LedgerAsk::Member(user) => {
            let member = functions.ledger_member(channel, user, leases).await?;
            Ok(LedgerAnswer::Member(member.map(Box::new)))
        }
        LedgerAsk::Letters(filter) => Ok(LedgerAnswer::Letters(functions.letters(channel, filter).await?)),
        LedgerAsk::Requeue(offset) => {
            Ok(LedgerAnswer::Requeued(functions.letter_requeue(bucket, channel, *offset).await?))
        }
        LedgerAsk::Purge(offset) => Ok(LedgerAnswer::Purged(functions.letters_purge(bucket, channel, *offset).await?)),
    };
    let mut sorted = Sorted::default();
    settle(&mut sorted, &batch[0], answer);
    Ok(sorted)
}

/// Who waits, for what of which channel.
fn asked(request: &Request) -> Option<(Ticket, &str, &LedgerAsk)> {
    match &request.what {
        Outgoing::Ledger { ticket, channel, ask } => Some((*ticket, channel, ask)),
        _ => None,
    }
}

fn attached(ask: &LedgerAsk) -> Option<&Attach> {
    if let LedgerAsk::Attach(attach) = ask { Some(attach) } else { None }
}

fn detached(ask: &LedgerAsk) -> Option<&DeviceName> {
    if let LedgerAsk::Detach(name) = ask { Some(name) } else { None }
}

fn notes_of(request: &Request) -> &[Note] {
    match asked(request) {
        Some((_, _, LedgerAsk::Note(notes))) => notes,
        _ => &[],
    }
}

fn settle(sorted: &mut Sorted, request: &Request, answer: Result<LedgerAnswer, Error>) {
    if let Some((ticket, ..)) = asked(request) {
        sorted.put(request.shard, Answer::Ledger(ticket, answer));
    }
}

async fn attach(functions: &Functions, leases: &Leases, bucket: u16, batch: &[Request]) -> Result<Sorted, Fault> {
    let attaches = batch.iter().filter_map(|request| {
        let (_, channel, ask) = asked(request)?;
        Some((channel, attached(ask)?))
    });
    let attached = functions.ledger_attach(bucket, &attaches.collect::<Vec<_>>(), leases).await?;
    let mut sorted = Sorted::default();
    for (request, attached) in batch.iter().zip(attached) {
        settle(&mut sorted, request, attached.map(LedgerAnswer::Attached));
    }
    Ok(sorted)
}

async fn note(functions: &Functions, bucket: u16, batch: &[Request]) -> Result<Sorted, Fault> {
    let notes = batch.iter().flat_map(|request| notes_of(request).iter().map(move |note| (request.channel(), note)));
    let notes: Vec<_> = notes.collect();
    let mut noted = functions.ledger_note(bucket, &notes).await?.into_iter();
    let mut sorted = Sorted::default();
    for request in batch {
        let noted = noted.by_ref().take(notes_of(request).len()).collect();
        settle(&mut sorted, request, Ok(LedgerAnswer::Noted(noted)));
    }
    Ok(sorted)
}
