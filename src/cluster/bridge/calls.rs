//! From what homes ask to calls of the Functions, and from their answers back.

use bytes::Bytes;

use super::metrics::Call;
use crate::broker::bridge::{Answer, Kept, Life, Outgoing, Page, Receipt};
use crate::cluster::redis::bucket::Generation;
use crate::cluster::redis::fault::{Fault, Remedy};
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::streams::{self, Join, Part, Publish};
use crate::limits::{REDIS_PAGE_BYTES, REPLY_PUBLICATIONS_MAX};
use crate::model::Keep;
use crate::model::refusal::{Error, ErrorKind};
use crate::shard::bridge::BridgeEnd;

/// What a message counts besides its bytes: the request and its options.
const ENTRY_BYTES: usize = 256;

/// Counts and offsets that buckets know are below this.
const COUNTS_END: u64 = 1 << 48;

/// What a shard has asked.
#[derive(Debug)]
pub(super) struct Request {
    /// Which shard.
    pub(super) shard: u16,
    /// What.
    pub(super) what: Outgoing,
}

impl Request {
    pub(super) fn channel(&self) -> &str {
        match &self.what {
            Outgoing::Publish(publish) => &publish.channel,
            Outgoing::Leave(channel)
            | Outgoing::Tell { channel, .. }
            | Outgoing::Join { channel, .. }
            | Outgoing::Read { channel, .. }
            | Outgoing::Remove { channel, .. } => channel,
        }
    }

    /// What a message counts in bytes; nothing else counts.
    pub(super) fn weight(&self) -> usize {
        match &self.what {
            Outgoing::Publish(publish) => ENTRY_BYTES + publish.channel.len() + publish.body.len(),
            Outgoing::Tell { channel, body, .. } => ENTRY_BYTES + channel.len() + body.len(),
            _ => 0,
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
        }
    }

    /// Whether another may go by the same call, after it.
    pub(super) fn goes_with(&self, next: &Self) -> bool {
        match (self.call(), next.call()) {
            (Call::Append | Call::Fleeting, Call::Append | Call::Fleeting) => true,
            (Call::Join, Call::Join) | (Call::Leave, Call::Leave) => true,
            // One alone.
            _ => std::ptr::eq(self, next),
        }
    }

    /// Whether its answer has publications.
    pub(super) fn reads(&self) -> bool {
        matches!(&self.what, Outgoing::Read { .. } | Outgoing::Join { after: Some(_), .. })
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
            Outgoing::Leave(_) => None,
        }
    }
}

/// What homes are told of a fault. The log has it whole.
fn error_of(fault: &Fault) -> Error {
    ErrorKind::Internal.because(match fault.remedy() {
        Remedy::Refuse => "internal server error: Redis takes nothing more for now",
        Remedy::Die => "internal server error: the node has lost its lease",
        _ => "internal server error: Redis has not answered",
    })
}

/// Answers by shard.
#[derive(Debug, Default)]
pub(super) struct Sorted(Vec<(u16, Vec<Answer>)>);

impl Sorted {
    fn put(&mut self, shard: u16, answer: Answer) {
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

/// Asks a bucket for all of this, which goes by one call.
///
/// # Errors
/// What went wrong; after [`Fault::is_open`] it may have been done.
pub(super) async fn call(functions: &Functions, bucket: u16, batch: &[Request]) -> Result<Sorted, Fault> {
    match &batch[0].what {
        Outgoing::Publish(_) | Outgoing::Tell { .. } => say(functions, bucket, batch).await,
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
    }
}

fn one(batch: &[Request], answer: Answer) -> Sorted {
    Sorted(vec![(batch[0].shard, vec![answer])])
}

/// Messages: fleeting ones alone cost least; beside publications they keep their place among them.
async fn say(functions: &Functions, bucket: u16, batch: &[Request]) -> Result<Sorted, Fault> {
    let mut sorted = Sorted::default();
    let is_fleeting = batch.iter().all(|request| request.call() == Call::Fleeting);
    if is_fleeting {
        let said: Vec<_> = batch.iter().map(|request| (request.channel(), body_of(request))).collect();
        functions.fleeting(bucket, &said).await?;
        let nowhere = Receipt { life: Life::default(), offset: 0 };
        batch.iter().for_each(|request| settle(&mut sorted, request, nowhere));
    } else {
        let publications: Vec<_> = batch.iter().map(publication_of).collect();
        let receipts = functions.append(bucket, &publications).await?;
        for (request, receipt) in batch.iter().zip(receipts) {
            let life = life_of(receipt.generation, receipt.created);
            settle(&mut sorted, request, Receipt { life, offset: receipt.offset });
        }
    }
    Ok(sorted)
}

fn settle(sorted: &mut Sorted, request: &Request, receipt: Receipt) {
    let ticket = match &request.what {
        Outgoing::Publish(publish) => Some(publish.ticket),
        Outgoing::Tell { ticket, .. } => *ticket,
        _ => None,
    };
    if let Some(ticket) = ticket {
        sorted.put(request.shard, Answer::Published(ticket, Ok(receipt)));
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
    let (channel, body) = (request.channel(), body_of(request));
    let Outgoing::Publish(publish) = &request.what else {
        return Publish { channel, body, keep: Keep::default(), key: None, version: None };
    };
    let key = publish.key.as_ref().map(|(key, window_ms)| (&**key, *window_ms));
    let version = publish.version.as_ref().map(|version| (version.number, &*version.epoch));
    Publish { channel, body, keep: publish.keep, key, version }
}

async fn join(functions: &Functions, bucket: u16, batch: &[Request]) -> Result<Sorted, Fault> {
    let readers = batch.iter().filter(|request| request.reads()).count() as u32;
    let bytes = REDIS_PAGE_BYTES / readers.max(1);
    let joins = batch.iter().filter_map(|request| match &request.what {
        Outgoing::Join { channel, meta_ttl_ms, after } => {
            // What a client claims to know may be anything: a bucket does not count so far.
            let known = after.filter(|(life, offset)| life.created < COUNTS_END && *offset < COUNTS_END);
            let after = known.map(|(life, offset)| (generation_of(life), life.created, offset, bytes));
            Some(Join { channel, meta_ttl_ms: *meta_ttl_ms, after })
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

/// The life of a stream; that of no stream where nothing is kept.
pub(super) fn life_of(generation: Generation, created: u64) -> Life {
    match created {
        0 => Life::default(),
        _ => Life { generation: u64::from_be_bytes(generation.0), created },
    }
}

fn generation_of(life: Life) -> Generation {
    Generation(life.generation.to_be_bytes())
}

fn page_of(page: streams::Page) -> Page {
    let kept = page.kept.into_iter().map(|kept| kept_of(kept.offset, kept.time_ms, kept.body));
    Page { life: life_of(page.place.generation, page.place.created), top: page.place.top, kept: kept.collect() }
}

/// A message, as a bucket has told it.
pub(super) fn kept_of(offset: u64, time_ms: u64, body: Bytes) -> Kept {
    Kept { offset, time_unix_ms: time_ms as i64, body }
}
