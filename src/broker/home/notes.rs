//! What is to be noted in the ledgers of channels, and who waits for it.
//!
//! Of each channel one call is on its way, so that what happened later is never noted first; with the next goes all that has come
//! meanwhile, of each device the furthest. What a ledger could not be told is told again, by and by: who has waited for it was
//! refused, but a letter must not be left out before what follows it.
//!
//! Invariants: what waits is bounded but for letters, of which a device has one while its ledger is cut off. A floor goes behind a
//! letter of its device that came before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::commits::Waiter;
use crate::limits::{LEDGER_NOTES_MAX, LEDGER_NOTES_PER_CALL, MIRROR_RETRY_MS, MIRROR_RETRY_MS_MAX};
use crate::model::Life;
use crate::model::ledger::{DeviceName, Happened, Note, Noted};
use crate::model::refusal::{Error, ErrorKind};
use crate::time::Now;

/// What a note is about: of two with one key the later says more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::broker) struct NoteKey {
    life: Option<Life>,
    name: DeviceName,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Floor,
    Read,
    GivenUp(u64),
    Resolved(u64),
    Tried(u64),
}

impl NoteKey {
    /// That of the floor of a device.
    pub(super) fn floor(life: Option<Life>, name: DeviceName) -> Self {
        Self { life, name, kind: Kind::Floor }
    }

    /// That of the read position of a user, which no device has by itself.
    pub(super) fn read(life: Option<Life>, user: &Arc<str>) -> Self {
        Self { life, name: DeviceName { user: user.clone(), device: Box::default() }, kind: Kind::Read }
    }

    pub(super) fn of(note: &Note) -> Self {
        let kind = match &note.what {
            Happened::Floor { .. } => Kind::Floor,
            Happened::Read(_) => Kind::Read,
            Happened::GivenUp(given_up) => Kind::GivenUp(given_up.letter.offset),
            Happened::Resolved(offset) => Kind::Resolved(*offset),
            Happened::Tried { offset, .. } => Kind::Tried(*offset),
        };
        Self { life: note.life, name: note.name.clone(), kind }
    }
}

#[derive(Debug)]
struct Entry {
    note: Note,
    waiters: SmallVec<[Waiter; 1]>,
}

impl Entry {
    /// Takes what was said before of the same.
    fn take_in(&mut self, before: Self) {
        self.waiters.extend(before.waiters);
        let what = &mut self.note.what;
        match before.note.what {
            Happened::Read(before) => {
                if let Happened::Read(offset) = what {
                    *offset = before.max(*offset);
                }
            }
            Happened::Floor {
                floor: before,
                received: received_before,
                noticed: noticed_before,
                failed: failed_before,
                has_lost: lost_before,
                is_background: _,
            } => {
                if let Happened::Floor { floor, received, noticed, failed, has_lost, is_background: _ } = what {
                    if before > *floor {
                        (*floor, *failed, *has_lost) = (before, failed_before, lost_before);
                    }
                    *received = received_before.max(*received);
                    *noticed = noticed_before.max(*noticed);
                }
            }
            Happened::GivenUp(_) | Happened::Resolved(_) | Happened::Tried { .. } => {}
        }
    }
}

/// What is to be noted in one ledger.
#[derive(Debug, Default)]
struct Line {
    /// In order.
    waiting: BTreeMap<i64, Entry>,
    places: HashMap<NoteKey, i64>,
    /// What is on its way, in order.
    sent: Vec<Entry>,
    /// Calls in a row that have failed.
    failures: u32,
}

impl Line {
    fn push_back(&mut self, mut entry: Entry) {
        let key = NoteKey::of(&entry.note);
        if let Some(before) = self.places.get(&key).and_then(|place| self.waiting.remove(place)) {
            entry.take_in(before);
        }
        let place = self.waiting.last_key_value().map_or(0, |(last, _)| last + 1);
        self.places.insert(key, place);
        self.waiting.insert(place, entry);
    }

    /// What was on its way is to be sent again, before all else.
    fn push_front(&mut self, entry: Entry) {
        let key = NoteKey::of(&entry.note);
        if let Some(later) = self.places.get(&key).and_then(|place| self.waiting.get_mut(place)) {
            return later.take_in(entry);
        }
        let place = self.waiting.first_key_value().map_or(0, |(first, _)| first - 1);
        self.places.insert(key, place);
        self.waiting.insert(place, entry);
    }

    fn pop_front(&mut self) -> Option<Entry> {
        let (_, entry) = self.waiting.pop_first()?;
        self.places.remove(&NoteKey::of(&entry.note));
        Some(entry)
    }
}

