//! One channel's stream: epoch, offsets, the publications that are kept.
//!
//! Offsets begin at 1 and grow by one; the kept publications are the newest, without a hole. The stream's
//! life (its *meta*: epoch and top offset) outlives the publications by `history_meta_ttl`, unless nothing
//! was ever published: names are cheap, and clients may choose them.
//!
//! A stream holds what is committed, and nobody is told of anything else. Offsets are given before that: they are
//! *promised*, and taken back where the commit fails.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ends::{Ends, Lifetime};
use super::version::Version;
use super::{HubOptions, Limit, RecoveryMode};
use crate::limits::{END_BYTES, FREED_AT_ONCE, PUBLICATION_BYTES};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{HistoryFilter, HistoryPage, Position, Publication, TagsFilter};
use crate::time::Now;

#[derive(Debug)]
pub(super) struct Kept {
    publication: Arc<Publication>,
    expire_ms: u64,
}

/// What recovery brings, and whether it is all.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) publications: Vec<Arc<Publication>>,
    pub(super) recovered: bool,
}

/// What a kept publication takes in memory, about: that of its publisher's info is shared with its session.
fn bytes_of(publication: &Publication) -> usize {
    let tags = publication.tags.iter().flat_map(|tags| tags.iter());
    PUBLICATION_BYTES
        + publication.data.bytes.len()
        + tags.map(|(key, value)| key.len() + value.len() + 32).sum::<usize>()
}

/// The stream of one channel.
#[derive(Debug)]
pub(super) struct Stream {
    epoch: Arc<str>,
    top: u64,
    /// The last offset that was given; above `top` while publications are on their way.
    promised: u64,
    is_durable: bool,
    /// Its offsets and its end are given elsewhere.
    is_mirror: bool,
    /// Recovery: nothing below this offset lives.
    first: u64,
    kept: VecDeque<Kept>,
    /// Those of them that end by themselves.
    ends: Ends,
    /// Bytes of what is kept, about.
    bytes: usize,
    /// That of the newest publication, where it had one.
    version: Option<Box<Version>>,
    /// That of the newest publication that is on its way.
    promised_version: Option<Box<Version>>,
    /// How long the meta lives from each use; `u64::MAX` is for ever.
    meta_ttl_ms: u64,
    meta_expire_ms: u64,
}

impl Stream {
    pub(super) fn new(epoch: Arc<str>, is_durable: bool) -> Self {
        Self {
            epoch,
            top: 0,
            promised: 0,
            is_durable,
            is_mirror: false,
            first: 0,
            kept: VecDeque::new(),
            ends: Ends::default(),
            bytes: 0,
            version: None,
            promised_version: None,
            meta_ttl_ms: u64::MAX,
            meta_expire_ms: u64::MAX,
        }
    }

    /// What mirrors a stream that stands here, and lives as long as somebody says.
    pub(super) fn mirror(epoch: Arc<str>, top: u64) -> Self {
        Self { top, promised: top, is_mirror: true, ..Self::new(epoch, false) }
    }

    /// Whether it mirrors one of elsewhere.
    pub(super) fn is_mirror(&self) -> bool {
        self.is_mirror
    }

    pub(super) fn position(&self) -> Position {
        Position { offset: self.top, epoch: self.epoch.clone() }
    }

    /// The offset of the newest publication, 0 before the first.
    pub(super) fn top(&self) -> u64 {
        self.top
    }

    /// Where the stream stands once all that is on its way is committed.
    pub(super) fn promised(&self) -> Position {
        Position { offset: self.promised, epoch: self.epoch.clone() }
    }

    /// Whether this is the place of a publication that is on its way.
    pub(super) fn has_promised(&self, position: &Position) -> bool {
        position.offset > self.top && *position.epoch == *self.epoch
    }

    /// The offset that the next publication gets.
    pub(super) fn next_offset(&self) -> u64 {
        self.promised + 1
    }

    /// Gives a publication of this version the next offset, before it is committed.
    pub(super) fn promise(&mut self, version: Option<&Version>, ends: bool) {
        self.promised += 1;
        if ends {
            self.ends.promise();
        }
        self.promised_version = version.cloned().map(Box::new);
    }

    /// What is on its way will not come: nobody has seen its offsets.
    pub(super) fn take_back(&mut self) {
        (self.promised, self.promised_version) = (self.top, None);
        self.ends.take_back();
    }

    /// Whether the channel's publications are kept on disk.
    pub(super) fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// Whether a restart would find it.
    pub(super) fn is_on_disk(&self) -> bool {
        self.is_durable && self.top > 0
    }

