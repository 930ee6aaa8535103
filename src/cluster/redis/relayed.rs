//! What buckets tell a node by Kafka, and up to where it has heard it.
//!
//! The messages are those of the other way, counted apart. What is missing may still come: Redis says what was sent before Kafka
//! brings it, and of two nodes that move records into a bucket each writes at its own pace. Only what has not come a while
//! later is a hole. A channel's publications are moved by one node at a time, and keep their order.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::bucket::{Generation, Item, Kind, Stand};
use super::fault::Fault;
use super::pack::Unpack;
use crate::limits::{DELIVER_GAPS_MAX, DELIVER_LATE_MS};

/// What comes by Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relayed {
    /// All that is written from now on comes, unless there is no room for it, which the numbers show.
    Begins,
    /// What a bucket tells.
    Said(u16, Bytes),
}

/// What a message, or a comparison, shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// All was heard, or may still come.
    Whole,
    /// Something was not.
    Hole,
    /// It is of another generation than that of the last comparison: a later one, or an earlier.
    Elsewhere {
        /// The message before it from elsewhere was of yet another.
        is_first: bool,
    },
}

/// Messages that have not come: those after a count, up to a count.
#[derive(Clone, Copy, Debug)]
struct Gap {
    after: u64,
    up_to: u64,
    since: Instant,
}

/// Up to where a node has heard a bucket by Kafka.
#[derive(Clone, Debug, Default)]
pub(super) struct RelayedEar {
    generation: Generation,
    /// The highest count that was heard or told of.
    known: u64,
    gaps: Vec<Gap>,
    /// The last other generation that something came of, which was not given.
    elsewhere: Generation,
}

impl RelayedEar {
    /// The generation of what is given.
    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether nothing was compared yet.
    pub(super) fn is_new(&self) -> bool {
        self.generation == Generation::default()
    }

    /// Takes a message. What comes from elsewhere is not given.
    ///
    /// # Errors
    /// [`Fault::Garbled`].
    pub(super) fn hear(&mut self, message: Bytes, now: Instant) -> Result<(Heard, Vec<Item>), Fault> {
        let mut from = Unpack::new(message);
        if from.byte()? != 1 {
            return Err(Fault::Garbled);
        }
        let (stand, before) = (Stand::unpack(&mut from)?, from.six()?);
        let mut items = Item::unpack_all(from)?;
        // Nothing else goes this way: whoever may write to the topic calls back no tokens and sends no session away.
        items.retain(|item| item.kind == Kind::Publication);
        if stand.generation != self.generation {
            let is_first = std::mem::replace(&mut self.elsewhere, stand.generation) != stand.generation;
            return Ok((Heard::Elsewhere { is_first }, Vec::new()));
        }
        if stand.count > self.known {
            self.open(before, now);
            self.known = stand.count;
        } else {
            self.close(before, stand.count);
        }
        Ok((self.bounded(), items))
    }

    /// Compares with the count of the last message that was sent to this node.
    pub(super) fn compare(&mut self, generation: Generation, sent: u64, now: Instant) -> Heard {
        if self.generation != generation {
            // What of it has come before was not given.
            let has_missed = self.elsewhere == generation;
            *self = Self { generation, known: sent, ..Self::default() };
            return if has_missed { Heard::Hole } else { Heard::Whole };
        }
        self.open(sent, now);
        self.known = self.known.max(sent);
        self.bounded()
    }

    /// Whether something is missing that may still come.
    pub(super) fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// Whether something has been missing for so long that it is not waited for any more.
    pub(super) fn gives_up(&mut self, now: Instant) -> bool {
        let late = Duration::from_millis(DELIVER_LATE_MS);
        let gives_up = self.gaps.iter().any(|gap| now - gap.since >= late);
        if gives_up {
            self.gaps.clear();
        }
        gives_up
    }

    /// Something was sent up to this count.
    fn open(&mut self, up_to: u64, since: Instant) {
        if up_to > self.known {
            self.gaps.push(Gap { after: self.known, up_to, since });
        }
    }

    /// A message that was missing has come.
    fn close(&mut self, before: u64, count: u64) {
        let is_in = |gap: &Gap| gap.after <= before && before < count && count <= gap.up_to;
        let Some(at) = self.gaps.iter().position(is_in) else { return };
        let gap = self.gaps.swap_remove(at);
        let left = [Gap { up_to: before, ..gap }, Gap { after: count, ..gap }];
        self.gaps.extend(left.into_iter().filter(|gap| gap.after < gap.up_to));
    }

    /// What is missing in too many places is not waited for.
    fn bounded(&mut self) -> Heard {
        if self.gaps.len() <= DELIVER_GAPS_MAX {
            return Heard::Whole;
        }
        self.gaps.clear();
        Heard::Hole
    }
}

#[cfg(test)]
mod tests {
    use super::super::bucket;
    use super::super::pack::Packed;
    use super::*;

    const FIRST: Generation = Generation([1; 8]);
    const SECOND: Generation = Generation([2; 8]);
    const LATE: Duration = Duration::from_millis(DELIVER_LATE_MS);

