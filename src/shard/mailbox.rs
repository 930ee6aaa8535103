//! Letters between shards: a bounded, wait-free ring per pair, direction and lane.
//!
//! A mailbox is full by number or by bytes. What does not fit is given back at once, and kept by the broker (`broker::post`):
//! nobody ever waits for room in another's mailbox.

use std::sync::Arc;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::waker::Waker;
use crate::broker::lane::Lane;
use crate::broker::letter::Letter;
use crate::limits::MAILBOX_BYTES_MAX;

/// Letters that were left since the generation before them was last known to be read. Two generations of half the bound
/// each bound the bytes of a mailbox without a count that its reader would have to share.
#[derive(Clone, Copy, Debug, Default)]
struct Generation {
    letters: usize,
    bytes: usize,
}

/// The writing end of one lane.
#[derive(Debug)]
struct Outgoing {
    ring: Producer<Letter>,
    /// What was left last. All unread letters are of it or of the one before.
    newest: Generation,
    /// Bytes of the generation before.
    before_bytes: usize,
}

impl Outgoing {
    fn new(ring: Producer<Letter>) -> Self {
        Self { ring, newest: Generation::default(), before_bytes: 0 }
    }

    /// Leaves a letter. Gives it back where there is no room.
    fn push(&mut self, bytes: usize, letter: Letter) -> Result<(), Letter> {
        if self.newest.bytes + bytes > MAILBOX_BYTES_MAX / 2 && !self.renew() {
            return Err(letter);
        }
        match self.ring.push(letter) {
            Ok(()) => {
                self.newest.letters += 1;
                self.newest.bytes += bytes;
                Ok(())
            }
            // A shard that has failed reads no more: who waited for room in its mailbox would do so for ever.
            Err(PushError::Full(_)) if self.ring.is_abandoned() => Ok(()),
            Err(PushError::Full(letter)) => Err(letter),
        }
    }

    /// Begins a generation, if the one before the newest was read. Of a shard that has failed, all was.
    #[cold]
    fn renew(&mut self) -> bool {
        let is_read = self.unread() <= self.newest.letters || self.ring.is_abandoned();
        if is_read {
            self.before_bytes = self.newest.bytes;
            self.newest = Generation::default();
        }
        is_read
    }

    fn unread(&self) -> usize {
        self.ring.buffer().capacity() - self.ring.slots()
    }

    /// The most that the unread letters can keep in memory.
    fn bytes(&self) -> usize {
        match self.unread() {
            0 => 0,
            unread if unread <= self.newest.letters => self.newest.bytes,
            _ => self.newest.bytes + self.before_bytes,
        }
    }
}

/// All lanes to one shard.
#[derive(Debug)]
struct Peer {
    lanes: [Outgoing; Lane::COUNT],
    waker: Arc<Waker>,
    /// Letters were left since it was last woken.
    left: bool,
}

/// One shard's ends of all mailboxes.
#[derive(Debug)]
pub struct Mailboxes {
    /// By shard; `None` is the shard itself.
    outgoing: Vec<Option<Peer>>,
    incoming: Vec<Option<[Consumer<Letter>; Lane::COUNT]>>,
}

impl Mailboxes {
    /// What the mailboxes of so many shards take with room for `capacity` letters each, bytes, once they were full; without
    /// what the letters keep besides.
    pub fn bytes(capacity: usize, shards: usize) -> u64 {
        let pairs = shards * shards.saturating_sub(1);
        (capacity * pairs) as u64 * size_of::<Letter>() as u64
    }