    /// That of the newest publication.
    pub(super) fn version(&self) -> Option<&Version> {
        self.version.as_deref()
    }

    /// That of the newest publication, if only on its way.
    pub(super) fn promised_version(&self) -> Option<&Version> {
        let newest = if self.promised > self.top { &self.promised_version } else { &self.version };
        newest.as_deref()
    }

    /// Whether a publication of this version comes too late: the newest is of it already, or of a later one, if only on
    /// its way.
    pub(super) fn has_passed(&self, version: &Version) -> bool {
        self.promised_version().is_some_and(|newest| version.is_passed_by(newest))
    }

    /// Takes a publication that follows the last one.
    pub(super) fn append(
        &mut self,
        publication: Arc<Publication>,
        version: Option<Box<Version>>,
        options: HubOptions,
        now: Now,
    ) {
        assert_eq!(publication.offset, self.top + 1);
        self.top = publication.offset;
        self.promised = self.promised.max(self.top);
        self.version = version;
        self.expire(now);
        // One, where the size is that of before; the excess of a larger one goes with the next publications.
        for _ in 0..FREED_AT_ONCE {
            if self.kept.len() < options.history_size as usize {
                break;
            }
            self.forget_oldest();
        }
        let expire_ms = now.mono_ms.saturating_add(options.history_ttl_ms);
        self.bytes += bytes_of(&publication);
        self.kept.push_back(Kept { publication, expire_ms });
        self.use_with(options, now);
    }

    /// Whether no more publications can end by themselves.
    pub(super) fn is_full_of_ends(&self) -> bool {
        self.ends.is_full()
    }

    /// The newest publication ends after so long: its place stays, but it is given to nobody.
    pub(super) fn end_newest(&mut self, ttl_ms: u64, now: Now) {
        self.ends.note(self.top, ttl_ms, now.mono_ms);
    }

    /// A publication of a mirror ends by itself.
    pub(super) fn end_mirrored(&mut self, offset: u64, lifetime: Lifetime, now: Now) {
        self.ends.note_mirrored(offset, lifetime, now);
    }

    /// The stream was used under these options: its meta lives on.
    pub(super) fn use_with(&mut self, options: HubOptions, now: Now) {
        self.meta_ttl_ms = match options.history_meta_ttl_ms {
            _ if self.is_mirror => u64::MAX,
            _ if self.top == 0 => options.history_ttl_ms,
            0 => u64::MAX,
            ttl_ms => ttl_ms.max(options.history_ttl_ms),
        };
        self.touch(now);
    }

    /// The stream was used.
    pub(super) fn touch(&mut self, now: Now) {
        self.meta_expire_ms = now.mono_ms.saturating_add(self.meta_ttl_ms);
    }

    /// Drops what is past its time.
    pub(super) fn expire(&mut self, now: Now) {
        while self.kept.front().is_some_and(|kept| kept.expire_ms <= now.mono_ms) {
            self.forget_oldest();
        }
        if self.kept.is_empty() && self.kept.capacity() > 16 {
            self.kept = VecDeque::new();
        }
    }

    /// Whether even the meta is past its time.
    pub(super) fn is_over(&self, now: Now) -> bool {
        self.meta_expire_ms <= now.mono_ms
    }

    /// Forgets the oldest publication. False where none is left.
    pub(super) fn forget_oldest(&mut self) -> bool {
        let Some(kept) = self.kept.pop_front() else { return false };
        self.bytes -= bytes_of(&kept.publication);
        self.ends.forget_below(self.first_kept());
        true
    }