/// What came of a call.
#[derive(Debug, Default)]
pub(in crate::broker) struct Outcome {
    /// Who has waited, and what for.
    pub(super) settled: Vec<(Waiter, Result<(), Error>)>,
    /// Whether the ledger was told nothing.
    pub(super) has_failed: bool,
    /// Notes that it did not keep, and why.
    pub(super) unkept: Vec<(Note, Noted)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::broker) struct Notes {
    by_channel: HashMap<Arc<str>, Line>,
    /// Channels that have something to send, and nothing on its way.
    ready: BTreeSet<Arc<str>>,
    /// Channels whose calls have failed, and when the next is tried.
    due: BTreeSet<(u64, Arc<str>)>,
    len: usize,
}

impl Notes {
    /// Whether more may wait.
    pub(super) fn has_room(&self) -> bool {
        self.len < LEDGER_NOTES_MAX
    }

    /// Whether something is to be sent.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Notes that wait or are on their way.
    pub(in crate::broker) fn len(&self) -> usize {
        self.len
    }

    /// Something is to be noted. Where too much waits all but letters are left out: it is said again by what comes later.
    pub(super) fn push(&mut self, channel: &Arc<str>, note: Note) {
        if !self.has_room() && !matches!(note.what, Happened::GivenUp(_)) {
            return;
        }
        let line = self.by_channel.entry(channel.clone()).or_default();
        let before = line.waiting.len();
        line.push_back(Entry { note, waiters: SmallVec::new() });
        self.len += line.waiting.len() - before;
        if line.sent.is_empty() && line.failures == 0 {
            self.ready.insert(channel.clone());
        }
    }

    /// Somebody waits until this is noted, which was to be just now; given back where it was left out.
    pub(super) fn wait(&mut self, channel: &str, key: &NoteKey, waiter: Waiter) -> Option<Waiter> {
        let line = self.by_channel.get_mut(channel);
        let entry = line.and_then(|line| line.waiting.get_mut(line.places.get(key)?));
        let Some(entry) = entry else { return Some(waiter) };
        entry.waiters.push(waiter);
        None
    }

    /// The next call.
    pub(super) fn next(&mut self) -> Option<(Arc<str>, Vec<Note>)> {
        let channel = self.ready.pop_first()?;
        let line = self.by_channel.get_mut(&channel).expect("something waits");
        line.sent = std::iter::from_fn(|| line.pop_front()).take(LEDGER_NOTES_PER_CALL).collect();
        let notes = line.sent.iter().map(|entry| entry.note.clone()).collect();
        Some((channel, notes))
    }

    /// A ledger has answered the call that was on its way.
    pub(super) fn answered(&mut self, channel: &Arc<str>, result: Result<Vec<Noted>, Error>, now: Now) -> Outcome {
        let line = self.by_channel.get_mut(channel).expect("a call was on its way");
        let sent = std::mem::take(&mut line.sent);
        let mut outcome = Outcome::default();
        match result {
            Ok(noted) => {
                line.failures = 0;
                self.len -= sent.len();
                for (Entry { note, waiters }, noted) in sent.into_iter().zip(noted) {
                    outcome.settled.extend(waiters.into_iter().map(|waiter| (waiter, told(noted))));
                    if noted != Noted::Kept {
                        outcome.unkept.push((note, noted));
                    }
                }
            }
            Err(error) => {
                line.failures += 1;
                outcome.has_failed = true;
                let before = line.waiting.len() + sent.len();
                for mut entry in sent.into_iter().rev() {
                    let waiters = std::mem::take(&mut entry.waiters);
                    outcome.settled.extend(waiters.into_iter().map(|waiter| (waiter, Err(error.clone()))));
                    line.push_front(entry);
                }
                self.len -= before - line.waiting.len();
                let pause_ms = (MIRROR_RETRY_MS << (line.failures - 1).min(8)).min(MIRROR_RETRY_MS_MAX);
                self.due.insert((now.mono_ms + pause_ms, channel.clone()));
            }
        }
        if line.waiting.is_empty() {
            self.by_channel.remove(channel);
        } else if line.failures == 0 {
            self.ready.insert(channel.clone());
        }
        outcome
    }

    /// What has failed a while ago is to be sent again.
    pub(super) fn retry(&mut self, now: Now) {
        while self.due.first().is_some_and(|(at_ms, _)| *at_ms <= now.mono_ms)
            && let Some((_, channel)) = self.due.pop_first()
        {
            self.ready.insert(channel);
        }
    }
}