    /// The mailboxes of all shards, by shard, each with room for `capacity` letters: half of them deliveries, of which an
    /// ask may make one for every shard, and a quarter each for asks and answers.
    pub fn mesh(capacity: usize, wakers: &[Arc<Waker>]) -> Vec<Self> {
        let mut mesh: Vec<Self> = wakers
            .iter()
            .map(|_| Self {
                outgoing: wakers.iter().map(|_| None).collect(),
                incoming: wakers.iter().map(|_| None).collect(),
            })
            .collect();
        for (to, waker) in wakers.iter().enumerate() {
            for from in (0..wakers.len()).filter(|from| *from != to) {
                let rings = [4, 2, 4].map(|share| RingBuffer::new((capacity / share).max(1)));
                let [(asks, asked), (deliveries, delivered), (answers, answered)] = rings;
                let lanes = [asks, deliveries, answers].map(Outgoing::new);
                mesh[from].outgoing[to] = Some(Peer { lanes, waker: waker.clone(), left: false });
                mesh[to].incoming[from] = Some([asked, delivered, answered]);
            }
        }
        mesh
    }

    /// How many shards there are.
    pub fn shards(&self) -> u16 {
        self.incoming.len() as u16
    }

    /// Leaves a letter of so many bytes, which the peer sees at the latest after [`Mailboxes::wake`].
    ///
    /// # Errors
    /// Gives the letter back where there is no room.
    ///
    /// # Panics
    /// When it is for the shard itself.
    pub fn push(&mut self, to: u16, lane: Lane, bytes: usize, letter: Letter) -> Result<(), Letter> {
        let peer = self.outgoing[usize::from(to)].as_mut().expect("nobody writes to itself");
        peer.lanes[lane.index()].push(bytes, letter)?;
        peer.left = true;
        Ok(())
    }

    /// Wakes the peers that have got letters.
    pub fn wake(&mut self) {
        for peer in self.outgoing.iter_mut().flatten().filter(|peer| peer.left) {
            peer.left = false;
            peer.waker.wake();
        }
    }

    /// The most that unread letters of this shard can keep in memory, bytes.
    pub fn unread_bytes(&self) -> usize {
        self.outgoing.iter().flatten().flat_map(|peer| &peer.lanes).map(Outgoing::bytes).sum()
    }

    /// The next letter of shard `from`.
    pub fn receive(&mut self, from: u16, lane: Lane) -> Option<Letter> {
        self.incoming[usize::from(from)].as_mut()?[lane.index()].pop().ok()
    }

    /// Letters of shard `from` that wait to be read.
    pub fn waiting(&self, from: u16, lane: Lane) -> usize {
        self.incoming[usize::from(from)].as_ref().map_or(0, |lanes| lanes[lane.index()].slots())
    }

    /// Letters that have come and wait to be read.
    pub fn depth(&self) -> usize {
        self.incoming.iter().flatten().flatten().map(Consumer::slots).sum()
    }

