//! One who asks for too much: when it says something next, and how much it still reads. Sans-IO.

use super::kind::Next;

const MILLISECOND_NS: u64 = 1_000_000;

/// How long one who was cut off stays away, nanoseconds: about as long as the first backoff of SDKs.
const AWAY_NS: u64 = 100 * MILLISECOND_NS;

/// How often a slow link carries something, nanoseconds.
const LINK_NS: u64 = 50 * MILLISECOND_NS;

/// What an abuser does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It connects.
    Come,
    /// It breaks its connection, to connect anew.
    Break,
    /// It says something.
    Speak,
    /// It reads on.
    Read,
}

/// One abuser.
#[derive(Clone, Debug, Default)]
pub(super) struct Abuser {
    /// Its connection, if it has one.
    pub(super) key: Option<u32>,
    /// The id of its next command.
    pub(super) next_id: u32,
    /// When it does something next.
    due_ns: u64,
    /// True exactly while it waits for the end of a connection on which it reads nothing.
    breaks: bool,
    /// When its link carries something next, and how much it may read until then.
    link: (u64, usize),
    /// True exactly while it does not read.
    pub(super) stopped: bool,
}

impl Abuser {
    /// One who has not come yet, and whose commands have ids from this one on.
    pub(super) fn new(first_id: u32) -> Self {
        Self { next_id: first_id, ..Self::default() }
    }

    /// It begins `share` of a round after the first one: strangers do not act in step.
    pub(super) fn begin(&mut self, share: f64, next: Next, now_ns: u64) {
        let part = |ns: u64| now_ns + (ns as f64 * share) as u64;
        self.link.0 = part(LINK_NS);
        if let Next::After(ms) = next {
            self.due_ns = part(ms * MILLISECOND_NS);
        }
    }

    /// What is due. `is_ready`: it was let in; `waiting_bytes`: what it has said and not sent.
    pub(super) fn turn(
        &mut self,
        now_ns: u64,
        is_ready: bool,
        waiting_bytes: usize,
        reads_per_s: Option<usize>,
    ) -> Option<Turn> {
        if self.key.is_none() {
            return (now_ns >= self.due_ns).then_some(Turn::Come);
        }
        if self.breaks && now_ns >= self.due_ns {
            return Some(Turn::Break);
        }
        if let Some(reads_per_s) = reads_per_s
            && now_ns >= self.link.0
        {
            self.link = (now_ns + LINK_NS, (reads_per_s as u64 * LINK_NS / 1_000_000_000) as usize);
            if self.stopped {
                return Some(Turn::Read);
            }
        }
        (is_ready && !self.breaks && now_ns >= self.due_ns && waiting_bytes == 0).then_some(Turn::Speak)
    }

    /// It has said a batch. Whether it stops reading now.
    pub(super) fn spoke(&mut self, next: Next, now_ns: u64) -> bool {
        let after = |ms: u64| now_ns + ms * MILLISECOND_NS;
        (self.due_ns, self.breaks) = match next {
            Next::WhenSent => (now_ns, false),
            Next::After(ms) => (after(ms), false),
            Next::Anew(ms) => (after(ms), true),
        };
        self.breaks
    }

    /// It has read so much. Whether its link carries no more for now.
    pub(super) fn read(&mut self, bytes: usize, reads_per_s: Option<usize>) -> bool {
        self.link.1 = self.link.1.saturating_sub(bytes);
        reads_per_s.is_some() && self.link.1 == 0
    }

    /// It connects.
    pub(super) fn came(&mut self, key: u32) {
        *self = Self { key: Some(key), next_id: self.next_id, ..Self::default() };
    }

    /// It has no connection any more.
    pub(super) fn lost(&mut self, now_ns: u64) {
        *self = Self { next_id: self.next_id, due_ns: now_ns + AWAY_NS, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_cut_off_comes_back_after_a_while() {
        let mut abuser = Abuser::default();
        assert_eq!(abuser.turn(0, false, 0, None), Some(Turn::Come));
        abuser.came(7);
        assert_eq!(abuser.turn(0, false, 0, None), None, "it is not let in yet");
        assert_eq!(abuser.turn(0, true, 0, None), Some(Turn::Speak));
        abuser.lost(5);
        assert_eq!(abuser.turn(AWAY_NS, true, 0, None), None);
        assert_eq!(abuser.turn(AWAY_NS + 5, true, 0, None), Some(Turn::Come));
    }

    #[test]
    fn the_next_batch_follows_when_the_one_before_has_left_or_in_its_time() {
        let mut abuser = Abuser::default();
        abuser.came(7);
        assert!(!abuser.spoke(Next::WhenSent, 3));
        assert_eq!((abuser.turn(4, true, 1, None), abuser.turn(4, true, 0, None)), (None, Some(Turn::Speak)));
        assert!(!abuser.spoke(Next::After(2), 0));
        assert_eq!(abuser.turn(MILLISECOND_NS, true, 0, None), None);
        assert_eq!(abuser.turn(2 * MILLISECOND_NS, true, 0, None), Some(Turn::Speak));
    }

    #[test]
    fn one_who_reads_nothing_breaks_its_connection_in_its_time() {
        let mut abuser = Abuser::default();
        abuser.came(7);
        assert!(abuser.spoke(Next::Anew(2), 0), "it stops reading");
        assert_eq!(abuser.turn(MILLISECOND_NS, true, 0, None), None);
        assert_eq!(abuser.turn(2 * MILLISECOND_NS, true, 9, None), Some(Turn::Break));
    }

    #[test]
    fn abusers_who_speak_in_their_time_do_not_speak_in_step() {
        let mut abusers = vec![Abuser::default(); 4];
        let spoken: Vec<_> = (0..4)
            .map(|number| {
                let abuser = &mut abusers[number];
                abuser.came(7);
                abuser.begin(number as f64 / 4.0, Next::After(8), 0);
                (0..).find(|ms| abuser.turn(ms * MILLISECOND_NS, true, 0, None).is_some()).unwrap()
            })
            .collect();
        assert_eq!(spoken, [0, 2, 4, 6]);
    }

    #[test]
    fn a_slow_link_carries_its_share_and_then_nothing_until_the_next() {
        let (mut abuser, per_s) = (Abuser::default(), Some(1000));
        abuser.came(7);
        abuser.spoke(Next::After(60_000), 0);
        assert_eq!(abuser.turn(LINK_NS, true, 0, per_s), None, "it reads already");
        assert!(!abuser.read(20, per_s) && abuser.read(40, per_s), "50 bytes in a twentieth of a second");
        abuser.stopped = true;
        assert_eq!(abuser.turn(LINK_NS + 1, true, 0, per_s), None);
        assert_eq!(abuser.turn(2 * LINK_NS, true, 0, per_s), Some(Turn::Read));
    }
}
