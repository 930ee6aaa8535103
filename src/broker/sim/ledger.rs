//! What devices have received in channels that are received at least once, and that none has skipped anything.
//!
//! A device may pass a publication that it was given, that was given up, that is its own, or that it was told to be lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::delivery::{DeadLetter, MemberDevices};

/// A device in a channel: channel, user and device.
pub(crate) type Place = (String, String, String);

/// What is known of one.
#[derive(Debug, Default)]
struct Book {
    epoch: String,
    /// The floor when the home was looked at last.
    floor: u64,
    /// What it was given.
    given: BTreeSet<u64>,
    /// The highest offset that it was answered to have received.
    answered: u64,
    /// What its floor has passed for no reason that is known: it is to be told.
    unexplained: BTreeSet<u64>,
}

/// The books of all devices.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    books: BTreeMap<Place, Book>,
    /// What was given up: life of the stream, offset, and by which device.
    given_up: BTreeSet<(Place, String, u64)>,
    /// Publications that are not for a device: user, device and data.
    own: BTreeSet<(String, String, String)>,
    /// By channel and user: the highest offset that was answered to be read.
    read: BTreeMap<(String, String), (String, u64)>,
    /// How often a floor has passed what its device was not given.
    pub(crate) losses: u32,
}

impl Ledger {
    /// What was given up, as the home says.
    pub(crate) fn look_at_dead(&mut self, letter: &DeadLetter, attempts_max: u16) {
        for failure in &letter.failures {
            let place = (letter.channel.to_string(), failure.user.to_string(), failure.device.to_string());
            let offset = letter.publication.offset;
            let book = self.books.get(&place);
            if self.given_up.insert((place.clone(), letter.epoch.to_string(), offset)) {
                assert_eq!(failure.attempts, attempts_max, "{place:?} was given up on {offset} too early, or too late");
                let is_received = book.is_some_and(|book| *book.epoch == *letter.epoch && book.answered >= offset);
                assert!(!is_received, "{place:?} was given up on {offset}, which it has received");
            }
        }
    }

    /// How many were given up.
    pub(crate) fn given_up(&self) -> usize {
        self.given_up.len()
    }

    /// How far a user's devices are, as the home says. `data_of` is what was published at an offset.
    pub(crate) fn look(
        &mut self,
        channel: &str,
        user: &str,
        member: Option<&MemberDevices>,
        data_of: impl Fn(u64) -> Option<String>,
    ) {
        let devices = member.map_or(&[][..], |member| &member.devices);
        let epoch = member.map_or("", |member| &member.epoch);
        // Who became a member, or a device of one, is it for certain with what was answered after that.
        self.books.retain(|(of, whose, device), book| {
            let is_there = (&**of, &**whose) != (channel, user) || devices.iter().any(|one| *one.device == **device);
            assert!(is_there || book.answered == 0, "{channel}: {user} on {device:?} is known no longer: {book:?}");
            is_there
        });
        if let (Some((life, read)), Some(member)) = (self.read.get(&(channel.into(), user.into())), member) {
            assert!(*life != *member.epoch || member.read >= *read, "{channel}: what {user} has read went back");
        }
        for one in devices {
            let place = (channel.to_owned(), user.to_owned(), one.device.to_string());
            let (floor, life) = (one.received, epoch.to_owned());
            let new = || Book { epoch: life, floor, ..Book::default() };
            let book = self.books.entry(place.clone()).or_insert_with(new);
            if book.epoch != epoch {
                // A life of the stream is over: what it had is to be told as lost.
                let unexplained = if book.epoch.is_empty() { BTreeSet::new() } else { BTreeSet::from([0]) };
                *book = Book { epoch: epoch.to_owned(), unexplained, ..Book::default() };
            }
            assert!(
                floor >= book.answered,
                "{place:?}: the floor went back to {floor}, {} was answered",
                book.answered
            );
            for offset in book.floor + 1..=floor {
                let is_own = |data| self.own.contains(&(user.to_owned(), one.device.to_string(), data));
                let is_explained = book.given.contains(&offset)
                    || self.given_up.contains(&(place.clone(), epoch.to_owned(), offset))
                    || data_of(offset).is_some_and(is_own);
                if !is_explained {
                    self.losses += 1;
                    book.unexplained.insert(offset);
                }
            }
            book.floor = floor;
            book.unexplained.retain(|offset| *offset <= floor);
        }
    }

    /// A publication of a client in a channel without echo.
    pub(crate) fn is_own(&mut self, user: &str, device: &str, data: &str) {
        self.own.insert((user.into(), device.into(), data.into()));
    }

    /// A subscription has begun: all up to `floor` was received, or it is told that something is lost.
    pub(crate) fn begun(&mut self, place: &Place, epoch: &str, floor: u64, is_whole: bool) {
        let Some(book) = self.books.get_mut(place).filter(|book| book.epoch == epoch) else { return };
        if !is_whole {
            book.unexplained.retain(|offset| *offset > floor);
        }
        assert!(book.unexplained.range(..=floor).next().is_none(), "{place:?} was never told of a loss: {book:?}");
    }

    /// A device was given a publication, after another in the same subscription, or after its floor.
    pub(crate) fn given(
        &mut self,
        place: &Place,
        epoch: &str,
        (after, offset): (u64, u64),
        data_of: impl Fn(u64) -> Option<String>,
    ) {
        let book = self.books.get_mut(place).unwrap_or_else(|| panic!("{place:?} is sent {offset}, and is nobody's"));
        assert_eq!(book.epoch, epoch, "{place:?} is given what is of another life");
        for skipped in after + 1..offset {
            let is_passed = skipped <= book.floor && !book.unexplained.contains(&skipped);
            let is_own = |data| self.own.contains(&(place.1.clone(), place.2.clone(), data));
            assert!(
                is_passed || data_of(skipped).is_some_and(is_own),
                "{place:?} was given {offset} after {after}: {book:?}"
            );
        }
        book.given.insert(offset);
    }

    /// A device was answered that it has received all up to here.
    pub(crate) fn answered(&mut self, place: &Place, epoch: &str, offset: u64) {
        if let Some(book) = self.books.get_mut(place).filter(|book| book.epoch == epoch) {
            book.answered = book.answered.max(offset);
            assert!(book.floor >= book.answered, "{place:?} was answered {offset}: {book:?}");
        }
    }

    /// A user was answered to have read all up to here.
    pub(crate) fn answered_read(&mut self, channel: &str, user: &str, epoch: &str, offset: u64) {
        let (life, read) = self.read.entry((channel.into(), user.into())).or_default();
        if *life != *epoch {
            (*life, *read) = (epoch.into(), 0);
        }
        *read = offset.max(*read);
    }

    /// A device that was not given what follows its floor, up to `top`, if there is one in the channel.
    pub(crate) fn unreceived(&self, channel: &str, top: u64) -> Option<(&Place, u64)> {
        let is_one = |(place, book): &(&Place, &Book)| {
            let next = book.floor + 1;
            place.0 == channel && next <= top && !book.given.contains(&next)
        };
        self.books.iter().find(is_one).map(|(place, book)| (place, book.floor))
    }

    /// Whether every device has received all.
    pub(crate) fn is_all_received(&self, top: impl Fn(&str) -> u64) -> bool {
        self.books.iter().all(|((channel, ..), book)| book.floor == top(channel))
    }

    /// All is quiet, and everybody was there.
    pub(crate) fn check_quiet(&self) {
        for (place, book) in &self.books {
            assert!(book.unexplained.is_empty(), "{place:?} was never told of a loss: {book:?}");
        }
    }
}