    /// Whether there is something to read.
    pub fn has_letters(&self) -> bool {
        self.incoming.iter().flatten().flatten().any(|lane| !lane.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ClientId;

    fn mesh(shards: usize, capacity: usize) -> Vec<Mailboxes> {
        let wakers: Vec<_> = (0..shards).map(|_| Arc::new(Waker::new().unwrap())).collect();
        Mailboxes::mesh(capacity, &wakers)
    }

    fn letter(number: u64) -> Letter {
        Letter::Discharge { user: Arc::from(number.to_string()), client: ClientId::nil() }
    }

    fn number(letter: &Letter) -> u64 {
        let Letter::Discharge { user, .. } = letter else { panic!("{letter:?}") };
        user.parse().unwrap()
    }

    fn push(mailboxes: &mut Mailboxes, to: u16, sent: u64) -> bool {
        mailboxes.push(to, Lane::Answers, 1, letter(sent)).is_ok()
    }

    #[test]
    fn a_full_mailbox_gives_letters_back_and_keeps_the_order_of_the_others() {
        let mut mesh = mesh(2, 16);
        let [one, two] = &mut mesh[..] else { unreachable!() };
        let (mut sent, mut got) = (0, Vec::new());
        while got.len() < 20 {
            while push(one, 1, sent) {
                sent += 1;
            }
            assert_eq!(two.depth(), 4);
            got.push(number(&two.receive(0, Lane::Answers).unwrap()));
        }
        assert_eq!(got, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_mailbox_is_full_by_bytes_and_takes_a_letter_of_any_size_when_it_is_empty() {
        const LARGE: usize = MAILBOX_BYTES_MAX / 16;
        let mut mesh = mesh(2, 1024);
        let [one, two] = &mut mesh[..] else { unreachable!() };
        let push = |one: &mut Mailboxes, bytes| one.push(1, Lane::Asks, bytes, letter(0)).is_ok();
        for round in 0..100 {
            let left = (0..).take_while(|_| push(one, LARGE)).count();
            assert_eq!(two.depth(), if round == 0 { 16 } else { 16 - 8 + left }, "round {round}");
            assert!(one.unread_bytes() <= MAILBOX_BYTES_MAX);
            // It has room again when half of it was read.
            (0..8).for_each(|_| drop(two.receive(0, Lane::Asks)));
        }
        while two.receive(0, Lane::Asks).is_some() {}
        assert_eq!(one.unread_bytes(), 0);
        assert!(push(one, 10 * MAILBOX_BYTES_MAX), "or it would wait for ever");
        assert!(push(one, LARGE) && !push(one, MAILBOX_BYTES_MAX), "no more than two");
    }

    #[test]
    fn a_full_lane_leaves_room_in_the_others() {
        let mut mesh = mesh(2, 16);
        let one = &mut mesh[0];
        for (lane, room) in [(Lane::Asks, 4), (Lane::Deliveries, 8), (Lane::Answers, 4)] {
            assert_eq!((0..).take_while(|_| one.push(1, lane, 1, letter(0)).is_ok()).count(), room);
        }
    }

    #[test]
    fn by_default_a_shards_mailboxes_take_little_however_many_shards_write_to_it() {
        for shards in [1, 2, 5, 16, 64] {
            let letters = crate::config::ShardsConfig::default().mailbox_letters(shards);
            let bytes = Mailboxes::bytes(letters, shards);
            assert!(bytes <= shards as u64 * (2 << 20), "{shards} shards: {letters} letters, {bytes} bytes");
            assert!(letters >= 512);
        }
    }

    #[test]
    fn a_shard_that_has_failed_holds_nobody_up() {
        let mut mesh = mesh(2, 4);
        let two = mesh.pop().unwrap();
        let one = &mut mesh[0];
        while push(one, 1, 0) {}
        drop(two);
        for sent in 0..10 {
            assert!(push(one, 1, sent));
            assert!(one.push(1, Lane::Answers, MAILBOX_BYTES_MAX, letter(sent)).is_ok());
        }
    }

    #[test]
    fn every_shard_reaches_every_other_and_knows_who_wrote() {
        let mut mesh = mesh(5, 4);
        for from in 0..5u16 {
            for to in (0..5).filter(|to| *to != from) {
                assert!(push(&mut mesh[usize::from(from)], to, u64::from(from * 10 + to)));
            }
        }
        for to in 0..5u16 {
            for from in (0..5).filter(|from| *from != to) {
                let letter = mesh[usize::from(to)].receive(from, Lane::Answers).unwrap();
                assert_eq!(number(&letter), u64::from(from * 10 + to));
            }
            assert!(!mesh[usize::from(to)].has_letters());
        }
    }

    #[test]
    fn two_threads_that_flood_each_other_both_get_everything() {
        const LETTERS: u64 = 20_000;
        let threads: Vec<_> = mesh(2, 16)
            .into_iter()
            .enumerate()
            .map(|(me, mut mailboxes)| {
                std::thread::spawn(move || {
                    let peer = 1 - me as u16;
                    let (mut sent, mut got) = (0, 0);
                    while sent < LETTERS || got < LETTERS {
                        sent += u64::from(sent < LETTERS && push(&mut mailboxes, peer, sent));
                        mailboxes.wake();
                        while let Some(letter) = mailboxes.receive(peer, Lane::Answers) {
                            assert_eq!(number(&letter), got);
                            got += 1;
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