    fn message(generation: Generation, count: u64, before: u64) -> Bytes {
        let head = Packed::default().byte(1).bytes(&generation.0).six(count).six(before);
        head.bytes(&bucket::publication("room", (1, count, 1), b"x")).end().into()
    }

    fn heard(ear: &mut RelayedEar, count: u64, before: u64, now: Instant) {
        let (heard, items) = ear.hear(message(FIRST, count, before), now).unwrap();
        assert_eq!((heard, items.len(), items[0].offset), (Heard::Whole, 1, count));
    }

    fn ear(sent: u64, now: Instant) -> RelayedEar {
        let mut ear = RelayedEar::default();
        assert_eq!(ear.compare(FIRST, sent, now), Heard::Whole);
        ear
    }

    #[test]
    fn what_is_told_of_and_does_not_come_is_a_hole_after_a_while_and_what_comes_is_none() {
        let now = Instant::now();
        let mut ear = ear(4, now);
        assert_eq!(ear.compare(FIRST, 7, now), Heard::Whole);
        assert!(!ear.gives_up(now + LATE / 2));
        heard(&mut ear, 7, 4, now + LATE / 2);
        assert!(!ear.has_gaps() && !ear.gives_up(now + LATE));
        assert_eq!(ear.compare(FIRST, 9, now), Heard::Whole);
        assert!(ear.gives_up(now + LATE) && !ear.gives_up(now + LATE), "it is told once");
        heard(&mut ear, 12, 9, now + LATE);
        assert!(!ear.has_gaps());
    }

    #[test]
    fn messages_of_two_who_write_at_their_own_pace_leave_no_hole_once_all_have_come() {
        let now = Instant::now();
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [3, 1, 0, 2], [1, 3, 2, 0], [2, 0, 3, 1]] {
            let mut ear = ear(4, now);
            for (at, index) in order.into_iter().enumerate() {
                assert!(at == 0 || ear.gaps.iter().all(|gap| gap.after < gap.up_to));
                let (before, count) = [(4, 6), (6, 9), (9, 10), (10, 15)][index];
                heard(&mut ear, count, before, now);
            }
            assert!(!ear.has_gaps(), "{order:?}: {:?}", ear.gaps);
            heard(&mut ear, 30, 20, now);
            assert!(ear.gives_up(now + LATE), "{order:?}");
        }
    }

    #[test]
    fn what_comes_twice_changes_nothing() {
        let now = Instant::now();
        let mut ear = ear(4, now);
        heard(&mut ear, 9, 6, now);
        (0..2).for_each(|_| heard(&mut ear, 9, 6, now));
        assert!(ear.has_gaps(), "the one before has not come");
        (0..2).for_each(|_| heard(&mut ear, 6, 4, now));
        assert!(!ear.has_gaps());
    }

    #[test]
    fn what_came_of_a_generation_before_it_was_known_is_missing() {
        let now = Instant::now();
        let mut ear = ear(4, now);
        let (heard_of, items) = ear.hear(message(SECOND, 12, 4), now).unwrap();
        assert_eq!((heard_of, items.len()), (Heard::Elsewhere { is_first: true }, 0));
        assert_eq!(ear.compare(SECOND, 12, now), Heard::Hole);
        assert_eq!(ear.hear(message(FIRST, 5, 4), now).unwrap().0, Heard::Elsewhere { is_first: true });
        assert_eq!(ear.compare(SECOND, 12, now), Heard::Whole, "what is over is missed by nobody");
    }

    #[test]
    fn what_is_missing_is_bounded() {
        let now = Instant::now();
        let mut ear = ear(0, now);
        let holes = (1..=DELIVER_GAPS_MAX as u64 + 1).filter(|at| {
            let count = 10 * at;
            ear.hear(message(FIRST, count, count - 1), now).unwrap().0 == Heard::Hole
        });
        assert_eq!(holes.count(), 1);
        assert!(!ear.has_gaps());
    }

    #[test]
    fn nothing_but_publications_is_taken_from_there() {
        let item = |kind: u8| {
            let mut item = bucket::publication("\u{1}ann", (0, 0, 0), b"x");
            item[0] = kind;
            item
        };
        let message = Packed::default().byte(1).bytes(&FIRST.0).six(5).six(4);
        let message = (0..=8).chain([16, 17]).fold(message, |message, kind| message.bytes(&item(kind)));
        let (heard, items) = ear(4, Instant::now()).hear(message.end().into(), Instant::now()).unwrap();
        assert_eq!(heard, Heard::Whole);
        assert!(items.len() == 1 && items[0].kind == Kind::Publication, "{items:?}");
    }

    #[test]
    fn what_is_cut_off_is_garbled() {
        let whole = message(FIRST, 5, 4);
        for length in (0..whole.len()).filter(|length| *length != 21) {
            let cut = ear(4, Instant::now()).hear(whole.slice(..length), Instant::now());
            assert_eq!(cut, Err(Fault::Garbled), "{length}");
        }
    }
}
