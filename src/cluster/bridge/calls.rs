//! From what homes ask to calls of the Functions, and from their answers back.

use bytes::Bytes;
use tokio::sync::watch;

use super::complaints::Complaints;
use super::metrics::Call;
use super::requests::{Request, Sorted, error_of, of_publish};
use super::{ledgers, presences, schedules};
use crate::broker::bridge::{Answer, Kept, Life, Outgoing, Page, Receipt};
use crate::cluster::redis::bucket::Generation;
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::leases::Leases;
use crate::cluster::redis::streams::{self, Join, Outcome, Part, Publish};
use crate::limits::{REDIS_PAGE_BYTES, REPLY_PUBLICATIONS_MAX};
use crate::model::Keep;
use crate::model::refusal::{Error, ErrorKind};

/// Counts and offsets that buckets know are below this.
const COUNTS_END: u64 = 1 << 48;

/// Asks a bucket for all of this, which goes by one call.
///
/// # Errors
/// What went wrong; after [`Fault::is_open`] it may have been done.
pub(super) async fn call(
    functions: &Functions,
    leases: &watch::Receiver<Option<Leases>>,
    bucket: u16,
    batch: &[Request],
    complaints: &Complaints,
) -> Result<Sorted, Fault> {
    match &batch[0].what {
        Outgoing::Publish(_) | Outgoing::Tell { .. } => say(functions, bucket, batch, complaints).await,
        Outgoing::Join { .. } => join(functions, bucket, batch).await,
        Outgoing::Leave(_) => {
            let channels: Vec<_> = batch.iter().map(Request::channel).collect();
            functions.leave(bucket, &channels).await?;
            Ok(Sorted::default())
        }
        Outgoing::Read { channel, from } => {
            let part = Part {
                from: (*from).min(COUNTS_END - 1),
                count: REPLY_PUBLICATIONS_MAX as u32,
                bytes: REDIS_PAGE_BYTES,
                is_reverse: false,
            };
            let page = functions.read(channel, part).await?;
            Ok(one(batch, Answer::Read(channel.clone(), Ok(page_of(page)))))
        }
        Outgoing::Remove { ticket, channel } => {
            let up_to = functions.remove(bucket, channel).await?;
            Ok(one(batch, Answer::Removed(*ticket, Ok(up_to))))
        }
        Outgoing::Enter(_) | Outgoing::Exit(_) => presences::list(functions, bucket, batch).await,
        Outgoing::Renew(_) => presences::renew(functions, bucket, batch).await,
        Outgoing::Presence { channel, bytes_max } => {
            let list = presences::of_channel(functions, &seen(leases)?, channel, *bytes_max).await?;
            Ok(one(batch, Answer::Presence(channel.clone(), Ok(list))))
        }
        Outgoing::PresenceStats(channel) => {
            let stats = presences::stats(functions, &seen(leases)?, channel).await?;
            Ok(one(batch, Answer::PresenceStats(channel.clone(), Ok(stats))))
        }
        Outgoing::Schedule { .. } => schedules::ask(functions, bucket, &batch[0]).await,
        Outgoing::Ledger { .. } => ledgers::ask(functions, &seen(leases)?, bucket, batch).await,
    }
}

/// All leases, as they were last seen.
fn seen(leases: &watch::Receiver<Option<Leases>>) -> Result<Leases, Fault> {
    leases.borrow().clone().ok_or(Fault::Dead)
}

fn one(batch: &[Request], answer: Answer) -> Sorted {
    Sorted::one(batch[0].shard, answer)
}

/// Messages: fleeting ones alone cost least; beside publications they keep their place among them.
async fn say(functions: &Functions, bucket: u16, batch: &[Request], complaints: &Complaints) -> Result<Sorted, Fault> {
    let mut sorted = Sorted::default();
    let is_fleeting = batch.iter().all(|request| request.call() == Call::Fleeting);
    if is_fleeting {
        let said: Vec<_> = batch.iter().map(|request| (request.channel(), body_of(request))).collect();
        functions.fleeting(bucket, &said).await?;
        let nowhere = Receipt { life: Life::default(), offset: 0 };
        batch.iter().for_each(|request| settle(&mut sorted, request, Ok(nowhere)));
    } else {
        let publications: Vec<_> = batch.iter().map(publication_of).collect();
        let receipts = functions.append(bucket, &publications).await?;
        for (request, receipt) in batch.iter().zip(receipts) {
            let life = receipt.generation.life(receipt.created);
            let settled = match receipt.outcome {
                Outcome::TooMany => {
                    Err(ErrorKind::LimitExceeded.because("limit exceeded: too many messages with an id"))
                }
                Outcome::Foreign(foreign) => {
                    let fault = foreign.fault(functions.keys(), request.channel());
                    complaints.tell("append", &fault);
                    Err(error_of(&fault))
                }
                _ => Ok(Receipt { life, offset: receipt.offset }),
            };
            settle(&mut sorted, request, settled);
        }
    }
    Ok(sorted)
}

fn settle(sorted: &mut Sorted, request: &Request, receipt: Result<Receipt, Error>) {
    let ticket = match &request.what {
        Outgoing::Publish(publish) => Some(publish.ticket),
        Outgoing::Tell { ticket, .. } => *ticket,
        _ => None,
    };
    if let Some(ticket) = ticket {
        sorted.put(request.shard, Answer::Published(ticket, receipt));
    }
}

fn body_of(request: &Request) -> &[u8] {
    match &request.what {
        Outgoing::Publish(publish) => &publish.body,
        Outgoing::Tell { body, .. } => body,
        _ => &[],
    }
}

fn publication_of(request: &Request) -> Publish<'_> {
    match &request.what {
        Outgoing::Publish(publish) => of_publish(publish),
        _ => {
            let (channel, body) = (request.channel(), body_of(request));
            Publish { channel, body, keep: Keep::default(), key: None, sender: None, version: None }
        }
    }
}

async fn join(functions: &Functions, bucket: u16, batch: &[Request]) -> Result<Sorted, Fault> {
    let readers = batch.iter().filter(|request| request.reads()).count() as u32;
    let bytes = REDIS_PAGE_BYTES / readers.max(1);
    let joins = batch.iter().filter_map(|request| match &request.what {
        Outgoing::Join { channel, meta_ttl_ms, is_read, after } => {
            // What a client claims to know may be anything: a bucket does not count so far.
            let known = after.filter(|(life, offset)| life.created < COUNTS_END && *offset < COUNTS_END);
            let after = known.map(|(life, offset)| (Generation::of(life), life.created, offset, bytes));
            Some(Join { channel, meta_ttl_ms: *meta_ttl_ms, is_read: *is_read, after })
        }
        _ => None,
    });
    let joins: Vec<_> = joins.collect();
    let (_, pages) = functions.join(bucket, &joins).await?;
    let mut sorted = Sorted::default();
    for (request, page) in batch.iter().zip(pages) {
        if let Outgoing::Join { channel, .. } = &request.what {
            sorted.put(request.shard, Answer::Joined(channel.clone(), Ok(page_of(page))));
        }
    }
    Ok(sorted)
}

fn page_of(page: streams::Page) -> Page {
    let kept = page.kept.into_iter().map(|kept| kept_of(kept.offset, kept.time_ms, kept.body));
    Page {
        life: page.place.generation.life(page.place.created),
        top: page.place.top,
        now_unix_ms: page.now_ms as i64,
        kept: kept.collect(),
    }
}

/// A message, as a bucket has told it.
pub(super) fn kept_of(offset: u64, time_ms: u64, body: Bytes) -> Kept {
    Kept { offset, time_unix_ms: time_ms as i64, body }
}
