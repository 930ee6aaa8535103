//! Whether a mirror has what somebody asks for, and what is asked of its bucket where it has not.

use std::sync::Arc;

use super::Home;
use super::mirrors::{Asking, Reading, Tried, Until, Waiting};
use crate::broker::bridge::{Life, Outgoing};
use crate::broker::letter::HistoryAsk;
use crate::broker::packed::meta_ttl_ms;
use crate::hub::{HubOptions, Mirror, RecoveryMode};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{HistoryFilter, Position};
use crate::session::Terms;
use crate::time::Now;

/// What somebody wants of a channel.
#[derive(Clone, Copy, Debug)]
pub(in crate::broker) enum Wish<'a> {
    /// To subscribe, and perhaps to recover.
    Subscribe(&'a Terms),
    /// To subscribe, where it is to be looked up what from on.
    Listen(&'a Terms),
    /// To subscribe, and to be sent what follows this floor.
    Arrive(&'a Terms, u64),
    /// A part of the history, no more than so many; or as much as it takes until as many pass a filter.
    History(&'a HistoryFilter, usize, bool),
}

/// How far into a stream a wish reaches.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reach {
    /// Whoever asks has seen what is not there yet.
    beyond_top: bool,
    /// The first offset that is wanted, if any is.
    from: Option<u64>,
}

impl<'a> Wish<'a> {
    /// What a session reads.
    pub(in crate::broker) fn of(ask: &'a HistoryAsk) -> Self {
        Self::History(&ask.part, ask.max, ask.tags.is_some())
    }

    /// Where somebody has been who subscribes: what follows that is likely to be wanted.
    fn has_been(&self) -> Option<&Position> {
        match self {
            Self::Subscribe(terms) | Self::Listen(terms) | Self::Arrive(terms, _) => {
                terms.recover.as_ref().filter(|_| terms.mode == RecoveryMode::Stream)
            }
            Self::History(..) => None,
        }
    }

    /// Where somebody who wants to recover has been.
    fn since(&self) -> Option<&Position> {
        match self {
            Self::Listen(_) | Self::Arrive(..) => None,
            Self::Subscribe(terms) => terms.recover.as_ref().filter(|_| terms.mode == RecoveryMode::Stream),
            Self::History(filter, ..) => filter.since.as_ref(),
        }
    }

    /// How far it reaches into a stream that stands here and keeps so many.
    fn reach(&self, at: Mirror<'_>, size: u64) -> Reach {
        let (top, oldest) = (at.top, at.top.saturating_sub(size) + 1);
        let is_life = |epoch: &str| epoch.is_empty() || *epoch == **at.epoch;
        let newest = |count: usize, end: u64| end.saturating_sub(count as u64).max(oldest);
        let since = self.since();
        if since.is_some_and(|since| !is_life(&since.epoch)) {
            return Reach::default();
        }
        let from = match (self, since) {
            (Self::Subscribe(terms), Some(since)) => {
                let missed = top.saturating_sub(since.offset);
                (missed <= terms.recovery_max as u64 && since.offset + 1 >= oldest).then_some(since.offset + 1)
            }
            (Self::Listen(_), _) => None,
            (Self::Arrive(_, floor), _) => Some((floor + 1).max(oldest)),
            (Self::Subscribe(terms), None) => terms.recover.as_ref().map(|_| {
                let looked_at = if terms.filter.is_some() { terms.recovery_max.max(1) } else { 1 };
                newest(looked_at, top + 1)
            }),
            (Self::History(filter, ..), _) if filter.limit == 0 => None,
            (Self::History(filter, most, is_filtered), since) => {
                let count = usize::try_from(filter.limit).map_or(*most, |limit| limit.min(*most));
                let count = if *is_filtered { usize::MAX } else { count };
                Some(match (since, filter.reverse) {
                    (None, false) => oldest,
                    (None, true) => newest(count, top + 1),
                    (Some(since), false) => since.offset.saturating_add(1).max(oldest),
                    (Some(since), true) => newest(count, since.offset.min(top + 1)),
                })
            }
        };
        let has_seen = match self {
            Self::Arrive(_, floor) => *floor,
            _ => since.filter(|since| !since.epoch.is_empty()).map_or(0, |since| since.offset),
        };
        Reach { beyond_top: has_seen > top, from: from.filter(|from| *from <= top) }
    }
}

impl Home {
    /// What somebody has to wait for who wants something of a channel, if anything: it is on its way then. `tried` is what
    /// was waited for already.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where the bucket cannot be reached.
    pub(in crate::broker) fn awaited_of_mirror(
        &mut self,
        channel: &str,
        wish: Wish<'_>,
        tried: Tried,
        now: Now,
    ) -> Result<Option<Until>, Error> {
        if !self.mirrors.are_possible() {
            return Ok(None);
        }
        // What is wrong with a name says whoever answers.
        let Ok(options) = self.policy.hub_options(channel) else { return Ok(None) };
        if !options.is_mirrored {
            return Ok(None);
        }
        let key = self.mirrors.find(channel).unwrap_or_else(|| self.begin_mirror(channel, wish));
        self.mirrors.touch(key, now);
        let is_first =
            matches!(wish, Wish::Subscribe(_)) && !std::mem::replace(&mut self.mirrors[key].is_subscribed, true);
        if is_first && self.mirrors[key].is_joining {
            // That join is a reader's.
            self.mirrors[key].joins_again = true;
        }
        let mirror = &self.mirrors[key];
        let is_failing = mirror.failures > 0 && mirror.unsure_since_ms.is_some();
        if is_failing || !self.is_live(key, options) {
            if mirror.failures > 0 && !mirror.is_joining {
                return Err(
                    ErrorKind::Internal.because("internal server error: what the nodes share cannot be reached")
                );
            }
            self.join_bucket(key);
            return Ok(Some(Until::Joined));
        }
        if !options.has_history() {
            return Ok(None);
        }
        if is_first {
            // Its stream was there for somebody who read: its epoch is to hold from now on.
            self.join_bucket(key);
            return Ok(Some(Until::CaughtUp));
        }
        let at = self.hub.mirror(channel).expect("it lives");
        let reach = wish.reach(at, options.history_size.into());
        // Who has published reads what it has published.
        let is_behind = reach.beyond_top || (matches!(wish, Wish::History(..)) && mirror.promised > at.top);
        if is_behind && !tried.join {
            self.join_once_more(key);
            return Ok(Some(Until::CaughtUp));
        }
        // What this node has let go for want of memory a device is given all the same.
        let is_members = matches!(wish, Wish::Arrive(..));
        let known_from = if is_members { mirror.known_from.max(at.first) } else { mirror.known_from };
        match reach.from.filter(|from| *from < known_from && !tried.read) {
            Some(from) => {
                self.read_bucket(key, from);
                Ok(Some(Until::Read(from)))
            }
            None => Ok(None),
        }
    }

    /// Joins after all that was seen before: a join that is on its way may have been answered before that.
    pub(super) fn join_once_more(&mut self, key: usize) {
        let mirror = &mut self.mirrors[key];
        mirror.joins_again |= mirror.is_joining;
        self.join_bucket(key);
    }

    /// Somebody waits for that.
    pub(in crate::broker) fn wait_for_mirror(&mut self, channel: Arc<str>, asking: Asking, until: Until, tried: Tried) {
        let key = self.mirrors.find(&channel).expect("a mirror stays as long as it is waited for");
        self.mirrors.wait(key, Waiting { channel, asking, until, tried });
    }

    fn begin_mirror(&mut self, channel: &str, wish: Wish<'_>) -> usize {
        let key = self.mirrors.insert(Arc::from(channel));
        let life = wish.has_been().and_then(|since| Some((Life::parse(&since.epoch)?, since.offset)));
        self.mirrors[key].wish = life;
        key
    }

    /// Whether a mirror follows its stream.
    pub(super) fn is_live(&self, key: usize, options: HubOptions) -> bool {
        let mirror = &self.mirrors[key];
        mirror.life.is_some() && (!options.has_history() || self.hub.mirror(&mirror.channel).is_some())
    }

    /// Joins, and reads what follows the mirror's top.
    pub(super) fn join_bucket(&mut self, key: usize) {
        let mirror = &mut self.mirrors[key];
        if mirror.is_joining {
            return;
        }
        (mirror.is_joining, mirror.joins_again) = (true, false);
        let channel = mirror.channel.clone();
        let top = self.hub.mirror(&channel).map(|at| at.top);
        let after = mirror.life.zip(top).or(mirror.wish);
        let options = self.policy.hub_options(&channel).ok().filter(|options| options.has_history());
        let meta_ttl_ms = options.map(meta_ttl_ms);
        let after = after.filter(|_| meta_ttl_ms.is_some());
        let is_read = !self.mirrors[key].is_subscribed;
        self.mirrors.outgoing.push(Outgoing::Join { channel, meta_ttl_ms, is_read, after });
    }

    fn read_bucket(&mut self, key: usize, from: u64) {
        let mirror = &mut self.mirrors[key];
        if mirror.reading.is_none() {
            mirror.reading = Some(Reading { from, older: Vec::new(), bytes: 0, is_stale: false });
            let channel = mirror.channel.clone();
            self.mirrors.outgoing.push(Outgoing::Read { channel, from });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 10;

    fn reach(filter: &HistoryFilter, top: u64) -> (bool, Option<u64>) {
        let epoch = Arc::from("now");
        let Reach { beyond_top, from } =
            Wish::History(filter, 5, false).reach(Mirror { epoch: &epoch, top, first: top + 1 }, SIZE);
        (beyond_top, from)
    }

    fn since(epoch: &str, offset: u64) -> Option<Position> {
        Some(Position { offset, epoch: epoch.into() })
    }

    #[test]
    fn a_page_of_history_reaches_no_further_back_than_what_is_kept_and_asked_for() {
        let all = |since, reverse, limit| HistoryFilter { limit, since, reverse };
        let cases = [
            (all(None, false, -1), 21),
            (all(None, false, 2), 21),
            (all(None, true, 2), 29),
            (all(None, true, -1), 26),
            (all(since("now", 28), false, 1), 29),
            (all(since("now", 3), false, 1), 21),
            (all(since("now", 25), true, 2), 23),
            (all(since("", 40), true, 2), 29),
        ];
        for (filter, from) in cases {
            assert_eq!(reach(&filter, 30), (false, Some(from)), "{filter:?}");
        }
    }

    #[test]
    fn what_a_filter_may_keep_out_is_read_as_far_back_as_is_kept() {
        let (epoch, newest) = (Arc::from("now"), HistoryFilter { limit: 2, since: None, reverse: true });
        let from = |is_filtered| {
            let at = Mirror { epoch: &epoch, top: 30, first: 31 };
            Wish::History(&newest, 5, is_filtered).reach(at, SIZE).from
        };
        assert_eq!([false, true].map(from), [Some(29), Some(21)]);
    }

    #[test]
    fn what_is_not_there_is_not_read_and_what_was_seen_elsewhere_is_waited_for() {
        let page = |since, limit| HistoryFilter { limit, since, reverse: false };
        assert_eq!(reach(&page(None, 0), 30), (false, None), "only the position");
        assert_eq!(reach(&page(None, -1), 0), (false, None), "an empty stream");
        assert_eq!(reach(&page(since("now", 30), 5), 30), (false, None));
        assert_eq!(reach(&page(since("then", 7), 5), 30), (false, None), "another life");
        assert_eq!(reach(&page(since("now", 31), 5), 30), (true, None));
        assert_eq!(reach(&page(since("now", u64::MAX), 5), 30), (true, None));
    }
}
