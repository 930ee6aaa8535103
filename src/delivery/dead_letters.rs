//! Publications that a device was sent as often as it may be, and never received: once per publication, with the devices.
//!
//! Bounded in number and in bytes: the oldest go of the channel that has most, whichever order they were read in when the node
//! started. Seen by backends only.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shares::{Age, Measure, Shares};
use crate::limits::{DEAD_LETTER_BYTES_MAX, DEAD_LETTER_DEVICES_MAX, DEAD_LETTERS_MAX};
use crate::model::{Position, Publication};

/// A device that has not received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose device.
    pub user: Arc<str>,
    /// Its id, empty for sessions without one.
    pub device: Box<str>,
    /// How often it was sent.
    pub attempts: u16,
    /// When it was given up, Unix milliseconds.
    pub at_unix_ms: i64,
}

/// What comes of a dead letter that is requeued.
#[derive(Debug)]
pub enum Requeue {
    /// It is sent once more, with its own place.
    Again(Position),
    /// It is of another life of the channel's stream, of which nobody has received anything: it has to be published anew.
    Anew(Arc<Publication>),
}

/// A publication that was given up.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The channel.
    pub channel: Arc<str>,
    /// In which life of the channel's stream.
    pub epoch: Arc<str>,
    /// The publication itself.
    pub publication: Arc<Publication>,
    /// The devices, as many as are kept.
    pub failures: Vec<Failure>,
    /// Devices beyond those.
    pub more: u32,
}

/// Which dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Of this channel; empty is all.
    pub channel: Arc<str>,
    /// Behind this place.
    pub after: Place,
    /// With a device of this user among those that are listed; empty is anybody.
    pub user: Box<str>,
    /// Given up for a listed device then or later, Unix milliseconds.
    pub since_unix_ms: i64,
    /// At most so many.
    pub limit: usize,
}

impl DeadLetter {
    /// Whether a device is listed.
    pub(super) fn has_failed(&self, user: &str, device: &str) -> bool {
        self.failures.iter().any(|failure| failure.is_of(user, device))
    }
}

impl Failure {
    fn is_of(&self, user: &str, device: &str) -> bool {
        *self.user == *user && *self.device == *device
    }
}

impl DeadLetterFilter {
    fn concerns(&self, letter: &DeadLetter) -> bool {
        let of_user = |failure: &Failure| self.user.is_empty() || *failure.user == *self.user;
        letter.failures.iter().any(|failure| of_user(failure) && failure.at_unix_ms >= self.since_unix_ms)
    }
}

/// A dead letter's place: channel and offset.
pub type Place = (Arc<str>, u64);

/// The dead letters of the channels at home on one shard.
#[derive(Debug, Default)]
pub struct DeadLetters {
    by_place: BTreeMap<Place, (Age, DeadLetter)>,
    /// Whose they are.
    shares: Shares,
    /// The time of the youngest there ever was, Unix milliseconds.
    newest_unix_ms: Option<i64>,
    /// The number of the next.
    next: u64,
    bytes: usize,
    /// Those that went for newer ones.
    forgotten: u64,
}

impl DeadLetters {
    /// A device has not received a publication, or once more not. Where it is one too many to be listed, how many devices
    /// there are beyond those that are.
    ///
    /// A clock that was set back makes none older than those before it.
    pub(super) fn add(
        &mut self,
        channel: &Arc<str>,
        epoch: &Arc<str>,
        publication: &Arc<Publication>,
        failure: Failure,
    ) -> Option<u32> {
        let since_unix_ms = failure.at_unix_ms.max(self.newest_unix_ms.unwrap_or(i64::MIN));
        self.put(channel, epoch, publication, failure, since_unix_ms)
    }

    /// As [`DeadLetters::add`], of what was given up before the node started, in any order.
    pub(super) fn restore(
        &mut self,
        channel: &Arc<str>,
        epoch: &Arc<str>,
        publication: &Arc<Publication>,
        failure: Failure,
    ) {
        let since_unix_ms = failure.at_unix_ms;
        self.put(channel, epoch, publication, failure, since_unix_ms);
    }