    /// Bytes of the publications that are kept, and of the newest one's version, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.ends.len() * END_BYTES + self.version.as_ref().map_or(0, |version| version.bytes())
    }

    /// Forgets the publications; positions stay valid. Returns them, to be freed.
    pub(super) fn clear(&mut self) -> VecDeque<Kept> {
        self.bytes = 0;
        self.ends.clear();
        std::mem::take(&mut self.kept)
    }

    /// A mirror takes the publication before the oldest that it keeps, for so long, milliseconds. False where there is no room,
    /// or it is another.
    pub(super) fn prepend(
        &mut self,
        publication: Arc<Publication>,
        left_ms: u64,
        options: HubOptions,
        now: Now,
    ) -> bool {
        if self.kept.len() >= options.history_size as usize || publication.offset + 1 != self.first_kept() {
            return false;
        }
        self.bytes += bytes_of(&publication);
        let expire_ms = now.mono_ms.saturating_add(left_ms);
        self.kept.push_front(Kept { publication, expire_ms });
        true
    }

    /// A mirror goes on here: what lies between cannot be had. Returns what was kept, to be freed.
    pub(super) fn skip_to(&mut self, top: u64) -> VecDeque<Kept> {
        self.reach(top);
        self.clear()
    }

    /// A mirror forgets the publications up to this offset.
    pub(super) fn forget_up_to(&mut self, offset: u64) {
        while self.first_kept() <= offset && self.forget_oldest() {}
    }

    /// Recovery: the stream is known to stand here, and to keep nothing below `first`.
    pub(super) fn restore_place(&mut self, first: u64, top: u64, version: Option<Version>) {
        self.first = self.first.max(first);
        while self.first_kept() < self.first && self.forget_oldest() {}
        if top >= self.top {
            self.version = version.map(Box::new);
            self.reach(top);
        }
    }

    /// Recovery: takes a publication that was read, in any order and perhaps again. It was taken at `since_ms`, on a clock that
    /// [`Stream::restored`] knows, and may end by itself after `ttl_ms`.
    pub(super) fn restore(
        &mut self,
        publication: Publication,
        version: Option<Version>,
        options: HubOptions,
        (since_ms, ttl_ms): (u64, Option<u64>),
    ) {
        let history_size = options.history_size as usize;
        let offset = publication.offset;
        if offset > self.top {
            self.version = version.map(Box::new);
            self.reach(offset);
        }
        // Nearly all come in order: a search would look at publications all over the memory.
        let at = match self.kept.back() {
            Some(newest) if newest.publication.offset >= offset => {
                match self.kept.binary_search_by_key(&offset, |kept| kept.publication.offset) {
                    Ok(_) => return,
                    Err(at) => at,
                }
            }
            _ => self.kept.len(),
        };
        if offset < self.first || (at == 0 && self.kept.len() >= history_size) {
            return;
        }
        self.bytes += bytes_of(&publication);
        let expire_ms = since_ms.saturating_add(options.history_ttl_ms);
        self.kept.insert(at, Kept { publication: Arc::new(publication), expire_ms });
        if let Some(ttl_ms) = ttl_ms {
            self.ends.note(offset, ttl_ms, since_ms);
        }
        if self.kept.len() > history_size {
            self.forget_oldest();
        }
    }

    fn reach(&mut self, top: u64) {
        (self.top, self.promised) = (top, top);
    }

    /// Recovery has read all. `mono_ms` turns a time on the records' clock into one on the node's. Says how many publications
    /// cannot be reached since others are missing behind them.
    pub(super) fn restored(&mut self, mono_ms: impl Fn(u64) -> u64) -> usize {
        for kept in &mut self.kept {
            kept.expire_ms = mono_ms(kept.expire_ms);
        }
        self.ends.restored(mono_ms);
        let follows = |at: usize| self.kept[at].publication.offset + (self.kept.len() - at) as u64 == self.top + 1;
        let lost = (0..self.kept.len()).rev().take_while(|at| follows(*at)).last().unwrap_or(self.kept.len());
        (0..lost).for_each(|_| _ = self.forget_oldest());
        lost
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> impl Iterator<Item = &Arc<Publication>> {
        self.kept.iter().map(|kept| &kept.publication)
    }

    /// Whether an epoch is this stream's. An empty one is any: who gives none counts on none.
    fn is_life(&self, epoch: &str) -> bool {
        epoch.is_empty() || *epoch == *self.epoch
    }

    /// Which life of the stream it is.
    pub(super) fn epoch(&self) -> &Arc<str> {
        &self.epoch
    }

    /// The publication of this offset, if it is kept.
    pub(super) fn get(&self, offset: u64) -> Option<&Arc<Publication>> {
        let at = offset.checked_sub(self.first_kept())?;
        self.kept.get(at as usize).map(|kept| &kept.publication)
    }

    /// The offset of the oldest that is kept, or of the next to come.
    pub(super) fn first_kept(&self) -> u64 {
        self.kept.front().map_or(self.top + 1, |kept| kept.publication.offset)
    }

    /// What is kept from an offset on.
    pub(super) fn kept_from(&self, offset: u64) -> impl DoubleEndedIterator<Item = &Arc<Publication>> {
        let skip = offset.saturating_sub(self.first_kept()) as usize;
        self.kept.range(skip.min(self.kept.len())..).map(|kept| &kept.publication)
    }

    /// How long a publication is given to anybody, if it ends by itself, milliseconds.
    pub(super) fn ttl_ms(&self, offset: u64) -> Option<u64> {
        self.ends.ttl_ms(offset)
    }

    /// Whether a publication has ended by itself.
    pub(super) fn has_ended(&self, publication: &Publication, now: Now) -> bool {
        !self.ends.spare(publication, now)
    }

    fn kept_before(&self, offset: u64) -> impl DoubleEndedIterator<Item = &Arc<Publication>> {
        let until = offset.saturating_sub(self.first_kept()) as usize;
        self.kept.range(..until.min(self.kept.len())).map(|kept| &kept.publication)
    }

    /// All that came after `since`, has not ended and passes the filter, or the honest answer that it is not all there. What
    /// is passed over is none that is missing; it counts among what is looked at.
    pub(super) fn recover(
        &mut self,
        since: &Position,
        mode: RecoveryMode,
        limit: Limit,
        filter: Option<&TagsFilter>,
        now: Now,
    ) -> Recovered {
        self.expire(now);
        let passes = |publication: &Publication| {
            self.ends.spare(publication, now) && filter.is_none_or(|filter| filter.passes(publication.tags.as_ref()))
        };
        match mode {
            RecoveryMode::Stream => self.recover_stream(since, limit, passes),
            RecoveryMode::Cache => self.recover_latest(since, limit, passes),
        }
    }

    fn recover_stream(&self, since: &Position, limit: Limit, passes: impl Fn(&Publication) -> bool) -> Recovered {
        let same_life = self.is_life(&since.epoch);
        let missed = self.top.checked_sub(since.offset);
        let whole = same_life
            && missed.is_some_and(|missed| {
                missed == 0 || (self.first_kept() <= since.offset + 1 && missed <= limit.publications as u64)
            });
        if !whole {
            return Recovered::default();
        }
        let publications: Vec<_> = self.kept_from(since.offset + 1).filter(|one| passes(one)).cloned().collect();
        if publications.iter().map(|publication| publication.weight()).sum::<usize>() > limit.bytes {
            return Recovered::default();
        }
        Recovered { publications, recovered: true }
    }

    /// Cache mode: only the latest publication matters that passes, whatever was missed before it.
    fn recover_latest(&self, since: &Position, limit: Limit, passes: impl Fn(&Publication) -> bool) -> Recovered {
        let seen = since.offset > 0 && since.offset == self.top && *since.epoch == *self.epoch;
        let mut newest_first = self.kept_from(0).rev().take(limit.publications.max(1));
        let latest = if seen { None } else { newest_first.find(|one| passes(one)) };
        let publications = latest.cloned().into_iter().collect::<Vec<_>>();
        Recovered { recovered: seen || !publications.is_empty(), publications }
    }

    /// A page of what is kept, of which only what passes the filter over tags is wanted, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::UnrecoverablePosition`] when `since` is of another life of the stream or further back than what
    /// is kept; [`ErrorKind::BadRequest`] for what would lie before the first; as [`Limit::page`].
    pub(super) fn page(
        &mut self,
        filter: &HistoryFilter,
        max: Limit,
        tags: Option<&TagsFilter>,
        now: Now,
    ) -> Result<HistoryPage, Error> {
        self.expire(now);
        let position = self.position();
        if let Some(since) = &filter.since {
            if filter.reverse && since.offset == 0 {
                return Err(ErrorKind::BadRequest.because("bad request: nothing lies before offset 0"));
            }
            if !self.is_life(&since.epoch) {
                return Err(ErrorKind::UnrecoverablePosition.into());
            }
        }
        if filter.limit == 0 {
            return Ok(HistoryPage { publications: Vec::new(), position });
        }
        let publications = usize::try_from(filter.limit).map_or(max.publications, |limit| limit.min(max.publications));
        let limit = Limit { publications, ..max };
        let lives = |publication: &&Arc<Publication>| self.ends.spare(publication, now);
        let publications = match (&filter.since, filter.reverse) {
            (None, false) => limit.page(self.kept_from(0).filter(lives), tags),
            (None, true) => limit.page(self.kept_from(0).rev().filter(lives), tags),
            (Some(since), true) => limit.page(self.kept_before(since.offset).rev().filter(lives), tags),
            (Some(since), false) => {
                let hole = since.offset < self.top && since.offset + 1 < self.first_kept() && since.offset != 0;
                if since.offset > self.top || hole {
                    return Err(ErrorKind::UnrecoverablePosition.into());
                }
                limit.page(self.kept_from(since.offset + 1).filter(lives), tags)
            }
        }?;
        Ok(HistoryPage { publications, position })
    }
}