/// What is told of a note.
fn told(noted: Noted) -> Result<(), Error> {
    Err(match noted {
        Noted::Kept => return Ok(()),
        Noted::NoMember => ErrorKind::PermissionDenied.into(),
        Noted::NoDevice => ErrorKind::BadRequest.because("bad request: this device was sent nothing in the channel"),
        Noted::OtherLife => ErrorKind::UnrecoverablePosition.into(),
        Noted::Beyond => ErrorKind::BadRequest.because("bad request: nothing was published at this offset yet"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::letter::Asker;
    use crate::model::ledger::{GivenUp, LetterBody};

    fn name(device: &str) -> DeviceName {
        DeviceName { user: "ada".into(), device: device.into() }
    }

    fn floor(device: &str, floor: u64) -> Note {
        let what = Happened::Floor {
            floor,
            received: floor,
            noticed: floor,
            failed: 0,
            has_lost: false,
            is_background: false,
        };
        Note { life: None, name: name(device), what }
    }

    fn given_up(device: &str, offset: u64) -> Note {
        let letter = LetterBody { offset, time_unix_ms: 0, body: bytes::Bytes::new() };
        let what = Happened::GivenUp(Box::new(GivenUp { letter, attempts: 3, at_unix_ms: 0 }));
        Note { life: None, name: name(device), what }
    }

    fn waiter(id: u32) -> Waiter {
        Waiter::Receiver(0, Asker { session: 0, generation: 0, id, bytes: 0 }, 0)
    }

    fn room() -> Arc<str> {
        "room".into()
    }

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, ..Now::default() }
    }

    fn ids(outcome: Outcome) -> Vec<(u32, bool)> {
        let id = |(waiter, result): (Waiter, Result<(), Error>)| match waiter {
            Waiter::Receiver(_, asker, _) => (asker.id, result.is_ok()),
            other => panic!("{other:?}"),
        };
        outcome.settled.into_iter().map(id).collect()
    }

    #[test]
    fn one_call_is_on_its_way_and_with_the_next_goes_the_furthest_of_each_device() {
        let mut notes = Notes::default();
        notes.push(&room(), floor("a", 1));
        assert!(notes.wait("room", &NoteKey::of(&floor("a", 1)), waiter(1)).is_none());
        assert_eq!(notes.next().unwrap().1, [floor("a", 1)]);
        for (device, at, id) in [("a", 3, 2), ("b", 1, 3), ("a", 2, 4)] {
            notes.push(&room(), floor(device, at));
            assert!(notes.wait("room", &NoteKey::of(&floor(device, at)), waiter(id)).is_none());
        }
        assert!(notes.next().is_none(), "one is on its way");
        assert_eq!(ids(notes.answered(&room(), Ok(vec![Noted::Kept]), at(0))), [(1, true)]);
        assert_eq!(notes.next().unwrap().1, [floor("b", 1), floor("a", 3)]);
        let outcome = notes.answered(&room(), Ok(vec![Noted::NoDevice, Noted::Kept]), at(0));
        assert_eq!(outcome.unkept, [(floor("b", 1), Noted::NoDevice)]);
        assert_eq!(ids(outcome), [(3, false), (2, true), (4, true)]);
        assert_eq!((notes.len(), notes.by_channel.len()), (0, 0));
    }

    #[test]
    fn a_letter_that_was_not_taken_goes_before_what_follows_it() {
        let mut notes = Notes::default();
        notes.push(&room(), floor("a", 1));
        notes.push(&room(), given_up("a", 2));
        assert!(notes.wait("room", &NoteKey::of(&floor("a", 1)), waiter(1)).is_none());
        notes.next().unwrap();
        notes.push(&room(), floor("a", 5));
        let outcome = notes.answered(&room(), Err(ErrorKind::Internal.into()), at(0));
        assert!(outcome.has_failed);
        assert_eq!(ids(outcome), [(1, false)]);
        assert!(notes.next().is_none(), "not at once");
        notes.retry(at(MIRROR_RETRY_MS));
        assert_eq!(notes.next().unwrap().1, [given_up("a", 2), floor("a", 5)]);
        assert_eq!(notes.len(), 2);
    }

    #[test]
    fn a_floor_that_was_said_before_a_letter_goes_behind_it_where_it_has_moved_since() {
        let mut notes = Notes::default();
        for note in [floor("a", 1), given_up("a", 2), floor("a", 4)] {
            notes.push(&room(), note);
        }
        assert_eq!(notes.next().unwrap().1, [given_up("a", 2), floor("a", 4)]);
    }

    #[test]
    fn what_waits_is_bounded_but_for_letters() {
        let mut notes = Notes::default();
        (0..LEDGER_NOTES_MAX).for_each(|number| notes.push(&room(), floor(&number.to_string(), 1)));
        notes.push(&room(), floor("more", 1));
        assert!(notes.wait("room", &NoteKey::of(&floor("more", 1)), waiter(1)).is_some());
        notes.push(&room(), given_up("more", 1));
        assert_eq!(notes.len(), LEDGER_NOTES_MAX + 1);
    }
}