    /// So many devices beyond those that are listed had not received one before the node started.
    pub(super) fn restore_more(&mut self, channel: &str, offset: u64, more: u32) {
        if let Some((_, letter)) = self.by_place.get_mut(&(Arc::from(channel), offset)) {
            letter.more = more;
        }
    }

    fn put(
        &mut self,
        channel: &Arc<str>,
        epoch: &Arc<str>,
        publication: &Arc<Publication>,
        failure: Failure,
        since_unix_ms: i64,
    ) -> Option<u32> {
        self.newest_unix_ms = self.newest_unix_ms.max(Some(since_unix_ms));
        let place = (channel.clone(), publication.offset);
        if let Some((age, letter)) = self.by_place.get_mut(&place).filter(|(_, letter)| letter.epoch == *epoch) {
            if since_unix_ms < age.0 {
                // Of several devices the first says how old it is.
                let bytes = letter.publication.bytes();
                self.shares.remove(channel, *age, bytes);
                age.0 = since_unix_ms;
                self.shares.add(channel, *age, publication.offset, bytes);
            }
            match letter.failures.iter().position(|one| one.is_of(&failure.user, &failure.device)) {
                Some(at) => letter.failures[at] = failure,
                None if letter.failures.len() < DEAD_LETTER_DEVICES_MAX => letter.failures.push(failure),
                None => {
                    letter.more = letter.more.saturating_add(1);
                    return Some(letter.more);
                }
            }
            return None;
        }
        // Of an earlier life of the stream.
        self.take(&place);
        let bytes = publication.bytes();
        self.bytes += bytes;
        let age = (since_unix_ms, self.next);
        self.next += 1;
        self.shares.add(channel, age, publication.offset, bytes);
        let (channel, epoch, publication) = (channel.clone(), epoch.clone(), publication.clone());
        let letter = DeadLetter { channel, epoch, publication, failures: vec![failure], more: 0 };
        self.by_place.insert(place, (age, letter));
        self.forget_beyond(Measure::Number);
        self.forget_beyond(Measure::Bytes);
        None
    }

    /// Forgets as many as there are too many, or too large.
    fn forget_beyond(&mut self, by: Measure) {
        let is_beyond = |dead: &Self| match by {
            Measure::Number => dead.by_place.len() > DEAD_LETTERS_MAX,
            Measure::Bytes => dead.bytes > DEAD_LETTER_BYTES_MAX,
        };
        while is_beyond(self)
            && let Some(place) = self.shares.first_to_go(by)
        {
            self.take(&place);
            self.forgotten += 1;
        }
    }

    fn take(&mut self, place: &Place) -> Option<DeadLetter> {
        let (age, letter) = self.by_place.remove(place)?;
        let bytes = letter.publication.bytes();
        self.shares.remove(&letter.channel, age, bytes);
        self.bytes -= bytes;
        Some(letter)
    }

    /// A device has received one after all. True where no other device is listed: then it is none any more. `None` where the
    /// device was not listed.
    pub(super) fn resolve(&mut self, channel: &str, offset: u64, user: &str, device: &str) -> Option<bool> {
        let (_, letter) = self.by_place.get_mut(&(Arc::from(channel), offset))?;
        let at = letter.failures.iter().position(|failure| failure.is_of(user, device))?;
        letter.failures.remove(at);
        let is_last = letter.failures.is_empty();
        if is_last {
            self.remove(channel, offset);
        }
        Some(is_last)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_place.len()
    }

