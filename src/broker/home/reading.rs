//! What lies before a mirror, read from its bucket part by part until it meets what the mirror keeps.

use std::sync::Arc;

use super::hearing::{Answered, publication};
use super::mirrors::{Asking, Reading, Ready, Taken, Until, Waiting};
use super::{API_LIMIT, Home, stream_bytes_max};
use crate::broker::bridge::{Outgoing, Page};
use crate::hub::{HubOptions, Limit};
use crate::limits::MIRROR_READ_BYTES_MAX;
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{HistoryFilter, HistoryPage, Position, Publication, TagsFilter};
use crate::time::Now;

/// How far a read has come.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// All is there that can be had.
    Whole,
    /// The next part lies from this offset on.
    Next(u64),
    /// It is more than is read at once.
    TooMuch,
}

impl Home {
    /// A read was answered.
    pub(in crate::broker) fn read_answered(
        &mut self,
        channel: &str,
        result: Result<Page, Error>,
        now: Now,
    ) -> Answered {
        let Some(key) = self.mirrors.find(channel) else { return Vec::new() };
        let Some(mut reading) = self.mirrors[key].reading.take() else { return Vec::new() };
        let at = self.hub.mirror(channel).map(|at| (at.first, at.top, at.epoch.clone()));
        let options = self.policy.hub_options(channel).ok();
        let page = match result {
            Ok(page) if self.mirrors[key].life == Some(page.life) && !reading.is_stale => page,
            // The mirror has begun anew: whoever waits looks again.
            Ok(_) if reading.is_stale => return self.answer_readers(key, |_| Ready::Again),
            Ok(_) => return self.read_after_join(key, now),
            Err(error) => return self.answer_readers(key, |_| Ready::Refused(error.clone())),
        };
        let (Some((first, top, epoch)), Some(options)) = (at, options) else {
            return self.answer_readers(key, |_| Ready::Again);
        };
        let from = reading.from;
        match take_part(&mut reading, channel, page, (first, self.read_bytes_max(key))) {
            Progress::Next(from) => {
                let channel = self.mirrors[key].channel.clone();
                self.mirrors[key].reading = Some(reading);
                self.mirrors.outgoing.push(Outgoing::Read { channel, from });
                Vec::new()
            }
            Progress::Whole => {
                let mirror = &mut self.mirrors[key];
                mirror.known_from = mirror.known_from.min(from);
                self.prepend(channel, reading.older.into_iter().rev(), options, now);
                let mut answered = self.answer_readers(key, |_| Ready::Again);
                for (waiting, _) in &mut answered {
                    waiting.tried.read |= matches!(waiting.until, Until::Read(wanted) if wanted >= from);
                }
                answered
            }
            Progress::TooMuch => {
                let lives = |taken: &&Taken| {
                    let lifetime = self.mirrors.lifetime(&taken.publication, taken.ttl_ms, now);
                    lifetime.is_none_or(|lifetime| lifetime.left_ms > 0)
                };
                let older: Vec<_> = reading.older.iter().filter(lives).map(|taken| taken.publication.clone()).collect();
                self.answer_with_part(key, &older, Position { offset: top, epoch })
            }
        }
    }

    /// The stream has ended, or begun anew, which the mirror has yet to hear: whoever waits looks again when it has joined.
    fn read_after_join(&mut self, key: usize, now: Now) -> Answered {
        for waiting in self.mirrors.ready(key, Until::is_read) {
            self.mirrors.wait(key, Waiting { until: Until::Joined, ..waiting });
        }
        self.doubt(key, now);
        Vec::new()
    }

    /// How many bytes are read at once. What a device of a member has yet to receive is read as far as it can be kept.
    fn read_bytes_max(&self, key: usize) -> usize {
        let is_members = |asking: &Asking| matches!(asking, Asking::Subscriber(.., Some(_)));
        match self.mirrors[key].waiting.iter().any(|waiting| waiting.until.is_read() && is_members(&waiting.asking)) {
            true => stream_bytes_max(&self.policy, self.shards).max(MIRROR_READ_BYTES_MAX),
            false => MIRROR_READ_BYTES_MAX,
        }
    }

