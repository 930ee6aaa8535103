//! The dead letters of all channels that nodes share: bucket by bucket, a page at a time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::Nodes;
use super::elsewhere::error_of;
use crate::broker::dead_letter;
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::letters::LettersPage;
use crate::delivery::DeadLetter;
use crate::limits::{LETTERS_BUCKETS_AT_ONCE, LETTERS_PAGE_BYTES_MAX, LETTERS_PAGE_MS};
use crate::model::ledger::LetterPlace;
use crate::model::refusal::Error;

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) struct LettersAt {
    /// With this bucket.
    pub(in crate::control) bucket: u16,
    /// Behind this place in it; without one with its first.
    pub(in crate::control) after: Option<LetterPlace>,
}

/// Which letters.
#[derive(Clone, Debug)]
pub(in crate::control) struct Sought {
    /// With a device of this user; empty is anybody.
    pub(in crate::control) user: Box<str>,
    /// Given up for it then or later, Unix milliseconds.
    pub(in crate::control) since_unix_ms: i64,
    /// At most so many.
    pub(in crate::control) limit: usize,
}

/// A page of them.
#[derive(Debug, Default)]
pub(in crate::control) struct SharedLetters {
    /// By bucket, channel and offset.
    pub(in crate::control) letters: Vec<DeadLetter>,
    /// Where the next page begins; `None` where all were looked at.
    pub(in crate::control) next: Option<LettersAt>,
    bytes: usize,
}

impl SharedLetters {
    /// Takes what a bucket has, up to the limit or the bound in bytes: where the list goes on, if it ends there.
    fn take(&mut self, bucket: u16, page: LettersPage, limit: usize) -> Option<LettersAt> {
        for (channel, letter) in page.letters {
            let after = Some(LetterPlace { channel: channel.clone(), offset: letter.body.offset });
            self.bytes += letter.body.body.len();
            self.letters.extend(dead_letter(&channel, letter));
            if self.letters.len() >= limit || self.bytes >= LETTERS_PAGE_BYTES_MAX {
                return Some(LettersAt { bucket, after });
            }
        }
        None
    }
}

impl Nodes {
    /// A page of dead letters. It ends early, and may be empty, where looking for them takes longer than
    /// [`LETTERS_PAGE_MS`].
    ///
    /// # Errors
    /// 100 where Redis cannot be asked.
    pub(in crate::control) async fn letters(&self, at: LettersAt, sought: Sought) -> Result<SharedLetters, Error> {
        let page = self.view.call(move |functions, _| gather(functions, at, sought));
        page.await.map_err(|fault| error_of(&fault))
    }
}

/// Most buckets have none: several are asked at once. What was asked beyond the end of a page is asked again with the next.
async fn gather(functions: Arc<Functions>, mut at: LettersAt, sought: Sought) -> Result<SharedLetters, Fault> {
    let (buckets, until) = (functions.keys().buckets(), Instant::now() + Duration::from_millis(LETTERS_PAGE_MS));
    let mut found = SharedLetters::default();
    'pages: while at.bucket < buckets {
        if Instant::now() >= until {
            found.next = Some(at);
            return Ok(found);
        }
        let end = buckets.min(at.bucket.saturating_add(LETTERS_BUCKETS_AT_ONCE));
        let answers = (at.bucket..end).map(|bucket| {
            let after = at.after.as_ref().filter(|_| bucket == at.bucket);
            functions.letters_of_bucket(bucket, after, (&sought.user, sought.since_unix_ms), sought.limit)
        });
        let answers = join_all(answers).await;
        for (bucket, answer) in (at.bucket..end).zip(answers) {
            let mut page = answer?;
            let next = page.next.take();
            if let Some(end) = found.take(bucket, page, sought.limit) {
                found.next = Some(end);
                return Ok(found);
            }
            if next.is_some() {
                at = LettersAt { bucket, after: next };
                continue 'pages;
            }
        }
        at = LettersAt { bucket: end, after: None };
    }
    Ok(found)
}