    /// How many went for newer ones, since the beginning.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_place.is_empty()
    }

    /// Those that a filter asks for, by channel and offset, and how many were looked at.
    pub fn list(&self, filter: &DeadLetterFilter) -> (Vec<DeadLetter>, usize) {
        let (channel, offset) = filter.after.clone();
        let from = (channel, offset.saturating_add(1));
        let letters = self.by_place.range(from..).map(|(_, (_, letter))| letter);
        let letters = letters.take_while(|letter| filter.channel.is_empty() || letter.channel == filter.channel);
        let mut looks = 0;
        let letters = letters.inspect(|_| looks += 1).filter(|letter| filter.concerns(letter)).take(filter.limit);
        let found = letters.cloned().collect();
        (found, looks)
    }

    /// The one of this place, if there is one.
    pub fn find(&self, channel: &str, offset: u64) -> Option<&DeadLetter> {
        self.by_place.get(&(Arc::from(channel), offset)).map(|(_, letter)| letter)
    }

    /// Forgets one: what it was.
    pub(super) fn remove(&mut self, channel: &str, offset: u64) -> Option<DeadLetter> {
        self.take(&(channel.into(), offset))
    }

    /// The letters from a place on.
    pub(super) fn from(&self, place: &Place) -> impl Iterator<Item = &DeadLetter> {
        self.by_place.range(place.clone()..).map(|(_, (_, letter))| letter)
    }

    /// Forgets all of a channel: what those were.
    pub(super) fn purge(&mut self, channel: &str) -> Vec<DeadLetter> {
        let name: Arc<str> = channel.into();
        let of_channel = self.by_place.range((name.clone(), 0)..=(name.clone(), u64::MAX));
        let places: Vec<_> = of_channel.map(|(place, _)| place.clone()).collect();
        places.iter().filter_map(|place| self.take(place)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Payload;

    fn of(channel: &str, after: u64) -> DeadLetterFilter {
        let (channel, user) = (Arc::<str>::from(channel), "".into());
        DeadLetterFilter { after: (channel.clone(), after), channel, user, since_unix_ms: i64::MIN, limit: 10 }
    }

    fn publication(offset: u64, bytes: usize) -> Arc<Publication> {
        let data = Payload::json(format!("\"{}\"", "x".repeat(bytes)));
        Arc::new(Publication { offset, data, info: None, tags: None, time_unix_ms: 0 })
    }

    fn failure(user: &str) -> Failure {
        Failure { user: user.into(), device: "".into(), attempts: 3, at_unix_ms: 0 }
    }

    #[test]
    fn a_publication_is_one_letter_whatever_number_of_devices_has_not_received_it() {
        let mut dead = DeadLetters::default();
        let (channel, epoch) = ("a".into(), "e".into());
        for number in 0..DEAD_LETTER_DEVICES_MAX + 2 {
            dead.add(&channel, &epoch, &publication(7, 10), failure(&number.to_string()));
        }
        let [letter] = &dead.list(&of("a", 0)).0[..] else { panic!("one") };
        assert_eq!((letter.failures.len(), letter.more), (DEAD_LETTER_DEVICES_MAX, 2));
        assert!(dead.list(&of("a", 7)).0.is_empty() && dead.list(&of("b", 0)).0.is_empty());
    }

    #[test]
    fn letters_are_found_by_channel_user_and_time() {
        let mut dead = DeadLetters::default();
        let epoch = "e".into();
        for (channel, offset, user, at_unix_ms) in [("a", 1, "ada", 10), ("a", 2, "bob", 20), ("b", 1, "ada", 30)] {
            dead.add(&channel.into(), &epoch, &publication(offset, 1), Failure { at_unix_ms, ..failure(user) });
        }
        let found = |filter| {
            dead.list(&filter)
                .0
                .iter()
                .map(|letter| (letter.channel.to_string(), letter.publication.offset))
                .collect::<Vec<_>>()
        };
        let place = |channel: &str, offset| (channel.to_string(), offset);
        assert_eq!(found(of("", 0)), [place("a", 1), place("a", 2), place("b", 1)]);
        let behind = |channel: &str, offset| DeadLetterFilter { after: (channel.into(), offset), ..of("", 0) };
        assert_eq!(found(behind("a", 1)), [place("a", 2), place("b", 1)]);
        assert_eq!(found(behind("a", 2)), [place("b", 1)]);
        assert_eq!(found(DeadLetterFilter { user: "ada".into(), ..of("", 0) }), [place("a", 1), place("b", 1)]);
        assert_eq!(found(DeadLetterFilter { since_unix_ms: 20, ..of("a", 0) }), [place("a", 2)]);
        assert_eq!(found(DeadLetterFilter { limit: 1, ..of("a", 1) }), [place("a", 2)]);
        assert_eq!(dead.list(&DeadLetterFilter { user: "nobody".into(), ..of("", 0) }).1, 3, "all were looked at");
    }

    #[test]
    fn a_device_is_listed_once_and_a_letter_goes_with_the_last() {
        let mut dead = DeadLetters::default();
        let (channel, epoch) = ("a".into(), "e".into());
        dead.add(&channel, &epoch, &publication(7, 10), failure("ada"));
        dead.add(&channel, &epoch, &publication(7, 10), failure("bob"));
        dead.add(&channel, &epoch, &publication(7, 10), Failure { attempts: 9, ..failure("ada") });
        let attempts = |dead: &DeadLetters| {
            dead.find("a", 7).map(|letter| letter.failures.iter().map(|one| one.attempts).collect::<Vec<_>>())
        };
        assert_eq!(attempts(&dead), Some(vec![9, 3]));
        let mut resolve = |user| dead.resolve("a", 7, user, "");
        assert_eq!(["ada", "ada", "bob", "bob"].map(&mut resolve), [Some(false), None, Some(true), None]);
        assert_eq!((dead.len(), dead.bytes, dead.shares.is_empty()), (0, 0, true));
    }

    #[test]
    fn letters_are_bounded_in_number_and_bytes_and_the_oldest_go() {
        let mut dead = DeadLetters::default();
        let (channel, epoch) = ("a".into(), "e".into());
        for offset in 1..=DEAD_LETTERS_MAX as u64 + 5 {
            dead.add(&channel, &epoch, &publication(offset, 1), failure("ada"));
        }
        assert_eq!(dead.len(), DEAD_LETTERS_MAX);
        assert!(dead.find("a", 5).is_none() && dead.find("a", 6).is_some());
        dead.add(&channel, &epoch, &publication(1 << 40, DEAD_LETTER_BYTES_MAX), failure("ada"));
        assert!(dead.is_empty(), "one that is larger than all together may be");
        assert_eq!((dead.bytes, dead.forgotten()), (0, DEAD_LETTERS_MAX as u64 + 6));
    }

    #[test]
    fn a_channel_that_nobody_receives_in_pushes_out_its_own_and_nobody_elses() {
        let mut dead = DeadLetters::default();
        let (quiet, flooder, epoch) = ("quiet".into(), "flooder".into(), "e".into());
        for offset in 1..=3 {
            dead.add(&quiet, &epoch, &publication(offset, 10), failure("ada"));
        }
        for offset in 1..=3 * DEAD_LETTERS_MAX as u64 {
            dead.add(&flooder, &epoch, &publication(offset, 10), failure("bob"));
        }
        assert_eq!((dead.len(), dead.list(&of("quiet", 0)).0.len()), (DEAD_LETTERS_MAX, 3));
        let newest = 3 * DEAD_LETTERS_MAX as u64;
        assert!(dead.find("flooder", newest).is_some(), "its newest is there");
        // The same in bytes: few, and large.
        let large = DEAD_LETTER_BYTES_MAX / 4;
        for offset in newest + 1..=newest + 9 {
            dead.add(&flooder, &epoch, &publication(offset, large), failure("bob"));
        }
        assert!(dead.bytes <= DEAD_LETTER_BYTES_MAX, "{}", dead.bytes);
        assert_eq!((dead.list(&of("quiet", 0)).0.len(), dead.list(&of("flooder", newest)).0.len()), (3, 3));
        // A new one of the quiet channel finds its place.
        dead.add(&quiet, &epoch, &publication(4, 10), failure("ada"));
        assert_eq!(dead.list(&of("quiet", 0)).0.len(), 4);
    }

    #[test]
    fn of_many_channels_with_one_each_the_oldest_goes() {
        let mut dead = DeadLetters::default();
        for number in 0..=DEAD_LETTERS_MAX {
            dead.add(&number.to_string().into(), &"e".into(), &publication(1, 1), failure("ada"));
        }
        assert_eq!(
            (dead.len(), dead.find("0", 1).is_none(), dead.find("1", 1).is_some()),
            (DEAD_LETTERS_MAX, true, true)
        );
    }

    #[test]
    fn what_is_read_at_a_start_goes_by_age_in_whichever_order_it_comes() {
        let mut dead = DeadLetters::default();
        let (young, epoch) = ("a".into(), "e".into());
        let at = |unix_ms, user| Failure { at_unix_ms: unix_ms, ..failure(user) };
        // The young ones first. Of the last the second device was given up first.
        for offset in 1..=DEAD_LETTERS_MAX as u64 {
            dead.restore(&young, &epoch, &publication(1_000 + offset, 1), at(1_000 + offset as i64, "ada"));
        }
        dead.restore(&young, &epoch, &publication(1, 1), at(10, "ada"));
        dead.restore(&young, &epoch, &publication(2, 1), at(2_000, "ada"));
        dead.restore(&young, &epoch, &publication(2, 1), at(20, "bob"));
        let is_there = |dead: &DeadLetters, offset| dead.find("a", offset).is_some();
        assert!(!is_there(&dead, 1) && is_there(&dead, 2));
        assert!(!is_there(&dead, 1_001), "the oldest but for one that had gone");
        dead.add(&young, &epoch, &publication(90, 1), at(3_000, "ada"));
        assert!(!is_there(&dead, 2) && is_there(&dead, 1_002));
        assert_eq!(dead.len(), DEAD_LETTERS_MAX);
    }

    #[test]
    fn how_many_devices_are_not_listed_is_told_and_may_be_restored() {
        let mut dead = DeadLetters::default();
        let (channel, epoch) = ("a".into(), "e".into());
        let mut add = |number: usize| dead.add(&channel, &epoch, &publication(7, 10), failure(&number.to_string()));
        let told: Vec<_> = (0..DEAD_LETTER_DEVICES_MAX + 2).filter_map(&mut add).collect();
        assert_eq!(told, [1, 2]);
        dead.restore_more("a", 7, 40);
        dead.restore_more("a", 8, 1);
        assert_eq!(dead.find("a", 7).map(|letter| letter.more), Some(40));
        assert_eq!(dead.add(&channel, &epoch, &publication(7, 10), failure("one more")), Some(41));
    }

    #[test]
    fn a_clock_that_was_set_back_has_no_new_letter_go_for_old_ones() {
        let mut dead = DeadLetters::default();
        let (channel, epoch) = ("a".into(), "e".into());
        for offset in 1..=DEAD_LETTERS_MAX as u64 {
            dead.add(&channel, &epoch, &publication(offset, 1), Failure { at_unix_ms: 5_000, ..failure("ada") });
        }
        dead.add(&channel, &epoch, &publication(900, 1), failure("ada"));
        assert!(dead.find("a", 900).is_some() && dead.find("a", 1).is_none());
    }

    #[test]
    fn what_is_purged_gives_its_bytes_back() {
        let mut dead = DeadLetters::default();
        let epoch = "e".into();
        for (channel, offset) in [("a", 1), ("a", 2), ("b", 1)] {
            dead.add(&channel.into(), &epoch, &publication(offset, 10), failure("ada"));
        }
        assert!(dead.remove("a", 1).is_some() && dead.remove("a", 1).is_none());
        assert_eq!((dead.purge("a").len(), dead.purge("a").len(), dead.len()), (1, 0, 1));
        assert_eq!(dead.list(&of("", 0)).0.len(), 1);
        dead.purge("b");
        assert_eq!((dead.bytes, dead.shares.is_empty()), (0, true));
    }
}