    fn answer_readers(&mut self, key: usize, ready: impl Fn(&Asking) -> Ready) -> Answered {
        let waiting = self.mirrors.ready(key, Until::is_read);
        let answer = |waiting: Waiting| {
            let ready = ready(&waiting.asking);
            (waiting, ready)
        };
        waiting.into_iter().map(answer).collect()
    }

    /// There is too much between what was read and what the mirror keeps: a page from there, for who goes forward; nobody can be
    /// given all that was missed.
    fn answer_with_part(&mut self, key: usize, older: &[Arc<Publication>], position: Position) -> Answered {
        let client_limit = self.limit(usize::MAX);
        let mut answered = self.answer_readers(key, |asking| {
            let page = match asking {
                Asking::Reader(_, _, ask) => {
                    let limit = Limit { publications: ask.max, ..client_limit };
                    page_of(&ask.part, older, limit, ask.tags.as_deref())
                }
                Asking::Backend(filter, _) => page_of(filter, older, API_LIMIT, None),
                Asking::Subscriber(..) => return Ready::Again,
            };
            match page {
                Ok(publications) => Ready::Page(HistoryPage { publications, position: position.clone() }),
                Err(error) => Ready::Refused(error),
            }
        });
        answered.iter_mut().for_each(|(waiting, _)| waiting.tried.read = true);
        answered
    }

    /// Puts publications before those that a mirror keeps, the newest first.
    pub(super) fn prepend(
        &mut self,
        channel: &str,
        newest_first: impl Iterator<Item = Taken>,
        options: HubOptions,
        now: Now,
    ) {
        let Self { hub, mirrors, .. } = self;
        let removed = mirrors.find(channel).map_or(0, |key| mirrors[key].removed);
        let aged = newest_first.take_while(|older| older.publication.offset > removed).map(|older| {
            let Taken { publication, ttl_ms, .. } = older;
            let left_ms = options.history_ttl_ms.saturating_sub(mirrors.age_ms(publication.time_unix_ms, now));
            let lifetime = mirrors.lifetime(&publication, ttl_ms, now);
            (publication, left_ms, lifetime)
        });
        hub.mirror_prepend(channel, aged, options, now);
    }
}

/// Takes a part of what lies before `first`, where all together may have so many bytes.
fn take_part(reading: &mut Reading, channel: &str, page: Page, (first, bytes_max): (u64, usize)) -> Progress {
    let Some(last) = page.kept.last().map(|kept| kept.offset) else { return Progress::Whole };
    for kept in page.kept.into_iter().take_while(|kept| kept.offset < first) {
        let follows = reading.older.last().is_none_or(|older| older.publication.offset + 1 == kept.offset);
        let older = publication(channel, kept);
        if !follows || older.is_none() {
            // What lies before has gone meanwhile, or is of no use without what follows.
            reading.older.clear();
        }
        if let Some(older) = older {
            reading.bytes += older.publication.weight();
            reading.older.push(older);
        }
    }
    match last + 1 {
        next if next >= first => Progress::Whole,
        _ if reading.bytes > bytes_max => Progress::TooMuch,
        next => Progress::Next(next),
    }
}

/// What a question about history wants of a part of the stream.
///
/// # Errors
/// [`ErrorKind::LimitExceeded`] for one that goes backwards, and where the part has nothing that passes.
fn page_of(
    filter: &HistoryFilter,
    part: &[Arc<Publication>],
    limit: Limit,
    tags: Option<&TagsFilter>,
) -> Result<Vec<Arc<Publication>>, Error> {
    if filter.reverse {
        return Err(ErrorKind::LimitExceeded.because("limit exceeded: the history is too long to be read backwards"));
    }
    let since = filter.since.as_ref().map_or(0, |since| since.offset);
    let publications = usize::try_from(filter.limit).map_or(limit.publications, |most| most.min(limit.publications));
    let wanted = part.iter().filter(|publication| publication.offset > since);
    let page = Limit { publications, ..limit }.page(wanted, tags)?;
    match tags.is_some() && page.is_empty() {
        true => Err(ErrorKind::LimitExceeded
            .because("limit exceeded: the history is too long to be read by the subscription's filter")),
        false => Ok(page),
    }
}
